#include "client/solver_dns01.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/dns01_answer.h"
#include "client/key_authorization.h"
#include "common/b64.h"
#include "common/clock.h"
#include "common/log.h"

#define KIND "dns-01"
#define PREFIX "_acme-challenge."

/* ---- answers ---- */

static struct dns01_answer *answer_new(struct solver_dns01 *solver, const char *name,
                                       const char *value, int64_t row, enum dns01_phase phase) {
    const size_t name_len = strlen(name), value_len = strlen(value);
    struct dns01_answer *answer = NULL;

    if (name_len + value_len + 2 > DNS01_KEY_SIZE || map_count(solver->answers) >= SOLVER_DNS01_MAX
        || (answer = calloc(1, sizeof *answer)) == NULL) {
        return NULL;
    }
    answer->solver = solver;
    answer->phase = phase;
    answer->began_us = clock_wall_us();
    memcpy(answer->name, name, name_len);
    memcpy(answer->key, name, name_len);
    answer->key[name_len] = ' ';
    memcpy(answer->key + name_len + 1, value, value_len);
    answer->value = answer->key + name_len + 1;
    answer->publication = (struct publication){
        .kind = KIND, .name = answer->name, .value = answer->value, .row = row};
    if (!map_put(solver->answers, answer->key, answer)) {
        free(answer);
        return NULL;
    }
    return answer;
}

static struct dns01_answer **left_list(struct solver_dns01 *solver, int64_t row) {
    return &solver->left[(uint64_t)row % DNS01_LEFT_LISTS];
}

/* No longer DNS01_LEFT: out of its list. */
static void left_take(struct dns01_answer *answer) {
    struct dns01_answer **place = left_list(answer->solver, answer->publication.row);

    while (*place != answer) {
        place = &(*place)->next_left;
    }
    *place = answer->next_left;
    answer->solver->left_count--;
}

void solver_dns01_settled(struct solver_dns01 *solver, int64_t row) {
    struct dns01_answer *answer = solver->left_count == 0 ? NULL : *left_list(solver, row);

    while (answer != NULL) {
        struct dns01_answer *next = answer->next_left;
        if (answer->publication.row == row) {
            left_take(answer);
            dns01_enter(answer, DNS01_REMOVING);
        }
        answer = next;
    }
}

