/* Validation authority: challenges are validated off the HTTP threads, each type one row. */
#pragma once

#include "common/acme.h"
#include "common/clock.h"
#include "common/nftypes.h"
#include "common/ossl.h"
#include "common/trace.h"

struct va;

#define VA_JTI_SIZE 128       /* a jti of up to 127 octets */
#define VA_QUEUE_MAX 65536    /* tasks waiting and under way */
#define VA_RESPONSE_MAX 32768 /* octets of a response object */

struct va_options {
    const struct clock *clock;
    X509_CHAIN *token_authority; /* --token-authority: the Token Authority's certificate (first), or
                                    NULL: tkauth-01 always fails with a reason */
    unsigned http01_port;        /* 0 = 80 */
    const char *resolver;        /* --resolver ADDR:PORT for c-ares; NULL = the system's */
    const char *resolve_to;      /* --resolve-to: every name is here; NULL = really resolve */
    unsigned timeout_ms;         /* of one validation: looking up, fetching, redirects; 0 = 5000 */
    unsigned parallel_max;       /* fetches at a time; 0 = 256; more wait in the queue */
};

struct va_task { /* plain data, copied by va_submit, response included */
    enum acme_challenge_type type;
    struct acme_identifier identifier;
    char token[64];              /* the challenge's */
    char account_thumbprint[44]; /* RFC 7638, base64url */
    const char *response;        /* the response object as JSON text: {} or {"tkauth":"…"} */
    char traceparent[TRACE_PARENT_SIZE]; /* sent with the fetch; "" = none */
};

struct va_result {
    bool valid;
    struct err err;         /* why not; kind is the challenge's `error` type */
    struct nftypes nftypes; /* tkauth-01: what the token grants */
    int64_t token_exp_s;    /* tkauth-01: the authorization expires no later; 0 otherwise */
    char jti[VA_JTI_SIZE];  /* tkauth-01: the token's jti, to be spent once; "" otherwise */
};
typedef void va_done(void *ctx, const struct va_result *result);

struct va *va_new(const struct va_options *options, struct err *err);
/* Drops what is queued and under way without calling back. */
void va_free(struct va *va);
AUTO_DEFINE(struct va, va_free)

/* True when the type needs no network: it is validated within well under a millisecond, so the
 * challenge's answer may wait for it. */
bool va_instant(enum acme_challenge_type type);

/* Queue a task; done is called once on a VA thread.  ERR_OVERLOAD: VA_QUEUE_MAX tasks wait. */
MUST_CHECK bool va_submit(struct va *va, const struct va_task *task, va_done *done, void *ctx,
                          struct err *err);
unsigned va_queued(const struct va *va);
