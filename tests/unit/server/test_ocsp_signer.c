#include "server/ocsp_signer.h"

#include <openssl/ocsp.h>
#include <pthread.h>

#include "ca_fixture.h"
#include "common/ocsp_request.h"
#include "tests/unit/common/suite.h"

AUTO_DEFINE(OCSP_REQUEST, OCSP_REQUEST_free)
AUTO_DEFINE(OCSP_RESPONSE, OCSP_RESPONSE_free)
AUTO_DEFINE(OCSP_BASICRESP, OCSP_BASICRESP_free)

#define DAY_S ((int64_t)86400)
#define LIFETIME_S (8 * DAY_S)
#define HOUR_S 3600

static struct ca_fixture fixture;
static struct ocsp_signer *signer;
static OCSP_CERTID *id;
static unsigned char *id_der;
static struct ocsp_single single;
static struct err err;

static void set_up(void) {
    ca_fixture_open(&fixture, 2);
    id = OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(ca_issuer(fixture.ca)),
                          X509_get0_pubkey_bitstr(ca_issuer(fixture.ca)),
                          X509_get0_serialNumber(ca_root(fixture.ca)));
    int len = i2d_OCSP_CERTID(id, &id_der);
    ck_assert_int_gt(len, 0);
    single =
        (struct ocsp_single){.id = {id_der, (size_t)len}, .status = {.known = true, .reason = -1}};
    signer = ocsp_signer_new(fixture.ca, LIFETIME_S, FIXTURE_NOW_S, &err);
    ck_good(signer != NULL);
}

static void tear_down(void) {
    ocsp_signer_free(signer);
    OPENSSL_free(id_der);
    OCSP_CERTID_free(id);
    ca_fixture_close(&fixture);
}

static struct ocsp_response response_at(int64_t now_s) {
    return (struct ocsp_response){.count = 1,
                                  .singles = &single,
                                  .produced_at_s = now_s,
                                  .this_update_s = now_s,
                                  .next_update_s = now_s + HOUR_S};
}

static int64_t seconds_of(const ASN1_TIME *time) {
    struct tm utc = {0};
    ck_assert_int_eq(ASN1_TIME_to_tm(time, &utc), 1);
    return timegm(&utc);
}

/* Verified up to the root as of now_s; caller owns. */
static OCSP_BASICRESP *read_der(const unsigned char *der, size_t len, int64_t now_s) {
    const unsigned char *at = der;
    AUTO(OCSP_RESPONSE_free) OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);

    ck_assert_ptr_nonnull(response);
    ck_assert_ptr_eq(at, der + len);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    ck_assert_ptr_nonnull(basic);
    AUTO(X509_STORE_free) X509_STORE *trust = X509_STORE_new();
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(trust), (time_t)now_s);
    ck_assert_int_eq(X509_STORE_add_cert(trust, ca_root(fixture.ca)), 1);
    AUTO(chain_free) X509_CHAIN *above = sk_X509_new_null();
    X509_up_ref(ca_issuer(fixture.ca));
    sk_X509_push(above, ca_issuer(fixture.ca));
    ck_assert_int_eq(OCSP_basic_verify(basic, above, trust, 0), 1);
    return basic;
}

static OCSP_BASICRESP *sign(struct ocsp_response *response) {
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    ck_good(ocsp_sign(signer, response, &der, &len, &err));
    return read_der(der, len, response->produced_at_s);
}

/* The certificate the answer of that moment is signed under. */
static struct x509_cert signed_under(int64_t now_s) {
    struct ocsp_response response = response_at(now_s);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
    struct x509_cert cert = {0};

    ck_assert_int_eq(sk_X509_num(OCSP_resp_get0_certs(basic)), 1);
    ck_good(x509_cert_read(sk_X509_value(OCSP_resp_get0_certs(basic), 0), &cert, &err));
    return cert;
}

