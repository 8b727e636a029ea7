#include "common/later.h"

#include <pthread.h>

#include "common/clock.h"
#include "tests/unit/common/suite.h"

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t came;
    unsigned count, stopped;
    unsigned order[8];
    uint64_t at_us[8];
};
struct note {
    struct seen *seen;
    unsigned number;
};

static void on_time(void *ctx, bool stopped) {
    const struct note *note = ctx;
    struct seen *seen = note->seen;

    (void)pthread_mutex_lock(&seen->lock);
    seen->at_us[seen->count] = clock_wall_us();
    seen->order[seen->count++] = note->number;
    seen->stopped += stopped;
    (void)pthread_cond_signal(&seen->came);
    (void)pthread_mutex_unlock(&seen->lock);
}

START_TEST(calls_come_in_the_order_of_their_times_and_never_early) {
    struct err err = {0};
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct note notes[] = {{&seen, 0}, {&seen, 1}, {&seen, 2}};
    AUTO(later_free) struct later *later = later_new(&err);
    uint64_t start_us = clock_wall_us();

    ck_assert(later_add(later, 60000, on_time, &notes[0]));
    ck_assert(later_add(later, 20000, on_time, &notes[1]));
    ck_assert(later_add(later, 40000, on_time, &notes[2]));
    (void)pthread_mutex_lock(&seen.lock);
    while (seen.count < 3) {
        (void)pthread_cond_wait(&seen.came, &seen.lock);
    }
    (void)pthread_mutex_unlock(&seen.lock);
    ck_assert_uint_eq(seen.order[0], 1);
    ck_assert_uint_eq(seen.order[1], 2);
    ck_assert_uint_eq(seen.order[2], 0);
    ck_assert_uint_ge(seen.at_us[0], start_us + 20000);
    ck_assert_uint_ge(seen.at_us[2], start_us + 60000);
    ck_assert_uint_eq(seen.stopped, 0);
    ck_assert_uint_eq(later_count(later), 0);
}
END_TEST

START_TEST(what_waits_at_the_end_is_called_as_stopped_and_no_more_is_taken) {
    struct err err = {0};
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct note notes[] = {{&seen, 0}, {&seen, 1}};
    AUTO(later_free) struct later *later = later_new(&err);

    ck_assert(later_add(later, 3600000000, on_time, &notes[0]));
    ck_assert(later_add(later, 3600000000, on_time, &notes[1]));
    ck_assert_uint_eq(later_count(later), 2);
    later_stop(later);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.stopped, 2);
    ck_assert(!later_add(later, 1, on_time, &notes[0]));
}
END_TEST

START_TEST(a_room_nobody_uses_ends) {
    struct err err = {0};
    later_free(later_new(&err));
    later_free(NULL);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {calls_come_in_the_order_of_their_times_and_never_early,
                                  what_waits_at_the_end_is_called_as_stopped_and_no_more_is_taken,
                                  a_room_nobody_uses_ends};
    return suite_run("common/later", tests, COUNT(tests));
}
