#include "common/jwt.h"

#include <math.h>
#include <string.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/x509.h"

#define X5C_MAX 8
#define DATE_MAX 253402300799.0 /* the end of year 9999 */

void jwt_done(struct jwt *jwt) {
    if (jwt->parts != NULL) {
        jws_done(jwt->parts);
        free(jwt->parts);
    }
    json_decref(jwt->claims);
    chain_free(jwt->x5c);
    *jwt = (struct jwt){0};
}

void jwt_done_auto(struct jwt *jwt) { jwt_done(jwt); }

/* Pass inner on as another kind. */
static bool pass_on(struct err *err, enum err_kind kind, const struct err *inner) {
    (void)err_set(err, inner->kind == ERR_NO_MEMORY ? ERR_NO_MEMORY : kind, "%s", inner->detail);
    return inner->cause[0] == '\0' ? false : err_cause(err, "%s", inner->cause);
}

/* header.payload.signature: three texts and two points. */
static bool split(const char *text, size_t len, struct jws_parts *ret) {
    const char *first = memchr(text, '.', len);
    const char *end = text + len;
    const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first - 1));

    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL) {
        return false;
    }
    *ret = (struct jws_parts){
        .header = text,
        .header_len = (size_t)(first - text),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = (size_t)(end - second - 1),
    };
    return true;
}

/* Standard base64 with padding, RFC 4648 section 4, strictly: by way of base64url. */
static bool decode_standard(const char *text, size_t len, unsigned char **ret_der, size_t *ret_len,
                            struct err *err) {
    AUTO(free) char *copy = strndup(text, len);

    if (copy == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    if (len == 0 || len % 4 != 0 || strpbrk(copy, "-_") != NULL) {
        return err_set(err, ERR_MALFORMED, "x5c is not base64");
    }
    for (size_t i = 0; i < len; i++) {
        copy[i] = (char)(copy[i] == '+' ? '-' : copy[i] == '/' ? '_' : copy[i]);
    }
    for (unsigned pads = 0; pads < 2 && copy[len - 1] == '='; pads++) {
        len--;
    }
    return b64_decode(copy, len, ret_der, ret_len, err);
}

/* A certificate of x5c: pinned itself when it is that one, whose only text spares decoding it. */
static X509 *x5c_entry(const json_t *entry, X509 *pinned, const char *pinned_text,
                       struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    const char *text = json_string_value(entry);
    size_t text_len = json_string_length(entry), len = 0;

    if (text == NULL) {
        (void)err_set(err, ERR_MALFORMED, "x5c holds what is not a string");
        return NULL;
    }
    if (pinned != NULL && strlen(pinned_text) == text_len
        && memcmp(text, pinned_text, text_len) == 0) {
        return X509_up_ref(pinned) == 1 ? pinned : NULL;
    }
    return decode_standard(text, text_len, &der, &len, err) ? x509_from_der(der, len, err) : NULL;
}

/* RFC 7515 section 4.1.6.  Nothing after pinned matters. */
static bool read_x5c(const json_t *header, X509 *pinned, const char *pinned_text, X509_CHAIN **ret,
                     struct err *err) {
    const json_t *list = json_object_get(header, "x5c");

    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > X5C_MAX) {
        return err_set(err, ERR_MALFORMED, "x5c is not an array of 1 to %d certificates", X5C_MAX);
    }
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();
    bool enough = false;
    for (size_t i = 0; i < json_array_size(list) && !enough; i++) {
        AUTO(X509_free)
        X509 *x509 = x5c_entry(json_array_get(list, i), pinned, pinned_text, err);
        if (x509 == NULL) {
            return false;
        }
        if (chain == NULL || sk_X509_push(chain, x509) == 0) {
            return err_set(err, ERR_NO_MEMORY, "no memory");
        }
        enough = TAKE(x509) == pinned;
    }
    *ret = TAKE(chain);
    return true;
}

bool jwt_read(const char *text, size_t len, struct jwt *ret, struct err *err) {
    return jwt_read_pinned(text, len, NULL, NULL, ret, err);
}

