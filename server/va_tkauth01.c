#include "server/va_tkauth01.h"

#include <string.h>
#include <strings.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/x509.h"

#define LEEWAY_S 60 /* the OAM's clock may be a little ahead: nbf and iat only */
#define FINGERPRINT_SIZE (sizeof "SHA256 " + 32 * 3)

struct va_tkauth01 {
    struct x509_cert cert; /* x509 NULL: there is no Token Authority */
    char *text;            /* cert as x5c has it */
    EVP_PKEY *key;         /* borrowed from cert */
    X509_STORE *trust;     /* cert alone */
    bool key_binding;      /* tokens must have cnf.jkt */
};

static bool pin(struct va_tkauth01 *tkauth01, X509_CHAIN *authority, struct err *err) {
    X509 *first = sk_X509_value(authority, 0);

    if (first == NULL || !x509_cert_read(first, &tkauth01->cert, err)) {
        return err_set(err, ERR_CONFIG, "the Token Authority's certificate cannot be read");
    }
    tkauth01->key = X509_get0_pubkey(tkauth01->cert.x509);
    if (tkauth01->key == NULL) {
        return err_set(err, ERR_CONFIG, "the Token Authority's key cannot be read");
    }
    tkauth01->text = jwt_x5c_text(first, err);
    if (tkauth01->text == NULL) {
        return false;
    }
    /* Only the first: whoever issued it may issue other certificates too. */
    AUTO(chain_free) X509_CHAIN *alone = sk_X509_new_null();
    if (alone == NULL || sk_X509_push(alone, first) <= 0) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the Token Authority");
    }
    (void)X509_up_ref(first);
    tkauth01->trust = x509_trust(alone, err);
    if (tkauth01->trust == NULL) {
        return false;
    }
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(tkauth01->trust);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

struct va_tkauth01 *va_tkauth01_new(X509_CHAIN *authority, bool key_binding, struct err *err) {
    AUTO(va_tkauth01_free) struct va_tkauth01 *tkauth01 = calloc(1, sizeof *tkauth01);

    if (tkauth01 == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the Token Authority");
        return NULL;
    }
    tkauth01->key_binding = key_binding;
    if (authority != NULL && !pin(tkauth01, authority, err)) {
        return NULL;
    }
    return TAKE(tkauth01);
}

void va_tkauth01_free(struct va_tkauth01 *tkauth01) {
    if (tkauth01 == NULL) {
        return;
    }
    x509_cert_done(&tkauth01->cert);
    X509_STORE_free(tkauth01->trust);
    free(tkauth01->text);
    free(tkauth01);
}

/* The token out of the response object {"tkauth":"…"}. */
static bool token_of(const struct va_task *task, json_t **ret_response, const char **ret_token,
                     struct err *err) {
    struct err why = {0};
    const char *response = task->response == NULL ? "" : task->response;

    *ret_response = json_read_object(response, strlen(response), &why);
    if (*ret_response == NULL) {
        return err_set(err, ERR_MALFORMED, "the challenge response: %.150s", why.detail);
    }
    if (!json_get_text(*ret_response, "tkauth", JSON_REQUIRED, JWT_MAX, ret_token, &why)) {
        return err_set(err, ERR_MALFORMED, "the challenge response needs a text member \"tkauth\"");
    }
    return true;
}

static bool parse(const struct va_tkauth01 *tkauth01, const char *text, struct jwt *ret,
                  struct err *err) {
    struct err why = {0};

    if (jwt_read_pinned(text, strlen(text), tkauth01->cert.x509, tkauth01->text, ret, &why)) {
        return true;
    }
    /* alg none and foreign algorithms are refusals, the rest is shape */
    enum err_kind kind = why.kind == ERR_BAD_SIGNATURE_ALGORITHM ? ERR_UNAUTHORIZED : ERR_MALFORMED;
    return err_set(err, kind, "the authority token: %.150s", why.detail);
}

static bool pinned_current(const struct va_tkauth01 *tkauth01, int64_t now_s, struct err *err) {
    if (now_s < tkauth01->cert.not_before_s) {
        return err_set(err, ERR_UNAUTHORIZED, "the Token Authority's certificate is not yet valid");
    }
    if (now_s >= tkauth01->cert.not_after_s) {
        return err_set(err, ERR_UNAUTHORIZED, "the Token Authority's certificate has expired");
    }
    return true;
}

/* The key the token must be signed with.  x5u is never fetched: without x5c it is the pinned
 * certificate's or nobody's. */