START_TEST(the_responder_may_sign_answers_and_nothing_else_and_is_named_by_its_key) {
    struct ocsp_response response = response_at(FIXTURE_NOW_S);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
    X509 *x509 = sk_X509_value(OCSP_resp_get0_certs(basic), 0), *named = NULL;
    AUTO(x509_cert_done) struct x509_cert cert = signed_under(FIXTURE_NOW_S);

    ck_assert_uint_eq(X509_get_key_usage(x509), KU_DIGITAL_SIGNATURE);
    ck_assert_uint_eq(X509_get_extended_key_usage(x509), XKU_OCSP_SIGN);
    ck_assert_int_ge(X509_get_ext_by_NID(x509, NID_id_pkix_OCSP_noCheck, -1), 0);
    ck_assert(!cert.ca);
    ck_assert_int_lt(cert.not_before_s, FIXTURE_NOW_S);
    ck_assert_int_eq(cert.not_after_s, FIXTURE_NOW_S + LIFETIME_S);
    ck_assert_int_eq(OCSP_resp_get0_signer(basic, &named, NULL), 1); /* by the KeyHash */
    ck_assert_ptr_eq(named, x509);
    ck_assert_int_eq(seconds_of(OCSP_resp_get0_produced_at(basic)), FIXTURE_NOW_S);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(x509), ca_issuer_key(fixture.ca)), 0);
}
END_TEST

/* clang-format off */
static const struct { struct ocsp_status status; int told, reason; int64_t at_s; } statuses[] = {
    {{true,  0, -1},                      V_OCSP_CERTSTATUS_GOOD,    -2, 0},
    {{true,  0, 1},                       V_OCSP_CERTSTATUS_GOOD,    -2, 0},
    {{false, 0, -1},                      V_OCSP_CERTSTATUS_UNKNOWN, -2, 0},
    {{false, FIXTURE_NOW_S, 1},           V_OCSP_CERTSTATUS_UNKNOWN, -2, 0},
    {{true,  FIXTURE_NOW_S - 5, 1},       V_OCSP_CERTSTATUS_REVOKED, 1,  FIXTURE_NOW_S - 5},
    {{true,  FIXTURE_NOW_S - 5, 0},       V_OCSP_CERTSTATUS_REVOKED, -1, FIXTURE_NOW_S - 5},
    {{true,  1, 9},                       V_OCSP_CERTSTATUS_REVOKED, 9,  1},
    {{true,  4102444800, 10},             V_OCSP_CERTSTATUS_REVOKED, 10, 4102444800}, /* 2100 */
};
/* clang-format on */

START_TEST(every_status_is_told_with_its_time_and_reason) {
    for (unsigned i = 0; i < COUNT(statuses); i++) {
        ASN1_GENERALIZEDTIME *at = NULL, *from = NULL, *until = NULL;
        struct ocsp_response response = response_at(FIXTURE_NOW_S);
        int told = -1, reason = -2;
        single.status = statuses[i].status;
        AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
        ck_assert_int_eq(OCSP_resp_find_status(basic, id, &told, &reason, &at, &from, &until), 1);
        ck_assert_msg(told == statuses[i].told, "row %u: %d", i, told);
        ck_assert_int_eq(seconds_of(from), FIXTURE_NOW_S);
        ck_assert_int_eq(seconds_of(until), FIXTURE_NOW_S + HOUR_S);
        if (told == V_OCSP_CERTSTATUS_REVOKED) {
            ck_assert_msg(reason == statuses[i].reason, "row %u: %d", i, reason);
            ck_assert_int_eq(seconds_of(at), statuses[i].at_s);
        }
    }
}
END_TEST

START_TEST(the_certificate_is_made_anew_at_half_of_its_life) {
    AUTO(x509_cert_done) struct x509_cert first = signed_under(FIXTURE_NOW_S);
    AUTO(x509_cert_done) struct x509_cert same = signed_under(FIXTURE_NOW_S + LIFETIME_S / 2 - 1);

    ck_assert_str_eq(same.serial, first.serial);
    ck_assert(ocsp_signer_is(signer, first.serial));
    AUTO(x509_cert_done) struct x509_cert next = signed_under(FIXTURE_NOW_S + LIFETIME_S / 2);
    ck_assert_str_ne(next.serial, first.serial);
    ck_assert_int_eq(next.not_after_s, FIXTURE_NOW_S + LIFETIME_S / 2 + LIFETIME_S);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(next.x509), X509_get0_pubkey(first.x509)), 0);
    ck_assert(ocsp_signer_is(signer, next.serial));
    ck_assert(!ocsp_signer_is(signer, first.serial));
    ck_assert(!ocsp_signer_is(signer, ""));
}
END_TEST

