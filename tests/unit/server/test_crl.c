#include "server/crl.h"

#include <pthread.h>
#include <time.h>

#include "ca_fixture.h"

#define DAY_S ((int64_t)86400)
#define ENTRIES_MAX 512
#define DEADLINE_S 20

static struct ca_fixture fixture;
static struct crl *crl;

/* What the store would say is revoked. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct crl_entry entries[ENTRIES_MAX];
static unsigned entry_count, readings;
static bool broken;
static const char *state_file;
static int64_t asked_after_s; /* what the last reading wanted */

static bool source(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                   struct err *err) {
    bool good = true;

    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    readings++;
    asked_after_s = expiring_after_s;
    (void)pthread_cond_broadcast(&changed);
    for (unsigned i = 0; i < entry_count && good; i++) {
        good = sink(sink_ctx, &entries[i], err);
    }
    if (broken) {
        good = err_set(err, ERR_STORE, "the store is broken");
    }
    (void)pthread_mutex_unlock(&lock);
    return good;
}

static void revoke_entry(const char *serial, int64_t when_s, int reason) {
    (void)pthread_mutex_lock(&lock);
    ck_assert_uint_lt(entry_count, ENTRIES_MAX);
    struct crl_entry *entry = &entries[entry_count++];
    *entry = (struct crl_entry){.revoked_at_s = when_s, .reason = reason};
    (void)snprintf(entry->serial, sizeof entry->serial, "%s", serial);
    (void)pthread_mutex_unlock(&lock);
}

static void start(const struct clock *clock, int64_t lifetime_s) {
    const struct crl_options options = {.ca = fixture.ca,
                                        .source = source,
                                        .clock = clock,
                                        .lifetime_s = lifetime_s,
                                        .state_file = state_file};
    struct err err = {0};

    crl = crl_new(&options, &err);
    ck_good(crl != NULL);
}

static void set_up(void) {
    ca_fixture_open(&fixture, 2);
    start(&fixture.clock, 0);
}

static void tear_down(void) {
    crl_free(crl);
    ca_fixture_close(&fixture);
}

/* The current list, its signature verified. */
static X509_CRL *current(void) {
    size_t len = 0;
    AUTO(free) unsigned char *der = crl_der(crl, &len, NULL);
    const unsigned char *at = der;

    ck_assert_ptr_nonnull(der);
    X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)len);
    ck_assert_ptr_nonnull(list);
    ck_assert_ptr_eq(at, der + len);
    ck_assert_int_eq(X509_CRL_verify(list, X509_get0_pubkey(ca_issuer(fixture.ca))), 1);
    return list;
}

static X509_REVOKED *listed(X509_CRL *list, const char *serial) {
    AUTO(BN_free) BIGNUM *number = NULL;
    X509_REVOKED *revoked = NULL;

    ck_assert_int_gt(BN_hex2bn(&number, serial), 0);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(number, NULL);
    int found = X509_CRL_get0_by_serial(list, &revoked, integer);
    ASN1_INTEGER_free(integer);
    return found == 1 ? revoked : NULL;
}

/* The reasonCode, -1 = none. */
static long reason_of(const X509_REVOKED *revoked) {
    ASN1_ENUMERATED *value = X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, NULL, NULL);
    long reason = value == NULL ? -1 : ASN1_ENUMERATED_get(value);
    ASN1_ENUMERATED_free(value);
    return reason;
}

static int64_t time_of(const ASN1_TIME *time) {
    struct tm utc = {0};
    ck_assert_int_eq(ASN1_TIME_to_tm(time, &utc), 1);
    return timegm(&utc);
}

static uint64_t number_of(X509_CRL *list) {
    ASN1_INTEGER *value = X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
    uint64_t number = 0;
    ck_assert_int_eq(ASN1_INTEGER_get_uint64(&number, value), 1);
    ASN1_INTEGER_free(value);
    return number;
}

START_TEST(an_empty_list_is_version_2_and_says_who_signed_it_and_until_when_it_holds) {
    AUTO(X509_CRL_free) X509_CRL *list = current();

    ck_assert_int_eq(X509_CRL_get_version(list), X509_CRL_VERSION_2);
    ck_assert_int_eq(
        X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca_issuer(fixture.ca))), 0);
    ck_assert_int_eq(time_of(X509_CRL_get0_lastUpdate(list)), FIXTURE_NOW_S);
    ck_assert_int_eq(time_of(X509_CRL_get0_nextUpdate(list)), FIXTURE_NOW_S + DAY_S);
    ck_assert_ptr_null(X509_CRL_get_REVOKED(list));
    AUTHORITY_KEYID *akid = X509_CRL_get_ext_d2i(list, NID_authority_key_identifier, NULL, NULL);
    ck_assert_ptr_nonnull(akid);
    ck_assert_int_eq(
        ASN1_OCTET_STRING_cmp(akid->keyid, X509_get0_subject_key_id(ca_issuer(fixture.ca))), 0);
    AUTHORITY_KEYID_free(akid);
    ck_assert_uint_eq(number_of(list), crl_number(crl));
}
END_TEST

