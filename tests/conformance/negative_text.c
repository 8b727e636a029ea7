/* Templates.  %P% %L% %S% the right protected, payload, signature; %ALIAS% that signature in
 * another spelling; %JWS% all of it, %LEN% its octets; %NONCE% a fresh nonce; %URL% what is asked,
 * %HOST% %PATH% of it; %URL:newOrder% of the directory; %DIRECTORY%; %KID% %KID2% the account's
 * URL, another's; %NAME% the line's name, %UPPER% in capitals; %ORDER% a URL; %CERT% %CERTFLIP%
 * %ISSUER% %PEM% of an issued certificate; %LISTENER% a URL nobody may ask; %RND:n% n octets;
 * %REP:n:text%; and of keys: key_word, negative_modulus. */
#include <ctype.h>
#include <string.h>

#include "common/x509.h"
#include "tests/conformance/negative.h"
#include "tests/conformance/responder.h"

#define EXPANDED_MAX (8u << 20)

const char *negative_part(struct negative *negative, const char *member) {
    json_t *jws = spec_json(negative->spec, json_loads(negative->right, 0, NULL));

    return spec_member(jws, member);
}

const struct spec_account *negative_other(struct negative *negative) {
    if (negative->other == NULL) {
        negative->other = spec_account(negative->spec, KEY_P256);
    }
    return negative->other;
}

static const struct spec_certificate *certificate(struct negative *negative) {
    if (negative->certificate == NULL) {
        const struct spec_order *order = negative_ready(negative);
        negative->certificate = spec_complete(negative->spec, order, NULL);
    }
    return negative->certificate;
}

static const char *member_of(struct negative *negative, EVP_PKEY *key, const char *member) {
    return spec_member(spec_jwk(negative->spec, key), member);
}

static const char *jwk_text(struct negative *negative, EVP_PKEY *key) {
    return spec_keep(negative->spec, json_dumps(spec_jwk(negative->spec, key), JSON_COMPACT), free);
}

/* A certificate of the chain in base64url, one bit of it changed when flip. */
static const char *certificate_text(struct negative *negative, unsigned index, bool flip) {
    struct err err = {0};
    const char *pem = certificate(negative)->pem;
    AUTO(chain_free)
    X509_CHAIN *chain = spec_over(negative->spec) ? NULL : x509_chain_read(pem, strlen(pem), &err);
    AUTO(ossl_free) unsigned char *der = NULL;
    X509 *x509 = chain == NULL ? NULL : sk_X509_value(chain, (int)index);
    int len = x509 == NULL ? 0 : i2d_X509(x509, &der);

    if (len <= 0) {
        spec_fail(negative->spec, "the chain has no certificate %u", index);
        return "";
    }
    der[len - 3] ^= flip ? 0x01 : 0x00;
    return spec_b64(negative->spec, der, (size_t)len);
}

static EVP_PKEY *stranger(struct negative *negative) {
    if (negative->stranger == NULL) {
        negative->stranger = spec_key(negative->spec, KEY_P256);
    }
    return negative->stranger;
}