START_TEST(an_answer_ends_with_the_certificate_at_the_latest) {
    struct ocsp_response response = response_at(FIXTURE_NOW_S);

    response.next_update_s = FIXTURE_NOW_S + LIFETIME_S + 1;
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
    ck_assert_int_eq(response.next_update_s, FIXTURE_NOW_S + LIFETIME_S);
    response.next_update_s = FIXTURE_NOW_S + LIFETIME_S;
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *last = sign(&response);
    ck_assert_int_eq(response.next_update_s, FIXTURE_NOW_S + LIFETIME_S);
}
END_TEST

/* ---- the end of the issuing CA ---- */

static int64_t issuer_end_s(void) {
    AUTO(x509_cert_done) struct x509_cert issuer = {0};
    ck_good(x509_cert_read(ca_issuer(fixture.ca), &issuer, &err));
    return issuer.not_after_s;
}

START_TEST(the_certificate_ends_with_its_issuer_and_answers_with_both) {
    int64_t end_s = issuer_end_s();

    for (int64_t before_s = 2 * LIFETIME_S; before_s > 0; before_s -= DAY_S / 2) {
        struct ocsp_response response = response_at(end_s - before_s);
        response.next_update_s = end_s + DAY_S;
        AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
        ck_assert_int_le(response.next_update_s, end_s);
        ck_assert_int_gt(response.next_update_s, response.this_update_s);
    }
    AUTO(x509_cert_done) struct x509_cert last = signed_under(end_s - 1);
    AUTO(x509_cert_done) struct x509_cert again = signed_under(end_s - 1);
    ck_assert_int_eq(last.not_after_s, end_s);
    ck_assert_str_eq(again.serial, last.serial); /* no key for every answer of the last days */
}
END_TEST

