#include "nfsim/cca.h"

#include <stdio.h>
#include <string.h>

#include "common/acme.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/rng.h"
#include "common/x509.h"

#define LEEWAY_S 30

char *cca_make(const struct cca_spec *spec, X509_CHAIN *chain, EVP_PKEY *key, struct err *err) {
    char jti[RNG_ID_SIZE];

    rng_id(jti);
    AUTO(json_release)
    json_t *claims =
        json_pack("{s:s, s:I, s:I, s:s, s:[s], s:s, s:s}", "sub", spec->uuid, "iat",
                  (json_int_t)spec->now_s, "exp", (json_int_t)(spec->now_s + spec->lifetime_s),
                  "jti", jti, "aud", CCA_AUDIENCE, "nfType", spec->type, "client", spec->client);
    if (claims == NULL
        || (spec->fqdn != NULL && json_object_set_new(claims, "fqdn", json_string(spec->fqdn)) != 0)
        || (spec->jkt != NULL
            && json_object_set_new(claims, "cnf", json_pack("{s:s}", "jkt", spec->jkt)) != 0)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for an assertion");
        return NULL;
    }
    return jwt_sign(key, chain, claims, err);
}

/* Every refusal of the assertion is the same kind, whatever room found it. */
static bool refuse(struct err *err, const struct err *why, const char *what) {
    (void)err_set_param(err, ERR_CCA, "cca", "%s: %s", what, why->detail);
    return why->cause[0] == '\0' ? false : err_cause(err, "%s", why->cause);
}

static bool judge_leaf(const struct jwt *jwt, X509_STORE *trust, int64_t now_s,
                       struct x509_cert *ret_leaf, struct err *err) {
    struct err why = {0};

    if (jwt->x5c == NULL) {
        return err_set_param(err, ERR_CCA, "cca", "the assertion has no x5c");
    }
    if (!x509_verify(jwt->x5c, trust, X509_PURPOSE_ANY, now_s, &why)) {
        return refuse(err, &why, "the assertion's certificate is not trusted");
    }
    if (!x509_cert_read(sk_X509_value(jwt->x5c, 0), ret_leaf, &why)) {
        return refuse(err, &why, "the assertion's certificate");
    }
    if (ret_leaf->ca || ret_leaf->names.uuid[0] == '\0') {
        return err_set_param(err, ERR_CCA, "cca", "the assertion's certificate is not an NF's");
    }
    EVP_PKEY *key = X509_get0_pubkey(ret_leaf->x509);
    if (key == NULL || !jwt_verify(jwt, key, &why)) {
        return refuse(err, &why, "the assertion's signature is wrong");
    }
    if (!jwt_timely(jwt, now_s, LEEWAY_S, CCA_LIFETIME_MAX_S, &why)) {
        return refuse(err, &why, "the assertion is not live");
    }
    return true;
}

/* RFC 7519 4.1.3: aud is one string or an array of them. */
static bool audience_has(const json_t *aud, const char *name) {
    size_t i = 0;
    const json_t *each = NULL;

    if (json_is_string(aud)) {
        return strcmp(json_string_value(aud), name) == 0;
    }
    json_array_foreach(aud, i, each) {
        if (json_is_string(each) && strcmp(json_string_value(each), name) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_claims(const json_t *claims, struct cca *ret, struct err *err) {
    const char *sub = NULL, *jti = NULL, *client = NULL, *fqdn = NULL, *type = "";
    const char *jkt = "";
    const json_t *cnf = NULL;
    int64_t exp_s = 0, iat_s = 0;

    if (!json_get_object(claims, "cnf", JSON_OPTIONAL, &cnf, err)
        || !json_get_text(claims, "sub", JSON_REQUIRED, 64, &sub, err)
        || !json_get_text(claims, "jti", JSON_REQUIRED, sizeof ret->jti - 1, &jti, err)
        || !json_get_text(claims, "client", JSON_REQUIRED, sizeof ret->client - 1, &client, err)
        || !json_get_text(claims, "fqdn", JSON_OPTIONAL, sizeof ret->fqdn - 1, &fqdn, err)
        || !json_get_text(claims, "nfType", JSON_OPTIONAL, sizeof ret->type - 1, &type, err)
        || !json_get_int(claims, "iat", JSON_REQUIRED, 0, INT64_MAX, &iat_s, err)
        || !json_get_int(claims, "exp", JSON_REQUIRED, 0, INT64_MAX, &exp_s, err)) {
        return false;
    }
    if (!acme_uuid_canonical(sub, ret->sub)) {
        return err_set(err, ERR_CCA, "sub is not a version 4 UUID");
    }
    if (!acme_dns_canonical(client, ret->client)) {
        return err_set(err, ERR_CCA, "client is not a DNS name");
    }
    if (fqdn != NULL && !acme_dns_canonical(fqdn, ret->fqdn)) {
        return err_set(err, ERR_CCA, "fqdn is not a DNS name");
    }
    if (cnf != NULL
        && (!json_get_text(cnf, "jkt", JSON_REQUIRED, sizeof ret->jkt - 1, &jkt, err)
            || strlen(jkt) != sizeof ret->jkt - 1)) {
        return err_set(err, ERR_CCA, "cnf has no jkt that is a thumbprint");
    }
    (void)snprintf(ret->jkt, sizeof ret->jkt, "%s", jkt);
    (void)snprintf(ret->jti, sizeof ret->jti, "%s", jti);
    (void)snprintf(ret->type, sizeof ret->type, "%s", type);
    ret->exp_s = exp_s;
    return true;
}

bool cca_judge(const char *text, X509_STORE *trust, int64_t now_s, struct cca *ret,
               struct err *err) {
    AUTO(jwt_done) struct jwt jwt = {0};
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    struct cca cca = {0};
    struct err why = {0};

    if (!jwt_read(text, strlen(text), &jwt, &why)) {
        return refuse(err, &why, "the assertion is not a JWT");
    }
    if (!judge_leaf(&jwt, trust, now_s, &leaf, err)) {
        return false;
    }
    if (!read_claims(jwt.claims, &cca, &why)) {
        return refuse(err, &why, "the assertion's claims");
    }
    if (!audience_has(json_object_get(jwt.claims, "aud"), CCA_AUDIENCE)) {
        return err_set_param(err, ERR_CCA, "cca", "the assertion is not for the OAM (aud)");
    }
    if (strcmp(cca.sub, leaf.names.uuid) != 0) {
        return err_set_param(err, ERR_CCA, "cca",
                             "the assertion speaks for an NF that did not sign it (sub)");
    }
    *ret = cca;
    return true;
}
