#include "server/ca_alternates.h"

#include <limits.h>

#include "ca_fixture.h"
#include "common/file.h"
#include "tests/unit/common/suite.h"

#define YEAR_S ((int64_t)365 * 86400)

static struct ca_fixture fixture;
static struct ca_options options;
static struct ca_alternates alternates;
static struct err err;

static void set_up(void) {
    ca_fixture_open(&fixture, 2);
    options = fixture.options;
    options.alternates = 1;
}

static void tear_down(void) {
    ca_alternates_done(&alternates);
    ca_fixture_close(&fixture);
}

static bool start(void) {
    ca_alternates_done(&alternates);
    return ca_alternates_open(&options, ca_issuer(fixture.ca), &alternates, &err);
}

/* Of a file in the state directory; kept until the next call but three. */
static const char *at(const char *name) {
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];
    (void)snprintf(path, sizeof paths[0], "%s/%s", fixture.folder, name);
    return path;
}

static bool is_there(const char *name) { return access(at(name), F_OK) == 0; }

static struct x509_cert read_cert(X509 *x509) {
    struct x509_cert cert = {0};
    ck_good(x509_cert_read(x509, &cert, &err));
    return cert;
}

/* The cross certificate leads to its root, and to no other certificate. */
static bool leads_to(X509 *cross, X509 *root) {
    struct err why = {0};
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null(), *anchors = sk_X509_new_null();

    ck_assert(X509_up_ref(cross) && sk_X509_push(chain, cross) > 0);
    ck_assert(X509_up_ref(root) && sk_X509_push(anchors, root) > 0);
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
    ck_good(trust != NULL);
    return x509_verify(chain, trust, X509_PURPOSE_ANY, clock_now_s(&fixture.clock), &why);
}

static void ck_same_octets(const ASN1_OCTET_STRING *one, const ASN1_OCTET_STRING *other) {
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(other);
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(one, other), 0);
}

START_TEST(each_root_certifies_the_issuing_ca_once_more) {
    X509 *issuer = ca_issuer(fixture.ca);

    options.alternates = CA_ALTERNATES_MAX;
    ck_good(start());
    ck_assert_uint_eq(alternates.count, CA_ALTERNATES_MAX);
    for (unsigned i = 0; i < alternates.count; i++) {
        X509 *root = alternates.at[i].root, *cross = alternates.at[i].cross;
        AUTO(x509_cert_done) struct x509_cert read = read_cert(cross);
        AUTO(free) char *pem = x509_pem(cross, &err);
        ck_assert_str_eq(alternates.at[i].tail, pem);
        ck_assert_int_eq(X509_NAME_cmp(X509_get_subject_name(cross), X509_get_subject_name(issuer)),
                         0);
        ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(cross), X509_get0_pubkey(issuer)), 1);
        ck_same_octets(X509_get0_subject_key_id(cross), X509_get0_subject_key_id(issuer));
        ck_same_octets(X509_get0_authority_key_id(cross), X509_get0_subject_key_id(root));
        ck_assert_uint_eq(X509_get_key_usage(cross), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
        ck_assert_int_eq(X509_get_pathlen(cross), 0);
        ck_assert(read.ca);
        ck_assert_int_lt(read.not_before_s, FIXTURE_NOW_S);
        ck_assert_uint_eq(strlen(read.serial), 32);
        ck_assert(leads_to(cross, root));
        ck_assert(!leads_to(cross, ca_root(fixture.ca)));
        for (unsigned k = 0; k < i; k++) {
            ck_assert(!leads_to(cross, alternates.at[k].root));
            ck_assert_int_ne(ASN1_INTEGER_cmp(X509_get0_serialNumber(cross),
                                              X509_get0_serialNumber(alternates.at[k].cross)),
                             0);
        }
    }
}
END_TEST

START_TEST(roots_of_every_key_type_sign) {
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};

    options.key_type = types[_i];
    ck_good(start());
    ck_assert(leads_to(alternates.at[0].cross, alternates.at[0].root));
    ck_good(start());
    ck_assert(leads_to(alternates.at[0].cross, alternates.at[0].root));
}
END_TEST

