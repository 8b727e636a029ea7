#include "server/ocsp.h"

#include <openssl/ocsp.h>

#include "ca_fixture.h"
#include "common/ocsp_request.h"

AUTO_DEFINE(OCSP_REQUEST, OCSP_REQUEST_free)
AUTO_DEFINE(OCSP_RESPONSE, OCSP_RESPONSE_free)
AUTO_DEFINE(OCSP_BASICRESP, OCSP_BASICRESP_free)

#define GOOD "0a"
#define REVOKED "7fffffffffffffffffffffffffffffff00000001"
#define UNGIVEN "0c"
#define REVOKED_AT_S (FIXTURE_NOW_S - 100)

static struct ca_fixture fixture;
static struct ocsp *ocsp;
static struct ocsp_status good, revoked;
static unsigned asked;
static bool broken;
static struct err err;

static bool source(void *ctx, const char *serial, struct ocsp_status *ret, struct err *source_err) {
    (void)ctx;
    asked++;
    if (broken) {
        return err_set(source_err, ERR_STORE, "the store is broken");
    }
    *ret = strcmp(serial, GOOD) == 0      ? good
           : strcmp(serial, REVOKED) == 0 ? revoked
                                          : (struct ocsp_status){.reason = -1};
    return true;
}

static void start(void) {
    ocsp = ocsp_new(
        &(struct ocsp_options){.ca = fixture.ca, .source = source, .clock = &fixture.clock}, &err);
    ck_good(ocsp != NULL);
}

static void set_up(void) {
    good = (struct ocsp_status){.known = true, .reason = -1};
    revoked = (struct ocsp_status){.known = true, .revoked_at_s = REVOKED_AT_S, .reason = 1};
    ca_fixture_open(&fixture, 2);
    start();
}

static void tear_down(void) {
    ocsp_free(ocsp);
    ca_fixture_close(&fixture);
}

static OCSP_CERTID *id_of(const char *serial, const EVP_MD *md, X509 *issuer) {
    AUTO(BN_free) BIGNUM *number = NULL;

    ck_assert_int_gt(BN_hex2bn(&number, serial), 0);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(number, NULL);
    OCSP_CERTID *id = OCSP_cert_id_new(md, X509_get_subject_name(issuer),
                                       X509_get0_pubkey_bitstr(issuer), integer);
    ASN1_INTEGER_free(integer);
    ck_assert_ptr_nonnull(id);
    return id;
}

static void add(OCSP_REQUEST *request, const char *serial, const EVP_MD *md) {
    ck_assert_ptr_nonnull(OCSP_request_add0_id(request, id_of(serial, md, ca_issuer(fixture.ca))));
}

static struct ocsp_answer answer(OCSP_REQUEST *request) {
    struct ocsp_answer ret = {0};
    unsigned char *der = NULL;
    int len = i2d_OCSP_REQUEST(request, &der);

    ck_assert_int_gt(len, 0);
    ck_good(ocsp_answer(ocsp, der, (size_t)len, &ret, &err));
    OPENSSL_free(der);
    return ret;
}

/* The basic response, verified up to the root as of the fixture's clock. */
static OCSP_BASICRESP *read_answer(const struct ocsp_answer *given) {
    const unsigned char *at = given->der;
    AUTO(OCSP_RESPONSE_free)
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)given->len);

    ck_assert_ptr_nonnull(response);
    ck_assert_ptr_eq(at, given->der + given->len);
    unsigned char *der = NULL;
    ck_assert_int_eq(i2d_OCSP_RESPONSE(response, &der), (int)given->len);
    ck_assert_mem_eq(der, given->der, given->len); /* OpenSSL writes it the same way */
    OPENSSL_free(der);
    ck_assert_int_eq(OCSP_response_status(response), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    ck_assert_ptr_nonnull(basic);
    AUTO(X509_STORE_free) X509_STORE *trust = X509_STORE_new();
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(trust), (time_t)clock_now_s(&fixture.clock));
    ck_assert_int_eq(X509_STORE_add_cert(trust, ca_root(fixture.ca)), 1);
    AUTO(chain_free) X509_CHAIN *above = sk_X509_new_null();
    X509_up_ref(ca_issuer(fixture.ca));
    sk_X509_push(above, ca_issuer(fixture.ca));
    ck_assert_int_eq(OCSP_basic_verify(basic, above, trust, 0), 1);
    return basic;
}