static const char *upper(struct negative *negative) {
    char *name = spec_text(negative->spec, "%s", negative->name);

    for (char *c = name; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return name;
}

static const char *host(struct negative *negative) {
    const char *at = negative->url + strlen("https://");
    return spec_text(negative->spec, "%.*s", (int)strcspn(at, "/"), at);
}

static const char *path(struct negative *negative) {
    const char *at = negative->url + strlen("https://");
    return at + strcspn(at, "/");
}

static const struct spec_order *order(struct negative *negative) {
    if (negative->order == NULL) {
        negative->order = spec_order(negative->spec, negative->account, NULL);
    }
    return negative->order;
}

static const char *listener(struct negative *negative) {
    return spec_text(negative->spec, "http://127.0.0.1:%u/%s", negative->spec->target->http01_port,
                     negative->name);
}

static const char *with_argument(struct negative *negative, const char *word) {
    struct spec *spec = negative->spec;

    if (strncmp(word, "URL:", 4) == 0) {
        return spec_url(spec, word + 4);
    }
    if (strncmp(word, "RND:", 4) == 0) {
        return negative_random(spec, strtoul(word + 4, NULL, 10));
    }
    static const char *const moduli[] = {"EVEN", "THIRD", "SQUARE", "ROCA"};
    for (unsigned i = 0; i < COUNT(moduli); i++) {
        size_t len = strlen(moduli[i]);
        if (strncmp(word, moduli[i], len) == 0 && word[len] == ':') {
            return negative_modulus(spec, moduli[i], strtoul(word + len + 1, NULL, 10));
        }
    }
    if (strncmp(word, "REP:", 4) == 0) {
        char *text = NULL;
        unsigned long times = strtoul(word + 4, &text, 10);
        return spec_repeat(spec, *text == ':' ? text + 1 : text, times);
    }
    spec_fail(spec, "the data has an unknown word %%%s%%", word);
    return "";
}

/* Words of keys. */
static const char *key_word(struct negative *negative, const char *word) {
    struct spec *spec = negative->spec;
    EVP_PKEY *key = negative->key;
    /* clang-format off */
    if (strcmp(word, "JWK") == 0) { return jwk_text(negative, key); }
    if (strcmp(word, "JWKNEW") == 0) { return jwk_text(negative, stranger(negative)); }
    if (strcmp(word, "JWKOTHER") == 0) { return jwk_text(negative, stranger(negative)); }
    if (strcmp(word, "JWKCERT") == 0) { return jwk_text(negative, certificate(negative)->key); }
    if (strcmp(word, "JWKACCOUNT") == 0) { return jwk_text(negative, negative->account->key); }
    if (strcmp(word, "AX") == 0) { return member_of(negative, negative->account->key, "x"); }
    if (strcmp(word, "AY") == 0) { return member_of(negative, negative->account->key, "y"); }
    if (strcmp(word, "X") == 0) { return member_of(negative, key, "x"); }
    if (strcmp(word, "Y") == 0) { return member_of(negative, key, "y"); }
    if (strcmp(word, "N") == 0) { return member_of(negative, key, "n"); }
    if (strcmp(word, "XSHORT") == 0) { return negative_shift(spec, member_of(negative, key, "x"), -1); }
    if (strcmp(word, "XLONG") == 0) { return negative_shift(spec, member_of(negative, key, "x"), 1); }
    if (strcmp(word, "NLONG") == 0) { return negative_shift(spec, member_of(negative, key, "n"), 1); }
    /* clang-format on */
    return with_argument(negative, word);
}

static const char *value_of(struct negative *negative, const char *word) {
    struct spec *spec = negative->spec;
    /* clang-format off */
    if (strcmp(word, "P") == 0) { return negative_part(negative, "protected"); }
    if (strcmp(word, "L") == 0) { return negative_part(negative, "payload"); }
    if (strcmp(word, "S") == 0) { return negative_part(negative, "signature"); }
    if (strcmp(word, "ALIAS") == 0) { return negative_alias(spec, negative_part(negative, "signature")); }
    if (strcmp(word, "JWS") == 0) { return negative->right; }
    if (strcmp(word, "LEN") == 0) { return spec_text(spec, "%zu", strlen(negative->right)); }
    if (strcmp(word, "NONCE") == 0) { return spec_nonce(spec); }
    if (strcmp(word, "URL") == 0) { return negative->url; }
    if (strcmp(word, "DIRECTORY") == 0) { return spec_directory_url(spec); }
    if (strcmp(word, "KID") == 0) { return negative->account->url; }
    if (strcmp(word, "KID2") == 0) { return negative_other(negative)->url; }
    if (strcmp(word, "NAME") == 0) { return negative->name; }
    if (strcmp(word, "UPPER") == 0) { return upper(negative); }
    if (strcmp(word, "HOST") == 0) { return host(negative); }
    if (strcmp(word, "PATH") == 0) { return path(negative); }
    if (strcmp(word, "ORDER") == 0) { return order(negative)->url; }
    if (strcmp(word, "CERT") == 0) { return certificate(negative)->der64; }
    if (strcmp(word, "CERTFLIP") == 0) { return certificate_text(negative, 0, true); }
    if (strcmp(word, "ISSUER") == 0) { return certificate_text(negative, 1, false); }
    if (strcmp(word, "PEM") == 0) { return certificate(negative)->pem; }
    if (strcmp(word, "LISTENER") == 0) { return listener(negative); }
    /* clang-format on */
    return key_word(negative, word);
}

static int hex(char c) {
    const char *digits = "0123456789abcdef", *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

char *negative_expand(struct negative *negative, const char *text, size_t *ret_len) {
    struct buf out = buf_new(EXPANDED_MAX);

    while (*text != '\0' && !spec_over(negative->spec)) {
        const char *end = *text == '%' ? strchr(text + 1, '%') : NULL;
        if (end != NULL && text[1] >= 'A' && text[1] <= 'Z'
            && memchr(text, ' ', (size_t)(end - text)) == NULL) {
            const char *word = spec_text(negative->spec, "%.*s", (int)(end - text - 1), text + 1);
            (void)buf_text(&out, value_of(negative, word));
            text = end + 1;
        } else if (text[0] == '\\' && text[1] == 'x' && hex(text[2]) >= 0 && hex(text[3]) >= 0) {
            const char octet = (char)(hex(text[2]) * 16 + hex(text[3]));
            (void)buf_add(&out, &octet, 1);
            text += 4;
        } else {
            (void)buf_add(&out, text++, 1);
        }
    }
    if (ret_len != NULL) {
        *ret_len = out.len;
    }
    return spec_keep(negative->spec, buf_take(&out), free);
}

json_t *negative_expand_json(struct negative *negative, const json_t *json) {
    const char *name;
    json_t *value, *copy;
    size_t i;

    switch (json_typeof(json)) {
    case JSON_STRING:
        return spec_json(negative->spec, json_string_nocheck(negative_expand(
                                             negative, json_string_value(json), NULL)));
    case JSON_OBJECT:
        copy = spec_json(negative->spec, json_object());
        json_object_foreach((json_t *)json, name, value) {
            (void)json_object_set(copy, negative_expand(negative, name, NULL),
                                  negative_expand_json(negative, value));
        }
        return copy;
    case JSON_ARRAY:
        copy = spec_json(negative->spec, json_array());
        json_array_foreach(json, i, value) {
            (void)json_array_append(copy, negative_expand_json(negative, value));
        }
        return copy;
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return (json_t *)json;
}
