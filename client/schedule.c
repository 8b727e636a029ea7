#include "client/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ari.h"
#include "client/store_sql.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/rng.h"

#define JITTER_PART 20       /* of the lifetime */
#define LOOK_REAL_US 5000000 /* look at least so often: rows come from elsewhere */
#define LOOK_SOON_US 20000   /* at most 50 looks a second */
#define REMIND_PART 50       /* of the lifetime, before the NF is told again */
#define REMIND_TRIES_MAX 8   /* a failed call waits a 256th of that, doubled so often at most */
#define ASK_LATER_US 5000000
#define ASK_TIMEOUT_MS 10000
#define ARI_ANSWER_MAX 16384
#define ARI_URL_MAX 1200
#define DAY_US 86400000000ull

/* A certificate whose time to look at has come. */
struct due {
    struct schedule *schedule;
    struct due *next;
    int64_t row;
    char id[ENROLMENT_ID_SIZE], nf[37], certid[ARI_CERTID_SIZE];
    char *uri, *directory;
    uint64_t not_before_us, not_after_us, told_us, due_us;
    unsigned tries;
    struct ari_window window; /* start 0: the CA has not said */
    bool over;                /* nothing is left to schedule */
    struct httpc_call *asking;
    struct notify_call *telling;
};

struct schedule {
    struct schedule_options options;
    struct loop_timer timer;
    struct due *waiting; /* read, not begun */
    unsigned running;    /* begun, not saved */
    bool looking, trouble;
    uint64_t now_us, next_us; /* of the look under way; next 0 = none */
    struct due **last;
    struct due *begun[SCHEDULE_ASK_MAX];
};

uint64_t schedule_planned_us(const struct schedule_policy *policy, uint64_t not_before_us,
                             uint64_t not_after_us, int64_t row) {
    const uint64_t life_us = not_after_us > not_before_us ? not_after_us - not_before_us : 0;
    struct rng rng = rng_seeded(policy->seed ^ (uint64_t)row);
    const uint64_t planned_us = (uint64_t)((double)life_us * policy->fraction);
    const uint64_t jitter_us = rng_below(&rng, life_us / JITTER_PART + 1);

    return not_before_us + (planned_us > jitter_us ? planned_us - jitter_us : 0);
}

uint64_t schedule_first_us(const struct schedule_policy *policy, bool ari, uint64_t now_us,
                           uint64_t not_before_us, uint64_t not_after_us, int64_t row) {
    const uint64_t planned_us = schedule_planned_us(policy, not_before_us, not_after_us, row);
    struct rng rng = rng_seeded(policy->seed + (uint64_t)row);
    const uint64_t poll_us =
        now_us + policy->poll_us / 2 + rng_below(&rng, policy->poll_us / 2 + 1);

    return ari && poll_us < planned_us ? poll_us : planned_us;
}

static void due_free(struct due *due) {
    if (due->asking != NULL) {
        httpc_cancel(due->asking);
    }
    notify_cancel(due->telling);
    free(due->uri);
    free(due->directory);
    free(due);
}

static void look(void *ctx);
static void begin_more(struct schedule *schedule);

static void look_later(struct schedule *schedule, uint64_t wait_us) {
    loop_timer_set(schedule->options.loop, &schedule->timer, clock_wall_us() + wait_us, look,
                   schedule);
}

/* On the writer's thread. */
static bool save_work(struct store_sql *sql, void *ctx, struct err *err) {
    const struct due *due = ctx;
    static const char drop[] = "DELETE FROM renewal WHERE row=?";
    static const char update[] = "UPDATE renewal SET due=?, window_start=?, window_end=?, told=?,"
                                 " tries=?, explanation=? WHERE row=?";
    const struct store_value row = STORE_INT(due->row);
    const bool known = due->window.start_us != 0;
    const struct store_value values[] = {
        STORE_INT(due->due_us),
        known ? STORE_INT(due->window.start_us) : STORE_TEXT(NULL),
        known ? STORE_INT(due->window.end_us) : STORE_TEXT(NULL),
        due->told_us != 0 ? STORE_INT(due->told_us) : STORE_TEXT(NULL),
        STORE_INT(due->tries),
        STORE_TEXT(due->window.explanation[0] == '\0' ? NULL : due->window.explanation),
        row};

    return due->over ? store_sql_do(sql, drop, &row, 1, err)
                     : store_sql_do(sql, update, values, COUNT(values), err);
}

