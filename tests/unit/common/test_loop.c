#include "common/loop.h"

#include <check.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"

static struct loop *loop;

static void setup(void) {
    struct err err = {0};

    loop = loop_new(&err);
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void) { loop_free(loop); }

static void stop(void *ctx) {
    (void)ctx;
    loop_stop(loop);
}

/* ---- timers ---- */

enum { TIMERS = 500 };

struct noting {
    struct loop_timer timer;
    uint64_t due_us;
};

static uint64_t noted[TIMERS];
static unsigned noted_count;

static void note(void *ctx) {
    struct noting *noting = ctx;

    ck_assert_uint_ge(clock_wall_us(), noting->due_us);
    noted[noted_count++] = noting->due_us;
}

START_TEST(timers_fire_in_order_and_not_early) {
    struct noting timers[TIMERS] = {0};
    struct loop_timer last = {0};
    uint64_t now = clock_wall_us();

    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i].due_us = now + (i * 7919 % TIMERS) * 20;
        loop_timer_set(loop, &timers[i].timer, timers[i].due_us, note, &timers[i]);
    }
    loop_timer_set(loop, &last, now + (uint64_t)TIMERS * 20, stop, NULL);
    loop_run(loop);
    ck_assert_uint_eq(noted_count, TIMERS);
    for (unsigned i = 1; i < TIMERS; i++) {
        ck_assert_uint_lt(noted[i - 1], noted[i]);
    }
}
END_TEST

START_TEST(timers_can_be_moved_and_unset) {
    struct noting timers[TIMERS] = {0};
    struct loop_timer last = {0};
    uint64_t now = clock_wall_us();

    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i].due_us = now + i;
        loop_timer_set(loop, &timers[i].timer, now + 3600000000U + i % 13, note, &timers[i]);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        if (i % 3 == 0) {
            loop_timer_unset(loop, &timers[i].timer);
            ck_assert_uint_eq(timers[i].timer.place, 0);
        } else {
            loop_timer_set(loop, &timers[i].timer, timers[i].due_us, note, &timers[i]);
        }
    }
    loop_timer_unset(loop, &timers[0].timer); /* unset already: nothing happens */
    loop_timer_set(loop, &last, now + TIMERS + 1, stop, NULL);
    loop_run(loop);
    ck_assert_uint_eq(noted_count, TIMERS - (TIMERS + 2) / 3);
    for (unsigned i = 1; i < noted_count; i++) {
        ck_assert_uint_lt(noted[i - 1], noted[i]);
    }
}
END_TEST

static struct loop_timer again;
static unsigned agains;

static void set_again(void *ctx) {
    (void)ctx;
    agains++;
    loop_timer_set(loop, &again, 0, set_again, NULL);
}

START_TEST(a_timer_that_sets_itself_anew_does_not_hold_the_loop) {
    loop_timer_set(loop, &again, 0, set_again, NULL);
    loop_post(loop, stop, NULL);
    loop_run(loop);
    ck_assert_uint_eq(agains, 1);
    loop_post(loop, stop, NULL);
    loop_run(loop);
    ck_assert_uint_eq(agains, 2);
}
END_TEST

START_TEST(a_freed_loop_forgets_its_timers) {
    struct err err = {0};
    struct loop *other = loop_new(&err);
    struct loop_timer timer = {0};

    loop_timer_set(other, &timer, UINT64_MAX, stop, NULL);
    ck_assert_uint_ne(timer.place, 0);
    loop_free(other);
    ck_assert_uint_eq(timer.place, 0);
}
END_TEST

/* ---- posts ---- */

enum { POSTS = 20000, POSTERS = 4 };

static unsigned received[POSTERS];
static unsigned received_all;

static void receive(void *ctx) {
    uintptr_t number = (uintptr_t)ctx;
    unsigned poster = (unsigned)(number / POSTS);

    ck_assert_uint_eq(received[poster], number % POSTS); /* each poster's in its order */
    received[poster]++;
    if (++received_all == POSTERS * POSTS) {
        loop_stop(loop);
    }
}

static void *poster_run(void *ctx) {
    uintptr_t first = (uintptr_t)ctx * POSTS;

    for (uintptr_t i = 0; i < POSTS; i++) {
        loop_post(loop, receive, (void *)(first + i));
    }
    return NULL;
}

START_TEST(posts_of_several_threads_all_arrive_in_order) {
    pthread_t threads[POSTERS];

    for (uintptr_t i = 0; i < POSTERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, poster_run, (void *)i), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < POSTERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(received[i], POSTS);
    }
}
END_TEST

static unsigned turns;

static void repost(void *ctx) {
    (void)ctx;
    if (++turns == 100) {
        loop_stop(loop);
    } else {
        loop_post(loop, repost, NULL);
    }
}