static void ck_not_signed(int64_t now_s) {
    struct ocsp_response response = response_at(now_s);
    unsigned char *der = NULL;
    size_t len = 7;

    ck_assert(!ocsp_sign(signer, &response, &der, &len, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    ck_assert_ptr_null(der);
    ck_assert_uint_eq(len, 7);
    err = (struct err){0};
}

START_TEST(nothing_is_signed_once_the_issuer_has_expired) {
    int64_t end_s = issuer_end_s();
    struct caught caught = catch_start(STDERR_FILENO);

    ck_not_signed(end_s + 1);
    ck_not_signed(end_s + 365 * DAY_S);
    ck_assert_ptr_null(ocsp_signer_new(fixture.ca, LIFETIME_S, end_s + 1, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    free(catch_end(&caught));
}
END_TEST

START_TEST(nothing_is_signed_in_the_last_days_after_the_issuer_has_expired) {
    int64_t end_s = issuer_end_s();
    AUTO(x509_cert_done) struct x509_cert last = signed_under(end_s - DAY_S);
    struct caught caught = catch_start(STDERR_FILENO);

    ck_assert_int_eq(last.not_after_s, end_s);
    ck_not_signed(end_s + 1); /* before half of a whole life is over */
    free(catch_end(&caught));
}
END_TEST

/* ---- what does not fit ---- */

START_TEST(a_time_beyond_four_digit_years_is_an_error_and_the_next_answer_is_not) {
    struct ocsp_response response = response_at(FIXTURE_NOW_S);
    unsigned char *der = NULL;
    size_t len = 0;

    single.status = (struct ocsp_status){.known = true, .revoked_at_s = 253402300800, .reason = 1};
    ck_assert(!ocsp_sign(signer, &response, &der, &len, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    ck_assert_ptr_null(der);
    single.status.revoked_at_s--; /* 9999-12-31T23:59:59Z */
    err = (struct err){0};
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
    ck_assert_int_eq(OCSP_resp_count(basic), 1);
}
END_TEST

START_TEST(as_many_answers_as_one_may_ask_for_fit_and_what_is_larger_is_an_error) {
    static unsigned char large[OCSP_RESPONSE_MAX];
    struct ocsp_single many[OCSP_IDS_MAX];
    unsigned char longest[OCSP_CERT_ID_MAX] = {DER_SEQUENCE, 0x81, OCSP_CERT_ID_MAX - 3,
                                               DER_OCTETS,   0x81, OCSP_CERT_ID_MAX - 6};
    struct ocsp_response response = response_at(FIXTURE_NOW_S);
    unsigned char *der = NULL;
    size_t len = 0;

    for (unsigned i = 0; i < OCSP_IDS_MAX; i++) {
        many[i] = (struct ocsp_single){.id = {longest, sizeof longest},
                                       .status = {true, FIXTURE_NOW_S, 1}};
    }
    response.count = OCSP_IDS_MAX;
    response.singles = many;
    ck_good(ocsp_sign(signer, &response, &der, &len, &err));
    ck_assert_uint_lt(len, OCSP_RESPONSE_MAX);
    free(der);
    der = NULL;
    many[0].id = (struct der){large, sizeof large};
    ck_assert(!ocsp_sign(signer, &response, &der, &len, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    ck_assert_ptr_null(der);
}
END_TEST

START_TEST(a_nonce_comes_back_as_it_was) {
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *asked = OCSP_REQUEST_new();
    unsigned char octets[OCSP_NONCE_MAX] = {7}, *der = NULL;
    struct ocsp_request request = {0};
    struct ocsp_response response = response_at(FIXTURE_NOW_S);

    ck_assert_ptr_nonnull(OCSP_request_add0_id(asked, OCSP_CERTID_dup(id)));
    ck_assert_int_eq(OCSP_request_add1_nonce(asked, octets, sizeof octets), 1);
    int len = i2d_OCSP_REQUEST(asked, &der);
    ck_good(ocsp_request_read(der, (size_t)len, &request, &err));
    response.nonce = request.nonce;
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = sign(&response);
    ck_assert_int_eq(OCSP_check_nonce(asked, basic), 1);
    OPENSSL_free(der);
}
END_TEST

/* All at one moment, then all at the next. */
static void *sign_many(void *ctx) {
    for (int64_t i = 0; i < 20; i++) {
        (void)pthread_barrier_wait(ctx);
        AUTO(x509_cert_done)
        struct x509_cert cert = signed_under(FIXTURE_NOW_S + i * LIFETIME_S / 16);
        ck_assert_int_gt(cert.not_after_s, FIXTURE_NOW_S);
    }
    return NULL;
}

/* Every answer verifies, whichever certificate it was signed under. */
START_TEST(threads_sign_while_the_certificate_is_made_anew) {
    pthread_t threads[4];
    pthread_barrier_t together;

    ck_assert_int_eq(pthread_barrier_init(&together, NULL, COUNT(threads)), 0);
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_many, &together), 0);
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&together);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ocsp_signer");
    TCase *cases = tcase_create("ocsp_signer");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, the_responder_may_sign_answers_and_nothing_else_and_is_named_by_its_key);
    tcase_add_test(cases, every_status_is_told_with_its_time_and_reason);
    tcase_add_test(cases, the_certificate_is_made_anew_at_half_of_its_life);
    tcase_add_test(cases, an_answer_ends_with_the_certificate_at_the_latest);
    tcase_add_test(cases, the_certificate_ends_with_its_issuer_and_answers_with_both);
    tcase_add_test(cases, nothing_is_signed_once_the_issuer_has_expired);
    tcase_add_test(cases, nothing_is_signed_in_the_last_days_after_the_issuer_has_expired);
    tcase_add_test(cases, a_time_beyond_four_digit_years_is_an_error_and_the_next_answer_is_not);
    tcase_add_test(cases, as_many_answers_as_one_may_ask_for_fit_and_what_is_larger_is_an_error);
    tcase_add_test(cases, a_nonce_comes_back_as_it_was);
    tcase_add_test(cases, threads_sign_while_the_certificate_is_made_anew);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
