#include "client/dns01_answer.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

#define RETRY_FIRST_US 250000
#define RETRY_MAX_US 30000000
#define LOOK_FIRST_US 50000
#define LOOK_MAX_US 2000000
#define REMOVE_REFUSALS_MAX 8 /* then it waits for the next start */

static void answer_free(struct dns01_answer *answer) {
    (void)map_take(answer->solver->answers, answer->key);
    loop_timer_unset(answer->solver->options.loop, &answer->timer);
    free(answer);
}

static void tell(const struct dns01_answer *answer, enum log_level level, const char *event,
                 const struct err *err) {
    char detail[220] = "";

    if (err != NULL) {
        (void)log_quote(err->detail, detail, sizeof detail);
    }
    log_line(level, "dns01", event, "name=%s value=%s us=%llu%s%s", answer->name, answer->value,
             (unsigned long long)(clock_wall_us() - answer->began_us),
             err == NULL ? "" : " detail=", detail);
}

/* Every holder hears of the failure and lets go. */
static void fail_holders(struct dns01_answer *answer, const struct err *err) {
    tell(answer, LOG_WARNING, "failed", err);
    while (answer->holders != NULL) {
        struct dns01_holder *holder = answer->holders;
        struct solver_task *task = holder->task;
        answer->holders = holder->next;
        task->state = NULL;
        free(holder);
        task->done(task->ctx, err);
    }
}

/* Holders that do not know yet; each may let go, or come again, while it is told. */
static void tell_holders(struct dns01_answer *answer) {
    struct dns01_holder *holder = answer->holders;

    while (answer->phase == DNS01_THERE && holder != NULL) {
        if (holder->told) {
            holder = holder->next;
            continue;
        }
        holder->told = true;
        holder->task->done(holder->task->ctx, NULL);
        holder = answer->holders;
    }
}

static void again(void *ctx) {
    struct dns01_answer *answer = ctx;

    dns01_enter(answer, answer->phase);
}

/* Half to all of a wait that doubles with each attempt. */
static void later(struct dns01_answer *answer, uint64_t first_us, uint64_t max_us) {
    struct solver_dns01 *solver = answer->solver;
    uint64_t wait_us = first_us;

    for (unsigned i = 1; i < answer->attempts && wait_us < max_us; i++) {
        wait_us *= 2;
    }
    wait_us = wait_us < max_us ? wait_us : max_us;
    wait_us = wait_us / 2 + rng_below(&solver->rng, wait_us / 2 + 1);
    loop_timer_set(solver->options.loop, &answer->timer, clock_wall_us() + wait_us, again, answer);
}

/* ---- the disk ---- */

static void saved(void *ctx, const struct err *err) {
    struct dns01_answer *answer = ctx;

    answer->saving = false;
    if (err == NULL && answer->phase == DNS01_SAVING) {
        dns01_enter(answer, answer->holders != NULL ? DNS01_ADDING : DNS01_FORGETTING);
    } else if (err == NULL && answer->holders == NULL) {
        answer_free(answer); /* forgotten */
    } else if (err == NULL) {
        dns01_enter(answer, DNS01_SAVING); /* wanted again meanwhile */
    } else if (answer->phase == DNS01_SAVING) {
        fail_holders(answer, err);
        answer_free(answer);
    } else {
        answer->attempts++;
        later(answer, RETRY_FIRST_US, RETRY_MAX_US);
    }
}

static void write(struct dns01_answer *answer) {
    struct store *store = answer->solver->options.store;
    struct err err = {0};

    answer->saving = true;
    if (!(answer->phase == DNS01_SAVING
              ? publication_put(store, &answer->publication, saved, &err)
              : publication_drop(store, &answer->publication, saved, &err))) {
        saved(answer, &err);
    }
}

/* ---- runs ---- */

static bool is_late(const struct dns01_answer *answer) {
    return clock_wall_us() >= answer->deadline_us;
}

/* On the way out: what may be there is removed first. */
static enum dns01_phase gone(const struct dns01_answer *answer) {
    return answer->tried ? DNS01_REMOVING : DNS01_FORGETTING;
}

/* An add that came to nothing. */
static void add_failed(struct dns01_answer *answer, enum dns_verdict verdict,
                       const struct err *err) {
    const unsigned tries_max = answer->solver->options.tries_max;

    if (verdict == DNS_UNSURE && !is_late(answer)
        && (tries_max == 0 || answer->attempts < tries_max)) {
        tell(answer, LOG_INFO, "retry", err);
        later(answer, RETRY_FIRST_US, RETRY_MAX_US);
        return;
    }
    fail_holders(answer, err);
    dns01_enter(answer, gone(answer));
}

static void looked(struct dns01_answer *answer, enum dns_verdict verdict, const struct err *err) {
    struct err late = {0};

    if (verdict == DNS_DONE) {
        dns01_enter(answer, DNS01_THERE);
    } else if (!is_late(answer)) {
        later(answer, LOOK_FIRST_US, LOOK_MAX_US);
    } else {
        (void)err_set(&late, ERR_TIMEOUT, "the record is not served in time: %.140s", err->detail);
        fail_holders(answer, &late);
        dns01_enter(answer, DNS01_REMOVING);
    }
}

