#include "server/root_crl.h"

#include <limits.h>
#include <pthread.h>

#include "ca_fixture.h"
#include "common/file.h"
#include "server/crl_make.h"
#include "tests/unit/common/suite.h"

#define HOUR_US 3600000000ULL
#define HALF_US ((uint64_t)ROOT_CRL_LIFETIME_S / 2 * 1000000)

static struct ca_fixture fixture;
static struct root_crl *root_crl;
static struct err err;
static char list_path[96], key_path[96], away[96];

static void set_up(void) {
    ca_fixture_open(&fixture, 2);
    (void)snprintf(list_path, sizeof list_path, "%s/root.crl", fixture.folder);
    (void)snprintf(key_path, sizeof key_path, "%s/root.key", fixture.folder);
    (void)snprintf(away, sizeof away, "%s/elsewhere", fixture.folder);
}

static void tear_down(void) {
    root_crl_free(root_crl);
    ca_fixture_close(&fixture);
}

static bool start(void) {
    root_crl_free(root_crl);
    root_crl = root_crl_open(fixture.folder, ca_root(fixture.ca), &fixture.clock, &err);
    return root_crl != NULL;
}

static uint64_t number_of(const X509_CRL *list) {
    uint64_t number = 0;
    ASN1_INTEGER *value = X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);

    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(ASN1_INTEGER_get_uint64(&number, value), 1);
    ASN1_INTEGER_free(value);
    return number;
}

static int64_t seconds_of(const ASN1_TIME *time) {
    struct tm utc = {0};
    ck_assert_int_eq(ASN1_TIME_to_tm(time, &utc), 1);
    return timegm(&utc);
}

/* The list as it is given now, verified; caller owns. */
static X509_CRL *given(void) {
    size_t len = 0;
    int64_t from_s = 0;
    AUTO(free) unsigned char *der = root_crl_der(root_crl, &len, &from_s);
    const unsigned char *at = der;

    ck_assert_ptr_nonnull(der);
    X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)len);
    ck_assert_ptr_nonnull(list);
    ck_assert_ptr_eq(at, der + len);
    ck_assert_int_eq(X509_CRL_verify(list, X509_get0_pubkey(ca_root(fixture.ca))), 1);
    ck_assert_int_eq(seconds_of(X509_CRL_get0_lastUpdate(list)), from_s);
    return list;
}

static uint64_t number_now(void) {
    AUTO(X509_CRL_free) X509_CRL *list = given();
    return number_of(list);
}

static bool there_is_none(void) {
    size_t len = 7;
    int64_t from_s = 7;
    AUTO(free) unsigned char *der = root_crl_der(root_crl, &len, &from_s);
    return der == NULL;
}

/* Put a list signed by key into the file. */
static void put_list(EVP_PKEY *key, uint64_t number, int64_t from_s, int64_t until_s) {
    AUTO(ossl_free) unsigned char *der = NULL;
    size_t len = 0;
    const struct crl_spec spec = {.issuer = ca_root(fixture.ca),
                                  .key = key,
                                  .number = number,
                                  .this_update_s = from_s,
                                  .next_update_s = until_s};

    ck_good(crl_make(&spec, &der, &len, &err));
    ck_good(file_write(list_path, 0644, der, len, &err));
}

static EVP_PKEY *root_key(void) {
    EVP_PKEY *key = key_read_file(key_path, &err);
    ck_good(key != NULL);
    return key;
}

START_TEST(the_first_list_is_empty_holds_for_a_year_and_is_kept) {
    struct stat status;

    ck_good(start());
    AUTO(X509_CRL_free) X509_CRL *list = given();
    ck_assert_int_eq(X509_CRL_get_version(list), X509_CRL_VERSION_2);
    ck_assert_int_eq(
        X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca_root(fixture.ca))), 0);
    ck_assert_ptr_null(X509_CRL_get_REVOKED(list));
    ck_assert_int_eq(seconds_of(X509_CRL_get0_lastUpdate(list)), FIXTURE_NOW_S);
    ck_assert_int_eq(seconds_of(X509_CRL_get0_nextUpdate(list)),
                     FIXTURE_NOW_S + ROOT_CRL_LIFETIME_S);
    ck_assert_int_eq(stat(list_path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0644);
}
END_TEST

START_TEST(a_restart_gives_the_same_list_even_without_the_key) {
    ck_good(start());
    uint64_t number = number_now();

    ck_assert_int_eq(rename(key_path, away), 0);
    fixture.clock.manual_us += HOUR_US;
    ck_good(start());
    ck_assert_uint_eq(number_now(), number);
}
END_TEST

