#include "common/provider.h"

#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "common/ossl.h"
#include "common/tls.h"
#include "suite.h"

static EVP_PKEY *make(const char *type, size_t parameter) {
    if (strcmp(type, "EC") == 0) {
        return EVP_PKEY_Q_keygen(NULL, NULL, type,
                                 parameter == 256   ? "P-256"
                                 : parameter == 384 ? "P-384"
                                                    : "P-521");
    }
    return strcmp(type, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type, parameter)
                                    : EVP_PKEY_Q_keygen(NULL, NULL, type);
}

static X509 *certify(EVP_PKEY *key, const EVP_MD *digest) {
    X509 *made = X509_new();

    ck_assert_int_eq(X509_set_pubkey(made, key), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(made), -60));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(made), 60));
    ck_assert_int_gt(X509_sign(made, key, digest), 0);
    return made;
}

/* A self-signed certificate, through DER, verified with its own key. */
static void go_through_a_certificate(EVP_PKEY *key, const EVP_MD *digest) {
    AUTO(X509_free) X509 *made = certify(key, digest);
    AUTO(ossl_free) unsigned char *der = NULL;

    int len = i2d_X509(made, &der);
    ck_assert_int_gt(len, 0);
    const unsigned char *at = der;
    AUTO(X509_free) X509 *read = d2i_X509(NULL, &at, len);
    ck_assert_ptr_nonnull(read);
    ck_assert_ptr_nonnull(X509_get0_pubkey(read));
    ck_assert_int_eq(X509_verify(read, X509_get0_pubkey(read)), 1);
}

START_TEST(the_keys_of_this_system_are_read_and_used) {
    static const struct {
        const char *type;
        size_t parameter;
        bool digest;
    } rows[] = {{"EC", 256, true},
                {"EC", 384, true},
                {"EC", 521, true},
                {"RSA", 2048, true},
                {"ED25519", 0, false}};

    provider_trim();
    provider_trim();
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = make(rows[i].type, rows[i].parameter);
        ck_assert_ptr_nonnull(key);
        go_through_a_certificate(key, rows[i].digest ? EVP_sha256() : NULL);
        AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
        AUTO(EVP_PKEY_free) EVP_PKEY *pkcs8 = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        ck_assert_int_eq(EVP_PKEY_eq(key, pkcs8), 1);
        if (rows[i].digest) { /* "BEGIN EC PRIVATE KEY", "BEGIN RSA PRIVATE KEY" */
            ck_assert_int_eq(
                PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL), 1);
            AUTO(EVP_PKEY_free) EVP_PKEY *old = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
            ck_assert_int_eq(EVP_PKEY_eq(key, old), 1);
        }
    }
}
END_TEST

START_TEST(an_encrypted_key_opens_with_its_password) {
    provider_trim();
    ck_assert_int_ne(EVP_add_cipher(EVP_aes_256_cbc()), 0); /* to write one, as nobody here does */
    AUTO(EVP_PKEY_free) EVP_PKEY *key = make("EC", 256);
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "word", 4, NULL, NULL), 1);
    AUTO(EVP_PKEY_free)
    EVP_PKEY *back = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"word");
    ck_assert_int_eq(EVP_PKEY_eq(key, back), 1);
}
END_TEST

static void offered(const char *key, const char *cipher, bool wanted) {
    EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(NULL, key, NULL);
    EVP_CIPHER *fetched = EVP_CIPHER_fetch(NULL, cipher, NULL);

    ck_assert_msg((keymgmt != NULL) == wanted, "%s", key);
    ck_assert_msg((fetched != NULL) == wanted, "%s", cipher);
    EVP_KEYMGMT_free(keymgmt);
    EVP_CIPHER_free(fetched);
}

START_TEST(what_is_never_used_is_not_offered) {
    static const char *const keys[] = {"DH", "DSA", "X448", "SM2"};
    static const char *const ciphers[] = {"CAMELLIA-256-CBC", "ARIA-128-CBC", "DES-EDE3-CBC",
                                          "AES-128-CCM"};

    provider_trim();
    for (size_t i = 0; i < COUNT(keys); i++) {
        offered(keys[i], ciphers[i], false);
    }
    ck_assert_ptr_null(EVP_MD_fetch(NULL, "SHA3-256", NULL));
    ck_assert_ptr_null(EVP_MAC_fetch(NULL, "KMAC-128", NULL));
    ck_assert_ptr_null(EVP_KDF_fetch(NULL, "SCRYPT", NULL));
    ck_assert_ptr_null(EVP_SIGNATURE_fetch(NULL, "ED448", NULL));
    ck_assert_ptr_null(EVP_KEYEXCH_fetch(NULL, "DH", NULL));
    offered("EC", "AES-256-GCM", true);
    offered("X25519", "ChaCha20-Poly1305", true);
    ck_assert_int_eq(OSSL_PROVIDER_available(NULL, "default"), 0);
}
END_TEST