static void remove_failed(struct dns01_answer *answer, enum dns_verdict verdict,
                          const struct err *err) {
    const bool counts = verdict != DNS_UNSURE || answer->solver->options.tries_max != 0;

    answer->refusals += counts ? 1 : 0;
    if (answer->refusals < REMOVE_REFUSALS_MAX) {
        tell(answer, LOG_WARNING, "retry", err);
        later(answer, RETRY_FIRST_US, RETRY_MAX_US);
        return;
    }
    tell(answer, LOG_ERROR, "left", err); /* on disk: the next start tries again */
    answer_free(answer);
}

static void judge(struct dns01_answer *answer, enum dns_verdict verdict, const struct err *err) {
    const bool wanted = answer->holders != NULL;

    answer->tried = answer->tried || (answer->phase == DNS01_ADDING && verdict != DNS_REFUSED);
    if (answer->phase == DNS01_REMOVING && verdict == DNS_DONE) {
        tell(answer, LOG_INFO, "withdrawn", NULL);
        answer->tried = false;
        dns01_enter(answer, wanted ? DNS01_ADDING : DNS01_FORGETTING);
    } else if (answer->phase == DNS01_REMOVING && wanted) {
        dns01_enter(answer, DNS01_ADDING);
    } else if (answer->phase == DNS01_REMOVING) {
        remove_failed(answer, verdict, err);
    } else if (!wanted) {
        dns01_enter(answer, gone(answer));
    } else if (answer->phase == DNS01_LOOKING) {
        looked(answer, verdict, err);
    } else if (verdict != DNS_DONE) {
        add_failed(answer, verdict, err);
    } else {
        dns01_enter(answer,
                    answer->solver->options.look.start != NULL ? DNS01_LOOKING : DNS01_THERE);
    }
}

static void ran(void *ctx, enum dns_verdict verdict, const struct err *err) {
    struct dns01_answer *answer = ctx;
    struct solver_dns01 *solver = answer->solver;

    answer->run = NULL;
    solver->running--;
    judge(answer, verdict, err);
    dns01_pump(solver);
}

static void run(struct dns01_answer *answer) {
    struct solver_dns01 *solver = answer->solver;
    const struct dns01_runner *runner =
        answer->phase == DNS01_LOOKING ? &solver->options.look : &solver->options.change;
    const struct dns01_job job = {.op = answer->phase == DNS01_ADDING    ? DNS01_ADD
                                        : answer->phase == DNS01_LOOKING ? DNS01_LOOK
                                                                         : DNS01_REMOVE,
                                  .name = answer->name,
                                  .value = answer->value};
    struct err err = {0};

    answer->attempts++;
    answer->run = runner->start(runner->self, &job, ran, answer, &err);
    if (answer->run != NULL) {
        solver->running++;
        return;
    }
    judge(answer, err.kind == ERR_CONFIG || err.kind == ERR_DNS ? DNS_REFUSED : DNS_UNSURE, &err);
}

void dns01_pump(struct solver_dns01 *solver) {
    if (solver->pumping) {
        return; /* a step that failed at once: its caller goes on */
    }
    solver->pumping = true;
    while (solver->queue != NULL && solver->running < solver->options.at_a_time) {
        struct dns01_answer *answer = solver->queue;
        solver->queue = answer->next;
        solver->queue_last = solver->queue == NULL ? &solver->queue : solver->queue_last;
        answer->queued = false;
        if (answer->holders == NULL && answer->phase != DNS01_REMOVING) {
            dns01_enter(answer, gone(answer));
        } else {
            run(answer);
        }
    }
    solver->pumping = false;
}

void dns01_enqueue(struct dns01_answer *answer) {
    struct solver_dns01 *solver = answer->solver;

    answer->next = NULL;
    answer->queued = true;
    *solver->queue_last = answer;
    solver->queue_last = &answer->next;
}

void dns01_enter(struct dns01_answer *answer, enum dns01_phase phase) {
    loop_timer_unset(answer->solver->options.loop, &answer->timer);
    if (answer->phase != phase) {
        answer->attempts = 0;
        answer->refusals = 0;
    }
    answer->phase = phase;
    switch (phase) {
    case DNS01_SAVING:
    case DNS01_FORGETTING:
        write(answer);
        return;
    case DNS01_ADDING:
    case DNS01_LOOKING:
    case DNS01_REMOVING:
        dns01_enqueue(answer);
        dns01_pump(answer->solver);
        return;
    case DNS01_THERE:
        tell(answer, LOG_INFO, "published", NULL);
        tell_holders(answer);
        dns01_go_on(answer);
        return;
    case DNS01_LEFT:
        return;
    }
}

void dns01_go_on(struct dns01_answer *answer) {
    const bool wanted = answer->holders != NULL;

    if (answer->run != NULL || answer->saving || answer->queued) {
        return;
    }
    if (!wanted && answer->phase == DNS01_THERE) {
        dns01_enter(answer, DNS01_REMOVING);
    } else if (!wanted && (answer->phase == DNS01_ADDING || answer->phase == DNS01_LOOKING)) {
        dns01_enter(answer, gone(answer)); /* it waited to be tried again */
    } else if (wanted && (answer->phase == DNS01_REMOVING || answer->phase == DNS01_LEFT)) {
        dns01_enter(answer, DNS01_ADDING);
    } else if (wanted && answer->phase == DNS01_FORGETTING) {
        dns01_enter(answer, DNS01_SAVING);
    } else if (wanted && answer->phase == DNS01_THERE) {
        tell_holders(answer);
    }
}
