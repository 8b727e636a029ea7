#include "client/solver_dns01.h"

#include "tests/unit/common/suite.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "folder.h"
#include "loop_bed.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyz0123456789"

/* A runner whose verdicts are scripted: 'd' done, 'r' refused, 'n' denied, 'u' unsure, '-' does not
 * start, and '.' never ends; after its script it is done.  What it is asked is written down as
 * "+name", "-name" and "?name". */
static struct {
    const char *script;
    char asked[2048];
    char zone[4096]; /* "name value\n" of what is there */
    unsigned under_way, most;
    unsigned cancelled;
} runner;

struct run {
    struct loop_timer timer;
    dns01_done *done;
    void *ctx;
    char verdict;
};

static struct store *store;
static struct solver_dns01 *solver;
static struct solvers solvers;
static struct solver_dns01_options options;
static char outcome[512]; /* of the tasks: a letter each, or the detail */

static void run_over(void *ctx) {
    struct run *run = ctx;
    dns01_done *done = run->done;
    void *done_ctx = run->ctx;
    const struct err err = {.kind = ERR_UPSTREAM, .detail = "scripted"};
    const char verdict = run->verdict;

    runner.under_way--;
    free(run);
    done(done_ctx,
         verdict == 'r'   ? DNS_REFUSED
         : verdict == 'n' ? DNS_DENIED
         : verdict == 'u' ? DNS_UNSURE
                          : DNS_DONE,
         verdict == 'd' ? NULL : &err);
}

static void zone_change(const struct dns01_job *job, const char *line) {
    char *there = strstr(runner.zone, line);

    if (job->op == DNS01_ADD && there == NULL) {
        (void)snprintf(runner.zone + strlen(runner.zone), sizeof runner.zone - strlen(runner.zone),
                       "%s", line);
    } else if (job->op == DNS01_REMOVE && there != NULL) {
        memmove(there, there + strlen(line), strlen(there + strlen(line)) + 1);
    }
}

static void *run_start(void *self, const struct dns01_job *job, dns01_done *done, void *ctx,
                       struct err *err) {
    const char verdict = runner.script[0] == '\0' ? 'd' : *runner.script++;
    const size_t len = strlen(runner.asked);
    char line[512];

    (void)self;
    (void)snprintf(runner.asked + len, sizeof runner.asked - len, "%c%s ", "+-?"[job->op],
                   strchr(job->name, '.') + 1);
    if (verdict == '-') {
        (void)err_set(err, ERR_UNREACHABLE, "scripted");
        return NULL;
    }
    (void)snprintf(line, sizeof line, "%s %s\n", job->name, job->value);
    if (verdict == 'd' || verdict == 'u' || verdict == '.') { /* unsure: it may have been done */
        zone_change(job, line);
    }
    struct run *run = calloc(1, sizeof *run);
    ck_assert_ptr_nonnull(run);
    *run = (struct run){.done = done, .ctx = ctx, .verdict = verdict};
    runner.under_way++;
    runner.most = runner.under_way > runner.most ? runner.under_way : runner.most;
    if (verdict != '.') {
        loop_timer_set(bed_loop, &run->timer, clock_wall_us() + 1000, run_over, run);
    }
    return run;
}

static void run_cancel(void *ctx) {
    struct run *run = ctx;

    runner.cancelled++;
    runner.under_way--;
    loop_timer_unset(bed_loop, &run->timer);
    free(run);
}

static void client_begin(const char *script) {
    struct err err = {0};

    bed_loop_new();
    runner.script = script;
    runner.asked[0] = '\0';
    store = store_open(folder_path("client.db"), bed_loop, &err);
    options.loop = bed_loop;
    options.store = store;
    options.change = (struct dns01_runner){run_start, run_cancel, NULL};
    solver = solver_dns01_start(&options, &err);
    ck_assert_msg(solver != NULL, "%s", err.detail);
    solvers = (struct solvers){.count = 1, .order = {ACME_CHALLENGE_DNS01}, .dns01 = solver};
}