/* A handshake in memory; true when both ends are done. */
static bool shake(SSL *client, SSL *server) {
    for (int i = 0; i < 10; i++) {
        int near = SSL_do_handshake(client);
        int far = SSL_do_handshake(server);
        if (near == 1 && far == 1) {
            return true;
        }
    }
    return false;
}

static void handshake(int version, const char *group, const char *type, size_t parameter,
                      const char *suite) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = make(type, parameter);
    AUTO(X509_free)
    X509 *x509 = certify(key, strcmp(type, "ED25519") == 0 ? NULL : EVP_sha256());
    SSL_CTX *near = SSL_CTX_new(TLS_client_method()); /* verifies nothing */
    SSL_CTX *far = SSL_CTX_new(TLS_server_method());
    BIO *one, *other;

    ck_assert_int_eq(SSL_CTX_use_certificate(far, x509), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(far, key), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(near, version), 1);
    ck_assert_int_eq(SSL_CTX_set1_groups_list(near, group), 1);
    ck_assert_int_eq(SSL_CTX_set_ciphersuites(near, suite), 1);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(near, tls_cipher_list), 1);
    SSL *client = SSL_new(near);
    SSL *server = SSL_new(far);
    ck_assert_int_eq(BIO_new_bio_pair(&one, 0, &other, 0), 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, other, other);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    ck_assert_msg(shake(client, server), "%x %s", (unsigned)version, group);
    ck_assert_int_eq(SSL_version(client), version);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(near);
    SSL_CTX_free(far);
}

START_TEST(tls_knows_the_keys_and_groups_and_no_other) {
    static const char *const kept[] = {"X25519", "P-384", "P-521"};
    static const char *const left_out[] = {"X448", "ffdhe2048"};

    provider_trim();
    for (size_t i = 0; i < COUNT(kept); i++) {
        handshake(TLS1_3_VERSION, kept[i], "EC", 256, tls_cipher_suites);
        char with_key[32]; /* TLS 1.2: the key's curve among the groups */
        (void)snprintf(with_key, sizeof(with_key), "%s:P-256", kept[i]);
        handshake(TLS1_2_VERSION, with_key, "EC", 256, tls_cipher_suites);
    }
    handshake(TLS1_3_VERSION, "P-256", "EC", 256, tls_cipher_suites);
    handshake(TLS1_2_VERSION, "P-256", "EC", 256, tls_cipher_suites);
    handshake(TLS1_3_VERSION, "X25519", "EC", 521, tls_cipher_suites);
    handshake(TLS1_2_VERSION, "X25519:P-521", "EC", 521, tls_cipher_suites);
    handshake(TLS1_3_VERSION, "X25519", "EC", 384, tls_cipher_suites);
    handshake(TLS1_3_VERSION, "X25519", "RSA", 2048, tls_cipher_suites);
    handshake(TLS1_2_VERSION, "X25519", "RSA", 2048, tls_cipher_suites);
    handshake(TLS1_3_VERSION, "X25519", "ED25519", 0, tls_cipher_suites);
    handshake(TLS1_2_VERSION, "X25519", "ED25519", 0, tls_cipher_suites);
    handshake(TLS1_3_VERSION, "X25519", "EC", 256, "TLS_AES_128_GCM_SHA256");
    handshake(TLS1_3_VERSION, "X25519", "EC", 256, "TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    for (size_t i = 0; i < COUNT(left_out); i++) {
        AUTO(BIO_free_all) BIO *nowhere = BIO_new(BIO_s_mem());
        SSL_clear(ssl);
        SSL_set_connect_state(ssl);
        bool set = SSL_set1_groups_list(ssl, left_out[i]) == 1;
        ck_assert_int_eq(BIO_up_ref(nowhere), 1);
        SSL_set_bio(ssl, nowhere, nowhere);
        /* known by name at most: a handshake has no group to begin with */
        ck_assert_msg(
            !set || (SSL_do_handshake(ssl) == -1 && SSL_get_error(ssl, -1) == SSL_ERROR_SSL), "%s",
            left_out[i]);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}
END_TEST

static void *work(void *place) {
    unsigned char octets[32];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = make("EC", 256);

    go_through_a_certificate(key, EVP_sha256());
    *(bool *)place = RAND_bytes(octets, sizeof(octets)) == 1;
    return NULL;
}

START_TEST(threads_work_with_it_and_leave_nothing) {
    pthread_t threads[4];
    bool done[4] = {0};

    provider_trim();
    for (size_t i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &done[i]), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        (void)pthread_join(threads[i], NULL);
        ck_assert(done[i]);
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {
        the_keys_of_this_system_are_read_and_used, an_encrypted_key_opens_with_its_password,
        what_is_never_used_is_not_offered,         tls_knows_the_keys_and_groups_and_no_other,
        threads_work_with_it_and_leave_nothing,
    };
    return suite_run("provider", tests, COUNT(tests));
}
