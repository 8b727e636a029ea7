#include "server/va_tlsalpn01_cert.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DIGEST_SIZE 32

void va_tlsalpn01_sni(const struct acme_identifier *identifier, char ret[VA_SNI_SIZE]) {
    unsigned char octets[16];
    size_t at = 0;

    if (identifier->type != ACME_ID_IP) {
        (void)snprintf(ret, VA_SNI_SIZE, "%s", identifier->value);
    } else if (inet_pton(AF_INET, identifier->value, octets) == 1) { /* RFC 1034 5.2.1 */
        (void)snprintf(ret, VA_SNI_SIZE, "%u.%u.%u.%u.in-addr.arpa", octets[3], octets[2],
                       octets[1], octets[0]);
    } else { /* RFC 3596 2.5 */
        (void)inet_pton(AF_INET6, identifier->value, octets);
        for (unsigned i = sizeof octets; i-- > 0;) {
            (void)snprintf(ret + at, VA_SNI_SIZE - at, "%x.%x.", octets[i] & 15, octets[i] >> 4);
            at += 4;
        }
        (void)snprintf(ret + at, VA_SNI_SIZE - at, "ip6.arpa");
    }
}

static bool wrong(struct err *err, const char *what) {
    return err_set(err, ERR_INCORRECT_RESPONSE, "the validation certificate %s", what);
}

/* The only extension of that kind, or NULL and err. */
static X509_EXTENSION *only(X509 *x509, int nid, const ASN1_OBJECT *object, const char *name,
                            struct err *err) {
    int at =
        object != NULL ? X509_get_ext_by_OBJ(x509, object, -1) : X509_get_ext_by_NID(x509, nid, -1);
    int next = at < 0           ? -1
               : object != NULL ? X509_get_ext_by_OBJ(x509, object, at)
                                : X509_get_ext_by_NID(x509, nid, at);

    if (at < 0 || next >= 0) {
        (void)err_set(err, ERR_INCORRECT_RESPONSE, "the validation certificate has %s %s",
                      at < 0 ? "no" : "more than one", name);
        return NULL;
    }
    return X509_get_ext(x509, at);
}

static bool is_name(const GENERAL_NAME *name, const char *value) {
    const ASN1_IA5STRING *text = name->type == GEN_DNS ? name->d.dNSName : NULL;

    return text != NULL && (size_t)text->length == strlen(value)
           && strncasecmp((const char *)text->data, value, strlen(value)) == 0;
}

static bool is_address(const GENERAL_NAME *name, const char *value) {
    const ASN1_OCTET_STRING *octets = name->type == GEN_IPADD ? name->d.iPAddress : NULL;
    unsigned char wanted[16];
    int len = inet_pton(AF_INET, value, wanted) == 1 ? 4 : 16;

    return octets != NULL && octets->length == len
           && (len == 4 || inet_pton(AF_INET6, value, wanted) == 1)
           && memcmp(octets->data, wanted, (size_t)len) == 0;
}

static bool names_fit(X509 *x509, const struct acme_identifier *identifier, struct err *err) {
    X509_EXTENSION *extension = only(x509, NID_subject_alt_name, NULL, "subjectAltName", err);
    GENERAL_NAMES *names = extension == NULL ? NULL : X509V3_EXT_d2i(extension);
    bool ip = identifier->type == ACME_ID_IP;

    if (extension == NULL) {
        return false;
    }
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    bool fits = count == 1
                && (ip ? is_address(sk_GENERAL_NAME_value(names, 0), identifier->value)
                       : is_name(sk_GENERAL_NAME_value(names, 0), identifier->value));
    GENERAL_NAMES_free(names);
    if (count > 1) {
        return err_set(err, ERR_INCORRECT_RESPONSE,
                       "the validation certificate has %d names, not %.100s alone", count,
                       identifier->value);
    }
    return fits
           || err_set(err, ERR_INCORRECT_RESPONSE,
                      "the validation certificate is not for the %s %.100s",
                      ip ? "iPAddress" : "dNSName", identifier->value);
}

static bool digest_fits(X509 *x509, const struct va_task *task, struct err *err) {
    /* an OCTET STRING in DER */
    unsigned char wanted[2 + DIGEST_SIZE] = {V_ASN1_OCTET_STRING, DIGEST_SIZE};
    char text[sizeof task->token + sizeof task->account_thumbprint + 1];
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);

    (void)snprintf(text, sizeof text, "%s.%s", task->token, task->account_thumbprint);
    if (object == NULL
        || EVP_Digest(text, strlen(text), wanted + 2, NULL, EVP_sha256(), NULL) != 1) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a digest");
    }
    X509_EXTENSION *extension = only(x509, NID_undef, object, "acmeIdentifier extension", err);
    if (extension == NULL) {
        return false;
    }
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    if (X509_EXTENSION_get_critical(extension) != 1) {
        return wrong(err, "has an acmeIdentifier that is not critical");
    }
    if (value->length != (int)sizeof wanted || memcmp(value->data, wanted, 2) != 0) {
        return wrong(err, "has an acmeIdentifier that is no OCTET STRING of 32 octets");
    }
    return memcmp(value->data, wanted, sizeof wanted) == 0
           || wrong(err, "has the digest of another key authorization");
}

static bool self_signed(X509 *x509, struct err *err) {
    EVP_PKEY *key = X509_get0_pubkey(x509);
    bool own = X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)) == 0
               && key != NULL && X509_verify(x509, key) == 1;

    ERR_clear_error();
    return own || wrong(err, "is not self-signed");
}

bool va_tlsalpn01_fits(X509 *x509, const struct va_task *task, struct err *err) {
    return names_fit(x509, &task->identifier, err) && digest_fits(x509, task, err)
           && self_signed(x509, err);
}