START_TEST(a_post_may_post_again) {
    loop_post(loop, repost, NULL);
    loop_run(loop);
    ck_assert_uint_eq(turns, 100);
}
END_TEST

START_TEST(a_stop_before_the_run_ends_it_once) {
    loop_stop(loop);
    loop_run(loop);
    loop_post(loop, stop, NULL);
    loop_run(loop);
}
END_TEST

static void *stopper_run(void *ctx) {
    (void)ctx;
    loop_stop(loop);
    return NULL;
}

START_TEST(a_sleeping_loop_is_stopped_from_another_thread) {
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, stopper_run, NULL), 0);
    loop_run(loop);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ---- descriptors ---- */

static int pipes[2][2];
static unsigned readies;

static void on_pipe(void *ctx, uint32_t events) {
    int fd = *(int *)ctx;
    char octet;

    ck_assert_uint_ne(events & EPOLLIN, 0);
    ck_assert_int_eq(read(fd, &octet, 1), 1);
    if (++readies == 3) {
        loop_stop(loop);
    } else {
        ck_assert_int_eq(write(pipes[0][1], "x", 1), 1);
    }
}

START_TEST(a_watched_descriptor_is_served_until_unwatched) {
    struct err err = {0};

    ck_assert_int_eq(pipe(pipes[0]), 0);
    ck_assert(loop_watch(loop, pipes[0][0], EPOLLIN, on_pipe, &pipes[0][0], &err));
    ck_assert_int_eq(write(pipes[0][1], "x", 1), 1);
    loop_run(loop);
    ck_assert_uint_eq(readies, 3);
    ck_assert(loop_watch(loop, pipes[0][0], 0, NULL, NULL, &err));
    ck_assert_int_eq(write(pipes[0][1], "x", 1), 1);
    loop_post(loop, stop, NULL);
    loop_run(loop);
    ck_assert_uint_eq(readies, 3);
}
END_TEST

static void unwatch_both(void *ctx, uint32_t events) {
    struct err err = {0};

    (void)ctx;
    (void)events;
    readies++;
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(loop_watch(loop, pipes[i][0], 0, NULL, NULL, &err));
        /* the same number watched again: the old event must not reach the new watch */
        ck_assert(loop_watch(loop, pipes[i][0], EPOLLOUT, unwatch_both, NULL, &err));
    }
    loop_stop(loop);
}

START_TEST(an_event_of_an_earlier_watch_is_dropped) {
    struct err err = {0};

    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
        ck_assert(loop_watch(loop, pipes[i][0], EPOLLIN, unwatch_both, NULL, &err));
    }
    loop_run(loop);
    ck_assert_uint_eq(readies, 1);
}
END_TEST

START_TEST(a_descriptor_closed_while_watched_can_be_watched_again) {
    struct err err = {0};

    ck_assert_int_eq(pipe(pipes[0]), 0);
    int fd = pipes[0][0];
    ck_assert(loop_watch(loop, fd, EPOLLIN, on_pipe, &pipes[0][0], &err));
    ck_assert_int_eq(close(pipes[0][0]), 0);
    ck_assert_int_eq(close(pipes[0][1]), 0);
    ck_assert_int_eq(pipe(pipes[0]), 0);
    ck_assert_int_eq(pipes[0][0], fd);
    ck_assert(loop_watch(loop, fd, EPOLLIN, on_pipe, &pipes[0][0], &err));
    ck_assert_int_eq(write(pipes[0][1], "x", 1), 1);
    loop_run(loop);
    ck_assert_uint_eq(readies, 3);
}
END_TEST

START_TEST(what_is_not_a_descriptor_cannot_be_watched) {
    struct err err = {0};

    ck_assert(!loop_watch(loop, -1, EPOLLIN, on_pipe, NULL, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    err = (struct err){0};
    ck_assert(!loop_watch(loop, 1000, EPOLLIN, on_pipe, NULL, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("loop");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, timers_fire_in_order_and_not_early);
    tcase_add_test(tcase, timers_can_be_moved_and_unset);
    tcase_add_test(tcase, a_timer_that_sets_itself_anew_does_not_hold_the_loop);
    tcase_add_test(tcase, a_freed_loop_forgets_its_timers);
    tcase_add_test(tcase, posts_of_several_threads_all_arrive_in_order);
    tcase_add_test(tcase, a_post_may_post_again);
    tcase_add_test(tcase, a_stop_before_the_run_ends_it_once);
    tcase_add_test(tcase, a_sleeping_loop_is_stopped_from_another_thread);
    tcase_add_test(tcase, a_watched_descriptor_is_served_until_unwatched);
    tcase_add_test(tcase, an_event_of_an_earlier_watch_is_dropped);
    tcase_add_test(tcase, a_descriptor_closed_while_watched_can_be_watched_again);
    tcase_add_test(tcase, what_is_not_a_descriptor_cannot_be_watched);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
