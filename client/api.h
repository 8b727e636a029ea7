/* The NF-facing API (openapi.yaml): routes, who is asking, what is well-formed.  Handlers run on
 * listener threads and do CPU work only; what passes goes to the engine. */
#pragma once

#include "client/answer.h"
#include "client/engine.h"
#include "client/solver.h"
#include "common/err.h"
#include "common/route.h"
#include "common/trace.h"

#define API_BODY_MAX (16 * 1024) /* octets of any request body */
#define API_HELD_MAX 20000       /* requests held open */

enum api_identifiers {
    API_IDENTIFIERS_AUTO,
    API_IDENTIFIERS_NF,
    API_IDENTIFIERS_DNS,
    API_IDENTIFIERS_BOTH
};

struct api;

struct api_options {
    const char *listen;
    const char *cert_pem, *key_pem; /* borrowed for the call */
    const char *nf_trust_pem;       /* anchors of NF certificates; likewise */
    const char *nf_crl_pem;         /* revocation lists about them; likewise; NULL = none */
    const struct clock *clock;      /* borrowed for the life */
    enum api_identifiers identifiers;
    const struct solvers *solvers;    /* borrowed for the life */
    struct engine *engine;            /* likewise */
    struct trace *trace;              /* likewise */
    unsigned held_max;                /* 0 = API_HELD_MAX */
    unsigned threads;                 /* 0 = 1 */
    double tenant_rate, tenant_burst; /* of one NF; 0 = no limit */
};
struct api *api_start(const struct api_options *options, struct err *err);
/* Other certificates from the next connection on; nothing is changed when it fails. */
MUST_CHECK bool api_reload(struct api *api, const char *cert_pem, const char *key_pem,
                           const char *nf_trust_pem, const char *nf_crl_pem, struct err *err);
/* Everything still held gets 503; after the engine's loop has stopped. */
void api_stop(struct api *api);
AUTO_DEFINE(struct api, api_stop)
/* Other revocation lists from now on; from any thread. */
MUST_CHECK bool api_crls(struct api *api, const char *nf_crl_pem, struct err *err);
unsigned api_port(const struct api *api);

/* The checks of each kind of request, on their own: fill the call from its exchange, or say what is
 * wrong with it. */
struct api_policy {
    enum api_identifiers identifiers;
    const struct solvers *solvers;
};
MUST_CHECK bool api_enrol_read(const struct api_policy *policy, const char *body, size_t len,
                               const char *content_type, struct enrolment *ret, struct err *err);
/* The assertion of header 3gpp-Sbi-Client-Credentials (NULL = absent) when it is needed: its shape,
 * not its truth, which the OAM judges. */
MUST_CHECK bool api_cca_read(const struct api_policy *policy, const char *header,
                             struct enrolment *ret, struct err *err);
/* An assertion is about that NF (TS 33.501 13.3.8.1: sub).  ERR_CCA otherwise. */
MUST_CHECK bool api_cca_subject(const char *cca, const char *nf, struct err *err);
/* application/pkcs10 in DER or PEM, or application/x-pem-file.  *ret_der caller owns, free(). */
MUST_CHECK bool api_csr_read(const char *content_type, const char *body, size_t len,
                             unsigned char **ret_der, size_t *ret_len, struct err *err);

/* 3gpp-Sbi-Message-Priority (TS 29.500 6.8.2), 0 to 31; absent or not one: the default. */
unsigned api_priority(const char *header);

/* application/jwt: an authority token's shape.  *ret caller owns, free(). */
MUST_CHECK bool api_token_read(const char *body, size_t len, const char *content_type, char **ret,
                               struct err *err);
/* {"reason": …}, or no body: unspecified.  RFC 5280 5.3.1; a CA will not take all of them. */
MUST_CHECK bool api_revoke_read(const char *body, size_t len, const char *content_type,
                                int *ret_reason, struct err *err);

/* Headers.  Prefer: wait=N in microseconds, at most 60 s; 0 when absent or not understood
 * (RFC 7240: ignored). */
uint64_t api_prefer_wait_us(const char *prefer);
/* 3gpp-Sbi-Max-Rsp-Time, milliseconds; ERR_INVALID when not a number.  0 = absent. */
MUST_CHECK bool api_max_rsp_us(const char *header, uint64_t *ret, struct err *err);
/* idempotency-key of 3gpp-Sbi-Request-Info into out; "" when there is none. */
MUST_CHECK bool api_idempotency(const char *header, char out[ENROLMENT_IDEMPOTENCY_SIZE],
                                struct err *err);
/* Content-Type is that media type, parameters aside. */
bool api_media_type(const char *content_type, const char *wanted);
