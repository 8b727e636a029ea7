#include "common/json.h"
#include "common/jwk.h"
#include "tests/fuzz/target.h"

/* A key that is accepted can be written and read again as the same key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(json_release) json_t *jwk = json_read((const char *)data, size, &err);

    if (jwk == NULL) {
        return 0;
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jwk, &err);
    if (key == NULL) {
        PROMISE(err.kind == ERR_MALFORMED || err.kind == ERR_BAD_PUBLIC_KEY);
        return 0;
    }
    char thumbprint[JWK_THUMBPRINT_SIZE];
    AUTO(json_release) json_t *written = jwk_write(key, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *again = jwk_read(written, &err);
    /* The search for factors of an RSA modulus is by chance: no promise to accept it twice. */
    PROMISE(again != NULL ? EVP_PKEY_eq(key, again) == 1
                          : EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA);
    PROMISE(jwk_thumbprint(key, thumbprint, &err));
    return 0;
}