static int64_t time_of(const ASN1_GENERALIZEDTIME *time) {
    struct tm utc = {0};
    ck_assert_int_eq(ASN1_TIME_to_tm(time, &utc), 1);
    return timegm(&utc);
}

struct found {
    int status, reason;
    int64_t at_s, from_s, until_s;
};

static struct found find(OCSP_BASICRESP *basic, const char *serial, const EVP_MD *md) {
    ASN1_GENERALIZEDTIME *at = NULL, *from = NULL, *until = NULL;
    struct found found = {.reason = -2};
    OCSP_CERTID *id = id_of(serial, md, ca_issuer(fixture.ca));

    ck_assert_int_eq(
        OCSP_resp_find_status(basic, id, &found.status, &found.reason, &at, &from, &until), 1);
    OCSP_CERTID_free(id);
    found.at_s = at == NULL ? 0 : time_of(at);
    found.from_s = time_of(from);
    found.until_s = time_of(until);
    return found;
}

/* clang-format off */
static const struct { const char *serial; int status, reason; int64_t at_s; bool kept; } cases_one[] = {
    {GOOD,    V_OCSP_CERTSTATUS_GOOD,    -1, 0,            true},
    {REVOKED, V_OCSP_CERTSTATUS_REVOKED, 1,  REVOKED_AT_S, true},
    {UNGIVEN, V_OCSP_CERTSTATUS_UNKNOWN, -1, 0,            false},
    {"00",    V_OCSP_CERTSTATUS_UNKNOWN, -1, 0,            false},
    {"-0a",   V_OCSP_CERTSTATUS_UNKNOWN, -1, 0,            false},
    {"01000000000000000000000000000000000000000a", V_OCSP_CERTSTATUS_UNKNOWN, -1, 0, false},
};
/* clang-format on */

START_TEST(one_certificate_is_good_revoked_or_unknown_by_sha1_and_sha256) {
    const EVP_MD *mds[] = {EVP_sha1(), EVP_sha256()};

    for (unsigned i = 0; i < COUNT(mds); i++) {
        AUTO(OCSP_REQUEST_free) OCSP_REQUEST *request = OCSP_REQUEST_new();
        add(request, cases_one[_i].serial, mds[i]);
        struct ocsp_answer given = answer(request);
        AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
        struct found found = find(basic, cases_one[_i].serial, mds[i]);
        ck_assert_int_eq(found.status, cases_one[_i].status);
        ck_assert_int_eq(found.at_s, cases_one[_i].at_s);
        if (found.status == V_OCSP_CERTSTATUS_REVOKED) {
            ck_assert_int_eq(found.reason, cases_one[_i].reason);
        }
        ck_assert_int_eq(found.from_s, FIXTURE_NOW_S);
        ck_assert_int_eq(found.until_s, FIXTURE_NOW_S + OCSP_LIFETIME_S);
        ck_assert_int_eq(given.kept, cases_one[_i].kept);
        free(given.der);
    }
}
END_TEST

/* RFC 5280 5.3.1, as in lists */
START_TEST(no_reason_is_told_where_lists_tell_none) {
    static const struct {
        int reason, told;
    } reasons[] = {{-1, -1}, {0, -1}, {4, 4}, {7, -1}, {8, -1}, {10, 10}, {11, -1}};

    for (unsigned i = 0; i < COUNT(reasons); i++) {
        AUTO(OCSP_REQUEST_free) OCSP_REQUEST *request = OCSP_REQUEST_new();
        revoked.reason = reasons[i].reason;
        add(request, REVOKED, EVP_sha1());
        struct ocsp_answer given = answer(request);
        AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
        ck_assert_int_eq(find(basic, REVOKED, EVP_sha1()).reason, reasons[i].told);
        free(given.der);
    }
}
END_TEST

