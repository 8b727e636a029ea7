/* Which cases run, their running side by side, and what became of them. */
#pragma once

#include <stdio.h>

#include "tests/conformance/spec.h"

struct spec_target;

enum outcome_status { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_SKIP };

struct outcome {
    const struct spec_case *row;
    enum outcome_status status;
    bool expected; /* to fail: --expect */
    char reason[512];
    double seconds;
};

struct selection {
    const char *const *only; /* ids, prefixes of ids ("rfc8555/6.5"), areas, row ids */
    size_t only_count;       /* 0: everything */
    unsigned needing;        /* only cases with one of these needs; 0: any */
};
/* Does it ask for this case? */
bool selection_wants(const struct selection *selection, const struct spec_case *row);

struct run_list {
    struct outcome *outcomes;
    size_t count;
};
void run_list_done(struct run_list *list);

/* The cases of all areas that are wanted, in order; ERR_CONFIG: two with one id, or a word of only
 * that means nothing. */
MUST_CHECK bool runner_select(const struct spec_area *areas, size_t area_count,
                              const struct selection *selection, struct run_list *ret,
                              struct err *err);
/* Run them, `jobs` at a time; watched rows are judged at the end. */
void runner_run(struct run_list *list, struct spec_target *target, unsigned jobs);

/* Mark what the text (one id a line, # comments) expects to fail; ERR_CONFIG: no such id. */
MUST_CHECK bool runner_expect(struct run_list *list, const char *text, struct err *err);

/* RUN_OK, RUN_FAILED or RUN_NOTHING: a MUST that fails counts, a SHOULD when strict, a MAY never;
 * one expected to fail counts when it passes. */
int runner_exit(const struct run_list *list, bool strict);
/* Does this outcome make runner_exit fail? */
bool outcome_fails(const struct outcome *outcome, bool strict);

const char *level_name(enum spec_level level);
const char *outcome_name(enum outcome_status status);
/* "short" and the like to NEED_…; 0: unknown.  need_name: of one bit. */
unsigned need_parse(const char *word);
const char *need_name(unsigned bit);

/* The forms of a result. */
void report_text(const struct run_list *list, bool strict, FILE *out);
void report_list(const struct run_list *list, FILE *out);
MUST_CHECK bool report_json(const struct run_list *list, const char *path, struct err *err);
MUST_CHECK bool report_junit(const struct run_list *list, bool strict, const char *path,
                             struct err *err);
