/* A strict reader of Prometheus' text format 0.0.4, written from its description: what a scraper
 * may take amiss is an error here. */
#pragma once

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define EXPOSITION_MAX 4096 /* lines */
#define EXPOSITION_TEXT 256

struct exposition {
    char why[EXPOSITION_TEXT]; /* "" = it is good */
    char family[EXPOSITION_TEXT], kind[16];
    bool typed; /* HELP and TYPE of family have been read */
    unsigned samples;
    char families[EXPOSITION_MAX / 8][EXPOSITION_TEXT];
    unsigned family_count;
    char series[EXPOSITION_MAX][EXPOSITION_TEXT];
    unsigned series_count;
    /* the histogram series under way */
    char labels[EXPOSITION_TEXT]; /* without le */
    bool open, inf, summed;
    double le, cumulative;
};

static bool exposition_fail(struct exposition *read, const char *why, const char *line) {
    (void)snprintf(read->why, sizeof(read->why), "%s: %.180s", why, line);
    return false;
}

static size_t exposition_name(const char *text, bool colon) {
    size_t len = 0;

    while (isalpha((unsigned char)text[len]) || text[len] == '_' || (colon && text[len] == ':')
           || (len > 0 && isdigit((unsigned char)text[len]))) {
        len++;
    }
    return len;
}

static bool exposition_ends(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* "# HELP name text", then "# TYPE name kind"; a family comes once. */
static bool exposition_comment(struct exposition *read, const char *line) {
    char word[8] = "", name[EXPOSITION_TEXT] = "", rest[EXPOSITION_TEXT] = "";

    if (sscanf(line, "# %7s %255s %255[^\n]", word, name, rest) != 3
        || name[exposition_name(name, true)] != '\0') {
        return exposition_fail(read, "a comment that is neither HELP nor TYPE", line);
    }
    if (strcmp(word, "HELP") == 0) {
        if (read->open || (read->family[0] != '\0' && read->samples == 0)) {
            return exposition_fail(read, "the family before it is not whole", line);
        }
        for (unsigned i = 0; i < read->family_count; i++) {
            if (strcmp(read->families[i], name) == 0) {
                return exposition_fail(read, "a family that was there already", line);
            }
        }
        (void)snprintf(read->families[read->family_count++], EXPOSITION_TEXT, "%s", name);
        (void)snprintf(read->family, sizeof(read->family), "%s", name);
        read->typed = false;
        read->samples = 0;
        return true;
    }
    if (strcmp(word, "TYPE") != 0 || read->typed || strcmp(read->family, name) != 0) {
        return exposition_fail(read, "TYPE does not follow its HELP", line);
    }
    if (strcmp(rest, "counter") != 0 && strcmp(rest, "gauge") != 0
        && strcmp(rest, "histogram") != 0) {
        return exposition_fail(read, "an unknown type", line);
    }
    if ((strcmp(rest, "counter") == 0) != exposition_ends(name, "_total")) {
        return exposition_fail(read, "_total is for counters", line);
    }
    (void)snprintf(read->kind, sizeof(read->kind), "%s", rest);
    read->typed = true;
    return true;
}

/* The labels in braces at *at, which is moved behind them; le apart from the others. */
static bool exposition_labels(struct exposition *read, const char **at, char *others, char *le) {
    const char *begin = *at;
    size_t used = 0;

    others[0] = le[0] = '\0';
    for (const char *next = begin + 1;; next++) {
        const char *name = next;
        size_t len = exposition_name(name, false), value_len = 0;
        const char *value = name + len + 2;
        if (len == 0 || strncmp(name + len, "=\"", 2) != 0) {
            return exposition_fail(read, "a label is no name=\"value\"", begin);
        }
        while (value[value_len] != '"') {
            value_len += value[value_len] == '\\' ? 1 : 0;
            if (value[value_len] == '\0' || value[value_len] == '\n') {
                return exposition_fail(read, "a label's value does not end", begin);
            }
            value_len++;
        }
        if (len == 2 && strncmp(name, "le", 2) == 0) {
            (void)snprintf(le, EXPOSITION_TEXT, "%.*s", (int)value_len, value);
        } else {
            used += (size_t)snprintf(others + used, EXPOSITION_TEXT - used, "%.*s",
                                     (int)(len + value_len + 3), name);
        }
        next = value + value_len + 1;
        if (*next == '}') {
            *at = next + 1;
            return true;
        }
        if (*next != ',') {
            return exposition_fail(read, "labels are not separated by commas", begin);
        }
    }
}

/* Buckets rise and add up, the last is +Inf; then the sum, then the count, which is that one's. */
static bool exposition_histogram(struct exposition *read, const char *part, const char *others,
                                 const char *le, double value, const char *line) {
    char *end = NULL;

    if (strcmp(part, "_bucket") == 0) {
        double bound = strtod(le, &end);
        if (le[0] == '\0' || *end != '\0' || (isinf(bound) && strcmp(le, "+Inf") != 0)) {
            return exposition_fail(read, "a bucket without a bound", line);
        }
        bool first = !read->open;
        if (!first
            && (read->inf || strcmp(read->labels, others) != 0 || bound <= read->le
                || value < read->cumulative)) {
            return exposition_fail(read, "buckets do not rise", line);
        }
        (void)snprintf(read->labels, sizeof(read->labels), "%s", others);
        read->open = true;
        read->inf = strcmp(le, "+Inf") == 0;
        read->summed = false;
        read->le = bound;
        read->cumulative = value;
        return true;
    }
    if (le[0] != '\0' || !read->open || !read->inf || strcmp(read->labels, others) != 0) {
        return exposition_fail(read, "a sum or count without all its buckets", line);
    }
    if (strcmp(part, "_sum") == 0) {
        read->summed = true;
        return true;
    }
    if (strcmp(part, "_count") != 0 || !read->summed || value != read->cumulative) {
        return exposition_fail(read, "a count that is not +Inf's", line);
    }
    read->open = false;
    return true;
}

static bool exposition_sample(struct exposition *read, const char *line) {
    char others[EXPOSITION_TEXT] = "", le[EXPOSITION_TEXT] = "";
    size_t len = exposition_name(line, true), family_len = strlen(read->family);
    const char *at = line + len;
    char *end = NULL;

    if (!read->typed || len < family_len || strncmp(line, read->family, family_len) != 0) {
        return exposition_fail(read, "a sample outside its family", line);
    }
    if (*at == '{' && !exposition_labels(read, &at, others, le)) {
        return false;
    }
    size_t series_len = (size_t)(at - line);
    if (*at != ' ' || isspace((unsigned char)at[1]) || series_len >= EXPOSITION_TEXT) {
        return exposition_fail(read, "no value after one space", line);
    }
    double value = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\0' || isnan(value)
        || (strcmp(read->kind, "gauge") != 0 && value < 0)) {
        return exposition_fail(read, "not a value", line);
    }
    for (unsigned i = 0; i < read->series_count; i++) {
        if (strlen(read->series[i]) == series_len
            && strncmp(read->series[i], line, series_len) == 0) {
            return exposition_fail(read, "a series that was there already", line);
        }
    }
    (void)snprintf(read->series[read->series_count++], EXPOSITION_TEXT, "%.*s", (int)series_len,
                   line);
    read->samples++;
    if (strcmp(read->kind, "histogram") == 0) {
        char part[16];
        (void)snprintf(part, sizeof(part), "%.*s", (int)(len - family_len), line + family_len);
        return exposition_histogram(read, part, others, le, value, line);
    }
    return (len == family_len && le[0] == '\0')
           || exposition_fail(read, "a sample of another name", line);
}

