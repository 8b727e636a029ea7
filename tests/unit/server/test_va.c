#include "server/va.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/httpd.h"

#define HELD_MAX 16
#define DEADLINE_S 20

/* A responder that holds every request until it is told to answer. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct httpd_exchange *held[HELD_MAX];
static unsigned held_count, held_most;
static unsigned done_count, done_valid, again_count, dropped_count;
static unsigned retries;
static uint64_t retry_interval_us;
static enum err_kind last_kind;
static char last_detail[192];

static struct httpd *httpd;
static struct clock test_clock;
static struct va *va;

static void handle(void *ctx, struct httpd_exchange *exchange) {
    (void)ctx;
    ck_assert(httpd_defer(exchange));
    (void)pthread_mutex_lock(&lock);
    ck_assert_uint_lt(held_count, HELD_MAX);
    held[held_count++] = exchange;
    held_most = held_count > held_most ? held_count : held_most;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
}

static void on_done(void *ctx, const struct va_result *result) {
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    *(result->again ? &again_count : &done_count) += 1;
    done_valid += result->valid ? 1 : 0;
    last_kind = result->err.kind;
    memcpy(last_detail, result->err.detail, sizeof last_detail);
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
}

/* Wait, with the lock held, until *count reaches wanted. */
static void await(const unsigned *count, unsigned wanted) {
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    while (*count < wanted) {
        ck_assert_msg(pthread_cond_timedwait(&changed, &lock, &until) == 0, "%u of %u", *count,
                      wanted);
    }
}

/* Answer what is held, with the lock held. */
static void answer_held(void) {
    while (held_count > 0) {
        httpd_answer(held[--held_count], 404, NULL, NULL, 0);
    }
}

static void set_up(void) {
    const struct httpd_options listener = {
        .listen = "127.0.0.1:0", .threads = 2, .handler = handle};
    struct err err = {0};

    test_clock = clock_real();
    httpd = httpd_start(&listener, &err);
    ck_assert_msg(httpd != NULL, "%s", err.detail);
}

static void start(unsigned parallel_max) {
    const struct va_options options = {.clock = &test_clock,
                                       .http01_port = httpd_port(httpd),
                                       .resolve_to = "127.0.0.1",
                                       .timeout_ms = DEADLINE_S * 1000,
                                       .parallel_max = parallel_max,
                                       .retries = retries,
                                       .retry_interval_us = retry_interval_us};
    struct err err = {0};

    va = va_new(&options, &err);
    ck_assert_msg(va != NULL, "%s", err.detail);
}

static void tear_down(void) {
    va_free(va);
    (void)pthread_mutex_lock(&lock);
    answer_held();
    (void)pthread_mutex_unlock(&lock);
    httpd_stop(httpd);
}

static void on_dropped(void *ctx) {
    (void)ctx;
    dropped_count++;
}

static bool submit(enum acme_challenge_type type, struct err *err) {
    struct va_task task = {.type = type,
                           .identifier = {ACME_ID_DNS, "a.example"},
                           .token = "token",
                           .response = "{}",
                           .key = "key",
                           .dropped = on_dropped};
    if (type == ACME_CHALLENGE_TKAUTH01) {
        task.identifier =
            (struct acme_identifier){ACME_ID_NF_INSTANCE, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"};
        task.response = "{\"tkauth\":\"a.b.c\"}";
    }
    return va_submit(va, &task, on_done, NULL, err);
}

START_TEST(tkauth01_is_instant_and_http01_is_not) {
    ck_assert(va_instant(ACME_CHALLENGE_TKAUTH01));
    ck_assert(!va_instant(ACME_CHALLENGE_HTTP01));
}
END_TEST

START_TEST(a_slow_fetch_does_not_delay_a_token) {
    struct err err = {0};

    start(0);
    ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    (void)pthread_mutex_lock(&lock);
    await(&held_count, 1);
    ck_assert(submit(ACME_CHALLENGE_TKAUTH01, &err));
    await(&done_count, 1);
    ck_assert_int_eq(last_kind, ERR_MALFORMED);
    ck_assert_uint_eq(va_queued(va), 1);
    answer_held();
    await(&done_count, 2);
    ck_assert_int_eq(last_kind, ERR_INCORRECT_RESPONSE);
    ck_assert_msg(strstr(last_detail, "answered 404") != NULL, "%s", last_detail);
    (void)pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(va_queued(va), 0);
    ck_assert_uint_eq(done_valid, 0);
}
END_TEST

START_TEST(no_more_fetches_than_parallel_max_are_under_way) {
    struct err err = {0};

    start(3);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    }
    (void)pthread_mutex_lock(&lock);
    for (unsigned done = 0; done < 10; done += 3) {
        await(&held_count, 10 - done < 3 ? 10 - done : 3);
        ck_assert_uint_eq(va_queued(va), 10 - done);
        answer_held();
        await(&done_count, done + 3 > 10 ? 10 : done + 3);
    }
    ck_assert_uint_eq(held_most, 3);
    (void)pthread_mutex_unlock(&lock);
}
END_TEST

