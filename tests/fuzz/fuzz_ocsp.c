#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>

#include "common/ocsp_request.h"
#include "tests/fuzz/target.h"

AUTO_DEFINE(OCSP_REQUEST, OCSP_REQUEST_free)

static bool within(struct der part, const uint8_t *data, size_t size) {
    return part.at >= data && part.len <= size && part.at + part.len <= data + size;
}

/* What we accept points into the request; OpenSSL finds as many certificates in it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ocsp_request request = {0};
    struct err err = {0};

    if (!ocsp_request_read(data, size, &request, &err)) {
        PROMISE(err.kind == ERR_MALFORMED || err.kind == ERR_OVERLOAD);
        PROMISE(request.count == 0);
        return 0;
    }
    const unsigned char *at = data;
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *theirs = d2i_OCSP_REQUEST(NULL, &at, (long)size);
    PROMISE(request.count >= 1 && request.count <= OCSP_IDS_MAX);
    for (unsigned i = 0; i < request.count; i++) {
        PROMISE(within(request.ids[i].whole, data, size));
        PROMISE(strlen(request.ids[i].serial) % 2 == 0);
    }
    PROMISE(request.nonce.len == 0 || within(request.nonce, data, size));
    if (theirs != NULL) { /* OpenSSL looks into signatures and names, we pass over them */
        PROMISE(at == data + size);
        PROMISE(OCSP_request_onereq_count(theirs) == (int)request.count);
    }
    ERR_clear_error();
    return 0;
}