static void saved(void *ctx, const struct err *err) {
    struct due *due = ctx;
    struct schedule *schedule = due->schedule;

    if (err != NULL) {
        log_line(LOG_ERROR, "schedule", "unsaved", "nf=%s enrolment=%s kind=%s", due->nf, due->id,
                 err_name(err->kind));
        schedule->trouble = true; /* its row stays due: a later look finds it again */
    }
    for (unsigned i = 0; i < SCHEDULE_ASK_MAX; i++) {
        schedule->begun[i] = schedule->begun[i] == due ? NULL : schedule->begun[i];
    }
    schedule->running--;
    due_free(due);
    begin_more(schedule);
}

static void save(struct due *due) {
    struct err err = {0};

    if (!store_write(due->schedule->options.store, save_work, saved, due, &err)) {
        saved(due, &err);
    }
}

/* Told, or not to be told: when to look again. */
static void settle(struct due *due, bool told) {
    const uint64_t now_us = clock_now_us(due->schedule->options.clock);
    const uint64_t life_us = due->not_after_us - due->not_before_us;
    const uint64_t remind_us = life_us / REMIND_PART + 1;
    const unsigned shift = due->tries < REMIND_TRIES_MAX ? due->tries : REMIND_TRIES_MAX;
    const uint64_t again_us = (remind_us >> REMIND_TRIES_MAX << shift) + 1;

    due->told_us = told ? now_us : due->told_us;
    due->tries++;
    due->due_us = now_us + (told ? remind_us : again_us);
    due->due_us = due->due_us < due->not_after_us ? due->due_us : due->not_after_us;
    save(due);
}

static void telling_done(void *ctx, const struct err *err) {
    struct due *due = ctx;
    char detail[160] = "";

    due->telling = NULL;
    if (err == NULL) {
        log_line(LOG_INFO, "schedule", "told", "nf=%s enrolment=%s", due->nf, due->id);
    } else {
        log_line(LOG_WARNING, "schedule", "untold", "nf=%s enrolment=%s kind=%s try=%u detail=%s",
                 due->nf, due->id, err_name(err->kind), due->tries,
                 log_quote(err->detail, detail, sizeof detail));
    }
    settle(due, err == NULL);
}

static char *message_body(const struct due *due, uint64_t planned_us) {
    char renew_at[CLOCK_TEXT_SIZE], not_after[CLOCK_TEXT_SIZE];

    clock_text(planned_us, renew_at);
    clock_text(due->not_after_us, not_after);
    AUTO(json_release)
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s,s:s}", "event", "RENEWAL_DUE", "enrolmentId", due->id,
                  "nfInstanceId", due->nf, "renewAt", renew_at, "notAfter", not_after);
    if (body == NULL
        || (due->window.explanation[0] != '\0'
            && json_object_set_new(body, "explanationUrl", json_string(due->window.explanation))
                   != 0)) {
        return NULL;
    }
    return json_text(body);
}

static void tell(struct due *due, uint64_t planned_us) {
    AUTO(free) char *body = message_body(due, planned_us);
    struct err err = {0};

    if (due->uri == NULL || body == NULL) {
        settle(due, false);
        return;
    }
    due->telling = notify_send(due->schedule->options.notify,
                               &(struct notify_message){.uri = due->uri,
                                                        .nf = due->nf,
                                                        .callback = "Nacme_Enrolment_RenewalNotify",
                                                        .body = body},
                               telling_done, due, &err);
    if (due->telling == NULL) {
        telling_done(due, &err);
    }
}