/* RFC 5280 5.3.1 */
/* clang-format off */
static const struct { const char *serial; int reason; long listed; } reasons[] = {
    {"01", CRL_REASON_NONE, -1}, {"02", 0, -1}, {"03", 1, 1}, {"04", 2, 2}, {"05", 3, 3},
    {"06", 4, 4}, {"07", 5, 5}, {"08", 6, 6}, {"09", 7, -1}, {"0a", 8, -1}, {"0b", 9, 9},
    {"0c", 10, 10}, {"0d", 11, -1}, {"7fffffffffffffffffffffffffffffff00000001", 1, 1},
    {"ff", 1, 1}, {"abc", 1, 1},
};
/* clang-format on */

START_TEST(revoked_certificates_are_listed_with_time_and_reason) {
    struct err err = {0};

    for (unsigned i = 0; i < COUNT(reasons); i++) {
        revoke_entry(reasons[i].serial, FIXTURE_NOW_S - (int64_t)i, reasons[i].reason);
    }
    ck_good(crl_refresh(crl, &err));
    AUTO(X509_CRL_free) X509_CRL *list = current();
    ck_assert_int_eq(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list)), (int)COUNT(reasons));
    for (unsigned i = 0; i < COUNT(reasons); i++) {
        const X509_REVOKED *revoked = listed(list, reasons[i].serial);
        ck_assert_msg(revoked != NULL, "%s", reasons[i].serial);
        ck_assert_int_eq(time_of(X509_REVOKED_get0_revocationDate(revoked)),
                         FIXTURE_NOW_S - (int64_t)i);
        ck_assert_msg(reason_of(revoked) == reasons[i].listed, "%s: %ld", reasons[i].serial,
                      reason_of(revoked));
    }
    ck_assert_ptr_null(listed(list, "0e"));
}
END_TEST

START_TEST(the_number_grows_with_every_list_and_across_restarts) {
    struct err err = {0};
    uint64_t last = crl_number(crl);

    for (unsigned i = 0; i < 5; i++) {
        ck_good(crl_refresh(crl, &err));
        ck_assert_uint_gt(crl_number(crl), last);
        last = crl_number(crl);
    }
    crl_free(crl);
    fixture.clock.manual_us += 1000000;
    start(&fixture.clock, 0);
    ck_assert_uint_gt(crl_number(crl), last);
}
END_TEST

START_TEST(the_number_grows_across_restarts_under_a_clock_that_was_put_back) {
    char path[96];

    (void)snprintf(path, sizeof path, "%s/crl.state", fixture.folder);
    state_file = path;
    crl_free(crl);
    start(&fixture.clock, 0);
    uint64_t last = crl_number(crl);
    for (unsigned i = 0; i < 3; i++) {
        crl_free(crl);
        fixture.clock.manual_us -= 3600000000ULL * 24;
        start(&fixture.clock, 0);
        ck_assert_uint_gt(crl_number(crl), last);
        last = crl_number(crl);
    }
}
END_TEST

/* RFC 5280 3.3 */
START_TEST(what_expired_is_listed_until_a_list_on_schedule_had_it) {
    struct err err = {0};
    char path[96];

    (void)snprintf(path, sizeof path, "%s/crl.state", fixture.folder);
    state_file = path;
    crl_free(crl);
    start(&fixture.clock, 0);
    ck_assert_int_eq(asked_after_s, 0); /* nothing is known of earlier lists */
    for (int64_t hours = 1; hours <= 3; hours++) {
        crl_free(crl); /* its thread reads the clock */
        fixture.clock.manual_us += 3600000000ULL;
        start(&fixture.clock, 0); /* the first list of a start is one on schedule */
        ck_assert_int_eq(asked_after_s, FIXTURE_NOW_S + 3600 * (hours - 1));
        ck_good(crl_refresh(crl, &err));
        ck_assert_int_eq(asked_after_s, FIXTURE_NOW_S + 3600 * hours);
    }
}
END_TEST