START_TEST(a_full_queue_is_said_and_freeing_drops_it_without_calling_back) {
    struct err err = {0};

    start(1);
    for (unsigned i = 0; i < VA_QUEUE_MAX; i++) {
        ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    }
    ck_assert_uint_eq(va_queued(va), VA_QUEUE_MAX);
    ck_assert(!submit(ACME_CHALLENGE_HTTP01, &err));
    ck_assert_int_eq(err.kind, ERR_OVERLOAD);
    ck_assert_uint_eq(va_queued(va), VA_QUEUE_MAX);
    va_free(va);
    va = NULL;
    ck_assert_uint_eq(done_count, 0);
    ck_assert_uint_eq(dropped_count, VA_QUEUE_MAX);
}
END_TEST

START_TEST(rfc8555_8_2_an_attempt_that_failed_is_repeated) {
    struct err err = {0};

    retries = 2;
    retry_interval_us = 1000;
    start(0);
    ck_assert(va_retries(va));
    ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    (void)pthread_mutex_lock(&lock);
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        await(&held_count, 1);
        ck_assert_uint_eq(again_count, attempt);
        ck_assert_uint_eq(done_count, 0);
        answer_held();
        await(attempt < 2 ? &again_count : &done_count, attempt < 2 ? attempt + 1 : 1);
        ck_assert_int_eq(last_kind, ERR_INCORRECT_RESPONSE);
    }
    (void)pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(va_queued(va), 0);
}
END_TEST

START_TEST(rfc8555_8_2_a_client_hastens_the_next_attempt) {
    struct err err = {0};

    retries = 1;
    retry_interval_us = 3600 * 1000000ULL;
    start(0);
    ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    (void)pthread_mutex_lock(&lock);
    await(&held_count, 1);
    answer_held();
    await(&again_count, 1);
    (void)pthread_mutex_unlock(&lock);
    va_hasten(va, "another's");
    va_hasten(va, "key");
    (void)pthread_mutex_lock(&lock);
    await(&held_count, 1);
    answer_held();
    await(&done_count, 1);
    (void)pthread_mutex_unlock(&lock);
}
END_TEST

START_TEST(who_waits_for_another_attempt_is_dropped_by_free) {
    struct err err = {0};

    retries = 1;
    retry_interval_us = 3600 * 1000000ULL;
    start(0);
    ck_assert(submit(ACME_CHALLENGE_HTTP01, &err));
    (void)pthread_mutex_lock(&lock);
    await(&held_count, 1);
    answer_held();
    await(&again_count, 1);
    (void)pthread_mutex_unlock(&lock);
    va_free(va);
    va = NULL;
    ck_assert_uint_eq(done_count, 0);
    ck_assert_uint_eq(dropped_count, 1);
}
END_TEST

START_TEST(a_response_beyond_its_maximum_is_refused) {
    struct err err = {0};
    char response[VA_RESPONSE_MAX + 2];
    struct va_task task = {.type = ACME_CHALLENGE_TKAUTH01, .response = response};

    start(0);
    memset(response, ' ', sizeof response);
    response[sizeof response - 1] = '\0';
    ck_assert(!va_submit(va, &task, on_done, NULL, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_uint_eq(va_queued(va), 0);
}
END_TEST

#define SUBMITTERS 4
#define EACH 250

static void *submit_many(void *ctx) {
    struct err err = {0};
    (void)ctx;
    for (unsigned i = 0; i < EACH; i++) {
        ck_assert(submit(ACME_CHALLENGE_TKAUTH01, &err));
    }
    return NULL;
}

START_TEST(every_task_of_many_threads_is_completed_once) {
    pthread_t threads[SUBMITTERS];

    start(0);
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_many, NULL), 0);
    }
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_mutex_lock(&lock);
    await(&done_count, SUBMITTERS * EACH);
    (void)pthread_mutex_unlock(&lock);
    va_free(va);
    va = NULL;
    ck_assert_uint_eq(done_count, SUBMITTERS * EACH);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("va");
    TCase *cases = tcase_create("va");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, tkauth01_is_instant_and_http01_is_not);
    tcase_add_test(cases, a_slow_fetch_does_not_delay_a_token);
    tcase_add_test(cases, no_more_fetches_than_parallel_max_are_under_way);
    tcase_add_test(cases, a_full_queue_is_said_and_freeing_drops_it_without_calling_back);
    tcase_add_test(cases, rfc8555_8_2_an_attempt_that_failed_is_repeated);
    tcase_add_test(cases, rfc8555_8_2_a_client_hastens_the_next_attempt);
    tcase_add_test(cases, who_waits_for_another_attempt_is_dropped_by_free);
    tcase_add_test(cases, a_response_beyond_its_maximum_is_refused);
    tcase_add_test(cases, every_task_of_many_threads_is_completed_once);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