bool jwt_read_pinned(const char *text, size_t len, X509 *pinned, const char *pinned_text,
                     struct jwt *ret, struct err *err) {
    AUTO(jwt_done) struct jwt jwt = {0};
    struct jws_parts parts = {0};
    struct err inner = {0};

    if (len > JWT_MAX) {
        return err_set(err, ERR_MALFORMED, "the JWT has more than %d octets", JWT_MAX);
    }
    if (!split(text, len, &parts)) {
        return err_set(err, ERR_MALFORMED, "not a JWT in compact form");
    }
    jwt.parts = calloc(1, sizeof *jwt.parts);
    if (jwt.parts == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    if (!jws_read_parts(&parts, jwt.parts, &inner)
        || (jwt.claims =
                json_read_object((const char *)jwt.parts->payload, jwt.parts->payload_len, &inner))
               == NULL
        || !read_x5c(jwt.parts->header, pinned, pinned_text, &jwt.x5c, &inner)) {
        return pass_on(err, ERR_MALFORMED, &inner);
    }
    *ret = jwt;
    jwt = (struct jwt){0};
    return true;
}

json_t *jwt_claims(const char *text) {
    const char *dot = strchr(text, '.');
    const size_t len = dot == NULL ? 0 : strcspn(dot + 1, ".");
    AUTO(free) unsigned char *claims = NULL;
    size_t claims_len = 0;
    struct err err = {0};

    if (len == 0 || !b64_decode(dot + 1, len, &claims, &claims_len, &err)) {
        return NULL;
    }
    return json_read_object((const char *)claims, claims_len, &err);
}

bool jwt_verify(const struct jwt *jwt, EVP_PKEY *key, struct err *err) {
    struct err inner = {0};

    return jws_verify(jwt->parts, key, &inner) || pass_on(err, ERR_UNAUTHORIZED, &inner);
}

/* A NumericDate (RFC 7519 section 2: it may have a fraction); absent: *ret untouched. */
static bool get_date(const json_t *claims, const char *name, double *ret, bool *ret_there,
                     struct err *err) {
    const json_t *value = json_object_get(claims, name);

    *ret_there = value != NULL;
    if (value == NULL) {
        return true;
    }
    double date = json_number_value(value);
    if (!json_is_number(value) || !isfinite(date) || date < 0 || date > DATE_MAX) {
        return err_set(err, ERR_UNAUTHORIZED, "\"%s\" is not a date", name);
    }
    *ret = date;
    return true;
}

bool jwt_timely(const struct jwt *jwt, int64_t now_s, int64_t leeway_s, int64_t lifetime_max_s,
                struct err *err) {
    double now = (double)now_s, leeway = (double)leeway_s, expiry = 0, from = 0, issued = now;
    bool has_expiry = false, has_from = false, has_issued = false;

    if (!get_date(jwt->claims, "exp", &expiry, &has_expiry, err)
        || !get_date(jwt->claims, "nbf", &from, &has_from, err)
        || !get_date(jwt->claims, "iat", &issued, &has_issued, err)) {
        return false;
    }
    if (!has_expiry) {
        return err_set(err, ERR_UNAUTHORIZED, "there is no \"exp\"");
    }
    if (expiry + leeway <= now) {
        return err_set(err, ERR_UNAUTHORIZED, "the token has expired");
    }
    if ((has_from && from > now + leeway) || (has_issued && issued > now + leeway)) {
        return err_set(err, ERR_UNAUTHORIZED, "the token is not valid yet");
    }
    /* Without iat the token may live no longer from now on. */
    if (lifetime_max_s != 0
        && expiry - issued > (double)lifetime_max_s + (has_issued ? 0 : leeway)) {
        return err_set(err, ERR_UNAUTHORIZED, "the token lives longer than %lld s",
                       (long long)lifetime_max_s);
    }
    return true;
}

char *jwt_x5c_text(X509 *x509, struct err *err) {
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);
    char *text = len <= 0 ? NULL : malloc((size_t)(len + 2) / 3 * 4 + 1);

    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    (void)EVP_EncodeBlock((unsigned char *)text, der, len);
    return text;
}

/* The protected header; caller owns. */
static json_t *new_header(enum jws_alg alg, X509_CHAIN *chain, struct err *err) {
    AUTO(json_release)
    json_t *header = json_pack("{s:s, s:s}", "typ", "JWT", "alg", jws_alg_name(alg));
    bool ok = header != NULL;

    if (chain != NULL) {
        json_t *list = json_array();
        ok = ok && json_object_set_new(header, "x5c", list) == 0;
        for (int i = 0; ok && i < sk_X509_num(chain); i++) {
            AUTO(free) char *text = jwt_x5c_text(sk_X509_value(chain, i), err);
            ok = text != NULL && json_array_append_new(list, json_string(text)) == 0;
        }
    }
    if (!ok) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    return TAKE(header);
}

char *jwt_sign(EVP_PKEY *key, X509_CHAIN *chain, const json_t *claims, struct err *err) {
    unsigned char signature[512];
    size_t signature_len = 0;
    enum jws_alg alg;

    if (!jws_alg_of_key(key, &alg)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "the key has no JWS algorithm");
        return NULL;
    }
    AUTO(json_release) json_t *header = new_header(alg, chain, err);
    AUTO(free) char *header_text = header == NULL ? NULL : json_text(header);
    AUTO(free) char *payload = json_text(claims);
    if (header_text == NULL || payload == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    size_t header_len = B64_LEN(strlen(header_text)), payload_len = B64_LEN(strlen(payload));
    size_t signed_len = header_len + 1 + payload_len;
    size_t size = signed_len + 1 + B64_LEN(sizeof signature) + 1;
    AUTO(free) char *text = malloc(size);
    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    b64_encode_into(header_text, strlen(header_text), text, header_len + 1);
    text[header_len] = '.';
    b64_encode_into(payload, strlen(payload), text + header_len + 1, payload_len + 1);
    if (!jws_sign_raw(key, alg, text, signed_len, signature, &signature_len, err)) {
        return NULL;
    }
    text[signed_len] = '.';
    b64_encode_into(signature, signature_len, text + signed_len + 1, size - signed_len - 1);
    return TAKE(text);
}
