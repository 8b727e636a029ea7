#include <openssl/err.h>

#include "common/x509.h"
#include "tests/fuzz/target.h"

/* The key of RFC 8037 A.1, with which a changed request is signed anew. */
static EVP_PKEY *own_key(void) {
    static const unsigned char seed[] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
                                         0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
                                         0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
                                         0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    static EVP_PKEY *key;

    if (key == NULL) {
        key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
        PROMISE(key != NULL);
    }
    return key;
}

static unsigned dns_names(X509_REQ *req) {
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(req);
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    unsigned count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        count += sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return count;
}

/* What we accept OpenSSL accepts too, under the same key and with the same names. */
static bool try_request(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(x509_csr_done) struct x509_csr csr = {0};

    if (!x509_csr_read(data, size, &csr, &err)) {
        PROMISE(err.kind == ERR_BAD_CSR && csr.key == NULL);
        return false;
    }
    const unsigned char *at = data;
    AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)size);
    PROMISE(req != NULL && at == data + size && X509_REQ_verify(req, csr.key) == 1);
    PROMISE(csr.names.others > 0 || csr.names.dns_count == dns_names(req));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const unsigned char *at = data;
    unsigned char *der = NULL;

    if (!try_request(data, size)) {
        AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)size);
        if (req != NULL && X509_REQ_set_pubkey(req, own_key()) == 1
            && X509_REQ_sign(req, own_key(), NULL) > 0) {
            int len = i2d_X509_REQ(req, &der);
            PROMISE(len > 0);
            (void)try_request(der, (size_t)len);
            OPENSSL_free(der);
        }
    }
    ERR_clear_error();
    return 0;
}
