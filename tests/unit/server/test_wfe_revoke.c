/* Revocation: RFC 8555 7.6. */
#include "acme_flow.h"

static struct bed bed;

/* The payload {"certificate":…,"reason":…} for the certificate at url; reason -1: without. */
static char *revocation(const struct actor *actor, const char *url, int reason) {
    struct err err = {0};
    struct answer answer = bed_post(&bed, actor, url, NULL);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    AUTO(ossl_free) unsigned char *der = NULL;

    ck_good(chain != NULL);
    int len = i2d_X509(sk_X509_value(chain, 0), &der);
    ck_assert_int_gt(len, 0);
    AUTO(free) char *text = b64_encode(der, (size_t)len);
    json_t *payload = json_pack("{s:s}", "certificate", text);
    if (reason >= 0) {
        (void)json_object_set_new(payload, "reason", json_integer(reason));
    }
    char *out = json_text(payload);
    json_decref(payload);
    answer_done(&answer);
    return out;
}

static struct actor by_key(EVP_PKEY *key) { return (struct actor){.key = key}; }

START_TEST(an_account_revokes_what_it_was_issued_once) {
    char url[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    AUTO(free) char *payload = revocation(&actor, url, 4);
    struct answer answer = bed_post(&bed, &actor, "/revoke-cert", payload);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(answer.body, "");
    answer_done(&answer);
    bed_expect(&bed, &actor, "/revoke-cert", payload, 400, "alreadyRevoked");
    bed_expect(&bed, &actor, url, NULL, 200, ""); /* still there to be read */
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(the_certificates_own_key_revokes_it) {
    char url[256];
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *stranger = key_generate(KEY_P256, &err);
    struct actor right = by_key(key), wrong = by_key(stranger);
    bed_enrol(&bed, &actor, key, url);
    AUTO(free) char *payload = revocation(&actor, url, -1);
    bed_expect(&bed, &wrong, "/revoke-cert", payload, 403, "unauthorized");
    bed_expect(&bed, &right, "/revoke-cert", payload, 200, "");
    bed_expect(&bed, &right, "/revoke-cert", payload, 400, "alreadyRevoked");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_unrelated_account_revokes_only_with_all_the_names) {
    char url[256];

    bed_start(&bed, NULL);
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);
    bed_enrol(&bed, &alice, NULL, url);
    AUTO(free) char *payload = revocation(&alice, url, 1);
    bed_expect(&bed, &bob, "/revoke-cert", payload, 403, "unauthorized");
    struct placed placed = bed_order(&bed, &bob, BED_NF_ORDER);
    bed_prove(&bed, &bob, &placed, 0, "valid");
    bed_restart(&bed, BED_TIME_US + 31 * (uint64_t)BED_DAY_S * 1000000);
    bed_expect(&bed, &bob, "/revoke-cert", payload, 403, "unauthorized"); /* expired */
    bed_restart(&bed, BED_TIME_US);
    bed_expect(&bed, &bob, "/revoke-cert", payload, 200, "");
    bed_expect(&bed, &alice, "/revoke-cert", payload, 400, "alreadyRevoked");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

/* The certificate's key may be of any kind. */
START_TEST(keys_of_every_kind_revoke_their_certificate) {
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_RSA2048, KEY_ED25519};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < COUNT(types); i++) {
        char url[256];
        struct err err = {0};
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(types[i], &err);
        struct actor owner = by_key(key);
        bed_enrol(&bed, &actor, key, url);
        AUTO(free) char *payload = revocation(&actor, url, -1);
        bed_expect(&bed, &owner, "/revoke-cert", payload, 200, "");
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(bad_revocations_change_nothing) {
    static const char *const malformed[] = {"{}", "{\"certificate\":5}", "{\"certificate\":\"xx\"}",
                                            "{\"certificate\":\"\"}",
                                            "{\"certificate\":\"-----BEGIN CERTIFICATE-----\"}"};
    static const int reasons[] = {6, 7, 8, 99};
    char url[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    for (unsigned i = 0; i < COUNT(malformed); i++) {
        bed_expect(&bed, &actor, "/revoke-cert", malformed[i], 400, "malformed");
    }
    for (unsigned i = 0; i < COUNT(reasons); i++) {
        AUTO(free) char *payload = revocation(&actor, url, reasons[i]);
        bed_expect(&bed, &actor, "/revoke-cert", payload, 400, "badRevocationReason");
    }
    AUTO(free) char *payload = revocation(&actor, url, 0);
    bed_expect(&bed, &actor, "/revoke-cert", payload, 200, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* N-282, N-284: the real serial in a certificate of somebody else's making. */
START_TEST(a_forged_certificate_does_not_revoke_the_real_one) {
    char url[256];
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    AUTO(free) char *real = revocation(&actor, url, -1);
    json_t *payload = json_loads(real, 0, NULL);
    const char *text = json_string_value(json_object_get(payload, "certificate"));
    AUTO(free) unsigned char *der = NULL;
    AUTO(ossl_free) unsigned char *forged_der = NULL;
    size_t len = 0;
    ck_good(b64_decode(text, strlen(text), &der, &len, &err));
    AUTO(X509_free) X509 *forged = x509_from_der(der, len, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    ck_assert_int_eq(X509_set_pubkey(forged, key), 1);
    ck_assert_int_gt(X509_sign(forged, key, EVP_sha256()), 0);
    int forged_len = i2d_X509(forged, &forged_der);
    AUTO(free) char *forged_text = b64_encode(forged_der, (size_t)forged_len);
    (void)json_object_set_new(payload, "certificate", json_string(forged_text));
    AUTO(free) char *fake = json_text(payload);
    struct actor forger = by_key(key);
    bed_expect(&bed, &forger, "/revoke-cert", fake, 404, "malformed");
    bed_expect(&bed, &actor, "/revoke-cert", fake, 404, "malformed");
    bed_expect(&bed, &actor, "/revoke-cert", real, 200, "");
    json_decref(payload);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_certificate_of_another_ca_is_not_ours) {
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = by_key(bed.authority);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(sk_X509_value(bed.authority_chain, 0), &der);
    AUTO(free) char *text = b64_encode(der, (size_t)len);
    json_t *payload = json_pack("{s:s}", "certificate", text);
    AUTO(free) char *out = json_text(payload);
    json_decref(payload);
    bed_expect(&bed, &actor, "/revoke-cert", out, 404, "malformed");
    (void)err;
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_account_revokes_what_it_was_issued_once,
                                  the_certificates_own_key_revokes_it,
                                  an_unrelated_account_revokes_only_with_all_the_names,
                                  bad_revocations_change_nothing,
                                  keys_of_every_kind_revoke_their_certificate,
                                  a_forged_certificate_does_not_revoke_the_real_one,
                                  a_certificate_of_another_ca_is_not_ours};
    return suite_run("server/wfe_revoke", tests, COUNT(tests));
}
