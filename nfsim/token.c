#include "nfsim/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/b64.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/rng.h"

#define OCTETS 32 /* of SHA-256 */

void token_request_done(struct token_request *request) {
    free(request->cca);
    *request = (struct token_request){0};
}

void token_request_done_auto(struct token_request *request) { token_request_done(request); }

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "SHA256 56:3E:CF:…" (RFC 9448 by way of RFC 8555 8.1) or the base64url thumbprint. */
static bool fingerprint_octets(const char *text, unsigned char out[OCTETS]) {
    struct err err = {0};
    size_t len = 0;

    if (strncmp(text, "SHA256 ", 7) != 0) {
        return b64_decode_into(text, strlen(text), out, OCTETS, &len, &err) && len == OCTETS;
    }
    if (strlen(text) != TOKEN_FINGERPRINT_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < OCTETS; i++) {
        const char *at = text + 7 + i * 3;
        const int high = hex_digit(at[0]), low = hex_digit(at[1]);
        if (high < 0 || low < 0 || at[2] != (i + 1 == OCTETS ? '\0' : ':')) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void fingerprint_text(const unsigned char octets[OCTETS],
                             char text[TOKEN_FINGERPRINT_SIZE]) {
    size_t len = (size_t)snprintf(text, TOKEN_FINGERPRINT_SIZE, "SHA256 ");

    for (size_t i = 0; i < OCTETS; i++) {
        len += (size_t)snprintf(text + len, TOKEN_FINGERPRINT_SIZE - len, i == 0 ? "%02X" : ":%02X",
                                octets[i]);
    }
}

static bool read_atc(const json_t *atc, const char *thumbprint, struct token_request *ret,
                     struct err *err) {
    static const char *const members[] = {"tktype", "tkvalue", "fingerprint", "ca", NULL};
    const char *type = NULL, *value = NULL, *fingerprint = NULL;
    unsigned char asked[OCTETS], account[OCTETS];
    bool ca = false;

    if (!json_only(atc, members, err)
        || !json_get_text(atc, "tktype", JSON_REQUIRED, 64, &type, err)
        || !json_get_text(atc, "tkvalue", JSON_REQUIRED, 64, &value, err)
        || !json_get_text(atc, "fingerprint", JSON_REQUIRED, 128, &fingerprint, err)
        || !json_get_bool(atc, "ca", JSON_OPTIONAL, &ca, err)) {
        return false;
    }
    if (strcmp(type, TOKEN_TYPE) != 0) {
        return err_set_param(err, ERR_INVALID, "tktype", "only NfInstanceId is known here");
    }
    if (!acme_uuid_canonical(value, ret->tkvalue)) {
        return err_set_param(err, ERR_INVALID, "tkvalue", "not a version 4 UUID");
    }
    if (!fingerprint_octets(fingerprint, asked)) {
        return err_set_param(err, ERR_INVALID, "fingerprint", "not a SHA-256 fingerprint");
    }
    if (ca) {
        return err_set_param(err, ERR_FORBIDDEN, "ca", "no token here is good for a CA");
    }
    if (!fingerprint_octets(thumbprint, account) || memcmp(asked, account, OCTETS) != 0) {
        return err_set_param(err, ERR_FORBIDDEN, "fingerprint",
                             "the fingerprint is not that of the account in the path");
    }
    fingerprint_text(asked, ret->fingerprint);
    return true;
}

bool token_request_read(const char *thumbprint, const char *body, size_t len,
                        struct token_request *ret, struct err *err) {
    static const char *const members[] = {"atc", "cca", NULL};
    AUTO(token_request_done) struct token_request request = {0};
    AUTO(json_release) json_t *json = json_read_object(body, len, err);
    const json_t *atc = NULL;
    const char *cca = NULL;

    if (json == NULL || !json_only(json, members, err)
        || !json_get_object(json, "atc", JSON_REQUIRED, &atc, err)
        || !read_atc(atc, thumbprint, &request, err)
        || !json_get_text(json, "cca", JSON_OPTIONAL, JWT_MAX, &cca, err)) {
        return false;
    }
    if (cca == NULL) {
        return err_set_param(err, ERR_CCA, "cca", "without the NF's assertion no token is given");
    }
    request.cca = strdup(cca);
    if (request.cca == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a request");
    }
    *ret = request;
    request = (struct token_request){0};
    return true;
}

static bool is_registered(const struct token_clients *clients, const char *name) {
    for (unsigned i = 0; i < clients->count; i++) {
        if (strcasecmp(clients->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool peer_is_registered(const struct x509_names *peer, const struct token_clients *clients) {
    for (unsigned i = 0; i < peer->dns_count; i++) {
        if (is_registered(clients, peer->dns[i])) {
            return true;
        }
    }
    return false;
}

static bool peer_has(const struct x509_names *peer, const char *name) {
    for (unsigned i = 0; i < peer->dns_count; i++) {
        if (strcasecmp(peer->dns[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool token_judge(const struct token_request *request, const struct x509_names *peer,
                 const struct token_clients *clients, X509_STORE *trust, int64_t now_s,
                 struct cca *ret_cca, struct err *err) {
    struct cca cca;

    if (!peer_is_registered(peer, clients)) {
        return err_set(err, ERR_FORBIDDEN, "the TLS peer is not a registered shared client");
    }
    if (!cca_judge(request->cca, trust, now_s, &cca, err)) {
        return false;
    }
    /* "localhost" is in many certificates: the name must be a registered one, too */
    if (!is_registered(clients, cca.client) || !peer_has(peer, cca.client)) {
        return err_set_param(err, ERR_CCA, "cca", "the assertion is for another client (client)");
    }
    if (strcmp(cca.sub, request->tkvalue) != 0) {
        return err_set_param(err, ERR_CCA, "tkvalue", "the assertion is another NF's (sub)");
    }
    *ret_cca = cca;
    return true;
}

bool token_fits(const struct cca *cca, const struct fleet_nf *nf, struct err *err) {
    if (cca->fqdn[0] != '\0' && strcasecmp(cca->fqdn, nf->fqdn) != 0) {
        return err_set_param(err, ERR_CCA, "cca", "the FQDN is not this NF's (fqdn)");
    }
    if (cca->type[0] != '\0' && strcmp(cca->type, nf->type) != 0) {
        return err_set_param(err, ERR_CCA, "cca", "the NF is of another type (nfType)");
    }
    return true;
}

char *token_make(const struct token_authority *authority, const struct fleet_nf *nf,
                 const char *fingerprint, const char *jkt, int64_t now_s, struct err *err) {
    char jti[RNG_ID_SIZE];

    rng_id(jti);
    AUTO(json_release)
    json_t *claims =
        json_pack("{s:I, s:I, s:s, s:s, s:[s], s:{s:s, s:s, s:s, s:b}}", "iat", (json_int_t)now_s,
                  "exp", (json_int_t)(now_s + authority->lifetime_s), "jti", jti, "iss",
                  authority->issuer, "nfTypes", nf->type, "atc", "tktype", TOKEN_TYPE, "tkvalue",
                  nf->uuid, "fingerprint", fingerprint, "ca", 0);
    if (claims == NULL
        || (jkt[0] != '\0'
            && json_object_set_new(claims, "cnf", json_pack("{s:s}", "jkt", jkt)) != 0)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a token");
        return NULL;
    }
    return jwt_sign(authority->key, authority->chain, claims, err);
}
