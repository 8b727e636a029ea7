/* Validation authority: challenges are validated off the HTTP threads, each type one row. */
#pragma once

#include "common/acme.h"
#include "common/clock.h"
#include "common/jwk.h"
#include "common/nftypes.h"
#include "common/ossl.h"
#include "common/trace.h"
#include "server/id.h"

struct va;

#define VA_JTI_SIZE 128       /* a jti of up to 127 octets */
#define VA_QUEUE_MAX 65536    /* tasks waiting and under way */
#define VA_RESPONSE_MAX 32768 /* octets of a response object */
#define VA_EXCLUDE_MAX 64     /* ranges of addresses */
#define VA_ANSWER_SEEN 256    /* octets of an answer an observer is shown */
#define VA_KEY_SIZE 48
#define VA_HASTEN_US 1000000 /* a client hastens a challenge's next attempt this often at most */

/* One question to the network and what came of it: a name looked up and a connection tried.  A
 * validation asks one or more; all is borrowed for the call. */
struct va_query {
    enum acme_challenge_type type;
    const struct acme_identifier *identifier;
    uint64_t at_us;     /* the bed's clock */
    uint64_t us;        /* how long it took */
    const char *asked;  /* a URL, a name for SNI, a DNS question */
    unsigned addresses; /* what the name resolved to */
    const char *const *address;
    const char *tried;  /* "192.0.2.1:80"; NULL: no connection was tried */
    bool connected;     /* and an answer came */
    unsigned status;    /* of HTTP, or a DNS rcode; 0 = none */
    const void *answer; /* its first VA_ANSWER_SEEN octets: a body, a certificate in DER, texts */
    size_t answer_len;
    const struct err *err; /* kind ERR_NONE: it was what it should be */
};
/* Is told of every query; on the VA's thread, briefly. */
struct va_observer {
    void (*query)(void *ctx, const struct va_query *query); /* NULL: nobody looks */
    void *ctx;
};

struct va_options {
    const struct clock *clock;
    bool key_binding;            /* tokens must be bound to the key of the certificate (cnf.jkt) */
    X509_CHAIN *token_authority; /* --token-authority: the Token Authority's certificate (first), or
                                    NULL: tkauth-01 always fails with a reason */
    unsigned http01_port;        /* 0 = 80 */
    unsigned tlsalpn01_port;     /* 0 = 443 */
    const char *resolver;        /* --resolver ADDR:PORT for c-ares; NULL = the system's */
    const char *resolve_to;      /* --resolve-to: every name is here; NULL = really resolve */
    const char *const *exclude;  /* --exclude: CIDRs never connected to, NULL-ended; or NULL */
    unsigned timeout_ms;         /* of one validation: looking up, fetching, redirects; 0 = 5000 */
    unsigned parallel_max;       /* fetches at a time; 0 = 256; more wait in the queue */
    unsigned retries;            /* further attempts after one that failed, RFC 8555 8.2 */
    uint64_t retry_interval_us;  /* before each; 0 = 5 s */
    struct va_observer observer;
    const char *const *caa_identities; /* NULL: CAA is not looked at; else as struct caa_policy */
    const char *const *names;          /* of this server, for CAA's accounturi */
};

struct va_task { /* plain data, copied by va_submit, response included */
    enum acme_challenge_type type;
    struct acme_identifier identifier;
    bool wildcard;               /* it is for "*." and the identifier: CAA */
    char account[ID_SIZE];       /* whose challenge it is: CAA */
    char token[64];              /* the challenge's */
    char account_thumbprint[44]; /* RFC 7638, base64url */
    const char *response;        /* the response object as JSON text: {} or {"tkauth":"…"} */
    char traceparent[TRACE_PARENT_SIZE]; /* sent with the fetch; "" = none */
    char key[VA_KEY_SIZE];               /* names it for va_hasten; "" = nobody hastens it */
    void (*dropped)(void *ctx);          /* instead of done, by va_free; or NULL */
};

struct va_result {
    bool valid;
    bool again;             /* not valid yet: another attempt follows, and done is called again */
    struct err err;         /* why not; kind is the challenge's `error` type */
    struct nftypes nftypes; /* tkauth-01: what the token grants */
    int64_t token_exp_s;    /* tkauth-01: the authorization expires no later; 0 otherwise */
    char jti[VA_JTI_SIZE];  /* tkauth-01: the token's jti, to be spent once; "" otherwise */
    char jkt[JWK_THUMBPRINT_SIZE]; /* tkauth-01: the key the token is bound to; "" = none */
};
typedef void va_done(void *ctx, const struct va_result *result);

struct va *va_new(const struct va_options *options, struct err *err);
/* Drops what is queued and under way: calls dropped, not done. */
void va_free(struct va *va);
AUTO_DEFINE(struct va, va_free)

/* True when the type needs no network: it is validated within well under a millisecond, so the
 * challenge's answer may wait for it. */
bool va_instant(enum acme_challenge_type type);

/* Queue a task; done is called on a VA thread, once for good (again false).  ERR_OVERLOAD:
 * VA_QUEUE_MAX tasks wait. */
MUST_CHECK bool va_submit(struct va *va, const struct va_task *task, va_done *done, void *ctx,
                          struct err *err);
unsigned va_queued(const struct va *va);
/* Whether failed attempts are repeated, and how long after. */
bool va_retries(const struct va *va);
uint64_t va_retry_interval_us(const struct va *va);
/* Does CAA have a say (RFC 8659)?  Then it is asked for each dns identifier once its challenge is
 * met, and va_caa asks again, for certificates; as caa_search_post. */
bool va_caa_asked(const struct va *va);
struct caa_batch;
MUST_CHECK bool va_caa(struct va *va, const struct caa_batch *batch, struct err *err);
/* The next attempt of the task of that key is due now, if it waits for one; from any thread. */
void va_hasten(struct va *va, const char *key);
