/* The signed-request check of RFC 8555 sections 6.2 to 6.5: nothing unauthenticated passes.
 *
 * The order of checks: Content-Type (415), size (413), JWS shape, jwk or kid as the resource
 * demands, algorithm, key, signature, url, nonce, account status, payload.  A nonce is spent only
 * by a request whose signature and url are right, and is spent whatever follows. */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>

#include "common/err.h"
#include "common/jws.h"
#include "server/keyring.h"
#include "server/nonce.h"

#define GATE_BODY_MAX 65536
#define GATE_URL_SIZE 512

enum gate_key {             /* what must sign: 6.2 */
                GATE_JWK,   /* the key in the header: newAccount */
                GATE_KID,   /* an account */
                GATE_EITHER /* revokeCert */
};
enum gate_payload {
    GATE_EMPTY,  /* POST-as-GET only, 6.3 */
    GATE_OBJECT, /* a JSON object */
    GATE_ANY     /* either */
};

struct gate { /* all borrowed */
    struct nonce_pool *nonces;
    struct keyring *keyring;
};

struct gate_input {
    enum gate_key key;
    enum gate_payload payload;
    unsigned content_types; /* how many Content-Type headers came */
    const char *content_type;
    const char *content_encoding; /* or NULL */
    bool too_large;
    const char *body;
    size_t len;
    const char *url;            /* what the client must have signed */
    const char *account_prefix; /* of account URLs: "https://host/account/" */
};

/* A request that passed: gate_pass_done. */
struct gate_pass {
    struct jws jws;
    bool by_account;              /* kid; else by the key in the header */
    struct keyring_entry account; /* by_account: who; else only key and thumbprint are set */
    json_t *payload;              /* NULL: POST-as-GET */
};
void gate_pass_done(struct gate_pass *pass);

/* ret_deactivated: the refusal is that of 7.3.6, which is a 401.  On failure *ret may be partly
 * filled (the account for the log) and needs gate_pass_done all the same. */
MUST_CHECK bool gate_check(const struct gate *gate, const struct gate_input *input,
                           struct gate_pass *ret, bool *ret_deactivated, struct err *err);
