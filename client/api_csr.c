/* What PUT csr may hold.  The ACME server judges the content, so that its reason reaches the NF;
 * here only the outer form counts, read without building an X509_REQ (performance: 180 us). */
#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "client/api.h"
#include "common/ossl.h"

/* Step over one DER element with that universal tag, inside *ret_left octets. */
static bool der_step(const unsigned char **at, size_t *left, int tag, bool inside) {
    const unsigned char *content = *at;
    long len = 0;
    int found = 0, class = 0;

    if (*left > API_BODY_MAX
        || (ASN1_get_object(&content, &len, &found, &class, (long)*left) & 0x81) != 0
        || found != tag || class != V_ASN1_UNIVERSAL) {
        return false;
    }
    size_t head = (size_t)(content - *at);
    size_t step = inside ? head : head + (size_t)len;
    if (inside && head + (size_t)len != *left) {
        return false; /* trailing octets */
    }
    *at += step;
    *left -= step;
    return true;
}

/* CertificationRequest ::= SEQUENCE { info SEQUENCE, algorithm SEQUENCE, signature BIT STRING } */
static bool der_shape(const unsigned char *der, size_t len) {
    return der_step(&der, &len, V_ASN1_SEQUENCE, true)
           && der_step(&der, &len, V_ASN1_SEQUENCE, false)
           && der_step(&der, &len, V_ASN1_SEQUENCE, false)
           && der_step(&der, &len, V_ASN1_BIT_STRING, false) && len == 0;
}

static bool read_pem(const char *body, size_t len, unsigned char **ret_der, size_t *ret_len) {
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(body, (int)len);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long data_len = 0;
    bool good = false;

    if (bio != NULL && PEM_read_bio(bio, &name, &header, &data, &data_len) == 1
        && (strcmp(name, PEM_STRING_X509_REQ) == 0 || strcmp(name, PEM_STRING_X509_REQ_OLD) == 0)
        && data_len > 0 && (*ret_der = malloc((size_t)data_len)) != NULL) {
        memcpy(*ret_der, data, (size_t)data_len);
        *ret_len = (size_t)data_len;
        good = true;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return good;
}

static bool read_form(const char *body, size_t len, bool pem, unsigned char **ret_der,
                      size_t *ret_len) {
    if (pem) {
        return read_pem(body, len, ret_der, ret_len);
    }
    *ret_der = len == 0 ? NULL : malloc(len);
    if (*ret_der != NULL) {
        memcpy(*ret_der, body, len);
        *ret_len = len;
    }
    return *ret_der != NULL;
}

bool api_csr_read(const char *content_type, const char *body, size_t len, unsigned char **ret_der,
                  size_t *ret_len, struct err *err) {
    static const char begin[] = "-----BEGIN ";
    const bool pem_type = api_media_type(content_type, "application/x-pem-file");
    const bool pem = len > sizeof begin && strncmp(body, begin, sizeof begin - 1) == 0;
    unsigned char *der = NULL;
    size_t der_len = 0;

    if (!pem_type && !api_media_type(content_type, "application/pkcs10")) {
        return err_set_param(err, ERR_MEDIA_TYPE, "Content-Type",
                             "a CSR comes as application/pkcs10 or application/x-pem-file");
    }
    if (!read_form(body, len, pem || pem_type, &der, &der_len) || !der_shape(der, der_len)) {
        free(der);
        return err_set_param(err, ERR_INVALID, "body", "the body is not a PKCS #10 request");
    }
    *ret_der = der;
    *ret_len = der_len;
    return true;
}
