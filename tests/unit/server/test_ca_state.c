#include "server/ca_state.h"

#include "ca_fixture.h"
#include "common/file.h"

#define DAY_S ((int64_t)86400)

static struct ca_fixture fixture;
static struct order_fixture order;

static void set_up(void) { ca_fixture_open(&fixture, 2); }
static void tear_down(void) {
    order_fixture_done(&order);
    ca_fixture_close(&fixture);
}

START_TEST(the_hierarchy_is_a_root_and_an_issuing_ca) {
    struct err err = {0};
    X509 *root = ca_root(fixture.ca), *issuing = ca_issuer(fixture.ca);
    AUTO(x509_cert_done) struct x509_cert read = {0};

    ck_assert_ptr_ne(root, issuing);
    ck_assert_int_eq(X509_get_pathlen(root), 1);
    ck_assert_int_eq(X509_get_pathlen(issuing), 0);
    ck_assert_uint_eq(X509_get_key_usage(root), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    ck_assert_uint_eq(X509_get_key_usage(issuing), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    ck_good(x509_cert_read(root, &read, &err));
    ck_assert(read.ca);
    ck_assert_int_eq(read.not_after_s, FIXTURE_NOW_S + 3650 * DAY_S);
    ck_assert_int_eq(EVP_PKEY_get_base_id(X509_get0_pubkey(issuing)), EVP_PKEY_EC);
    ck_assert_int_eq(X509_check_issued(root, issuing), X509_V_OK);
    ck_assert_int_eq(X509_NAME_cmp(X509_get_issuer_name(root), X509_get_subject_name(root)), 0);
}
END_TEST

static void path_of(const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", fixture.folder, name);
}

static bool reopen(struct err *err) {
    ca_free(fixture.ca);
    fixture.ca = ca_open(&fixture.options, err);
    return fixture.ca != NULL;
}

START_TEST(keys_are_private_and_a_restart_finds_the_same_ca) {
    static const char *const private[] = {"root.key", "issuing.key"};
    struct err err = {0};
    AUTO(X509_free) X509 *root = X509_dup(ca_root(fixture.ca));
    AUTO(X509_free) X509 *issuing = X509_dup(ca_issuer(fixture.ca));

    for (unsigned i = 0; i < COUNT(private); i++) {
        char path[128];
        struct stat status;
        path_of(private[i], path);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 0777, 0600);
    }
    ck_good(reopen(&err));
    ck_assert_int_eq(X509_cmp(root, ca_root(fixture.ca)), 0);
    ck_assert_int_eq(X509_cmp(issuing, ca_issuer(fixture.ca)), 0);
}
END_TEST

START_TEST(the_root_key_may_be_taken_away_once_there_is_an_issuing_ca) {
    struct err err = {0};
    char path[128];

    path_of("root.key", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_good(reopen(&err));
    struct ca_certificate made = {0};
    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    ck_good(ca_issue(fixture.ca, &order.request, &made, &err));
    free(made.chain_pem);
}
END_TEST

START_TEST(a_crash_between_key_and_certificate_is_made_good) {
    struct err err = {0};
    AUTO(X509_free) X509 *root = X509_dup(ca_root(fixture.ca));
    AUTO(EVP_PKEY_free) EVP_PKEY *key = ca_issuer_key(fixture.ca);
    char path[128];

    ck_assert_int_eq(EVP_PKEY_up_ref(key), 1);
    path_of("issuing.pem", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_good(reopen(&err));
    ck_assert_int_eq(X509_cmp(root, ca_root(fixture.ca)), 0);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(ca_issuer(fixture.ca)), key), 1);
}
END_TEST

START_TEST(a_missing_or_foreign_issuing_key_is_an_error_that_names_it) {
    struct err err = {0};
    char path[128];
    AUTO(EVP_PKEY_free) EVP_PKEY *stranger = key_generate(KEY_P256, &err);

    path_of("issuing.key", path);
    ck_good(key_write_file(stranger, path, &err));
    ck_assert(!reopen(&err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.detail, "issuing.key is not the key of issuing.pem");
    err = (struct err){0};
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!reopen(&err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.detail, "issuing.key is missing");
}
END_TEST

START_TEST(an_issuing_ca_of_another_root_or_one_that_has_expired_is_refused) {
    struct err err = {0};
    struct ca_fixture other;
    char path[128], other_path[128];
    size_t len = 0;

    ca_fixture_open(&other, 2);
    path_of("issuing.pem", path);
    (void)snprintf(other_path, sizeof other_path, "%s/issuing.pem", other.folder);
    AUTO(free) char *pem = file_read(other_path, &len, &err);
    AUTO(free) char *mine = file_read(path, &len, &err);
    ck_assert(pem != NULL && mine != NULL);
    ck_good(file_write(path, 0644, pem, strlen(pem), &err));
    ca_fixture_close(&other);
    ck_assert(!reopen(&err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, "issuing.pem cannot be used"));
    err = (struct err){0};
    ck_good(file_write(path, 0644, mine, strlen(mine), &err));
    fixture.clock.manual_us += (uint64_t)(6 * 365 * DAY_S) * 1000000;
    ck_assert(!reopen(&err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(a_ca_of_every_key_type_is_made_and_loaded_again) {
    struct err err = {0};
    struct ca_fixture other = fixture;
    char folder[96];

    (void)snprintf(folder, sizeof folder, "%s/%s", fixture.folder,
                   key_type_name((enum key_type)_i));
    other.options.state_dir = folder;
    other.options.key_type = (enum key_type)_i;
    other.options.clock = &fixture.clock;
    for (unsigned pass = 0; pass < 2; pass++) {
        struct ca_state state = {0};
        ck_good(ca_state_open(&other.options, &state, &err));
        ck_assert_int_eq(X509_verify(state.issuer, X509_get0_pubkey(state.root)), 1);
        ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(state.issuer), state.issuer_key), 1);
        ca_state_done(&state);
    }
}
END_TEST

START_TEST(a_state_directory_that_cannot_be_made_is_a_config_error) {
    struct err err = {0};
    struct ca_state state = {0};

    fixture.options.state_dir = "/proc/nothing/here";
    ck_assert(!ca_state_open(&fixture.options, &state, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(state.root);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ca_state");
    TCase *cases = tcase_create("ca_state");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, the_hierarchy_is_a_root_and_an_issuing_ca);
    tcase_add_test(cases, keys_are_private_and_a_restart_finds_the_same_ca);
    tcase_add_test(cases, the_root_key_may_be_taken_away_once_there_is_an_issuing_ca);
    tcase_add_test(cases, a_crash_between_key_and_certificate_is_made_good);
    tcase_add_test(cases, a_missing_or_foreign_issuing_key_is_an_error_that_names_it);
    tcase_add_test(cases, an_issuing_ca_of_another_root_or_one_that_has_expired_is_refused);
    tcase_add_loop_test(cases, a_ca_of_every_key_type_is_made_and_loaded_again, 0, KEY__COUNT);
    tcase_add_test(cases, a_state_directory_that_cannot_be_made_is_a_config_error);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