START_TEST(a_new_one_is_signed_after_half_of_the_lifetime_and_survives_a_restart) {
    ck_good(start());
    uint64_t first = number_now();

    fixture.clock.manual_us += HALF_US - 1000000;
    ck_assert_uint_eq(number_now(), first);
    fixture.clock.manual_us += 1000000;
    uint64_t second = number_now();
    ck_assert_uint_gt(second, first);
    ck_assert_uint_eq(number_now(), second);
    ck_good(start());
    ck_assert_uint_eq(number_now(), second);
}
END_TEST

START_TEST(a_list_that_is_due_is_signed_again_at_the_start) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = root_key();

    put_list(key, 5, FIXTURE_NOW_S - 200, FIXTURE_NOW_S + 100);
    ck_good(start());
    AUTO(X509_CRL_free) X509_CRL *list = given();
    ck_assert_int_eq(seconds_of(X509_CRL_get0_lastUpdate(list)), FIXTURE_NOW_S);
    ck_assert_uint_gt(number_of(list), 5);
}
END_TEST

/* RFC 5280 5.2.3 */
START_TEST(the_number_grows_past_one_from_a_clock_that_was_ahead) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = root_key();
    uint64_t ahead = fixture.clock.manual_us * 2;

    put_list(key, ahead, FIXTURE_NOW_S - 200, FIXTURE_NOW_S + 100);
    ck_good(start());
    ck_assert_uint_eq(number_now(), ahead + 1);
}
END_TEST

START_TEST(without_list_and_key_there_is_none_until_the_key_is_looked_for_again) {
    ck_assert_int_eq(rename(key_path, away), 0);
    ck_good(start());
    ck_assert(there_is_none());
    ck_assert_int_eq(rename(away, key_path), 0);
    fixture.clock.manual_us += HOUR_US - 1000000;
    ck_assert(there_is_none());
    fixture.clock.manual_us += 1000000;
    AUTO(X509_CRL_free) X509_CRL *list = given();
    ck_assert_int_eq(seconds_of(X509_CRL_get0_lastUpdate(list)), FIXTURE_NOW_S + 3600);
}
END_TEST

START_TEST(the_old_list_is_given_while_the_key_is_away) {
    ck_good(start());
    uint64_t number = number_now();

    ck_assert_int_eq(rename(key_path, away), 0);
    fixture.clock.manual_us += 3 * HALF_US;
    ck_assert_uint_eq(number_now(), number);
    ck_good(start());
    ck_assert_uint_eq(number_now(), number);
}
END_TEST

START_TEST(a_key_that_is_not_the_roots_counts_as_none) {
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);

    if (_i == 0) {
        ck_good(key_write_file(other, key_path, &err));
    } else {
        ck_good(file_write(key_path, 0600, "no key", 6, &err));
    }
    ck_good(start());
    ck_assert(there_is_none());
    ck_assert_int_ne(access(list_path, F_OK), 0);
}
END_TEST

/* ---- what may stand in root.crl and is refused ---- */

static void put_text(void) { ck_good(file_write(list_path, 0644, "no list", 7, &err)); }
static void put_nothing(void) { ck_good(file_write(list_path, 0644, "", 0, &err)); }
static void put_folder(void) { ck_good(file_folder(list_path, &err)); }

static void put_cut_short(void) {
    size_t len = 0;

    ck_good(start());
    AUTO(free) char *der = file_read(list_path, &len, &err);
    ck_good(der != NULL);
    ck_good(file_write(list_path, 0644, der, len - 1, &err));
}

static void put_another_roots(void) {
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);
    put_list(other, 1, FIXTURE_NOW_S, FIXTURE_NOW_S + ROOT_CRL_LIFETIME_S);
}

static void put_altered(void) {
    size_t len = 0;

    ck_good(start());
    AUTO(free) char *der = file_read(list_path, &len, &err);
    ck_good(der != NULL);
    der[len - 1] ^= 1; /* in the signature */
    ck_good(file_write(list_path, 0644, der, len, &err));
}