START_TEST(keys_are_private_and_a_restart_without_them_finds_the_same) {
    struct stat status;

    options.alternates = 2;
    ck_good(start());
    AUTO(free) char *first = strdup(alternates.at[0].tail), *second = strdup(alternates.at[1].tail);
    ck_assert_int_eq(stat(at("alternate-2.key"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_int_eq(stat(at("alternate-2-issuing.pem"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0644);
    ck_assert_int_eq(unlink(at("alternate-1.key")), 0);
    ck_assert_int_eq(unlink(at("alternate-2.key")), 0);
    ck_good(start());
    ck_assert_str_eq(alternates.at[0].tail, first);
    ck_assert_str_eq(alternates.at[1].tail, second);
    ck_assert(!is_there("alternate-1.key"));
}
END_TEST

START_TEST(more_are_added_to_those_there_are_and_fewer_leave_the_files_alone) {
    options.alternates = 0;
    ck_good(start());
    ck_assert_uint_eq(alternates.count, 0);
    ck_assert(!is_there("alternate-1.pem"));
    options.alternates = 1;
    ck_good(start());
    AUTO(free) char *first = strdup(alternates.at[0].tail);
    options.alternates = 2;
    ck_good(start());
    ck_assert_uint_eq(alternates.count, 2);
    ck_assert_str_eq(alternates.at[0].tail, first);
    options.alternates = 1;
    ck_good(start());
    ck_assert_uint_eq(alternates.count, 1);
    ck_assert(is_there("alternate-2-issuing.pem"));
}
END_TEST

/* ---- validity ---- */

/* NAME.pem and NAME.key of a root made by somebody else. */
static void put_root(const char *name, int64_t from_s, int64_t until_s) {
    char file[64];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    const struct x509_spec spec = {.common_name = "Operator's root",
                                   .not_before_s = from_s,
                                   .not_after_s = until_s,
                                   .ca = true,
                                   .path_len = 1,
                                   .key = key};
    AUTO(X509_free) X509 *root = x509_make(&spec, NULL, key, &err);
    AUTO(free) char *pem = root == NULL ? NULL : x509_pem(root, &err);

    ck_good(pem != NULL);
    (void)snprintf(file, sizeof file, "%s.pem", name);
    ck_good(file_write(at(file), 0644, pem, strlen(pem), &err));
    (void)snprintf(file, sizeof file, "%s.key", name);
    ck_good(key_write_file(key, at(file), &err));
}

START_TEST(a_cross_certificate_ends_with_the_first_of_issuer_and_root) {
    AUTO(x509_cert_done) struct x509_cert issuer = read_cert(ca_issuer(fixture.ca));

    options.alternates = 2;
    put_root("alternate-2", FIXTURE_NOW_S - 10, FIXTURE_NOW_S + YEAR_S);
    ck_good(start());
    AUTO(x509_cert_done) struct x509_cert first = read_cert(alternates.at[0].cross);
    AUTO(x509_cert_done) struct x509_cert second = read_cert(alternates.at[1].cross);
    ck_assert_int_eq(first.not_after_s, issuer.not_after_s);
    ck_assert_int_eq(second.not_after_s, FIXTURE_NOW_S + YEAR_S);
}
END_TEST

/* ---- files that are wrong ---- */

static void ck_not_started(const char *file) {
    struct ca_alternates untouched = {.count = 77};

    ck_assert(!ca_alternates_open(&options, ca_issuer(fixture.ca), &untouched, &err));
    ck_assert_msg(err.kind == ERR_CONFIG && strstr(err.detail, file) != NULL, "%s: %s: %s", file,
                  err_name(err.kind), err.detail);
    ck_assert_uint_eq(untouched.count, 77);
    err = (struct err){0};
}

static void put_text(const char *name) { ck_good(file_write(at(name), 0644, "PEM", 3, &err)); }
static void put_nothing(const char *name) { ck_good(file_write(at(name), 0644, "", 0, &err)); }

static void put_folder(const char *name) {
    (void)unlink(at(name));
    ck_good(file_folder(at(name), &err));
}

static void put_copy(const char *name, const char *of) {
    size_t len = 0;
    AUTO(free) char *text = file_read(at(of), &len, &err);
    ck_good(text != NULL && file_write(at(name), 0644, text, len, &err));
}

static void put_the_second(const char *name) { put_copy(name, "alternate-2-issuing.pem"); }
static void put_the_issuer(const char *name) { put_copy(name, "issuing.pem"); }
static void put_the_root(const char *name) { put_copy(name, "alternate-1.pem"); }

/* By the first alternate root: a certificate of that subject and key. */
static void put_made(const char *name, const char *common_name, EVP_PKEY *key, int64_t until_s) {
    AUTO(EVP_PKEY_free) EVP_PKEY *root_key = key_read_file(at("alternate-1.key"), &err);
    const struct x509_spec spec = {.country = "XX",
                                   .organization = FIXTURE_DOMAIN,
                                   .common_name = common_name,
                                   .not_before_s = FIXTURE_NOW_S - 100,
                                   .not_after_s = until_s,
                                   .ca = true,
                                   .key = key};
    ck_good(root_key != NULL);
    AUTO(X509_free) X509 *made = x509_make(&spec, alternates.at[0].root, root_key, &err);
    AUTO(free) char *pem = made == NULL ? NULL : x509_pem(made, &err);
    ck_good(pem != NULL && file_write(at(name), 0644, pem, strlen(pem), &err));
}

static void put_good(const char *name) {
    put_made(name, "Issuing CA", ca_issuer_key(fixture.ca), FIXTURE_NOW_S + 1);
}

static void put_expired(const char *name) {
    put_made(name, "Issuing CA", ca_issuer_key(fixture.ca), FIXTURE_NOW_S - 1);
}

static void put_other_name(const char *name) {
    put_made(name, "Another CA", ca_issuer_key(fixture.ca), FIXTURE_NOW_S + YEAR_S);
}

static void put_other_key(const char *name) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    put_made(name, "Issuing CA", key, FIXTURE_NOW_S + YEAR_S);
}

/* clang-format off */
static const struct { const char *what; void (*put)(const char *name); } wrong[] = {
    {"text",                     put_text},
    {"nothing",                  put_nothing},
    {"a folder",                 put_folder},
    {"by the second root",       put_the_second},
    {"by the ordinary root",     put_the_issuer},
    {"the root itself",          put_the_root},
    {"expired",                  put_expired},
    {"with another name",        put_other_name},
    {"with another key",         put_other_key},
};
/* clang-format on */

START_TEST(a_cross_certificate_that_does_not_fit_is_refused_by_its_name) {
    options.alternates = 2;
    ck_good(start());
    wrong[_i].put("alternate-1-issuing.pem");
    ck_not_started("alternate-1-issuing.pem");
    /* and once it is removed, made anew */
    ck_assert_int_eq(remove(at("alternate-1-issuing.pem")), 0);
    ck_good(start());
    ck_assert(leads_to(alternates.at[0].cross, alternates.at[0].root));
}
END_TEST

/* The refusals above are not because of who made the certificate. */
START_TEST(a_cross_certificate_made_elsewhere_that_fits_is_taken) {
    ck_good(start());
    put_good("alternate-1-issuing.pem");
    ck_good(start());
    AUTO(x509_cert_done) struct x509_cert read = read_cert(alternates.at[0].cross);
    ck_assert_int_eq(read.not_after_s, FIXTURE_NOW_S + 1);
}
END_TEST

START_TEST(a_failure_at_the_second_leaves_nothing_behind_of_the_first) {
    options.alternates = 3;
    put_text("alternate-2.pem");
    ck_not_started("alternate-2.pem");
    ck_assert(is_there("alternate-1-issuing.pem"));
    ck_assert(!is_there("alternate-3.pem"));
}
END_TEST

START_TEST(a_root_that_is_wrong_is_refused_by_its_name) {
    for (unsigned made = 0; made < 2; made++) { /* with a cross certificate, and before there is */
        put_root("alternate-1", FIXTURE_NOW_S - YEAR_S, FIXTURE_NOW_S - 1);
        ck_not_started("alternate-1.pem");
        put_root("alternate-1", FIXTURE_NOW_S + 1, FIXTURE_NOW_S + YEAR_S);
        ck_not_started("alternate-1.pem");
        put_nothing("alternate-1.pem");
        ck_not_started("alternate-1.pem");
        put_folder("alternate-1.pem");
        ck_not_started("alternate-1.pem");
        if (made == 0) {
            ck_assert(!is_there("alternate-1-issuing.pem"));
            ck_assert_int_eq(rmdir(at("alternate-1.pem")), 0);
            ck_assert_int_eq(unlink(at("alternate-1.key")), 0);
            ck_good(start());
        }
    }
}
END_TEST

START_TEST(the_key_is_needed_to_make_the_cross_certificate) {
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);

    ck_good(start());
    ck_assert_int_eq(unlink(at("alternate-1-issuing.pem")), 0);
    ck_assert_int_eq(rename(at("alternate-1.key"), at("away.key")), 0);
    ck_not_started("alternate-1.key is missing");
    ck_good(key_write_file(other, at("alternate-1.key"), &err));
    ck_not_started("alternate-1.key is not the key of");
    put_text("alternate-1.key");
    ck_not_started("");
    ck_assert(!is_there("alternate-1-issuing.pem"));
    ck_assert_int_eq(rename(at("away.key"), at("alternate-1.key")), 0);
    ck_good(start());
}
END_TEST

/* A cross certificate below a root that was lost is of no use to anybody. */
START_TEST(a_lost_root_is_not_made_good_silently) {
    ck_good(start());
    ck_assert_int_eq(unlink(at("alternate-1.pem")), 0);
    ck_assert_int_eq(unlink(at("alternate-1.key")), 0);
    ck_not_started("alternate-1-issuing.pem");
}
END_TEST

START_TEST(a_crash_between_the_files_is_made_good) {
    static const char *const later[] = {"alternate-1-issuing.pem", "alternate-1.pem"};

    ck_good(start());
    for (unsigned i = 0; i < COUNT(later); i++) { /* the key comes first, and stays */
        ck_assert_int_eq(unlink(at("alternate-1-issuing.pem")), 0);
        (void)unlink(at(later[i]));
        ck_good(start());
        ck_assert(leads_to(alternates.at[0].cross, alternates.at[0].root));
    }
}
END_TEST

START_TEST(a_state_directory_that_cannot_be_is_a_config_error) {
    char name[PATH_MAX];

    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    options.state_dir = name;
    ck_not_started("too long");
    options.state_dir = at("nowhere");
    ck_not_started("nowhere");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ca_alternates");
    TCase *cases = tcase_create("ca_alternates");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, each_root_certifies_the_issuing_ca_once_more);
    tcase_add_loop_test(cases, roots_of_every_key_type_sign, 0, 5);
    tcase_add_test(cases, keys_are_private_and_a_restart_without_them_finds_the_same);
    tcase_add_test(cases, more_are_added_to_those_there_are_and_fewer_leave_the_files_alone);
    tcase_add_test(cases, a_cross_certificate_ends_with_the_first_of_issuer_and_root);
    tcase_add_loop_test(cases, a_cross_certificate_that_does_not_fit_is_refused_by_its_name, 0,
                        (int)COUNT(wrong));
    tcase_add_test(cases, a_cross_certificate_made_elsewhere_that_fits_is_taken);
    tcase_add_test(cases, a_failure_at_the_second_leaves_nothing_behind_of_the_first);
    tcase_add_test(cases, a_root_that_is_wrong_is_refused_by_its_name);
    tcase_add_test(cases, the_key_is_needed_to_make_the_cross_certificate);
    tcase_add_test(cases, a_lost_root_is_not_made_good_silently);
    tcase_add_test(cases, a_crash_between_the_files_is_made_good);
    tcase_add_test(cases, a_state_directory_that_cannot_be_is_a_config_error);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
