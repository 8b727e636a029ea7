/* A loop run on the test's own thread until the test has what it waits for, or fails. */
#pragma once

#include <check.h>

#include "common/clock.h"
#include "common/loop.h"

#define LOOP_BED_PATIENCE_US 20000000

static struct loop *bed_loop;
static bool bed_late;

__attribute__((unused)) static void bed_too_late(void *ctx) {
    (void)ctx;
    bed_late = true;
    loop_stop(bed_loop);
}

/* Run until somebody calls loop_stop(bed_loop). */
__attribute__((unused)) static void bed_run(void) {
    struct loop_timer timer = {0};

    bed_late = false;
    loop_timer_set(bed_loop, &timer, clock_wall_us() + LOOP_BED_PATIENCE_US, bed_too_late, NULL);
    loop_run(bed_loop);
    loop_timer_unset(bed_loop, &timer);
    ck_assert_msg(!bed_late, "nothing came in time");
}

__attribute__((unused)) static void bed_loop_new(void) {
    struct err err = {0};

    bed_loop = loop_new(&err);
    ck_assert_ptr_nonnull(bed_loop);
}
