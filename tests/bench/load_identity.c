#include "tests/bench/load_identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/b64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/x509.h"

#define TOKEN_LIFETIME_S (30 * 86400)

/* clang-format off */
static const struct { const char *name, *type; } kinds[] = {
    [LOAD_DNS] = {"dns", "dns"},
    [LOAD_NF]  = {"nf", "NfInstanceId"},
    [LOAD_IP]  = {"ip", "ip"},
};
/* clang-format on */

bool load_kind_parse(const char *name, enum load_kind *ret) {
    for (unsigned i = 0; i < LOAD_KIND__COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

void load_names_make(struct load_names *names, enum load_kind kind, unsigned count,
                     struct rng *rng) {
    uint64_t lot = rng_next(rng);

    names->kind = kind;
    names->count = kind == LOAD_DNS ? count : 1;
    if (kind == LOAD_NF) {
        rng_uuid(rng, names->value[0]);
    } else if (kind == LOAD_IP) {
        (void)snprintf(names->value[0], LOAD_NAME_SIZE, "127.0.0.1");
    }
    for (unsigned i = 0; kind == LOAD_DNS && i < count; i++) {
        (void)snprintf(names->value[i], LOAD_NAME_SIZE, "n%u.%016" PRIx64 ".load.example", i, lot);
    }
}

char *load_names_order(const struct load_names *names) {
    AUTO(json_release) json_t *order = json_pack("{s:[]}", "identifiers");
    json_t *list = json_object_get(order, "identifiers");

    for (unsigned i = 0; i < names->count; i++) {
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "type", kinds[names->kind].type,
                                                    "value", names->value[i]));
    }
    return json_text(order);
}

/* A CSR for an address: the product's own CSRs have none. */
static bool csr_address(const char *address, EVP_PKEY *key, unsigned char **ret_der,
                        size_t *ret_len, struct err *err) {
    AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
    char value[LOAD_NAME_SIZE + 4];

    (void)snprintf(value, sizeof(value), "IP:%s", address);
    AUTO(X509_EXTENSION_free)
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    bool made = req != NULL && san != NULL && extensions != NULL
                && sk_X509_EXTENSION_push(extensions, san) > 0 && X509_REQ_set_pubkey(req, key) == 1
                && X509_REQ_add_extensions(req, extensions) == 1
                && X509_REQ_sign(req, key, EVP_sha256()) > 0;
    sk_X509_EXTENSION_free(extensions);
    int len = made ? i2d_X509_REQ(req, NULL) : 0;
    unsigned char *der = len > 0 ? malloc((size_t)len) : NULL;
    if (der == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a CSR for %s", address);
        return err_cause_openssl(err);
    }
    unsigned char *end = der;
    (void)i2d_X509_REQ(req, &end);
    *ret_der = der;
    *ret_len = (size_t)len;
    return true;
}

char *load_names_csr(const struct load_names *names, EVP_PKEY *key, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    struct x509_names wanted = {0};
    bool made = false;

    if (names->kind == LOAD_IP) {
        made = csr_address(names->value[0], key, &der, &len, err);
    } else {
        if (names->kind == LOAD_NF) {
            (void)snprintf(wanted.uuid, sizeof(wanted.uuid), "%.36s", names->value[0]);
        }
        for (unsigned i = 0; names->kind == LOAD_DNS && i < names->count; i++) {
            (void)snprintf(wanted.dns[wanted.dns_count++], sizeof(wanted.dns[0]), "%s",
                           names->value[i]);
        }
        made = x509_csr_make(key, &wanted, NULL, &der, &len, err);
    }
    if (!made) {
        return NULL;
    }
    AUTO(free) char *text = b64_encode(der, len);
    AUTO(json_release) json_t *payload = json_pack("{s:s}", "csr", text);
    return json_text(payload);
}

char *load_token(const struct load_authority *authority, const char *uuid, const char *thumbprint,
                 struct err *err) {
    char jti[RNG_ID_SIZE];
    int64_t now_s = (int64_t)(clock_wall_us() / 1000000);

    rng_id(jti);
    AUTO(json_release)
    json_t *claims = json_pack("{s:I, s:I, s:s, s:s, s:[s], s:{s:s, s:s, s:s, s:b}}", "iat",
                               (json_int_t)now_s, "exp", (json_int_t)(now_s + TOKEN_LIFETIME_S),
                               "jti", jti, "iss", "acmeload", "nfTypes", "AMF", "atc", "tktype",
                               "NfInstanceId", "tkvalue", uuid, "fingerprint", thumbprint, "ca", 0);
    AUTO(free) char *token = jwt_sign(authority->key, authority->chain, claims, err);
    if (token == NULL) {
        return NULL;
    }
    AUTO(json_release) json_t *payload = json_pack("{s:s}", "tkauth", token);
    return json_text(payload);
}