static void put_without_end(void) {
    AUTO(X509_CRL_free) X509_CRL *list = X509_CRL_new();
    AUTO(EVP_PKEY_free) EVP_PKEY *key = root_key();
    AUTO(ASN1_TIME_free) ASN1_TIME *from = ASN1_TIME_set(NULL, FIXTURE_NOW_S);
    AUTO(ossl_free) unsigned char *der = NULL;

    ck_assert_int_eq(X509_CRL_set_version(list, X509_CRL_VERSION_2), 1);
    ck_assert_int_eq(X509_CRL_set_issuer_name(list, X509_get_subject_name(ca_root(fixture.ca))), 1);
    ck_assert_int_eq(X509_CRL_set1_lastUpdate(list, from), 1);
    ck_assert_int_gt(X509_CRL_sign(list, key, EVP_sha256()), 0);
    int len = i2d_X509_CRL(list, &der);
    ck_assert_int_gt(len, 0);
    ck_good(file_write(list_path, 0644, der, (size_t)len, &err));
}

/* clang-format off */
static const struct { const char *what; void (*put)(void); } refused[] = {
    {"text",               put_text},
    {"nothing",            put_nothing},
    {"a folder",           put_folder},
    {"cut short",          put_cut_short},
    {"another root's",     put_another_roots},
    {"altered",            put_altered},
    {"a list without end", put_without_end},
};
/* clang-format on */

START_TEST(what_is_not_a_list_of_the_roots_is_a_config_error_that_names_the_file) {
    refused[_i].put();
    ck_assert_msg(!start(), "%s", refused[_i].what);
    ck_assert_msg(err.kind == ERR_CONFIG && strstr(err.detail, "root.crl") != NULL, "%s: %s",
                  refused[_i].what, err.detail);
}
END_TEST

START_TEST(a_state_directory_with_too_long_a_name_is_a_config_error) {
    char name[PATH_MAX];

    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    root_crl = root_crl_open(name, ca_root(fixture.ca), &fixture.clock, &err);
    ck_assert_ptr_null(root_crl);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

/* A folder with something in it where the file was: it cannot be replaced. */
START_TEST(a_list_that_cannot_be_kept_is_not_given_and_is_tried_again_in_an_hour) {
    char inside[128];

    ck_good(start());
    uint64_t number = number_now();
    (void)snprintf(inside, sizeof inside, "%s/inside", list_path);
    ck_assert_int_eq(unlink(list_path), 0);
    ck_good(file_folder(list_path, &err));
    ck_good(file_folder(inside, &err));
    fixture.clock.manual_us += HALF_US;
    struct caught caught = catch_start(STDERR_FILENO);
    ck_assert_uint_eq(number_now(), number);
    ck_assert_uint_eq(number_now(), number);
    AUTO(free) char *lines = catch_end(&caught);
    ck_assert_msg(strstr(lines, "room=root_crl event=renew") != NULL, "%s", lines);
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1); /* one line */
    ck_assert_int_eq(rmdir(inside), 0);
    ck_assert_int_eq(rmdir(list_path), 0);
    ck_assert_uint_eq(number_now(), number);
    fixture.clock.manual_us += HOUR_US;
    ck_assert_uint_gt(number_now(), number);
}
END_TEST

static void *ask(void *ctx) {
    *(uint64_t *)ctx = number_now();
    return NULL;
}

START_TEST(threads_that_ask_when_it_is_due_get_one_new_list) {
    pthread_t threads[8];
    uint64_t numbers[COUNT(threads)];

    ck_good(start());
    uint64_t first = number_now();
    fixture.clock.manual_us += HALF_US;
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_gt(numbers[i], first);
        ck_assert_uint_eq(numbers[i], numbers[0]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("root_crl");
    TCase *cases = tcase_create("root_crl");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, the_first_list_is_empty_holds_for_a_year_and_is_kept);
    tcase_add_test(cases, a_restart_gives_the_same_list_even_without_the_key);
    tcase_add_test(cases, a_new_one_is_signed_after_half_of_the_lifetime_and_survives_a_restart);
    tcase_add_test(cases, a_list_that_is_due_is_signed_again_at_the_start);
    tcase_add_test(cases, the_number_grows_past_one_from_a_clock_that_was_ahead);
    tcase_add_test(cases, without_list_and_key_there_is_none_until_the_key_is_looked_for_again);
    tcase_add_test(cases, the_old_list_is_given_while_the_key_is_away);
    tcase_add_loop_test(cases, a_key_that_is_not_the_roots_counts_as_none, 0, 2);
    tcase_add_loop_test(cases,
                        what_is_not_a_list_of_the_roots_is_a_config_error_that_names_the_file, 0,
                        (int)COUNT(refused));
    tcase_add_test(cases, a_state_directory_with_too_long_a_name_is_a_config_error);
    tcase_add_test(cases, a_list_that_cannot_be_kept_is_not_given_and_is_tried_again_in_an_hour);
    tcase_add_test(cases, threads_that_ask_when_it_is_due_get_one_new_list);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