START_TEST(several_are_answered_at_once_and_a_nonce_comes_back) {
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *request = OCSP_REQUEST_new();
    unsigned char nonce[128] = {1, 2, 3};

    add(request, GOOD, EVP_sha1());
    add(request, REVOKED, EVP_sha256());
    add(request, UNGIVEN, EVP_sha1());
    ck_assert_int_eq(OCSP_request_add1_nonce(request, nonce, sizeof nonce), 1);
    struct ocsp_answer given = answer(request);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
    ck_assert_int_eq(OCSP_resp_count(basic), 3);
    ck_assert_int_eq(OCSP_check_nonce(request, basic), 1);
    ck_assert_int_eq(find(basic, GOOD, EVP_sha1()).status, V_OCSP_CERTSTATUS_GOOD);
    ck_assert_int_eq(find(basic, REVOKED, EVP_sha256()).status, V_OCSP_CERTSTATUS_REVOKED);
    ck_assert_int_eq(find(basic, UNGIVEN, EVP_sha1()).status, V_OCSP_CERTSTATUS_UNKNOWN);
    ck_assert(!given.kept);
    free(given.der);
}
END_TEST

/* The answer to a question about one certificate, without a nonce. */
static struct ocsp_answer ask(const char *serial) {
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *request = OCSP_REQUEST_new();
    add(request, serial, EVP_sha1());
    return answer(request);
}

START_TEST(an_answer_is_kept_until_half_its_lifetime_is_over) {
    struct ocsp_answer first = ask(GOOD), second = ask(GOOD);

    ck_assert_uint_eq(second.len, first.len);
    ck_assert_mem_eq(second.der, first.der, first.len);
    ck_assert_uint_eq(ocsp_counts(ocsp).made, 1);
    ck_assert_uint_eq(ocsp_counts(ocsp).kept, 1);
    fixture.clock.manual_us += (uint64_t)(OCSP_LIFETIME_S / 2 - 1) * 1000000;
    free(second.der);
    second = ask(GOOD);
    ck_assert_uint_eq(ocsp_counts(ocsp).made, 1);
    fixture.clock.manual_us += 1000000;
    free(second.der);
    second = ask(GOOD);
    ck_assert_uint_eq(ocsp_counts(ocsp).made, 2);
    ck_assert_int_eq(second.this_update_s, FIXTURE_NOW_S + OCSP_LIFETIME_S / 2);
    free(first.der);
    free(second.der);
}
END_TEST

START_TEST(a_revocation_shows_in_the_next_answer) {
    struct ocsp_answer given = ask(GOOD);

    free(given.der);
    good = (struct ocsp_status){.known = true, .revoked_at_s = FIXTURE_NOW_S, .reason = 4};
    given = ask(GOOD);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
    struct found found = find(basic, GOOD, EVP_sha1());
    ck_assert_int_eq(found.status, V_OCSP_CERTSTATUS_REVOKED);
    ck_assert_int_eq(found.reason, 4);
    free(given.der);
}
END_TEST

static int failure_of(const unsigned char *der, size_t len) {
    struct ocsp_answer given = {0};

    ck_good(ocsp_answer(ocsp, der, len, &given, &err));
    ck_assert_uint_eq(given.len, 5);
    int failure = given.der[4];
    free(given.der);
    return failure;
}

static int failure_to(OCSP_REQUEST *request) {
    unsigned char *der = NULL;
    int len = i2d_OCSP_REQUEST(request, &der);
    int failure = failure_of(der, (size_t)len);
    OPENSSL_free(der);
    return failure;
}