START_TEST(a_source_that_fails_leaves_the_old_list) {
    struct err err = {0};

    revoke_entry("abcd", FIXTURE_NOW_S, 1);
    ck_good(crl_refresh(crl, &err));
    uint64_t number = crl_number(crl);
    broken = true;
    ck_assert(!crl_refresh(crl, &err));
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_eq(crl_number(crl), number);
    AUTO(X509_CRL_free) X509_CRL *list = current();
    ck_assert_ptr_nonnull(listed(list, "abcd"));
    broken = false;
    err = (struct err){0};
    ck_good(crl_refresh(crl, &err));
    ck_assert_uint_gt(crl_number(crl), number);
}
END_TEST

START_TEST(a_serial_that_is_not_hexadecimal_is_an_error) {
    struct err err = {0};

    revoke_entry("12xz", FIXTURE_NOW_S, 1);
    ck_assert(!crl_refresh(crl, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
}
END_TEST

#define THREADS 4
#define EACH 40

/* Revoke, refresh, and look: the certificate must be there at once. */
static void *revoke_many(void *ctx) {
    unsigned first = *(unsigned *)ctx;

    for (unsigned i = 0; i < EACH; i++) {
        char serial[16];
        struct err err = {0};
        (void)snprintf(serial, sizeof serial, "7%03x", first + i);
        revoke_entry(serial, FIXTURE_NOW_S, 4);
        ck_good(crl_refresh(crl, &err));
        AUTO(X509_CRL_free) X509_CRL *list = current();
        ck_assert_msg(listed(list, serial) != NULL, "%s", serial);
    }
    return NULL;
}

START_TEST(a_refresh_returns_when_what_was_revoked_before_it_is_listed) {
    pthread_t threads[THREADS];
    unsigned first[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        first[i] = i * EACH;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, revoke_many, &first[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    AUTO(X509_CRL_free) X509_CRL *list = current();
    ck_assert_int_eq(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list)), THREADS * EACH);
    ck_assert_uint_le(readings, THREADS * EACH + 1);
}
END_TEST

START_TEST(a_ca_of_another_key_type_signs_lists_too) {
    static const enum key_type types[] = {KEY_P384, KEY_RSA2048, KEY_ED25519};
    struct err err = {0};
    char folder[96];

    (void)snprintf(folder, sizeof folder, "%s/other", fixture.folder);
    crl_free(crl);
    ca_free(fixture.ca);
    fixture.options.state_dir = folder;
    fixture.options.key_type = types[_i];
    fixture.ca = ca_open(&fixture.options, &err);
    ck_good(fixture.ca != NULL);
    revoke_entry("0a", FIXTURE_NOW_S, 1);
    start(&fixture.clock, 0);
    AUTO(X509_CRL_free) X509_CRL *list = current();
    ck_assert_ptr_nonnull(listed(list, "0a"));
}
END_TEST

START_TEST(the_list_is_renewed_at_half_its_lifetime) {
    struct clock real = clock_real();
    struct timespec until;

    crl_free(crl);
    start(&real, 2);
    uint64_t number = crl_number(crl);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    (void)pthread_mutex_lock(&lock);
    /* The third reading begins after the list of the second is there. */
    for (unsigned wanted = readings + 2; readings < wanted;) {
        ck_assert_int_eq(pthread_cond_timedwait(&changed, &lock, &until), 0);
    }
    (void)pthread_mutex_unlock(&lock);
    ck_assert_uint_gt(crl_number(crl), number);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crl");
    TCase *cases = tcase_create("crl");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases,
                   an_empty_list_is_version_2_and_says_who_signed_it_and_until_when_it_holds);
    tcase_add_test(cases, revoked_certificates_are_listed_with_time_and_reason);
    tcase_add_test(cases, the_number_grows_with_every_list_and_across_restarts);
    tcase_add_test(cases, the_number_grows_across_restarts_under_a_clock_that_was_put_back);
    tcase_add_test(cases, what_expired_is_listed_until_a_list_on_schedule_had_it);
    tcase_add_test(cases, a_source_that_fails_leaves_the_old_list);
    tcase_add_test(cases, a_serial_that_is_not_hexadecimal_is_an_error);
    tcase_add_test(cases, a_refresh_returns_when_what_was_revoked_before_it_is_listed);
    tcase_add_loop_test(cases, a_ca_of_another_key_type_signs_lists_too, 0, 3);
    tcase_add_test(cases, the_list_is_renewed_at_half_its_lifetime);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