/* Of an earlier life. */
static bool found_left(void *ctx, const struct publication *publication, bool wanted,
                       struct err *err) {
    struct solver_dns01 *solver = ctx;
    struct dns01_answer *answer =
        answer_new(solver, publication->name, publication->value, publication->row,
                   wanted ? DNS01_LEFT : DNS01_REMOVING);

    if (answer == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    answer->tried = true;
    if (wanted) {
        struct dns01_answer **list = left_list(solver, publication->row);
        answer->next_left = *list;
        *list = answer;
        solver->left_count++;
    } else {
        dns01_enqueue(answer); /* the loop will pump */
    }
    return true;
}

static void first_pump(void *ctx) { dns01_pump(ctx); }

struct solver_dns01 *solver_dns01_start(const struct solver_dns01_options *options,
                                        struct err *err) {
    AUTO(solver_dns01_stop) struct solver_dns01 *solver = calloc(1, sizeof *solver);

    if (solver == NULL || (solver->answers = map_new(options->seed)) == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    solver->options = *options;
    solver->queue_last = &solver->queue;
    solver->rng = rng_seeded(options->seed);
    if (!publication_left(options->store, KIND, found_left, solver, err)) {
        return NULL;
    }
    if (map_count(solver->answers) > 0) {
        log_line(LOG_INFO, "dns01", "left", "count=%zu wanted=%u", map_count(solver->answers),
                 solver->left_count);
        loop_post(options->loop, first_pump, solver);
    }
    return TAKE(solver);
}

static void drop(void *ctx, void *value) {
    struct dns01_answer *answer = value;

    (void)ctx;
    if (answer->run != NULL) {
        (answer->phase == DNS01_LOOKING ? &answer->solver->options.look
                                        : &answer->solver->options.change)
            ->cancel(answer->run);
    }
    while (answer->holders != NULL) {
        struct dns01_holder *holder = answer->holders;
        answer->holders = holder->next;
        holder->task->state = NULL;
        free(holder);
    }
    loop_timer_unset(answer->solver->options.loop, &answer->timer);
    free(answer);
}

void solver_dns01_stop(struct solver_dns01 *solver) {
    if (solver != NULL) {
        if (solver->answers != NULL) {
            map_each(solver->answers, drop, NULL);
        }
        map_free(solver->answers);
        free(solver);
    }
}

size_t solver_dns01_count(const struct solver_dns01 *solver) { return map_count(solver->answers); }

/* ---- the row ---- */

static bool configured(const struct solvers *solvers) { return solvers->dns01 != NULL; }

/* The answer of a name and value, made when nobody has it yet. */
static struct dns01_answer *answer_of(struct solver_dns01 *solver, const struct solver_task *task,
                                      const char *value, bool *ret_new, struct err *err) {
    const char *base = task->identifier.value;
    char name[ACME_ID_VALUE_MAX + sizeof PREFIX], key[DNS01_KEY_SIZE];
    struct dns01_answer *answer = NULL;

    base += strncmp(base, "*.", 2) == 0 ? 2 : 0; /* RFC 8555 8.4: without the wildcard */
    (void)snprintf(name, sizeof name, PREFIX "%s", base);
    (void)snprintf(key, sizeof key, "%s %s", name, value);
    answer = map_get(solver->answers, key);
    *ret_new = answer == NULL;
    if (answer == NULL) {
        answer = answer_new(solver, name, value, task->enrolment->row, DNS01_SAVING);
    }
    if (answer == NULL) {
        (void)err_set(err, ERR_OVERLOAD, "dns-01 has no room for another answer");
    }
    return answer;
}

static bool present(const struct solvers *solvers, struct solver_task *task, struct err *err) {
    struct solver_dns01 *solver = solvers->dns01;
    unsigned char digest[KEY_AUTHORIZATION_DIGEST_LEN];
    bool is_new = false;

    if (!key_authorization_digest(task, digest, err)) {
        return false;
    }
    AUTO(free) char *value = b64_encode(digest, sizeof digest);
    AUTO(free) struct dns01_holder *holder = calloc(1, sizeof *holder);
    task->payload = strdup("{}");
    if (value == NULL || holder == NULL || task->payload == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    struct dns01_answer *answer = answer_of(solver, task, value, &is_new, err);
    if (answer == NULL) {
        return false;
    }
    *holder = (struct dns01_holder){.next = answer->holders, .answer = answer, .task = task};
    task->state = answer->holders = TAKE(holder);
    answer->deadline_us = clock_wall_us() + solver->options.patience_us;
    if (answer->phase == DNS01_LEFT) {
        left_take(answer);
    }
    if (is_new) {
        dns01_enter(answer, DNS01_SAVING);
    } else {
        dns01_go_on(answer);
    }
    return true;
}

static void withdraw(const struct solvers *solvers, struct solver_task *task) {
    struct dns01_holder *holder = task->state;

    if (holder == NULL || solvers->dns01 == NULL) {
        return;
    }
    task->state = NULL;
    struct dns01_answer *answer = holder->answer;
    struct dns01_holder **place = &answer->holders;
    while (*place != holder) {
        place = &(*place)->next;
    }
    *place = holder->next;
    free(holder);
    dns01_go_on(answer);
}

const struct solver solver_dns01_row = {.type = ACME_CHALLENGE_DNS01,
                                        .identifiers = SOLVER_PROVES(ACME_ID_DNS),
                                        .configured = configured,
                                        .present = present,
                                        .withdraw = withdraw};
