/* Certificates of tls-alpn-01, RFC 8737 section 3, right and wrong. */
#include <openssl/sha.h>
#include <string.h>

#include "tests/conformance/responder.h"
#include "tests/conformance/spec_internal.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"

static void release_x509(void *x509) { X509_free(x509); }

static bool name_add(GENERAL_NAMES *names, int type, const char *text) {
    GENERAL_NAME *name = text == NULL ? NULL : a2i_GENERAL_NAME(NULL, NULL, NULL, type, text, 0);

    if (name != NULL && sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return text == NULL || name != NULL;
}

static bool names_set(X509 *x509, const struct spec_alpn_certificate *parts) {
    AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

    return names != NULL && name_add(names, GEN_DNS, parts->name)
           && name_add(names, GEN_DNS, parts->also) && name_add(names, GEN_IPADD, parts->ip)
           && (sk_GENERAL_NAME_num(names) == 0
               || X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1);
}

static bool identifier_set(X509 *x509, const struct spec_alpn_certificate *parts) {
    unsigned char value[2 + SHA256_DIGEST_LENGTH] = {0x04, SHA256_DIGEST_LENGTH};
    const void *data = parts->extension != NULL ? parts->extension : value;
    size_t len = parts->extension != NULL ? parts->extension_len : sizeof(value);

    if (parts->key_authorization == NULL && parts->extension == NULL) {
        return true;
    }
    if (parts->key_authorization != NULL) {
        (void)SHA256((const unsigned char *)parts->key_authorization,
                     strlen(parts->key_authorization), value + 2);
    }
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = OBJ_txt2obj(ACME_IDENTIFIER, 1);
    AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    if (object == NULL || octets == NULL || ASN1_OCTET_STRING_set(octets, data, (int)len) != 1) {
        return false;
    }
    AUTO(X509_EXTENSION_free)
    X509_EXTENSION *extension =
        X509_EXTENSION_create_by_OBJ(NULL, object, !parts->not_critical, octets);
    return extension != NULL && X509_add_ext(x509, extension, -1) == 1;
}

static bool named(X509_NAME *name, const char *text) {
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1,
                                      0)
           == 1;
}

X509 *spec_alpn_certificate(struct spec *spec, const struct spec_alpn_certificate *parts,
                            EVP_PKEY *key) {
    X509 *x509 = spec_keep(spec, X509_new(), release_x509);
    EVP_PKEY *signer = parts->issuer != NULL ? parts->issuer : key;

    if (X509_set_version(x509, X509_VERSION_3) != 1
        || ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) != 1
        || X509_gmtime_adj(X509_getm_notBefore(x509), -3600) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(x509), 86400) == NULL
        || !named(X509_get_subject_name(x509),
                  parts->common_name != NULL ? parts->common_name : "ACME")
        || (parts->issuer != NULL ? !named(X509_get_issuer_name(x509), "CA")
                                  : X509_set_issuer_name(x509, X509_get_subject_name(x509)) != 1)
        || X509_set_pubkey(x509, key) != 1 || !names_set(x509, parts)
        || !identifier_set(x509, parts) || X509_sign(x509, signer, EVP_sha256()) <= 0) {
        spec_fail(spec, "no certificate for tls-alpn-01");
    }
    return x509;
}

void spec_alpn_good(struct spec *spec, const char *name, const char *key_authorization) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const struct spec_alpn_certificate parts = {.name = name,
                                                .key_authorization = key_authorization};

    spec_alpn(spec, &(struct spec_alpn){
                        .sni = name, .cert = spec_alpn_certificate(spec, &parts, key), .key = key});
}