static EVP_PKEY *signer(const struct va_tkauth01 *tkauth01, const struct jwt *jwt, int64_t now_s,
                        struct err *err) {
    struct err why = {0};

    if (tkauth01->cert.x509 == NULL) {
        (void)err_set(err, ERR_UNAUTHORIZED, "this server trusts no Token Authority");
        return NULL;
    }
    if (!pinned_current(tkauth01, now_s, err)) {
        return NULL;
    }
    X509 *leaf = jwt->x5c == NULL ? NULL : sk_X509_value(jwt->x5c, 0);
    if (leaf == NULL || X509_cmp(leaf, tkauth01->cert.x509) == 0) {
        return tkauth01->key;
    }
    if (!x509_verify(jwt->x5c, tkauth01->trust, X509_PURPOSE_ANY, now_s, &why)) {
        (void)err_set(err, ERR_UNAUTHORIZED,
                      "the authority token's x5c does not lead to the trusted Token Authority: "
                      "%.100s",
                      why.detail);
        return NULL;
    }
    return X509_get0_pubkey(leaf);
}

static bool genuine(const struct va_tkauth01 *tkauth01, const struct jwt *jwt, int64_t now_s,
                    struct err *err) {
    struct err why = {0};
    EVP_PKEY *key = signer(tkauth01, jwt, now_s, err);

    if (key == NULL) {
        return false;
    }
    if (!jwt_verify(jwt, key, &why)) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token is not signed by the trusted Token Authority: %.100s",
                       why.detail);
    }
    return true;
}

/* exp is required and future without leeway: certificates end with it (RFC 9447 7). */
static bool timely(const struct jwt *jwt, int64_t now_s, int64_t *ret_exp_s, struct err *err) {
    struct err why = {0};
    int64_t exp_s = 0;

    if (!json_get_int(jwt->claims, "exp", JSON_REQUIRED, 1, INT64_MAX / 2, &exp_s, &why)) {
        return err_set(err, ERR_MALFORMED, "the authority token needs a numeric \"exp\"");
    }
    if (exp_s <= now_s) {
        return err_set(err, ERR_UNAUTHORIZED, "the authority token has expired");
    }
    if (!jwt_timely(jwt, now_s, LEEWAY_S, 0, &why)) {
        return err_set(err, ERR_UNAUTHORIZED, "the authority token: %.150s", why.detail);
    }
    *ret_exp_s = exp_s;
    return true;
}

static bool jti_of(const struct jwt *jwt, char ret[VA_JTI_SIZE], struct err *err) {
    struct err why = {0};
    const char *jti = "";

    if (!json_get_text(jwt->claims, "jti", JSON_REQUIRED, VA_JTI_SIZE - 1, &jti, &why)
        || *jti == '\0') {
        return err_set(err, ERR_MALFORMED,
                       "the authority token needs a \"jti\" of 1 to %d characters",
                       VA_JTI_SIZE - 1);
    }
    memcpy(ret, jti, strlen(jti) + 1);
    return true;
}

/* "SHA256 56:3E:…": the octets of the account key's thumbprint. */
static bool fingerprint_text(const char *thumbprint, char ret[FINGERPRINT_SIZE]) {
    static const char digits[] = "0123456789ABCDEF";
    unsigned char octets[32];
    size_t len = 0;
    struct err err = {0};
    char *out = ret;

    if (!b64_decode_into(thumbprint, strlen(thumbprint), octets, sizeof octets, &len, &err)
        || len != sizeof octets) {
        return false;
    }
    memcpy(out, "SHA256 ", 7);
    out += 7;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[octets[i] >> 4];
        *out++ = digits[octets[i] & 15];
        *out++ = ':';
    }
    out[-1] = '\0';
    return true;
}

static bool atc_text(const json_t *atc, const char *name, const char **ret, struct err *err) {
    struct err why = {0};

    if (!json_get_text(atc, name, JSON_REQUIRED, 1024, ret, &why)) {
        return err_set(err, ERR_MALFORMED, "the authority token's atc needs a text \"%s\"", name);
    }
    return true;
}

/* Whom the token is for: RFC 9447 3.1 and 5. */
static bool atc_names(const json_t *atc, const struct va_task *task, struct err *err) {
    const char *type = "", *value = "";
    const char *wanted = acme_identifier_name(task->identifier.type);

    if (!atc_text(atc, "tktype", &type, err) || !atc_text(atc, "tkvalue", &value, err)) {
        return false;
    }
    if (strcmp(type, wanted) != 0) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token is for a %.40s, the identifier is a %s", type, wanted);
    }
    if (strcasecmp(value, task->identifier.value) != 0) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token is for %.60s, the identifier is %.60s", value,
                       task->identifier.value);
    }
    return true;
}

