/* One signed request to the ACME server, RFC 8555 section 6: signs, sends, and repeats what may be
 * repeated.
 *
 * badNonce is signed again at once with the nonce of the answer, at most REQUEST_NONCE_TRIES times.
 * No answer, 429 and 503 are repeated after Retry-After or a back-off without end: the server is
 * down or busy, and the enrolment waits.  Other 5xx end after REQUEST_FAILURE_TRIES. */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>

#include "client/stats.h"
#include "client/upstream.h"
#include "common/err.h"

#define REQUEST_NONCE_TRIES 20 /* in a row: a server may refuse every second good one */
#define REQUEST_NONCE_QUICK 16 /* of them at once, the others after a pause */
#define REQUEST_FAILURE_TRIES 6
#define REQUEST_RETRY_AFTER_MAX_S 3600 /* a longer Retry-After counts as this */

struct request_answer {
    unsigned status;    /* 2xx */
    const json_t *json; /* the body as an object; NULL for a certificate */
    const char *body;   /* NUL-terminated */
    size_t body_len;
    const char *location;            /* NULL unless the answer has one that is a URL */
    uint32_t retry_after_s;          /* 0 = absent */
    const struct httpc_answer *http; /* as it came */
    uint64_t sent_us;                /* the request (of this try) was fully sent */
};

/* Called once, on the loop's thread; exactly one of answer (borrowed) and err is given. */
typedef void request_done(void *ctx, const struct request_answer *answer, const struct err *err);

/* The server answered with a problem, badNonce aside: what it said, borrowed. */
typedef void request_problem_fn(void *ctx, unsigned status, const char *body, size_t len);

/* May this be sent now? */
struct request_spec;
typedef bool request_gate(void *ctx, const struct request_spec *spec);

struct request_spec {
    enum stats_op op;
    const char *url;    /* borrowed for the life; NULL: newAccount, newOrder from the directory */
    EVP_PKEY *key;      /* likewise */
    const char *kid;    /* likewise; NULL: jwk in the header */
    char *payload;      /* taken; NULL: POST-as-GET */
    const char *tenant; /* whose turn it takes; borrowed for the life */
    unsigned priority;  /* 3gpp-Sbi-Message-Priority */
    request_gate *gate; /* NULL: always; asked again and again until it says yes */
    void *gate_ctx;
    struct trace_context parent;
    request_problem_fn *problem; /* NULL: nobody wants to know; ctx as for done */
    request_done *done;
    void *ctx;
};

struct request;
/* Takes spec->payload in any case.  The handle is valid until done is called.  NULL: no memory, or
 * a URL that upstream_allows does not (ERR_UPSTREAM). */
struct request *request_start(struct upstream *upstream, const struct request_spec *spec,
                              struct err *err);
/* Stop it; done is not called.  NULL is harmless. */
void request_cancel(struct request *request);
/* Sign with another key from now on; borrowed for the life.  NULL is harmless. */
void request_rekey(struct request *request, EVP_PKEY *key);
/* A try is under way.  NULL is harmless. */
bool request_out(const struct request *request);
/* The last try found nobody: it waits out a back-off. */
bool request_waiting(const struct request *request);
/* End its back-off now; not one the server asked for.  NULL is harmless. */
void request_retry(struct request *request);
/* The server asked to wait (Retry-After) until then, clock_wall_us; 0: it did not. */
uint64_t request_held_until_us(const struct request *request);
/* What it waits for, in words for the NF. */
#define REQUEST_WAITS_SIZE 200
void request_waits(const struct request *request, char text[REQUEST_WAITS_SIZE]);
