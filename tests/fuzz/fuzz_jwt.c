#include "common/jws.h"
#include "common/jwt.h"
#include "common/x509.h"
#include "tests/fuzz/target.h"

/* What is read can be asked about its times and verified by its own x5c without harm. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(jwt_done) struct jwt jwt = {0};

    if (!jwt_read((const char *)data, size, &jwt, &err)) {
        PROMISE(err.kind == ERR_MALFORMED && jwt.parts == NULL && jwt.x5c == NULL);
        return 0;
    }
    PROMISE(json_is_object(jwt.claims) && jwt.parts != NULL);
    if (!jwt_timely(&jwt, 1750000000, 60, 3600, &err)) {
        PROMISE(err.kind == ERR_UNAUTHORIZED);
    }
    EVP_PKEY *key = jwt.x5c == NULL ? NULL : X509_get0_pubkey(sk_X509_value(jwt.x5c, 0));
    struct err refused = {0};
    if (key != NULL && !jwt_verify(&jwt, key, &refused)) {
        PROMISE(refused.kind == ERR_UNAUTHORIZED);
    }
    return 0;
}
