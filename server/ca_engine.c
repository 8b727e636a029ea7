/* OpenSSL 3 deprecates engines and Debian 12 has nothing else for PKCS#11: this room alone is
 * written for the older interface. */
#define OPENSSL_API_COMPAT 10100

#include "server/ca_engine.h"

#include <openssl/engine.h>
#include <string.h>

#include "common/key.h"

AUTO_DEFINE(ENGINE, ENGINE_free)

bool ca_engine_check(const char *uri, struct err *err) {
    if (strncmp(uri, "pkcs11:", 7) != 0) {
        return err_set(err, ERR_CONFIG, "a key's URI begins with pkcs11: (RFC 7512)");
    }
    if (strstr(uri, "pin-value") != NULL) {
        return err_set(err, ERR_CONFIG,
                       "the PIN belongs into a file of its own: pin-source=file:PATH");
    }
    return true;
}

bool ca_engine_fits(X509 *x509, EVP_PKEY *key) {
    unsigned char own[32], wanted[32];
    struct err err = {0};

    return key_spki_sha256(key, own, &err) && key_spki_sha256(X509_get0_pubkey(x509), wanted, &err)
           && memcmp(own, wanted, sizeof own) == 0;
}

static bool fail(struct err *err, const char *what) {
    (void)err_set(err, ERR_CONFIG, "the CA's key in the token: %s", what);
    return err_cause_openssl(err);
}

EVP_PKEY *ca_engine_key(const char *uri, const char *module, struct err *err) {
    AUTO(ENGINE_free) ENGINE *engine = NULL;

    if (!ca_engine_check(uri, err)) {
        return NULL;
    }
    ENGINE_load_dynamic();
    engine = ENGINE_by_id("pkcs11");
    if (engine == NULL) {
        (void)fail(err, "there is no engine pkcs11 (libengine-pkcs11-openssl)");
        return NULL;
    }
    /* It is for this one key: once an initialisation of OpenSSL (libcurl asks for one) has all
     * engines offer themselves, every RSA and EC key of the process would go through it. */
    (void)ENGINE_set_flags(engine, ENGINE_get_flags(engine) | ENGINE_FLAGS_NO_REGISTER_ALL);
    if ((module != NULL && ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) != 1)
        || ENGINE_init(engine) != 1) {
        (void)fail(err, "the PKCS#11 module cannot be used");
        return NULL;
    }
    EVP_PKEY *key = ENGINE_load_private_key(engine, uri, NULL, NULL);
    if (key == NULL) {
        (void)fail(err, "it is not there, or the PIN is not its");
    }
    (void)ENGINE_finish(engine); /* the key has a reference of its own */
    return key;
}