static void begin(const char *script) {
    log_level_set(LOG_ERROR);
    folder_make();
    runner.zone[0] = outcome[0] = '\0';
    options = (struct solver_dns01_options){.at_a_time = 4, .patience_us = 20000000, .seed = 1};
    client_begin(script);
}

static void client_end(void) {
    store_close(store);
    solver_dns01_stop(solver);
    ck_assert_uint_eq(runner.under_way, 0);
    loop_free(bed_loop);
}

static void end(void) {
    client_end();
    folder_remove();
}

/* Turn the loop until nothing is published or on its way, or until the tasks have said so much. */
static struct loop_timer look_timer;

static void turned(void *ctx) {
    (void)ctx;
    loop_stop(bed_loop);
}

static void turn(void) {
    loop_timer_set(bed_loop, &look_timer, clock_wall_us() + 1000, turned, NULL);
    bed_run();
}

static size_t wanted_len;

static void look(void *ctx) {
    if (strlen(outcome) >= wanted_len && (ctx == NULL || solver_dns01_count(solver) == 0)) {
        loop_stop(bed_loop);
    } else {
        loop_timer_set(bed_loop, &look_timer, clock_wall_us() + 1000, look, ctx);
    }
}

static void until(size_t outcomes, bool nothing_left) {
    wanted_len = outcomes;
    loop_timer_set(bed_loop, &look_timer, clock_wall_us(), look, nothing_left ? outcome : NULL);
    bed_run();
}

static void told(void *ctx, const struct err *err) {
    const size_t len = strlen(outcome);

    (void)ctx;
    (void)snprintf(outcome + len, sizeof outcome - len, "%s", err == NULL ? "d" : "f");
}

static struct enrolment nf = {.row = 7, .thumbprint = "print"};

static void present(struct solver_task *task, const char *name, const char *token) {
    struct err err = {0};

    *task = (struct solver_task){
        .type = ACME_CHALLENGE_DNS01, .token = strdup(token), .enrolment = &nf, .done = told};
    (void)snprintf(task->identifier.value, sizeof task->identifier.value, "%s", name);
    ck_assert_msg(solver_dns01_row.present(&solvers, task, &err), "%s", err.detail);
}

static void withdraw(struct solver_task *task) {
    solver_dns01_row.withdraw(&solvers, task);
    solver_task_done(task);
}

START_TEST(a_record_is_there_from_present_to_withdraw) {
    struct solver_task task;

    begin("");
    present(&task, "a.example", TOKEN);
    until(1, false);
    ck_assert_str_eq(outcome, "d");
    /* RFC 8555 8.4: base64url of the SHA-256 of "TOKEN.print" */
    ck_assert_str_eq(runner.zone,
                     "_acme-challenge.a.example uwsD4WYakHSEAuBCiZhd-8-pXpfSWK5XtBZDk8zUPNU\n");
    ck_assert_str_eq(task.payload, "{}");
    withdraw(&task);
    until(1, true);
    ck_assert_str_eq(runner.zone, "");
    ck_assert_str_eq(runner.asked, "+a.example -a.example ");
    end();
}
END_TEST

