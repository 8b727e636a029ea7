/* The terms of service in force: RFC 8555 sections 7.3 and 7.3.3.  Terms are their URL; accounts
 * keep the URL they agreed to, and its mark, a number, is what requests are judged by. */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct terms;
struct store;

#define TERMS_URL_SIZE 512

struct terms *terms_new(struct err *err);
void terms_free(struct terms *terms);
AUTO_DEFINE(struct terms, terms_free)

/* From now on; "": there are none. */
void terms_set(struct terms *terms, const char *url);
/* A copy; "": there are none. */
void terms_get(struct terms *terms, char url[TERMS_URL_SIZE]);
/* Of the terms in force; 0: there are none.  One atomic reading. */
uint64_t terms_mark(const struct terms *terms);
/* Of any URL, never 0; of NULL: 0. */
uint64_t terms_mark_of(const char *url);

/* An http or https URL that fits.  ERR_INVALID. */
MUST_CHECK bool terms_url_check(const char *url, struct err *err);

/*
 * At start: the terms in force are those the option names when it is another than at the last start
 * (NULL: not given), else those last set.
 */
MUST_CHECK bool terms_load(struct terms *terms, struct store *store, const char *option,
                           struct err *err);
/* terms_set, kept in the store. */
MUST_CHECK bool terms_change(struct terms *terms, struct store *store, const char *url,
                             struct err *err);
