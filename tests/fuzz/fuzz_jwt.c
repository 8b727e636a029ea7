#include <stdio.h>

#include "common/jws.h"
#include "common/jwt.h"
#include "common/x509.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/target.h"

/* What is read can be asked about its times and verified by its own x5c without harm. */
static void try_text(const char *text, size_t size) {
    struct err err = {0};
    AUTO(jwt_done) struct jwt jwt = {0};

    if (!jwt_read(text, size, &jwt, &err)) {
        PROMISE(err.kind == ERR_MALFORMED && jwt.parts == NULL && jwt.x5c == NULL);
        return;
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(parts_done) struct parts parts = {0};
    AUTO(free) char *text = NULL;

    if (!parts_read(data, size, &parts)) {
        try_text((const char *)data, size);
        return 0;
    }
    int len = asprintf(&text, "%s.%s.%s", parts.text[0], parts.text[1], parts.text[2]);
    PROMISE(len > 0);
    try_text(text, (size_t)len);
    return 0;
}