static bool atc_binds(const json_t *atc, const struct va_task *task, struct err *err) {
    const char *fingerprint = "";
    char wanted[FINGERPRINT_SIZE];

    if (!atc_text(atc, "fingerprint", &fingerprint, err)) {
        return false;
    }
    if (!fingerprint_text(task->account_thumbprint, wanted)) {
        return err_set(err, ERR_SERVER_INTERNAL, "the account's thumbprint is not one");
    }
    if (strcasecmp(fingerprint, wanted) != 0
        && strcmp(fingerprint, task->account_thumbprint) != 0) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token is bound to another account key");
    }
    return true;
}

/* An absent `ca` permits no CA certificate, which is all we issue anyway. */
static bool atc_no_ca(const json_t *atc, struct err *err) {
    struct err why = {0};
    bool ca = false;

    if (!json_get_bool(atc, "ca", JSON_OPTIONAL, &ca, &why)) {
        return err_set(err, ERR_MALFORMED, "the authority token's atc.ca is not a boolean");
    }
    if (ca) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token asks for a CA certificate; none are issued");
    }
    return true;
}

static bool atc_fits(const struct jwt *jwt, const struct va_task *task, struct err *err) {
    struct err why = {0};
    const json_t *atc = NULL;

    if (!json_get_object(jwt->claims, "atc", JSON_REQUIRED, &atc, &why)) {
        return err_set(err, ERR_MALFORMED, "the authority token needs an object \"atc\"");
    }
    return atc_names(atc, task, err) && atc_binds(atc, task, err) && atc_no_ca(atc, err);
}

static bool types_of(const struct jwt *jwt, struct nftypes *ret, struct err *err) {
    const json_t *list = json_object_get(jwt->claims, "nfTypes");
    struct nftypes types = {0};

    if (list == NULL) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "the authority token has no \"nfTypes\": it grants no NF type");
    }
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > NFTYPES_MAX) {
        return err_set(err, ERR_MALFORMED,
                       "the authority token's nfTypes is not an array of 1 to %d NF types",
                       NFTYPES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL || !nftypes_add(&types, name)) {
            return err_set(err, ERR_MALFORMED,
                           "the authority token's nfTypes[%zu] is not an NF type, or there twice",
                           i);
        }
    }
    *ret = types;
    return true;
}

/* RFC 7800 3 and RFC 9449 6.1: the key the certificate must be for. */
static bool binding_of(const struct va_tkauth01 *tkauth01, const struct jwt *jwt,
                       char ret[JWK_THUMBPRINT_SIZE], struct err *err) {
    const json_t *cnf = json_object_get(jwt->claims, "cnf");
    const char *jkt = json_string_value(json_object_get(cnf, "jkt"));
    unsigned char octets[32];
    struct err ignored = {0};
    size_t len = 0;

    if (cnf == NULL) {
        return !tkauth01->key_binding
               || err_set(err, ERR_UNAUTHORIZED,
                          "the authority token is bound to no key: \"cnf\" is needed");
    }
    if (jkt == NULL || strlen(jkt) != JWK_THUMBPRINT_SIZE - 1
        || !b64_decode_into(jkt, strlen(jkt), octets, sizeof octets, &len, &ignored)
        || len != sizeof octets) {
        return err_set(err, ERR_MALFORMED,
                       "the authority token's \"cnf\" has no \"jkt\" that is a thumbprint");
    }
    memcpy(ret, jkt, JWK_THUMBPRINT_SIZE);
    return true;
}

static bool judge(const struct va_tkauth01 *tkauth01, const struct va_task *task, int64_t now_s,
                  struct va_result *ret) {
    AUTO(json_release) json_t *response = NULL;
    AUTO(jwt_done) struct jwt jwt = {0};
    const char *token = NULL;
    struct err *err = &ret->err;

    if (task->identifier.type != ACME_ID_NF_INSTANCE) {
        return err_set(err, ERR_UNAUTHORIZED, "tkauth-01 validates NfInstanceId identifiers only");
    }
    return token_of(task, &response, &token, err) && parse(tkauth01, token, &jwt, err)
           && genuine(tkauth01, &jwt, now_s, err) && timely(&jwt, now_s, &ret->token_exp_s, err)
           && jti_of(&jwt, ret->jti, err) && atc_fits(&jwt, task, err)
           && types_of(&jwt, &ret->nftypes, err) && binding_of(tkauth01, &jwt, ret->jkt, err);
}

void va_tkauth01_check(const struct va_tkauth01 *tkauth01, const struct va_task *task,
                       int64_t now_s, struct va_result *ret) {
    *ret = (struct va_result){0};
    ret->valid = judge(tkauth01, task, now_s, ret);
    if (!ret->valid) {
        *ret = (struct va_result){.err = ret->err};
    }
}
