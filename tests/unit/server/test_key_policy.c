/* Which keys are refused: kind by use, close primes, compromised ones. */
#include "server/key_policy.h"

#include <openssl/core_names.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/kept.h"
#include "common/key.h"
#include "common/ossl.h"
#include "tests/unit/common/suite.h"

static struct err err;

/* An RSA key of 2048 bits; close: the second prime is the next one after the first. */
static EVP_PKEY *rsa(bool close) {
    AUTO(BN_free) BIGNUM *p = BN_new();
    AUTO(BN_free) BIGNUM *q = BN_new();
    AUTO(BN_free) BIGNUM *n = BN_new();
    AUTO(BN_free) BIGNUM *e = BN_new();
    BN_CTX *ctx = BN_CTX_new();

    ck_assert(BN_set_word(e, 65537) == 1 && BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL) == 1
              && BN_copy(q, p) != NULL);
    if (close) {
        do {
            ck_assert(BN_add_word(q, 2) == 1);
        } while (BN_check_prime(q, ctx, NULL) != 1);
    } else {
        ck_assert(BN_generate_prime_ex(q, 1024, 0, NULL, NULL, NULL) == 1);
    }
    ck_assert(BN_mul(n, p, q, ctx) == 1);
    BN_CTX_free(ctx);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    ck_assert(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
              && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *key = kept_import(KEPT_RSA, EVP_PKEY_PUBLIC_KEY, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    ck_assert_ptr_nonnull(key);
    return key;
}

static void refused(struct key_policy *policy, EVP_PKEY *key, enum key_use use, const char *why) {
    struct err told = {0};

    ck_assert(!key_policy_check(policy, key, use, &told));
    ck_assert_int_eq(told.kind, use == KEY_USE_ACCOUNT ? ERR_BAD_PUBLIC_KEY : ERR_BAD_CSR);
    ck_assert_msg(strstr(told.detail, why) != NULL, "%s", told.detail);
}

START_TEST(accounts_and_certificates_take_their_kinds_of_keys) {
    static const struct {
        enum key_type type;
        bool account, certificate;
    } rows[] = {
        {KEY_P256, true, true},    {KEY_P384, true, true},    {KEY_P521, true, false},
        {KEY_RSA2048, true, true}, {KEY_RSA4096, true, true}, {KEY_ED25519, true, true},
    };
    AUTO(key_policy_free) struct key_policy *policy = key_policy_new(&err);

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(rows[i].type, &err);
        struct err why = {0};
        ck_assert_msg(key_policy_check(policy, key, KEY_USE_ACCOUNT, &why) == rows[i].account, "%s",
                      key_type_name(rows[i].type));
        why = (struct err){0};
        ck_assert_msg(key_policy_check(policy, key, KEY_USE_CERTIFICATE, &why)
                          == rows[i].certificate,
                      "%s", key_type_name(rows[i].type));
        ck_assert(rows[i].certificate || why.kind == ERR_BAD_CSR);
    }
}
END_TEST

START_TEST(a_modulus_of_close_primes_is_refused) {
    AUTO(key_policy_free) struct key_policy *policy = key_policy_new(&err);
    AUTO(EVP_PKEY_free) EVP_PKEY *weak = rsa(true);
    AUTO(EVP_PKEY_free) EVP_PKEY *good = rsa(false);

    refused(policy, weak, KEY_USE_ACCOUNT, "close");
    refused(policy, weak, KEY_USE_CERTIFICATE, "close");
    ck_assert(key_policy_check(policy, good, KEY_USE_ACCOUNT, &err));
}
END_TEST

START_TEST(a_blocked_key_is_refused_everywhere) {
    AUTO(key_policy_free) struct key_policy *policy = key_policy_new(&err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);
    unsigned char digest[32];

    ck_assert(key_policy_check(policy, key, KEY_USE_ACCOUNT, &err));
    ck_assert(key_spki_sha256(key, digest, &err) && key_policy_block(policy, digest)
              && key_policy_block(policy, digest));
    ck_assert_uint_eq(key_policy_blocked(policy), 1);
    refused(policy, key, KEY_USE_ACCOUNT, "compromised");
    refused(policy, key, KEY_USE_CERTIFICATE, "compromised");
    ck_assert(key_policy_check(policy, other, KEY_USE_ACCOUNT, &err));
    for (unsigned i = 0; i < 5000; i++) { /* it grows, and forgets nothing */
        unsigned char made[32];
        ck_assert(kept_hash(KEPT_SHA256, &i, sizeof(i), made) && key_policy_block(policy, made));
    }
    ck_assert_uint_eq(key_policy_blocked(policy), 5001);
    refused(policy, key, KEY_USE_ACCOUNT, "compromised");
    ck_assert(key_policy_check(policy, other, KEY_USE_ACCOUNT, &err));
}
END_TEST

START_TEST(the_list_is_lines_of_hex) {
    static const struct {
        const char *text;
        unsigned blocked;
        const char *error;
    } rows[] = {
        {"# none\n\n", 0, NULL},
        {"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\r\n"
         "01112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF weak\n",
         2, NULL},
        {"# one\n0011\n", 0, ":2:"},
        {"zz112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF", 0, ":1:"},
    };
    char path[] = "/tmp/nfacme-keys-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(key_policy_free) struct key_policy *policy = key_policy_new(&err);
        struct err why = {0};
        ck_assert(file_write(path, 0600, rows[i].text, strlen(rows[i].text), &err));
        ck_assert(key_policy_read(policy, path, &why) == (rows[i].error == NULL));
        ck_assert_uint_eq(key_policy_blocked(policy), rows[i].blocked);
        ck_assert(rows[i].error == NULL
                  || (why.kind == ERR_CONFIG && strstr(why.detail, rows[i].error) != NULL));
    }
    (void)unlink(path);
    AUTO(key_policy_free) struct key_policy *policy = key_policy_new(&err);
    ck_assert(!key_policy_read(policy, path, &err) && err.kind == ERR_CONFIG);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {accounts_and_certificates_take_their_kinds_of_keys,
                                  a_modulus_of_close_primes_is_refused,
                                  a_blocked_key_is_refused_everywhere, the_list_is_lines_of_hex};
    return suite_run("server/key_policy", tests, COUNT(tests));
}