START_TEST(values_of_one_name_do_not_disturb_each_other) {
    struct solver_task base, wildcard;

    begin("");
    present(&base, "a.example", TOKEN);
    present(&wildcard, "*.a.example", TOKEN "x"); /* without the wildcard label */
    until(2, false);
    ck_assert_str_eq(runner.asked, "+a.example +a.example ");
    char *second = strchr(runner.zone, '\n') + 1;
    char kept[256];
    (void)snprintf(kept, sizeof kept, "%s", second);
    withdraw(&base);
    while (strcmp(runner.zone, kept) != 0) {
        turn();
    }
    withdraw(&wildcard);
    until(2, true);
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

START_TEST(one_answer_of_two_tasks_stays_until_both_are_done) {
    struct solver_task one, two;

    begin("");
    present(&one, "a.example", TOKEN);
    until(1, false);
    present(&two, "a.example", TOKEN); /* told at once */
    ck_assert_str_eq(outcome, "dd");
    withdraw(&one);
    ck_assert_str_ne(runner.zone, "");
    withdraw(&two);
    until(2, true);
    ck_assert_str_eq(runner.asked, "+a.example -a.example ");
    end();
}
END_TEST

START_TEST(who_comes_back_while_it_is_removed_gets_it_again) {
    struct solver_task task;

    begin("");
    present(&task, "a.example", TOKEN);
    until(1, false);
    withdraw(&task);
    present(&task, "a.example", TOKEN);
    until(2, false);
    ck_assert_str_eq(runner.asked, "+a.example -a.example +a.example ");
    ck_assert_str_ne(runner.zone, "");
    withdraw(&task);
    until(2, true);
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

/* clang-format off */
static const struct { const char *what, *script; unsigned tries_max; const char *outcome, *asked; } scripts[] = {
    {"unsure, then done: removed in the end",    "ud",   0, "d", "+a.example +a.example -a.example "},
    {"not started, then done",                   "-d",   0, "d", "+a.example +a.example -a.example "},
    {"refused with a signature: nothing is there", "r",  0, "f", "+a.example "},
    {"refused by nobody: it may be there",       "n",    0, "f", "+a.example -a.example "},
    {"refused after it was unsure",              "ur",   0, "f", "+a.example +a.example -a.example "},
    {"a hook that fails as often as it may",     "uu",   2, "f", "+a.example +a.example -a.example "},
    {"removing is tried again",                  "dudd", 0, "d", "+a.example -a.example -a.example "},
};
/* clang-format on */

START_TEST(an_add_and_its_failures_leave_nothing) {
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct solver_task task;
        begin(scripts[i].script);
        options.tries_max = scripts[i].tries_max;
        client_end();
        client_begin(scripts[i].script);
        present(&task, "a.example", TOKEN);
        until(1, false);
        ck_assert_msg(strcmp(outcome, scripts[i].outcome) == 0, "%s: %s", scripts[i].what, outcome);
        withdraw(&task);
        until(1, true);
        ck_assert_msg(strcmp(runner.asked, scripts[i].asked) == 0, "%s: %s", scripts[i].what,
                      runner.asked);
        ck_assert_msg(runner.zone[0] == '\0', "%s: %s", scripts[i].what, runner.zone);
        end();
    }
}
END_TEST

START_TEST(a_record_nobody_serves_in_time_is_removed) {
    struct solver_task task;

    begin("");
    options.look = (struct dns01_runner){run_start, run_cancel, NULL};
    options.patience_us = 200000;
    client_end();
    client_begin("duuuuuuuuuuuuuuuuuuuuuuuuuuuuuu");
    present(&task, "a.example", TOKEN);
    until(1, false);
    ck_assert_str_eq(outcome, "f");
    ck_assert_ptr_nonnull(strstr(runner.asked, "+a.example ?a.example ?a.example"));
    runner.script = "";
    withdraw(&task);
    until(1, true);
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

START_TEST(a_task_that_is_cancelled_is_told_nothing_and_leaves_nothing) {
    struct solver_task task;

    begin("");
    present(&task, "a.example", TOKEN); /* being noted on disk */
    withdraw(&task);
    until(0, true);
    ck_assert_str_eq(outcome, "");
    ck_assert_str_eq(runner.asked, "");
    runner.script = "ud"; /* waits to be tried again */
    present(&task, "a.example", TOKEN);
    while (runner.asked[0] == '\0' || runner.under_way > 0) {
        turn();
    }
    withdraw(&task);
    until(0, true);
    ck_assert_str_eq(outcome, "");
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

START_TEST(only_so_many_runs_are_under_way) {
    struct solver_task tasks[16];

    begin("");
    for (size_t i = 0; i < COUNT(tasks); i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "nf%zu.example", i);
        present(&tasks[i], name, TOKEN);
    }
    until(COUNT(tasks), false);
    ck_assert_uint_eq(runner.most, 4);
    for (size_t i = 0; i < COUNT(tasks); i++) {
        withdraw(&tasks[i]);
    }
    until(COUNT(tasks), true);
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

static void ignore(void *ctx, const struct err *err) {
    (void)ctx;
    ck_assert_ptr_null(err);
    loop_stop(bed_loop);
}

/* The enrolment of row 7 in a state of the table. */
static void enrolment_stored(enum enrolment_state state) {
    struct enrolment record = {.row = 7, .state = state, .with_dns = true};
    struct err err = {0};
    char fqdn[] = "a.example", directory[] = "";

    (void)snprintf(record.id, sizeof record.id, "0123456789012345678901x7");
    (void)snprintf(record.nf, sizeof record.nf, "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11");
    record.fqdn = fqdn;
    record.directory = directory;
    ck_assert(store_insert(store, &record, NULL, ignore, NULL, &err));
    bed_run();
}

/* Killed with its record published. */
static void killed(enum enrolment_state state) {
    struct solver_task task;

    begin("");
    enrolment_stored(state);
    present(&task, "a.example", TOKEN);
    until(1, false);
    client_end();
    ck_assert_ptr_null(task.state);
    solver_task_done(&task);
    ck_assert_str_ne(runner.zone, "");
}

START_TEST(after_a_crash_what_is_presented_again_is_the_same_answer) {
    struct solver_task task;

    killed(ENROLMENT_CHALLENGED);
    client_begin("");
    ck_assert_uint_eq(solver_dns01_count(solver), 1); /* left where it is: validation may go on */
    until(0, false);
    ck_assert_str_eq(runner.asked, "");
    present(&task, "a.example", TOKEN);
    until(2, false);
    withdraw(&task);
    until(2, true);
    ck_assert_str_eq(runner.asked, "+a.example -a.example ");
    ck_assert_str_eq(runner.zone, "");
    client_end();
    client_begin("");
    ck_assert_uint_eq(solver_dns01_count(solver), 0);
    end();
}
END_TEST

START_TEST(after_a_crash_what_is_not_presented_again_goes_when_its_enrolment_is_settled) {
    killed(ENROLMENT_ORDERED);
    client_begin("");
    solver_settled(&solvers, 8);
    until(0, false);
    ck_assert_str_ne(runner.zone, "");
    solver_settled(&solvers, 7);
    until(0, true);
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

START_TEST(after_a_crash_what_no_enrolment_needs_goes_at_once) {
    killed(ENROLMENT_FAILED);
    client_begin("");
    until(0, true);
    ck_assert_str_eq(runner.zone, "");
    client_end();
    client_begin("");
    ck_assert_uint_eq(solver_dns01_count(solver), 0);
    end();
}
END_TEST

START_TEST(a_stop_cancels_what_is_under_way_and_forgets_nothing) {
    struct solver_task task;

    begin(".");
    present(&task, "a.example", TOKEN);
    while (runner.under_way == 0) {
        turn();
    }
    client_end();
    ck_assert_uint_eq(runner.cancelled, 1);
    solver_task_done(&task);
    client_begin("");
    until(0, true); /* no enrolment is stored at all */
    ck_assert_str_eq(runner.asked, "-a.example ");
    ck_assert_str_eq(runner.zone, "");
    end();
}
END_TEST

START_TEST(a_token_that_is_none_is_refused) {
    struct solver_task task = {.token = strdup("short"), .enrolment = &nf, .done = told};
    struct err err = {0};

    begin("");
    ck_assert(!solver_dns01_row.present(&solvers, &task, &err));
    ck_assert_int_eq(err.kind, ERR_UPSTREAM);
    withdraw(&task);
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_record_is_there_from_present_to_withdraw,
        values_of_one_name_do_not_disturb_each_other,
        one_answer_of_two_tasks_stays_until_both_are_done,
        who_comes_back_while_it_is_removed_gets_it_again,
        an_add_and_its_failures_leave_nothing,
        a_record_nobody_serves_in_time_is_removed,
        a_task_that_is_cancelled_is_told_nothing_and_leaves_nothing,
        only_so_many_runs_are_under_way,
        after_a_crash_what_is_presented_again_is_the_same_answer,
        after_a_crash_what_is_not_presented_again_goes_when_its_enrolment_is_settled,
        after_a_crash_what_no_enrolment_needs_goes_at_once,
        a_stop_cancels_what_is_under_way_and_forgets_nothing,
        a_token_that_is_none_is_refused};

    return suite_run("client/solver_dns01", tests, COUNT(tests));
}
