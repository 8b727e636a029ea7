/* A crowd whose client does not listen: nobody enrols, so what is counted is known. */
#include "nfsim/crowd.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/run.h"
#include "tests/unit/nfsim/state.h"

static struct state state;
static struct inventory_nf ids[8];

static void begin(void) {
    state_make(&state);
    for (uint32_t i = 0; i < 8; i++) {
        struct err err = {0};
        AUTO(init_ca_done) struct init_ca ca = {0};
        struct fleet_nf id;
        fleet_nf(&state.fleet, i, &id);
        ck_assert(init_ca_read(state.folder, &state.fleet, &ca, &err));
        ck_assert(init_bootstrap(&ca, &id, clock_now_s(&state.clock), &ids[i], &err));
    }
    run_signals_block();
}

static void end(void) {
    for (uint32_t i = 0; i < 8; i++) {
        inventory_nf_done(&ids[i]);
    }
    state_remove(&state);
}

static void interrupt(void *ctx) {
    (void)ctx;
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
}

struct setting {
    uint32_t max_in_flight;
    uint64_t start_timeout_us, timeout_us;
    struct scenario_phase phase;
    bool cut_off;
};

static void run(const struct setting *setting, struct run_result *ret) {
    struct err err = {0};
    AUTO(loop_free) struct loop *loop = loop_new(&err);
    char path[128];

    state_path(&state, "oam-ca.pem", path);
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(path, &err);
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
    AUTO(nf_check_free) struct nf_check *check = nf_check_new(trust, false, &err);
    const struct nf_world world = {.loop = loop,
                                   .clock = &state.clock,
                                   .api = "https://127.0.0.1:1",
                                   .oam_trust = trust,
                                   .operator_trust = trust,
                                   .check = check,
                                   .client_name = STATE_CLIENT,
                                   .profile = "",
                                   .timeout_us = setting->timeout_us};
    struct scenario scenario = {.phases_count = 1,
                                .phases = {setting->phase},
                                .start_timeout_us = setting->start_timeout_us,
                                .trace_sample = 3};
    const uint64_t start_us = clock_wall_us();
    AUTO(stats_free) struct stats *stats = stats_new(start_us, 8, &err);
    const struct crowd_options options = {.world = &world,
                                          .scenario = &scenario,
                                          .ids = ids,
                                          .nfs = 8,
                                          .max_in_flight = setting->max_in_flight,
                                          .start_us = start_us,
                                          .stats = stats};
    AUTO(crowd_free) struct crowd *crowd = crowd_new(&options, &err);
    struct loop_timer timer = {0};
    if (setting->cut_off) {
        loop_timer_set(loop, &timer, start_us + 300000, interrupt, NULL);
    }
    ck_assert_msg(crowd_run(crowd, &err), "%s", err.detail);
    ck_assert_msg(stats_finish(stats, clock_wall_us(), ret, &err), "%s", err.detail);
    ck_assert_uint_eq(ret->offered,
                      ret->enrolled + ret->failed + ret->timeout + ret->shed + ret->in_flight);
}

START_TEST(who_waits_too_long_is_shed) {
    const struct setting setting = {.max_in_flight = 3,
                                    .start_timeout_us = 100000,
                                    .timeout_us = 600000,
                                    .phase = {.rate_per_s = 1000}};
    AUTO(run_result_done) struct run_result result = {0};

    run(&setting, &result);
    ck_assert_uint_eq(result.offered, 8);
    ck_assert_uint_eq(result.timeout, 3);
    ck_assert_uint_eq(result.shed, 5);
    ck_assert_uint_eq(result.in_flight, 0);
    ck_assert_uint_le(result.samples_count, 3);
}
END_TEST

START_TEST(who_waits_starts_when_another_ends) {
    const struct setting setting = {.max_in_flight = 4,
                                    .start_timeout_us = 5000000,
                                    .timeout_us = 300000,
                                    .phase = {.rate_per_s = 1000}};
    AUTO(run_result_done) struct run_result result = {0};

    run(&setting, &result);
    ck_assert_uint_eq(result.timeout, 8);
    ck_assert_uint_eq(result.shed, 0);
    ck_assert_uint_eq(result.samples_count, 3);
}
END_TEST

START_TEST(a_closed_loop_runs_to_its_end) {
    const struct setting setting = {.max_in_flight = 100,
                                    .start_timeout_us = 5000000,
                                    .timeout_us = 200000,
                                    .phase = {.arrival = SCENARIO_CLOSED, .concurrency = 4}};
    AUTO(run_result_done) struct run_result result = {0};

    run(&setting, &result);
    ck_assert_uint_eq(result.offered, 8);
    ck_assert_uint_eq(result.timeout, 8);
}
END_TEST

START_TEST(a_signal_leaves_the_rest_in_flight) {
    const struct setting setting = {.max_in_flight = 2,
                                    .start_timeout_us = 60000000,
                                    .timeout_us = 60000000,
                                    .phase = {.rate_per_s = 1000},
                                    .cut_off = true};
    AUTO(run_result_done) struct run_result result = {0};

    run(&setting, &result);
    ck_assert_uint_eq(result.in_flight, 8);
    ck_assert_uint_eq(result.enrolled + result.failed + result.timeout + result.shed, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crowd");
    TCase *cases = tcase_create("crowd");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, who_waits_too_long_is_shed);
    tcase_add_test(cases, who_waits_starts_when_another_ends);
    tcase_add_test(cases, a_closed_loop_runs_to_its_end);
    tcase_add_test(cases, a_signal_leaves_the_rest_in_flight);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
