/* What the PKI listener's answers have in common: RFC 9110 and 9111 headers of things that are
 * signed, dated, and asked for again and again. */
#pragma once

#include "common/clock.h"
#include "common/httpd.h"

struct pki_answer {
    const char *type; /* content type, a literal */
    char *body;       /* malloc'd, taken */
    size_t len;
    int64_t modified_s;    /* 0: not said */
    int64_t expires_s;     /* 0: not said */
    int64_t fresh_until_s; /* caches may keep it until then; 0: they ask each time */
    bool must_revalidate;  /* RFC 5019 6.2 */
};

/* 200, or 304 when the asker has that body already (If-None-Match). */
void pki_answer_give(struct httpd_exchange *exchange, const struct clock *clock,
                     struct pki_answer *answer);
