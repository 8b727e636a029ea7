#include <openssl/err.h>

#include "common/x509.h"
#include "tests/fuzz/target.h"

/* What we accept OpenSSL accepts too, under the same key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(x509_csr_done) struct x509_csr csr = {0};

    if (!x509_csr_read(data, size, &csr, &err)) {
        PROMISE(err.kind == ERR_BAD_CSR && csr.key == NULL);
        return 0;
    }
    const unsigned char *at = data;
    AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)size);
    PROMISE(req != NULL && at == data + size && X509_REQ_verify(req, csr.key) == 1);
    ERR_clear_error();
    return 0;
}
