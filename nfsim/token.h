/* The Token Authority's judgement and its tokens: RFC 9447 section 5.1 with the consent rules of
 * docs/security.md.  Pure but for signing: no store, no clock. */
#pragma once

#include "common/err.h"
#include "common/ossl.h"
#include "common/x509.h"
#include "nfsim/cca.h"
#include "nfsim/fleet.h"

#define TOKEN_TYPE "NfInstanceId"
#define TOKEN_FINGERPRINT_SIZE 103 /* "SHA256 " and 32 octets in hex with colons, and the NUL */

/* A request for a token, as asked; nothing of it is believed yet. */
struct token_request {
    char tkvalue[37];                         /* canonical UUID */
    char fingerprint[TOKEN_FINGERPRINT_SIZE]; /* always in the "SHA256 AA:BB" form */
    char *cca;                                /* owned */
};
void token_request_done(struct token_request *request);
void token_request_done_auto(struct token_request *request);

/*
 * Parse the body of POST /at/account/{thumbprint}/token.
 * thumbprint   of the path, base64url.
 * err   ERR_MALFORMED, ERR_MISSING, ERR_INVALID naming the member; ERR_FORBIDDEN: `ca` is true, or
 *       the fingerprint is another account's than the path's.
 */
MUST_CHECK bool token_request_read(const char *thumbprint, const char *body, size_t len,
                                   struct token_request *ret, struct err *err);

/* A shared client's registered names; borrowed. */
struct token_clients {
    unsigned count;
    const char (*names)[FLEET_FQDN_SIZE];
};

/*
 * May the TLS peer have that token?  ERR_FORBIDDEN or ERR_CCA with the reason.
 * peer   the verified client certificate.   ret_cca  what the NF asserted.
 */
MUST_CHECK bool token_judge(const struct token_request *request, const struct x509_names *peer,
                            const struct token_clients *clients, X509_STORE *trust, int64_t now_s,
                            struct cca *ret_cca, struct err *err);

/* The inventory decides type and FQDN: an assertion that says otherwise is refused. */
MUST_CHECK bool token_fits(const struct cca *cca, const struct fleet_nf *nf, struct err *err);

struct token_authority {
    X509_CHAIN *chain; /* for x5c */
    EVP_PKEY *key;
    char issuer[FLEET_FQDN_SIZE]; /* iss */
    int64_t lifetime_s;
};

/* The token for an NF of the inventory, bound to the account.  Caller owns, free(). */
char *token_make(const struct token_authority *authority, const struct fleet_nf *nf,
                 const char *fingerprint, const char *jkt, int64_t now_s, struct err *err);
