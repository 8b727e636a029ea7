/* One simulated NF: its own TLS identity and connection, its assertion, key, CSR and certificate,
 * from step 1 to step 9 and the first use.  Runs on one event loop; never blocks. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/ossl.h"
#include "common/trace.h"
#include "nfsim/inventory.h"
#include "nfsim/nf_check.h"
#include "nfsim/nf_life.h"
#include "nfsim/result.h"

#define NF_ANSWER_MAX 65536 /* octets of any answer's body */
#define NF_WAIT_S 60        /* Prefer: wait=, the most the client holds */

/* What all NFs of a run share; borrowed for their lives. */
struct nf_world {
    struct loop *loop;
    const struct clock *clock;
    struct trace *trace;        /* may be NULL */
    const char *api;            /* "https://127.0.0.1:4711" */
    X509_STORE *oam_trust;      /* of the client's TLS */
    X509_STORE *operator_trust; /* of the producer's TLS */
    struct nf_check *check;
    const char *client_name;  /* a SAN of the shared client, for the assertion */
    const char *profile;      /* "" = not sent */
    bool fqdn;                /* ask for the FQDN too */
    bool key_binding;         /* the assertion names the key the certificate will be for */
    const char *producer_url; /* what to use the certificate on; NULL: nothing */
    const char *producer_uuid;
    uint64_t timeout_us; /* scaled, from the actual start */
};

/* What became of an NF; texts live as long as the NF. */
struct nf_outcome {
    enum nf_state end;              /* NF_ENROLLED, NF_FAILED or NF_TIMEOUT */
    uint64_t t_us[RESULT_INSTANTS]; /* 0 = not reached; in order when enrolled */
    uint64_t started_us, ended_us;
    unsigned clamped; /* instants moved because two clocks disagreed on their order */
    unsigned retries; /* requests repeated */
    unsigned step;    /* of a failure: 1 … 9, 0 = use */
    char kind[48];    /* of a failure: a TS 29.500 cause, or err_name */
    char detail[192];
    char enrolment[64];
    char serial[X509_SERIAL_SIZE];
    unsigned char sha256[32]; /* of the certificate */
    const char *chain_pem;    /* NULL unless kept */
};

/* What an NF shows in TLS; read from its inventory row when it starts, or before. */
struct nf_identity {
    X509_CHAIN *chain;
    EVP_PKEY *key;
};
MUST_CHECK bool nf_identity_read(const struct inventory_nf *id, struct nf_identity *ret,
                                 struct err *err);
void nf_identity_done(struct nf_identity *identity);

struct nf;
/* Called once, on the loop's thread; may free the NF. */
typedef void nf_done(void *ctx, struct nf *nf, const struct nf_outcome *outcome);

struct nf_order {
    const struct inventory_nf *id;      /* borrowed for the NF's life */
    const struct nf_identity *identity; /* its bootstrap one, borrowed; NULL: read from id */
    uint64_t due_us;                    /* t0: when it intended to start */
    struct trace_context trace;         /* its root; unsampled: no spans */
    bool keep;                          /* keep the chain and the credentials after the end */
    nf_done *done;
    void *ctx;
};

/* Start it now.  NULL and err: nothing was started. */
struct nf *nf_start(const struct nf_world *world, const struct nf_order *order, struct err *err);
/* Cancels what is under way without calling back. */
void nf_free(struct nf *nf);
AUTO_DEFINE(struct nf, nf_free)

enum nf_state nf_state(const struct nf *nf);
const struct inventory_nf *nf_id(const struct nf *nf);
const struct nf_outcome *nf_last(const struct nf *nf);     /* so far; final once it ended */
const struct trace_context *nf_trace(const struct nf *nf); /* its root */
/* Its operator certificate and key once verified; borrowed; NULL before. */
X509_CHAIN *nf_chain(const struct nf *nf);
EVP_PKEY *nf_key(const struct nf *nf);
