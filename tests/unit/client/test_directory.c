#include "client/directory.h"

#include "tests/unit/common/suite.h"

#include "common/json.h"
#include "common/ossl.h"

#define THREE                                                                                      \
    "\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\""

static bool parse(const char *text, struct directory *ret, struct err *err) {
    struct err ignored = {0};
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &ignored);

    ck_assert_msg(json != NULL, "%s", text);
    return directory_parse(json, ret, err);
}

START_TEST(the_members_of_rfc8555_7_1_1_are_read) {
    struct directory directory = {0};
    struct err err = {0};

    ck_assert(parse("{" THREE
                    ",\"revokeCert\":\"https://a/r\",\"meta\":{\"profiles\":{\"p\":\"x\"},"
                    "\"externalAccountRequired\":true}}",
                    &directory, &err));
    ck_assert_str_eq(directory.new_nonce, "https://a/n");
    ck_assert_str_eq(directory.new_account, "https://a/a");
    ck_assert_str_eq(directory.new_order, "https://a/o");
    ck_assert_str_eq(directory.revoke_cert, "https://a/r");
    ck_assert(directory.profiles && directory.eab_required);
    directory_done(&directory);
}
END_TEST

/* clang-format off */
static const struct {
    const char *text, *wanted;
} infos[] = {
    {"{" THREE ",\"renewalInfo\":\"https://a/i\"}", "https://a/i"},
    {"{" THREE ",\"renewalInfo\":\"http://a/i\"}", NULL},
    {"{" THREE ",\"renewalInfo\":\"x\"}", NULL},
    {"{" THREE ",\"renewalInfo\":7}", NULL},
    {"{" THREE "}", NULL},
};
/* clang-format on */

START_TEST(renewal_information_that_is_of_no_use_is_not_offered) {
    for (size_t i = 0; i < COUNT(infos); i++) {
        struct directory directory = {0};
        struct err err = {0};
        ck_assert_msg(parse(infos[i].text, &directory, &err), "%s", infos[i].text);
        ck_assert_pstr_eq(directory.renewal_info, infos[i].wanted);
        directory_done(&directory);
    }
}
END_TEST

START_TEST(without_profiles_none_is_named) {
    static const char *const texts[] = {"{" THREE "}", "{" THREE ",\"meta\":{}}",
                                        "{" THREE ",\"meta\":{\"profiles\":{}}}"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct directory directory = {0};
        struct err err = {0};
        ck_assert(parse(texts[i], &directory, &err));
        ck_assert(!directory.profiles);
        directory_done(&directory);
    }
}
END_TEST

START_TEST(a_missing_or_wrong_url_is_named) {
    static const char *const texts[] = {
        "{}", "{\"newNonce\":\"https://a/n\",\"newAccount\":\"https://a/a\"}",
        "{\"newNonce\":5,\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\"}",
        "{\"newNonce\":\"ftp://a\",\"newAccount\":\"https://a/a\",\"newOrder\":\"https://a/o\"}",
        "{" THREE ",\"revokeCert\":\"\"}"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct directory directory = {0};
        struct err err = {0};
        ck_assert_msg(!parse(texts[i], &directory, &err), "%s", texts[i]);
        ck_assert_int_eq(err.kind, ERR_UPSTREAM);
        ck_assert_ptr_null(directory.new_nonce);
    }
}
END_TEST

START_TEST(a_url_is_absolute_plain_and_without_user) {
    static const char *const bad[] = {"",          "https://",    "https:///x",
                                      "//a/b",     "https://a b", "https://u@a/x",
                                      "file:///x", "https://a/\n"};

    ck_assert(directory_url("https://a") && directory_url("http://127.0.0.1:1/x?y=@"));
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(!directory_url(bad[i]), "%s", bad[i]);
    }
}
END_TEST

START_TEST(https_stays_https_6_1) {
    struct directory directory = {0};
    struct err err = {0}, wrong = {0};

    ck_assert(directory_keeps("https://a/d", "https://b/x"));
    ck_assert(directory_keeps("http://a/d", "https://b/x")
              && directory_keeps("http://a", "http://b"));
    ck_assert(!directory_keeps("https://a/d", "http://a/x"));
    ck_assert(parse("{" THREE ",\"revokeCert\":\"http://a/r\"}", &directory, &err));
    ck_assert(directory_fits(&directory, "http://a/d", &err));
    ck_assert(!directory_fits(&directory, "https://a/d", &wrong));
    ck_assert_int_eq(wrong.kind, ERR_UPSTREAM);
    ck_assert_ptr_nonnull(strstr(wrong.detail, "revokeCert"));
    directory_done(&directory);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {https_stays_https_6_1,
                                  the_members_of_rfc8555_7_1_1_are_read,
                                  renewal_information_that_is_of_no_use_is_not_offered,
                                  without_profiles_none_is_named,
                                  a_missing_or_wrong_url_is_named,
                                  a_url_is_absolute_plain_and_without_user};

    return suite_run("client/directory", tests, COUNT(tests));
}
