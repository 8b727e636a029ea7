/* The HTTP request an NF sends in each state, client/openapi.yaml with TS 29.500's headers. */
#pragma once

#include "common/err.h"
#include "common/httpc.h"
#include "common/trace.h"
#include "nfsim/fleet.h"
#include "nfsim/nf_life.h"

#define NF_URL_SIZE 512
#define NF_HEADERS_MAX 8

struct nf_world;

/* What an NF must remember from one request to the next. */
struct nf_request_memory {
    char idempotency[40];       /* the same for each repetition of step 1 */
    char user_agent[80];        /* "AMF-<nfInstanceId>" */
    char location[NF_URL_SIZE]; /* of the enrolment, absolute; "" = not known */
    unsigned char *csr;         /* DER; owned */
    size_t csr_len;
};
void nf_request_memory_init(struct nf_request_memory *memory, const struct fleet_nf *id);
void nf_request_memory_done(struct nf_request_memory *memory);

/*
 * Note a Location header (absolute or a path of api); NULL: keep the one there is.
 * ret_enrolment   gets its last segment.   err  ERR_UPSTREAM: none known, too long, or elsewhere.
 */
MUST_CHECK bool nf_request_located(struct nf_request_memory *memory, const char *api,
                                   const char *location, char ret_enrolment[64], struct err *err);

struct nf_request_spec {
    const struct nf_world *world;
    const struct fleet_nf *id;
    enum nf_state state; /* ASKING, WAITING, SUBMITTING, COLLECTING or USING */
    X509_CHAIN *chain;   /* bootstrap, for the assertion */
    EVP_PKEY *key;
    EVP_PKEY *bound; /* the key the certificate will be for; NULL: not told */
    const struct nf_request_memory *memory;
};

/* A request and the texts it points into; do not copy. */
struct nf_request {
    struct httpc_request http;
    const char *name; /* of its span: "POST enrolments" */
    const char *headers[NF_HEADERS_MAX];
    unsigned headers_count;
    char url[NF_URL_SIZE + 16];
    char traceparent[16 + TRACE_PARENT_SIZE];
    char idempotency[80];
    char *credentials; /* owned: "3gpp-Sbi-Client-Credentials: …" */
    char *body;        /* owned */
};
void nf_request_done(struct nf_request *request);
void nf_request_done_auto(struct nf_request *request);

/* ret must be {0} and stay where it is. */
MUST_CHECK bool nf_request_make(const struct nf_request_spec *spec,
                                const struct trace_context *trace, struct nf_request *ret,
                                struct err *err);
