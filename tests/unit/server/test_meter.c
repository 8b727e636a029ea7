#include "server/meter.h"

#include <pthread.h>

#include "exposition.h"
#include "tests/unit/common/suite.h"

#define ROOM (128 * 1024) /* half of what the page takes */

static struct exposition exposition;

static char *render(const struct meter *meter) {
    struct buf buf = buf_new(ROOM);
    ck_assert(meter_render(meter, &buf));
    const char *why = exposition_read(&exposition, buf.data);
    ck_assert_msg(why == NULL, "%s", why);
    return buf_take(&buf);
}

START_TEST(an_outcome_is_the_problem_a_peer_is_told) {
    static const enum err_kind kinds[] = {ERR_NONE,  ERR_BAD_NONCE, ERR_NOT_FOUND, ERR_MALFORMED,
                                          ERR_STORE, ERR_TIMEOUT,   ERR_OVERLOAD};
    struct err err = {0};
    AUTO(meter_free) struct meter *meter = meter_new(&err);

    for (unsigned i = 0; i < COUNT(kinds); i++) {
        meter_request(meter, METER_FINALIZE, kinds[i], 1000);
    }
    meter_validation(meter, ACME_CHALLENGE_HTTP01, ERR_CONNECTION, 6000000);
    meter_validation(meter, ACME_CHALLENGE_HTTP01, ERR_NONE, 2000);
    meter_validation_again(meter, ACME_CHALLENGE_HTTP01);
    AUTO(free) char *text = render(meter);
    /* clang-format off */
    static const struct { const char *series; double value; } rows[] = {
        {"nfacme_server_requests_total{operation=\"finalize\",outcome=\"ok\"}", 1},
        {"nfacme_server_requests_total{operation=\"finalize\",outcome=\"badNonce\"}", 1},
        {"nfacme_server_requests_total{operation=\"finalize\",outcome=\"malformed\"}", 2},
        {"nfacme_server_requests_total{operation=\"finalize\",outcome=\"serverInternal\"}", 3},
        {"nfacme_server_requests_total{operation=\"finalize\",outcome=\"caa\"}", -1},
        {"nfacme_server_requests_total{operation=\"newOrder\",outcome=\"ok\"}", 0},
        {"nfacme_server_request_seconds_bucket{operation=\"finalize\",le=\"0.0005\"}", 0},
        {"nfacme_server_request_seconds_bucket{operation=\"finalize\",le=\"0.001\"}", 7},
        {"nfacme_server_request_seconds_sum{operation=\"finalize\"}", 0.007},
        {"nfacme_server_validations_total{type=\"http-01\",outcome=\"valid\"}", 1},
        {"nfacme_server_validations_total{type=\"http-01\",outcome=\"connection\"}", 1},
        {"nfacme_server_validation_seconds_bucket{type=\"http-01\",le=\"5\"}", 1},
        {"nfacme_server_validation_seconds_count{type=\"http-01\"}", 2},
        {"nfacme_server_validation_retries_total{type=\"http-01\"}", 1},
        {"nfacme_server_validation_retries_total{type=\"tkauth-01\"}", 0},
    };
    /* clang-format on */
    for (unsigned i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(exposition_value(text, rows[i].series) == rows[i].value, "%s: %f",
                      rows[i].series, exposition_value(text, rows[i].series));
    }
}
END_TEST

START_TEST(every_outcome_of_every_operation_fits_the_page) {
    struct err err = {0};
    AUTO(meter_free) struct meter *meter = meter_new(&err);

    for (int kind = ERR_NONE; kind < ERR__COUNT; kind++) {
        for (unsigned i = 0; i < METER_OPERATION__COUNT; i++) {
            meter_request(meter, (enum meter_operation)i, (enum err_kind)kind, UINT64_MAX / 64);
        }
        for (unsigned i = 0; i < ACME_CHALLENGE__COUNT; i++) {
            meter_validation(meter, (enum acme_challenge_type)i, (enum err_kind)kind, 1);
        }
    }
    /* counts of 20 digits instead of one would not double it */
    AUTO(free) char *text = render(meter);
    ck_assert_uint_lt(strlen(text), ROOM);
}
END_TEST

#define THREADS 4
#define TIMES 20000

static void *count(void *meter) {
    for (unsigned i = 0; i < TIMES; i++) {
        meter_request(meter, METER_ORDER, i % 2 == 0 ? ERR_NONE : ERR_BAD_NONCE, i % 200);
    }
    return NULL;
}

START_TEST(nothing_is_lost_between_threads) {
    struct err err = {0};
    AUTO(meter_free) struct meter *meter = meter_new(&err);
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, meter), 0);
    }
    free(render(meter)); /* whole at any moment */
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    AUTO(free) char *text = render(meter);
    ck_assert_double_eq(
        exposition_value(text, "nfacme_server_request_seconds_count{operation=\"order\"}"),
        THREADS * TIMES);
    ck_assert_double_eq(
        exposition_value(text,
                         "nfacme_server_requests_total{operation=\"order\",outcome=\"badNonce\"}"),
        THREADS * TIMES / 2.0);
    ck_assert_double_eq_tol(
        exposition_value(text, "nfacme_server_request_seconds_sum{operation=\"order\"}"),
        THREADS * TIMES * 99.5e-6, 1e-6);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_outcome_is_the_problem_a_peer_is_told,
                                  every_outcome_of_every_operation_fits_the_page,
                                  nothing_is_lost_between_threads};
    return suite_run("server/meter", tests, COUNT(tests));
}
