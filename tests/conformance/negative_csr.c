/* Certification requests from data.
 *
 * {"key": name, "signer": name, "md": "sha256", "cn": [[type, text]…], "exts": [[name, value]…],
 *  "again": [[name, value]…] (a second extensionRequest), "version": n,
 *  "flip": octet from the end, "flip_at": octet from the start of the point, "cut": octets left,
 *  "add": octets appended, "head": hex instead of the outer header, "tail": hex behind,
 *  "form": "pem|std|padded|pem64", "text": instead of everything}
 * exts in the notation of x509v3_config(5); absent: the order's name. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tests/conformance/negative.h"

#define DER_MAX (2u << 20)

/* An attribute of the same length as extensionRequest, which it becomes in the DER: the library
 * does not make two of one type. */
#define PLACEHOLDER NID_pkcs9_unstructuredAddress

struct made {
    struct negative *negative;
    const json_t *how;
    EVP_PKEY *key; /* signs */
    unsigned char *der;
    size_t len;
};

static bool add_extensions(struct made *made, X509_REQ *request, const json_t *list, int nid) {
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509V3_CTX context;
    const json_t *pair;
    bool whole = extensions != NULL;
    size_t i;

    X509V3_set_ctx(&context, NULL, NULL, request, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    json_array_foreach(list, i, pair) {
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value =
            negative_expand(made->negative, json_string_value(json_array_get(pair, 1)), NULL);
        X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, &context, name, value);
        whole = whole && extension != NULL && sk_X509_EXTENSION_push(extensions, extension) > 0;
    }
    whole = whole && X509_REQ_add_extensions_nid(request, extensions, nid) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return whole;
}

static int string_type(const char *name) {
    if (strcmp(name, "bmp") == 0) {
        return V_ASN1_BMPSTRING;
    }
    return strcmp(name, "t61") == 0 ? V_ASN1_T61STRING : V_ASN1_UTF8STRING;
}

static bool add_names(struct made *made, X509_REQ *request) {
    const json_t *pair;
    size_t i;

    json_array_foreach(json_object_get(made->how, "cn"), i, pair) {
        const char *text = json_string_value(json_array_get(pair, 1));
        size_t len = 0;
        char *value = negative_expand(made->negative, text, &len);
        if (X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request), NID_commonName,
                                       string_type(json_string_value(json_array_get(pair, 0))),
                                       (unsigned char *)value, (int)len, -1, 0)
            != 1) {
            return false;
        }
    }
    return true;
}

static const json_t *extensions_of(struct made *made) {
    const json_t *list = json_object_get(made->how, "exts");

    return list != NULL
               ? list
               : spec_pack(made->negative->spec, "[[s, s]]", "subjectAltName", "DNS:%NAME%");
}

static X509_REQ *request_of(struct made *made) {
    const char *name = spec_member(made->how, "key"), *signer = spec_member(made->how, "signer");
    const char *digest = spec_member(made->how, "md");
    const json_t *again = json_object_get(made->how, "again");
    EVP_PKEY *key = negative_key(made->negative, name[0] == '\0' ? "p256" : name);
    EVP_PKEY *signs = signer[0] == '\0' ? key : negative_key(made->negative, signer);
    made->key = signs;
    const EVP_MD *md = EVP_PKEY_is_a(signs, "ED448") || EVP_PKEY_is_a(signs, "ED25519") ? NULL
                       : digest[0] == '\0' ? EVP_sha256()
                                           : EVP_get_digestbyname(digest);
    AUTO(X509_REQ_free) X509_REQ *request = X509_REQ_new();

    if (request == NULL
        || X509_REQ_set_version(request,
                                (long)json_integer_value(json_object_get(made->how, "version")))
               != 1
        || !add_names(made, request)
        || (json_array_size(extensions_of(made)) > 0
            && !add_extensions(made, request, extensions_of(made), NID_ext_req))
        || (again != NULL && !add_extensions(made, request, again, PLACEHOLDER))
        || X509_REQ_set_pubkey(request, key) != 1 || X509_REQ_sign(request, signs, md) <= 0) {
        spec_fail(made->negative->spec, "the CSR of the data cannot be made: %s",
                  ERR_reason_error_string(ERR_peek_last_error()));
        ERR_clear_error();
        return NULL;
    }
    return TAKE(request);
}

static int integer(const struct made *made, const char *name, int otherwise) {
    const json_t *value = json_object_get(made->how, name);

    return value == NULL ? otherwise : (int)json_integer_value(value);
}

/* Where the public point (04 …) begins. */
static unsigned char *point(struct made *made) {
    static const unsigned char before[] = {0x03, 0x42, 0x00, 0x04};
    unsigned char *found = memmem(made->der, made->len, before, sizeof(before));

    return found == NULL ? made->der : found + sizeof(before) - 1;
}

static void change(struct made *made) {
    int flip = integer(made, "flip", -1), at = integer(made, "flip_at", -1);
    int cut = integer(made, "cut", -1), add = integer(made, "add", 0);

    if (flip >= 0) {
        made->der[made->len - 1 - (size_t)flip] ^= 0x01;
    }
    if (at >= 0) {
        point(made)[at] ^= 0x01;
    }
    if (cut >= 0 && (size_t)cut < made->len) {
        made->len = (size_t)cut;
    }
    memset(made->der + made->len, 0x05, (size_t)add);
    made->len += (size_t)add;
}

