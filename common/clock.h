/* Time as an argument: microseconds, real or scaled (all programs of a bed share one scaled clock).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock {
    double scale;               /* 1 = real time; F = F scaled seconds per real second */
    uint64_t origin_us;         /* real epoch time at which scaled and real time agree */
    _Atomic uint64_t manual_us; /* tests: when not 0, the time; turn it by hand */
};

/* The real clock. */
struct clock clock_real(void);

/* Now since the epoch, scaled: certificates, expiry, Retry-After, schedules. */
uint64_t clock_now_us(const struct clock *clock);
int64_t clock_now_s(const struct clock *clock);

/* Now since the epoch, never scaled: measurement, logs, traces.  Steady within one process and
 * comparable between processes of one machine. */
uint64_t clock_wall_us(void);

/* A scaled duration as real microseconds to wait. */
uint64_t clock_real_delay_us(const struct clock *clock, uint64_t scaled_us);

#define CLOCK_TEXT_SIZE 32
/* RFC 3339 in UTC, whole seconds ("2026-11-23T13:00:00Z"). */
void clock_text(uint64_t us, char text[CLOCK_TEXT_SIZE]);
bool clock_parse(const char *text, uint64_t *ret_us);
