#include "acme_bed.h"

static struct bed bed;

START_TEST(an_nf_gets_a_certificate_in_seven_signed_requests) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    char url[256];
    struct err err = {0};

    bed_enrol(&bed, &actor, NULL, url);
    struct answer answer = bed_post(&bed, &actor, url, NULL);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(answer.type, ACME_CHAIN_TYPE);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    ck_good(chain != NULL);
    ck_good(x509_verify(chain, bed.trust, X509_PURPOSE_SSL_CLIENT, (int64_t)(BED_TIME_US / 1000000),
                        &err));
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    ck_good(x509_cert_read(sk_X509_value(chain, 0), &cert, &err));
    ck_assert_str_eq(cert.names.uuid, BED_UUID);
    ck_assert(nftypes_has(&cert.types, "AMF"));
    /* no later than the authority token */
    ck_assert_int_eq(cert.not_after_s, (int64_t)(BED_TIME_US / 1000000) + 90 * BED_DAY_S);
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_nf_gets_a_certificate_in_seven_signed_requests};
    return suite_run("server/wfe_order", tests, COUNT(tests));
}
