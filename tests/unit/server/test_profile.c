#include "server/profile.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/x509.h"

#define DAYS_S(days) ((int64_t)(days)*86400)

START_TEST(every_profile_keeps_to_three_years_and_says_what_it_is) {
    unsigned count = 0;

    for (const struct profile *profile = profiles; profile->name != NULL; profile++, count++) {
        ck_assert_int_gt(profile->lifetime_s, 0);
        ck_assert_int_le(profile->lifetime_s, DAYS_S(3 * 365)); /* TS 33.310 6.1.3c */
        ck_assert_uint_gt(strlen(profile->description), 0);
        ck_assert_ptr_eq(profile_find(profile->name), profile);
        ck_assert_uint_ne(profile->eku, 0);
    }
    ck_assert_uint_eq(count, 9);
    ck_assert_ptr_null(profile_find("nf"));
    ck_assert_ptr_null(profile_find(""));
}
END_TEST

START_TEST(the_extended_key_usage_is_the_one_the_name_promises) {
    ck_assert_uint_eq(profile_find("nf-client")->eku, X509_EKU_CLIENT);
    ck_assert_uint_eq(profile_find("nf-server")->eku, X509_EKU_SERVER);
    ck_assert_uint_eq(profile_find("nf-both")->eku, X509_EKU_CLIENT | X509_EKU_SERVER);
    ck_assert_uint_eq(profile_find("tls-server")->eku, X509_EKU_SERVER);
    ck_assert_uint_eq(profile_find("scp")->eku, X509_EKU_CLIENT | X509_EKU_SERVER);
    ck_assert_uint_eq(profile_find("sepp")->eku, X509_EKU_CLIENT | X509_EKU_SERVER);
    ck_assert_uint_eq(profile_find("nf-jwt")->eku, X509_EKU_JWT);
    ck_assert_uint_eq(profile_find("nf-http-encrypt")->eku, X509_EKU_HTTP_ENCRYPT);
    ck_assert_uint_eq(profile_find("nf-oauth-signing")->eku, X509_EKU_OAUTH_SIGNING);
}
END_TEST

/* clang-format off */
static const struct { const char *asked; bool nf, dns; const char *chosen, *why; } choices[] = {
    {NULL,         true,  false, "nf-client",  NULL},
    {NULL,         true,  true,  "nf-both",    NULL},
    {NULL,         false, true,  "tls-server", NULL},
    {"nf-client",  true,  false, "nf-client",  NULL},
    {"nf-server",  true,  false, "nf-server",  NULL},
    {"nf-server",  true,  true,  "nf-server",  NULL},
    {"nf-both",    true,  false, "nf-both",    NULL},
    {"nf-both",    true,  true,  "nf-both",    NULL},
    {"tls-server", false, true,  "tls-server", NULL},
    {"scp",        true,  true,  "scp",        NULL},
    {"scp",        true,  false, NULL, "needs a dns identifier"},
    {"sepp",       true,  false, NULL, "needs a dns identifier"},
    {"sepp",       false, true,  NULL, "needs an NfInstanceId"},
    {"nf-jwt",     true,  false, "nf-jwt",     NULL},
    {"nf-jwt",     true,  true,  NULL, "takes no dns"},
    {"nf-client",  true,  true,  NULL, "takes no dns"},
    {"nf-client",  false, true,  NULL, "needs an NfInstanceId"},
    {"nf-server",  false, true,  NULL, "needs an NfInstanceId"},
    {"nf-both",    false, true,  NULL, "needs an NfInstanceId"},
    {"tls-server", true,  true,  NULL, "takes no NfInstanceId"},
    {"tls-server", true,  false, NULL, "takes no NfInstanceId"},
    {"nf-klient",  true,  false, NULL, "no profile \"nf-klient\""},
    {"",           true,  false, NULL, "no profile"},
};
/* clang-format on */

START_TEST(a_profile_is_chosen_by_name_or_by_identifiers_or_refused) {
    struct acme_identifier identifiers[2];
    struct err err = {0};
    unsigned count = 0;

    if (choices[_i].nf) {
        identifiers[count++] =
            (struct acme_identifier){ACME_ID_NF_INSTANCE, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"};
    }
    if (choices[_i].dns) {
        identifiers[count++] = (struct acme_identifier){ACME_ID_DNS, "a.example"};
    }
    const struct profile *profile = profile_choose(choices[_i].asked, identifiers, count, &err);
    if (choices[_i].chosen != NULL) {
        ck_assert_msg(profile != NULL, "row %d: %s", _i, err.detail);
        ck_assert_str_eq(profile->name, choices[_i].chosen);
        return;
    }
    ck_assert_ptr_null(profile);
    ck_assert_int_eq(err.kind, ERR_INVALID_PROFILE);
    ck_assert_msg(strstr(err.detail, choices[_i].why) != NULL, "row %d: %s", _i, err.detail);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("profile");
    TCase *cases = tcase_create("profile");

    tcase_add_test(cases, every_profile_keeps_to_three_years_and_says_what_it_is);
    tcase_add_test(cases, the_extended_key_usage_is_the_one_the_name_promises);
    tcase_add_loop_test(cases, a_profile_is_chosen_by_name_or_by_identifiers_or_refused, 0,
                        (int)COUNT(choices));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
