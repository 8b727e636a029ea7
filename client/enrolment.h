/* The enrolment of one NF: its record, its states as a table, and how the NF sees it. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/acme.h"
#include "common/err.h"
#include "common/jwk.h"
#include "common/nftypes.h"

enum enrolment_state {
    ENROLMENT_AUTHORISED,     /* saved; next: the account */
    ENROLMENT_ACCOUNT,        /* account URL saved; next: newOrder */
    ENROLMENT_ORDERED,        /* order URL saved; next: authorizations */
    ENROLMENT_AWAITING_TOKEN, /* the NF must bring its authority token */
    ENROLMENT_CHALLENGED,     /* every answer is published; next: say so to the server */
    ENROLMENT_VALIDATING,     /* the server was told; next: poll the order */
    ENROLMENT_READY,          /* waits for the NF's CSR */
    ENROLMENT_FINALIZING,     /* CSR saved; next: finalize, certificate */
    ENROLMENT_ISSUED,
    ENROLMENT_FAILED,
    ENROLMENT_WITHDRAWN,
    ENROLMENT_STATE__COUNT
};

enum enrolment_event {
    ENROLMENT_ON_ACCOUNT,      /* an account URL is known */
    ENROLMENT_ON_ACCOUNT_LOST, /* the server does not know the account (any more) */
    ENROLMENT_ON_ORDER,        /* an order was made */
    ENROLMENT_ON_PROVISIONED,  /* challenges chosen, tokens fetched, answers published */
    ENROLMENT_ON_RESPONDED,    /* every challenge response was answered */
    ENROLMENT_ON_ORDER_READY,
    ENROLMENT_ON_CSR,
    ENROLMENT_ON_CSR_REFUSED, /* and the order is still ready */
    ENROLMENT_ON_ISSUED,
    ENROLMENT_ON_FAILED,
    ENROLMENT_ON_FAILOVER,     /* it goes on at another CA */
    ENROLMENT_ON_ORDER_LOST,   /* its order failed while this client was dead: another one */
    ENROLMENT_ON_TOKEN_WANTED, /* the NF is to bring its authority token */
    ENROLMENT_ON_TOKEN,        /* it has */
    ENROLMENT_ON_WITHDRAWN,    /* the NF or the operator wants no more of it */
    ENROLMENT_EVENT__COUNT
};

#define ENROLMENT_ID_SIZE 44 /* 22 random characters, the row in decimal, the NUL */
#define ENROLMENT_PROFILE_SIZE 65
#define ENROLMENT_ACCOUNT_SIZE 64 /* a UUID, or "type:" and an NF type */
#define ENROLMENT_IDEMPOTENCY_SIZE 129
#define ENROLMENT_INSTANTS 9 /* t_us[1..6] and t_us[8] are ours; 0, 7 and 9 are the NF's */
#define ENROLMENT_TIMELINE_SIZE 200
#define ENROLMENT_WAITS_SIZE 200

struct enrolment {
    int64_t row;
    char id[ENROLMENT_ID_SIZE];
    char nf[37];
    char nf_type[NFTYPES_NAME_SIZE];
    char *fqdn;        /* NULL = none; lower case */
    char *profile;     /* NULL = the default one */
    char *idempotency; /* NULL = none */
    char *cca;         /* client credentials assertion; NULL once it is of no more use */
    char account[ENROLMENT_ACCOUNT_SIZE]; /* name of the ACME account it uses */
    char *directory;                      /* of the ACME server it is with */
    char *notification_uri;               /* where the NF wants to hear of a renewal; or NULL */
    char *renews;                         /* id of the enrolment it renews; or NULL */
    char *replaces;                       /* ARI id of that one's certificate (RFC 9773); or NULL */
    bool with_nf_instance;                /* the order names the NfInstanceId */
    bool with_dns;                        /* the order names the FQDN */
    enum enrolment_state state;
    enum err_kind reason_kind; /* why FAILED, or READY again; else ERR_NONE */
    char *reason;              /* for the NF */
    char *account_url;
    char thumbprint[JWK_THUMBPRINT_SIZE];
    char *order_url;
    char *finalize_url;
    uint64_t expires_us; /* of the order; 0 = not stated */
    unsigned char *csr;  /* DER */
    size_t csr_len;
    char *token;   /* authority token the NF brought; or NULL */
    char *problem; /* the last problem document of the ACME server, JSON; or NULL */
    char *history; /* a line for each transition: instant in us, state, cause; or NULL */
    char *chain;   /* PEM, once ISSUED; read from the store only when asked for */
    uint64_t not_before_us, not_after_us;      /* of the certificate; with the chain */
    uint64_t revoked_us;                       /* 0 = not revoked */
    int revocation_reason;                     /* RFC 5280 5.3.1 */
    uint64_t renewal_due_us;                   /* when the schedule looks next; 0 = not scheduled */
    uint64_t renewal_start_us, renewal_end_us; /* the CA's window; 0 = it said none */
    uint64_t t_us[ENROLMENT_INSTANTS];
    char waits_for[ENROLMENT_WAITS_SIZE]; /* while it is live; never stored; "" = unknown */
};

/* Free what it owns; the record is all zero afterwards. */
void enrolment_done(struct enrolment *enrolment);
void enrolment_done_auto(struct enrolment *enrolment);

/* A deep copy, without cca, chain and token (the store writes those once, by themselves). */
MUST_CHECK bool enrolment_copy(const struct enrolment *from, struct enrolment *ret,
                               struct err *err);

/*
 * The state after an event, or ERR_CONFLICT: what is not an arrow of the table is forbidden.
 * Pure: no clock, store or log.
 */
MUST_CHECK bool enrolment_next(enum enrolment_state state, enum enrolment_event event,
                               enum enrolment_state *ret_next, struct err *err);

/* Work or a CSR is still to come: the enrolment is kept in memory and resumed after a crash. */
bool enrolment_live(enum enrolment_state state);

const char *enrolment_state_name(enum enrolment_state state); /* "READY" */
bool enrolment_state_parse(const char *name, enum enrolment_state *ret);

/* Identifier index of the order (nf instance first); false beyond the last. */
bool enrolment_identifier(const struct enrolment *enrolment, unsigned index,
                          struct acme_identifier *ret);
/* [{"type": …, "value": …}] as newOrder sends it and the NF sees it; NULL: no memory. */
json_t *enrolment_identifiers(const struct enrolment *enrolment);
/* The profile asked for, else the default of the identifiers (design: nf-client, nf-both,
 * tls-server). */
const char *enrolment_profile(const struct enrolment *enrolment);

/* The resource as the NF reads it; caller owns the text, free(); NULL: no memory. */
char *enrolment_render(const struct enrolment *enrolment);
/* "t1=…,t2=…", known instants only. */
void enrolment_timeline(const struct enrolment *enrolment, char text[ENROLMENT_TIMELINE_SIZE]);
/* Refill err from a FAILED enrolment's reason. */
void enrolment_failure(const struct enrolment *enrolment, struct err *err);

/* A fresh id: unguessable, and it names its row. */
void enrolment_id_make(int64_t row, char ret[ENROLMENT_ID_SIZE]);
/* The row an id names; false when it is not an id. */
bool enrolment_id_row(const char *id, int64_t *ret_row);