/* The window is known, or it is known that there is none. */
static void decide(struct due *due, uint64_t poll_us) {
    const struct schedule_policy *policy = due->schedule->options.policy;
    const uint64_t now_us = clock_now_us(due->schedule->options.clock);
    const bool ari = due->window.start_us != 0;
    const uint64_t planned_us =
        ari ? ari_pick_us(&due->window, policy->seed ^ (uint64_t)due->row)
            : schedule_planned_us(policy, due->not_before_us, due->not_after_us, due->row);

    if (now_us >= planned_us) {
        tell(due, planned_us);
        return;
    }
    due->due_us = ari && now_us + poll_us < planned_us ? now_us + poll_us : planned_us;
    save(due);
}

static void asked(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct due *due = ctx;
    const struct schedule_options *options = &due->schedule->options;
    uint64_t poll_us = options->policy->poll_us;
    struct err wrong = err == NULL ? (struct err){0} : *err;

    due->asking = NULL;
    if (answer != NULL && answer->status != 200) {
        (void)err_set(&wrong, ERR_UPSTREAM, "renewal information was answered with %u",
                      answer->status);
    }
    if (wrong.kind != ERR_NONE
        || !ari_parse(answer->body, answer->body_len, &due->window, &wrong)) {
        log_line(LOG_WARNING, "schedule", "ari", "nf=%s enrolment=%s kind=%s", due->nf, due->id,
                 err_name(wrong.kind)); /* what it said before, else the lifetime, decides */
    }
    if (answer != NULL) {
        /* section 4.3: at most a day, at least a minute */
        const uint64_t asked_us =
            (uint64_t)httpc_retry_after_s(answer, clock_now_s(options->clock)) * 1000000;
        poll_us = asked_us == 0 ? poll_us : asked_us < 60000000 ? 60000000 : asked_us;
        poll_us = poll_us < DAY_US ? poll_us : DAY_US;
    }
    decide(due, poll_us);
}

static void begin(struct due *due) {
    const struct schedule_options *options = &due->schedule->options;
    struct upstream *upstream = cas_of(options->cas, due->directory)->upstream;
    const struct directory *directory = upstream_directory(upstream);
    const uint64_t now_us = clock_now_us(options->clock);
    char url[ARI_URL_MAX];
    struct err err = {0};

    if (now_us >= due->not_after_us) {
        due->over = true;
        save(due);
        return;
    }
    if (directory == NULL || directory->renewal_info == NULL || due->certid[0] == '\0') {
        decide(due, options->policy->poll_us);
        return;
    }
    if (!upstream_may_ask(upstream)) { /* the CA has enough to do: later */
        due->due_us = now_us + ASK_LATER_US;
        save(due);
        return;
    }
    (void)snprintf(url, sizeof url, "%s/%s", directory->renewal_info, due->certid);
    metric_add(stats_requests(STATS_RENEWAL_INFO), 1);
    due->asking = httpc_start(upstream_httpc(upstream),
                              &(struct httpc_request){.method = "GET",
                                                      .url = url,
                                                      .timeout_ms = ASK_TIMEOUT_MS,
                                                      .answer_max = ARI_ANSWER_MAX},
                              asked, due, &err);
    if (due->asking == NULL) {
        decide(due, options->policy->poll_us);
    }
}

static void begin_more(struct schedule *schedule) {
    while (schedule->waiting != NULL && schedule->running < SCHEDULE_ASK_MAX) {
        struct due *due = schedule->waiting;
        unsigned place = 0;
        while (schedule->begun[place] != NULL) {
            place++;
        }
        schedule->waiting = due->next;
        schedule->begun[place] = due;
        schedule->running++;
        begin(due);
    }
    if (schedule->running == 0 && schedule->waiting == NULL && !schedule->looking
        && schedule->timer.place == 0) {
        look_later(schedule, schedule->trouble ? LOOK_REAL_US : LOOK_SOON_US);
        schedule->trouble = false;
    }
}

