#include "common/clock.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000ULL

static uint64_t read_us(clockid_t id) {
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

struct clock clock_real(void) {
    return (struct clock){.scale = 1};
}

uint64_t clock_now_us(const struct clock *clock) {
    if (clock->manual_us != 0) {
        return clock->manual_us;
    }
    uint64_t real = read_us(CLOCK_REALTIME);
    if (clock->scale <= 0 || clock->scale == 1) {
        return real;
    }
    double elapsed = (double)(int64_t)(real - clock->origin_us) * clock->scale;
    return clock->origin_us + (uint64_t)(int64_t)elapsed;
}

int64_t clock_now_s(const struct clock *clock) { return (int64_t)(clock_now_us(clock) / US_PER_S); }

/* The monotonic clock, moved once to the epoch, so that a step of the system's clock cannot make a
 * span end before it began. */
static uint64_t wall_offset_us;
static pthread_once_t wall_once = PTHREAD_ONCE_INIT;

static void wall_start(void) {
    wall_offset_us = read_us(CLOCK_REALTIME) - read_us(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void) {
    (void)pthread_once(&wall_once, wall_start);
    return wall_offset_us + read_us(CLOCK_MONOTONIC);
}

uint64_t clock_real_delay_us(const struct clock *clock, uint64_t scaled_us) {
    if (clock->scale <= 0 || clock->scale == 1) {
        return scaled_us;
    }
    return (uint64_t)((double)scaled_us / clock->scale);
}

void clock_text(uint64_t us, char text[CLOCK_TEXT_SIZE]) {
    time_t seconds = (time_t)(us / US_PER_S);
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL
        || strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        text[0] = '\0';
    }
}

/* Exactly count digits with a value in [min, max]. */
static bool digits(const char **at, unsigned count, int min, int max, int *ret) {
    int value = 0;

    for (unsigned i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at)) {
            return false;
        }
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    return value >= min && value <= max;
}

static bool literal(const char **at, const char *any_of) {
    if (**at == '\0' || strchr(any_of, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

/* time-secfrac: any number of digits; what is finer than a microsecond is dropped. */
static bool fraction(const char **at, uint64_t *ret_us) {
    *ret_us = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    for (uint64_t unit = 100000; isdigit((unsigned char)**at); unit /= 10, (*at)++) {
        *ret_us += (uint64_t)(**at - '0') * unit;
    }
    return true;
}

/* "Z" or the numeric offset, RFC 3339 section 5.6. */
static bool zone(const char **at, int *ret_s) {
    *ret_s = 0;
    if (literal(at, "Zz")) {
        return true;
    }
    int hours;
    int minutes;
    int sign = **at == '-' ? -1 : 1;
    if (!literal(at, "+-") || !digits(at, 2, 0, 23, &hours) || !literal(at, ":")
        || !digits(at, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse(const char *text, uint64_t *ret_us) {
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct tm utc = {0};
    uint64_t part_us;
    int offset_s;

    if (!digits(&text, 4, 1970, 9999, &utc.tm_year) || !literal(&text, "-")
        || !digits(&text, 2, 1, 12, &utc.tm_mon) || !literal(&text, "-")
        || !digits(&text, 2, 1, 31, &utc.tm_mday) || !literal(&text, "Tt")
        || !digits(&text, 2, 0, 23, &utc.tm_hour) || !literal(&text, ":")
        || !digits(&text, 2, 0, 59, &utc.tm_min) || !literal(&text, ":")
        || !digits(&text, 2, 0, 60, &utc.tm_sec) || !fraction(&text, &part_us)
        || !zone(&text, &offset_s) || *text != '\0') {
        return false;
    }
    bool leap = (utc.tm_year % 4 == 0 && utc.tm_year % 100 != 0) || utc.tm_year % 400 == 0;
    if (utc.tm_mday > month_days[utc.tm_mon - 1] + (utc.tm_mon == 2 && leap)) {
        return false;
    }
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    int64_t seconds = (int64_t)timegm(&utc) - offset_s;
    if (seconds < 0) {
        return false;
    }
    *ret_us = (uint64_t)seconds * US_PER_S + part_us;
    return true;
}