/* NULL: it is good; else why not, in read. */
static const char *exposition_read(struct exposition *read, const char *text) {
    *read = (struct exposition){0};
    if (*text == '\0' || text[strlen(text) - 1] != '\n') {
        (void)exposition_fail(read, "the last line does not end", "");
        return read->why;
    }
    for (const char *line = text; *line != '\0';) {
        char one[2 * EXPOSITION_TEXT];
        size_t len = strcspn(line, "\n");
        if (len == 0 || len >= sizeof(one) || read->series_count == EXPOSITION_MAX
            || read->family_count == EXPOSITION_MAX / 8) {
            (void)exposition_fail(read, "a line that is empty, too long, or one too many", "");
            return read->why;
        }
        (void)snprintf(one, sizeof(one), "%.*s", (int)len, line);
        if (!(one[0] == '#' ? exposition_comment(read, one) : exposition_sample(read, one))) {
            return read->why;
        }
        line += len + 1;
    }
    if (read->open || read->samples == 0) {
        (void)exposition_fail(read, "the last family is not whole", "");
    }
    return read->why[0] == '\0' ? NULL : read->why;
}

/* The value of a series, given as it is printed; -1: there is none. */
__attribute__((unused)) static double exposition_value(const char *text, const char *series) {
    size_t len = strlen(series);

    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, series, len) == 0 && line[len] == ' ') {
            return strtod(line + len + 1, NULL);
        }
    }
    return -1;
}