START_TEST(what_cannot_be_answered_is_refused) {
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *other = OCSP_REQUEST_new();
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *many = OCSP_REQUEST_new();
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *one = OCSP_REQUEST_new();
    AUTO(OCSP_REQUEST_free) OCSP_REQUEST *sha512 = OCSP_REQUEST_new();

    ck_assert_ptr_nonnull(
        OCSP_request_add0_id(other, id_of(GOOD, EVP_sha1(), ca_root(fixture.ca))));
    ck_assert_int_eq(failure_to(other), OCSP_RESPONSE_STATUS_UNAUTHORIZED);
    add(sha512, GOOD, EVP_sha512());
    ck_assert_int_eq(failure_to(sha512), OCSP_RESPONSE_STATUS_UNAUTHORIZED);
    for (unsigned i = 0; i <= OCSP_IDS_MAX; i++) {
        add(many, GOOD, EVP_sha1());
    }
    ck_assert_int_eq(failure_to(many), OCSP_RESPONSE_STATUS_UNAUTHORIZED);
    ck_assert_int_eq(failure_of((const unsigned char *)"", 0),
                     OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
    broken = true;
    add(one, GOOD, EVP_sha1());
    ck_assert_int_eq(failure_to(one), OCSP_RESPONSE_STATUS_TRYLATER);
    ck_assert_uint_eq(ocsp_counts(ocsp).refused, 5);
}
END_TEST

START_TEST(the_servers_own_certificates_are_good) {
    ck_good(ocsp_own_add(ocsp, UNGIVEN, &err));
    struct ocsp_answer given = ask(UNGIVEN);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
    ck_assert_int_eq(find(basic, UNGIVEN, EVP_sha1()).status, V_OCSP_CERTSTATUS_GOOD);
    const STACK_OF(X509) *certs = OCSP_resp_get0_certs(basic);
    AUTO(x509_cert_done) struct x509_cert responder = {0};
    ck_good(x509_cert_read(sk_X509_value(certs, 0), &responder, &err));
    ck_assert_int_ge(X509_get_ext_by_NID(responder.x509, NID_id_pkix_OCSP_noCheck, -1), 0);
    free(given.der);
    given = ask(responder.serial);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *own = read_answer(&given);
    ck_assert_int_eq(find(own, responder.serial, EVP_sha1()).status, V_OCSP_CERTSTATUS_GOOD);
    free(given.der);
}
END_TEST

START_TEST(the_responder_is_certified_anew_in_time) {
    for (unsigned day = 0; day < 30; day++) {
        struct ocsp_answer given = ask(GOOD);
        AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
        ck_assert_int_eq(given.next_update_s, given.this_update_s + OCSP_LIFETIME_S);
        free(given.der);
        fixture.clock.manual_us += 86400000000ULL;
    }
}
END_TEST

START_TEST(a_ca_of_another_key_type_has_a_responder_too) {
    static const enum key_type types[] = {KEY_P384, KEY_RSA2048, KEY_ED25519};
    char folder[96];

    (void)snprintf(folder, sizeof folder, "%s/other", fixture.folder);
    ocsp_free(ocsp);
    ca_free(fixture.ca);
    fixture.options.state_dir = folder;
    fixture.options.key_type = types[_i];
    fixture.ca = ca_open(&fixture.options, &err);
    ck_good(fixture.ca != NULL);
    start();
    struct ocsp_answer given = ask(GOOD);
    AUTO(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = read_answer(&given);
    ck_assert_int_eq(find(basic, GOOD, EVP_sha1()).status, V_OCSP_CERTSTATUS_GOOD);
    free(given.der);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ocsp");
    TCase *cases = tcase_create("ocsp");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, one_certificate_is_good_revoked_or_unknown_by_sha1_and_sha256, 0,
                        (int)COUNT(cases_one));
    tcase_add_test(cases, no_reason_is_told_where_lists_tell_none);
    tcase_add_test(cases, several_are_answered_at_once_and_a_nonce_comes_back);
    tcase_add_test(cases, an_answer_is_kept_until_half_its_lifetime_is_over);
    tcase_add_test(cases, a_revocation_shows_in_the_next_answer);
    tcase_add_test(cases, what_cannot_be_answered_is_refused);
    tcase_add_test(cases, the_servers_own_certificates_are_good);
    tcase_add_test(cases, the_responder_is_certified_anew_in_time);
    tcase_add_loop_test(cases, a_ca_of_another_key_type_has_a_responder_too, 0, 3);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
