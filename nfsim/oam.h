/* The OAM: inventory of NFs and Token Authority (TS 33.310 Annex J.3), RFC 9447 section 5.1 over
 * mutual TLS.  HTTP threads judge; one clerk thread notes used assertions, many per commit. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "common/trace.h"

#define OAM_BODY_MAX 32768
#define OAM_QUEUE_MAX 4096 /* requests waiting for the clerk; further ones get 503 */

struct oam;

struct oam_options {
    const char *state;         /* made by init_state */
    const char *listen;        /* "127.0.0.1:0" */
    const char *operator_root; /* PEM file: NFs may also sign with operator certificates; or NULL */
    int64_t token_lifetime_s;
    unsigned threads;          /* of HTTP; 0 = 1 */
    const struct clock *clock; /* borrowed */
    struct trace *trace;       /* borrowed; may be NULL */
};

/* Serving when it returns.  ERR_CONFIG names the file or address. */
struct oam *oam_start(const struct oam_options *options, struct err *err);
void oam_stop(struct oam *oam);
AUTO_DEFINE(struct oam, oam_stop)
const char *oam_url(const struct oam *oam); /* "https://127.0.0.1:4711" */
uint64_t oam_issued(const struct oam *oam);
uint64_t oam_refused(const struct oam *oam);
