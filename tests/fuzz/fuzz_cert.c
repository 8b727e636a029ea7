#include <string.h>

#include "common/x509.h"
#include "tests/fuzz/target.h"

/* A certificate in DER, or a chain in PEM: what is accepted can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0}, none = {0};
    AUTO(X509_free) X509 *x509 = x509_from_der(data, size, &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    if (x509 != NULL && x509_cert_read(x509, &cert, &none)) {
        PROMISE(cert.serial[0] != '\0' && cert.x509 == x509);
        PROMISE(cert.names.dns_count <= X509_DNS_MAX && cert.types.count <= NFTYPES_MAX);
    }
    err = (struct err){0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read((const char *)data, size, &err);
    if (chain == NULL) {
        PROMISE(err.kind == ERR_MALFORMED);
        return 0;
    }
    AUTO(free) char *pem = x509_chain_pem(chain, &err);
    PROMISE(pem != NULL);
    AUTO(chain_free) X509_CHAIN *again = x509_chain_read(pem, strlen(pem), &err);
    PROMISE(again != NULL && sk_X509_num(again) == sk_X509_num(chain));
    return 0;
}