/* On the reader's thread: certificates that are due, and when the next one is. */
static bool read_due(void *ctx, const struct store_row *row, struct err *err) {
    struct schedule *schedule = ctx;
    struct due *due = calloc(1, sizeof *due);
    const char *uri = store_row_text(row, 8), *chain = store_row_text(row, 3);
    const char *directory = store_row_text(row, 11);

    if (due == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    AUTO(free) char *certid = ari_certid_chain(chain);
    due->schedule = schedule;
    due->row = store_row_int(row, 0);
    due->told_us = (uint64_t)store_row_int(row, 1);
    due->tries = (unsigned)store_row_int(row, 2);
    due->not_before_us = (uint64_t)store_row_int(row, 4);
    due->not_after_us = (uint64_t)store_row_int(row, 5);
    (void)snprintf(due->id, sizeof due->id, "%s", store_row_text(row, 6));
    (void)snprintf(due->nf, sizeof due->nf, "%s", store_row_text(row, 7));
    (void)snprintf(due->certid, sizeof due->certid, "%s", certid == NULL ? "" : certid);
    due->window.start_us = (uint64_t)store_row_int(row, 9);
    due->window.end_us = (uint64_t)store_row_int(row, 10);
    due->uri = uri == NULL ? NULL : strdup(uri);
    due->directory = directory == NULL ? NULL : strdup(directory);
    *schedule->last = due;
    schedule->last = &due->next;
    return true;
}

static bool read_next(void *ctx, const struct store_row *row, struct err *err) {
    (void)err;
    ((struct schedule *)ctx)->next_us = (uint64_t)store_row_int(row, 0);
    return true;
}

static bool look_work(struct store_sql *sql, void *ctx, struct err *err) {
    struct schedule *schedule = ctx;
    static const char due[] =
        "SELECT r.row, r.told, r.tries, c.chain, c.not_before, c.not_after, e.id, e.nf,"
        " e.notification_uri, r.window_start, r.window_end, e.directory FROM renewal r"
        " JOIN enrolment e ON e.row = r.row JOIN certificate c ON c.row = r.row"
        " WHERE r.due <= ? ORDER BY r.due LIMIT ?";
    static const char next[] = "SELECT min(due) FROM renewal WHERE due > ?";
    const struct store_value values[] = {STORE_INT(schedule->now_us), STORE_INT(SCHEDULE_BATCH)};

    return store_sql_each(sql, due, values, 2, read_due, schedule, err)
           && store_sql_each(sql, next, values, 1, read_next, schedule, err);
}

static void looked(void *ctx, const struct err *err) {
    struct schedule *schedule = ctx;
    const struct clock *clock = schedule->options.clock;
    uint64_t wait_us = LOOK_REAL_US;

    schedule->looking = false;
    if (err != NULL) {
        log_line(LOG_ERROR, "schedule", "unread", "kind=%s", err_name(err->kind));
    }
    if (schedule->waiting != NULL) {
        begin_more(schedule);
        return;
    }
    if (schedule->next_us > schedule->now_us) {
        const uint64_t left_us = clock_real_delay_us(clock, schedule->next_us - schedule->now_us);
        wait_us = left_us < wait_us ? left_us : wait_us;
    }
    look_later(schedule, wait_us > LOOK_SOON_US ? wait_us : LOOK_SOON_US);
}

static void look(void *ctx) {
    struct schedule *schedule = ctx;
    struct err err = {0};

    schedule->looking = true;
    schedule->now_us = clock_now_us(schedule->options.clock);
    schedule->next_us = 0;
    schedule->last = &schedule->waiting;
    if (!store_read(schedule->options.store, look_work, looked, schedule, &err)) {
        looked(schedule, &err);
    }
}

struct schedule *schedule_new(const struct schedule_options *options, struct err *err) {
    struct schedule *schedule = calloc(1, sizeof *schedule);

    if (schedule == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    schedule->options = *options;
    return schedule;
}

void schedule_start(struct schedule *schedule) { look_later(schedule, LOOK_SOON_US); }

void schedule_free(struct schedule *schedule) {
    if (schedule == NULL) {
        return;
    }
    loop_timer_unset(schedule->options.loop, &schedule->timer);
    for (struct due *due = schedule->waiting, *next = NULL; due != NULL; due = next) {
        next = due->next;
        due_free(due);
    }
    for (unsigned i = 0; i < SCHEDULE_ASK_MAX; i++) {
        if (schedule->begun[i] != NULL) {
            due_free(schedule->begun[i]);
        }
    }
    free(schedule);
}