/* The placeholder becomes a second extensionRequest, and the signature right again. */
static void double_attribute(struct made *made, EVP_PKEY *key) {
    static const unsigned char oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x08};
    unsigned char *found = memmem(made->der, made->len, oid, sizeof(oid)), signature[128];
    const unsigned char *at = made->der, *end;
    size_t len = 0, old = 0;
    long size = 0;
    int tag = 0, class = 0;

    if (found == NULL) {
        spec_fail(made->negative->spec, "no placeholder in the CSR");
        return;
    }
    found[sizeof(oid) - 1] = 0x0e;
    (void)ASN1_get_object(&at, &size, &tag, &class, (long)made->len);
    const unsigned char *info = at; /* CertificationRequestInfo, signed with its header */
    (void)ASN1_get_object(&at, &size, &tag, &class, size);
    end = at + size;
    at = end;
    (void)ASN1_get_object(&at, &size, &tag, &class, (long)(made->der + made->len - at));
    at += size; /* the algorithm */
    (void)ASN1_get_object(&at, &size, &tag, &class, (long)(made->der + made->len - at));
    old = (size_t)size - 1; /* unused bits first */
    do {                    /* until it is as long as the one it replaces */
        AUTO(EVP_MD_CTX_free) EVP_MD_CTX *context = EVP_MD_CTX_new();
        len = sizeof(signature);
        if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1
            || EVP_DigestSign(context, signature, &len, info, (size_t)(end - info)) != 1) {
            spec_fail(made->negative->spec, "no signature of the CSR");
        }
    } while (len != old && !spec_over(made->negative->spec));
    if (len == old) {
        memcpy(made->der + (at + 1 - made->der), signature, len);
    }
}

/* Octets of the outer SEQUENCE's header. */
static size_t header_len(const struct made *made) {
    return made->der[1] < 0x80 ? 2 : 2u + (made->der[1] & 0x7f);
}

static const char *in_form(struct made *made, const char *form) {
    struct spec *spec = made->negative->spec;
    char *std = spec_keep(spec, malloc(made->len * 2 + 8), free);

    (void)EVP_EncodeBlock((unsigned char *)std, made->der, (int)made->len);
    const char *pem = spec_text(spec,
                                "-----BEGIN CERTIFICATE REQUEST-----\n%s\n"
                                "-----END CERTIFICATE REQUEST-----\n",
                                std);
    if (strcmp(form, "pem") == 0) {
        return pem;
    }
    if (strcmp(form, "pem64") == 0) {
        return spec_b64(spec, pem, strlen(pem));
    }
    if (strcmp(form, "std") == 0) {
        return spec_text(spec, "%s+/", std);
    }
    const char *plain = spec_b64(spec, made->der, made->len);
    return strcmp(form, "padded") == 0 ? spec_text(spec, "%s==", plain) : plain;
}

/* Another outer header and something behind. */
static void rewrap(struct made *made) {
    const char *head = spec_member(made->how, "head"), *tail = spec_member(made->how, "tail");
    size_t skip = header_len(made), out = 0;
    unsigned char *der = spec_keep(made->negative->spec, calloc(1, made->len + 64), free);
    const char *texts[] = {head, NULL, tail};

    if (head[0] == '\0') {
        return;
    }
    for (unsigned i = 0; i < COUNT(texts); i++) {
        if (texts[i] == NULL) {
            memcpy(der + out, made->der + skip, made->len - skip);
            out += made->len - skip;
            continue;
        }
        for (const char *c = texts[i]; c[0] != '\0' && c[1] != '\0'; c += 2) {
            unsigned octet = 0;
            (void)sscanf(c, "%2x", &octet);
            der[out++] = (unsigned char)octet;
        }
    }
    made->der = der;
    made->len = out;
}

const char *negative_csr(struct negative *negative, const json_t *csr) {
    struct made made = {.negative = negative, .how = csr};
    const char *text = spec_member(csr, "text");
    size_t len = 0;

    if (spec_over(negative->spec)) {
        return "";
    }
    if (text[0] != '\0') { /* octets, to be encoded unless they are base64url already */
        char *octets = negative_expand(negative, text, &len);
        return json_object_get(csr, "raw") != NULL ? spec_b64(negative->spec, octets, len) : octets;
    }
    AUTO(X509_REQ_free) X509_REQ *request = request_of(&made);
    AUTO(ossl_free) unsigned char *der = NULL;
    int size = request == NULL ? -1 : i2d_X509_REQ(request, &der);
    if (size <= 0 || (unsigned)size > DER_MAX) {
        spec_fail(negative->spec, "no DER of the CSR");
        return "";
    }
    made.der = spec_keep(negative->spec, calloc(1, (size_t)size + 64), free);
    made.len = (size_t)size;
    memcpy(made.der, der, made.len);
    if (json_object_get(csr, "again") != NULL) {
        double_attribute(&made, made.key);
    }
    change(&made);
    rewrap(&made);
    return in_form(&made, spec_member(csr, "form"));
}
