/* Authorization and challenge records, and the arrows of RFC 8555 section 7.1.6's figures. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/acme.h"
#include "common/err.h"
#include "common/jwk.h"
#include "common/nftypes.h"
#include "common/rng.h"
#include "server/id.h"

struct challenge {
    enum acme_challenge_type type;
    enum challenge_status status;
    char token[RNG_ID_SIZE]; /* 128 bits of chance, RFC 8555 8.3 */
    uint64_t validated_us;   /* when valid; else 0 */
    char *error;             /* problem document, JSON text, when invalid; else NULL */
    char *response;          /* what is being validated, JSON text, while processing; else NULL */
};

/* What an authorization is for beside its own name; bits, stored as they are. */
#define AUTHZ_WILDCARD 1U   /* *.name, RFC 8555 7.1.4 */
#define AUTHZ_SUBDOMAINS 2U /* all names under it, RFC 9444 */
#define AUTHZ_SHARED 4U     /* the store's: orders made after it use it too */

/* A copy, owned by who asked for it: authz_done. */
struct authz {
    char id[ID_SIZE];
    char account[ID_SIZE];
    char order[ID_SIZE]; /* that it was made for; "" = for none, 7.4.1 */
    unsigned flags;      /* AUTHZ_WILDCARD, AUTHZ_SUBDOMAINS */
    enum authz_status status;
    struct acme_identifier identifier;
    uint64_t expires_us;
    struct nftypes types; /* what the authority token granted */
    int64_t token_exp_s;  /* of the authority token; 0 = none */
    /* the only key it may be used for, an RFC 7638 thumbprint (cnf.jkt of the token); "" = any */
    char jkt[JWK_THUMBPRINT_SIZE];
    unsigned count;
    struct challenge challenges[ACME_CHALLENGE__COUNT];
};
void authz_done(struct authz *authz);
void authz_done_auto(struct authz *authz);

enum authz_event {
    AUTHZ_CHALLENGE_VALID,
    AUTHZ_CHALLENGE_FAILED,
    AUTHZ_DEACTIVATE,
    AUTHZ_EXPIRE,
    AUTHZ_REVOKE,
    AUTHZ_EVENT__COUNT
};
enum challenge_event {
    CHALLENGE_RESPONSE,  /* the client's */
    CHALLENGE_RETRY,     /* ours */
    CHALLENGE_SUCCEEDED, /* validation did */
    CHALLENGE_FAILED,
    CHALLENGE_EVENT__COUNT
};

/* The state an event leads to.  ERR_CONFLICT: the figure has no such arrow.  Pure. */
MUST_CHECK bool authz_next(enum authz_status status, enum authz_event event,
                           enum authz_status *ret_next, struct err *err);
MUST_CHECK bool challenge_next(enum challenge_status status, enum challenge_event event,
                               enum challenge_status *ret_next, struct err *err);

/* What the authorization is at now_us: pending and valid ones expire. */
enum authz_status authz_status_at(const struct authz *authz, uint64_t now_us);

/* The challenge types an identifier of that type may be proved by, as a set of bits.  More than the
 * name itself (flags) is proved in the DNS alone: RFC 8555 8.3, RFC 9444 7.1. */
unsigned authz_offers(enum acme_identifier_type type, unsigned flags);

/* Fill a new, pending authorization with its challenges and tokens. */
void authz_init(struct authz *authz, const struct acme_identifier *identifier, unsigned flags,
                const char *account, const char *order, uint64_t now_us, uint64_t expires_us);

/* The challenge of that type, or NULL; borrowed. */
struct challenge *authz_challenge(struct authz *authz, enum acme_challenge_type type);
