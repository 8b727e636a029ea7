/* What a load run counts: requests by operation, errors by kind, latencies, and what the server's
 * process costs. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum load_op {
    LOAD_DIRECTORY,
    LOAD_NONCE,
    LOAD_ACCOUNT,
    LOAD_ORDER,
    LOAD_AUTHZ,
    LOAD_CHALLENGE,
    LOAD_POLL,
    LOAD_FINALIZE,
    LOAD_CERTIFICATE,
    LOAD_OP__COUNT
};
const char *load_op_name(enum load_op op);

struct load_stats;

struct load_stats *load_stats_new(void); /* NULL: no memory */
void load_stats_free(struct load_stats *stats);
AUTO_DEFINE(struct load_stats, load_stats_free)

void load_stats_request(struct load_stats *stats, enum load_op op, uint64_t took_us);
void load_stats_bad_nonce(struct load_stats *stats);
/* A flow went on after the server was away; not an error. */
void load_stats_interrupted(struct load_stats *stats);
/* Anything that is not as RFC 8555 has it; the first few are also printed. */
void load_stats_error(struct load_stats *stats, enum load_op op, const struct err *err);
void load_stats_done(struct load_stats *stats, uint64_t took_us); /* a certificate */
uint64_t load_stats_certificates(const struct load_stats *stats);
uint64_t load_stats_errors(const struct load_stats *stats);

/* From here on wall time and CPU count; pid 0: no process is watched. */
void load_stats_begin(struct load_stats *stats, pid_t pid);
/* The figures as JSON; caller owns. */
json_t *load_stats_json(struct load_stats *stats);
/* The same as a few lines on standard output. */
void load_stats_print(const json_t *figures);
