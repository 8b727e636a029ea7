#include "server/url.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct url base = {false, "a.example", 5002, "/.well-known/acme-challenge/tok?x=1"};

/* clang-format off */
static const struct { const char *reference, *wanted; } good[] = {
    {"http://b.example/c", "http://b.example/c"},
    {"HTTPS://B.Example/c", "https://b.example/c"},
    {"https://b.example", "https://b.example/"},
    {"http://b.example?q", "http://b.example/?q"},
    {"http://b.example:80/c", "http://b.example/c"},
    {"https://b.example:80/c", "https://b.example:80/c"},
    {"http://b.example:5002/c?d#e", "http://b.example:5002/c?d"},
    {"//b.example/c", "http://b.example/c"},
    {"/c?d", "http://a.example:5002/c?d"},
    {"c", "http://a.example:5002/.well-known/acme-challenge/c"},
    {"c:d", NULL},
    {"./c:d", "http://a.example:5002/.well-known/acme-challenge/./c:d"},
    {"?d", "http://a.example:5002/.well-known/acme-challenge/tok?d"},
};

static const struct { const char *reference, *why; } bad[] = {
    {"ftp://b.example/", "neither http nor https"},
    {"httpx://b.example/", "neither http nor https"},
    {"file:///etc/passwd", "neither http nor https"},
    {"http:/b.example/", "names no host"},
    {"http:b.example", "names no host"},
    {"http:///c", "names no host"},
    {"http://:80/c", "names no host"},
    {"http://user@b.example/", "user information"},
    {"http://b.example:99999/", "no valid port"},
    {"http://b.example:0/", "no valid port"},
    {"http://b.example:/", "no valid port"},
    {"http://b.example:8a/", "no valid port"},
    {"http://127.0.0.1/", "an address"},
    {"http://127.1/", "an address"},
    {"http://[::1]/", "an address"},
    {"http://localhost/", "names no host"},
    {"/a b", "foreign characters"},
    {"/a\r\nX: y", "foreign characters"},
    {"/\xc3\xa9", "foreign characters"},
};
/* clang-format on */

START_TEST(a_location_is_read_against_its_base) {
    struct err err = {0};
    struct url url = {0};
    char text[URL_TEXT_SIZE] = "";

    bool read = url_follow(&base, good[_i].reference, &url, &err);
    if (good[_i].wanted == NULL) {
        ck_assert(!read);
        return;
    }
    ck_assert_msg(read, "%s: %s", good[_i].reference, err.detail);
    url_text(&url, text);
    ck_assert_str_eq(text, good[_i].wanted);
}
END_TEST

START_TEST(a_location_that_may_not_be_followed_is_refused) {
    struct err err = {0};
    struct url url = {0};

    ck_assert_msg(!url_follow(&base, bad[_i].reference, &url, &err), "%s", bad[_i].reference);
    ck_assert_int_eq(err.kind, ERR_INCORRECT_RESPONSE);
    ck_assert_msg(strstr(err.detail, bad[_i].why) != NULL, "%s: %s", bad[_i].reference, err.detail);
    ck_assert_str_eq(url.host, "");
}
END_TEST

/* clang-format off */
static const struct { const char *host, *reference, *wanted; } addresses[] = {
    {"127.0.0.1", "/c", "http://127.0.0.1:5002/c"},
    {"::1", "/c", "http://[::1]:5002/c"},
    {"127.0.0.1", "http://127.0.0.2/c", "http://127.0.0.2/c"},
    {"127.0.0.1", "https://[2001:DB8::1]:443/c", "https://[2001:db8::1]/c"},
    {"::1", "//[::2]:5002/", "http://[::2]:5002/"},
    {"::1", "http://b.example/c", "http://b.example/c"},
    {"::1", "http://[127.0.0.1]/c", NULL},
    {"::1", "http://[fe80::1%25eth0]/c", NULL},
    {"::1", "http://[b.example]/c", NULL},
    {"127.0.0.1", "http://127.1/c", NULL},
    {"a.example", "http://[::1]/c", NULL},
};
/* clang-format on */

START_TEST(rfc8738_5_where_the_base_is_an_address_others_are_followed) {
    struct url from = {false, "", 5002, "/x"}, url = {0};
    struct err err = {0};
    char text[URL_TEXT_SIZE];

    memcpy(from.host, addresses[_i].host, strlen(addresses[_i].host) + 1);
    bool read = url_follow(&from, addresses[_i].reference, &url, &err);
    ck_assert_msg(read == (addresses[_i].wanted != NULL), "%s", addresses[_i].reference);
    if (read) {
        url_text(&url, text);
        ck_assert_str_eq(text, addresses[_i].wanted);
    }
}
END_TEST

START_TEST(a_location_of_any_length_is_read_or_refused) {
    char reference[2 * URL_TARGET_SIZE];
    struct err err = {0};
    struct url url = {0};

    memset(reference, 'a', sizeof reference);
    reference[0] = '/';
    reference[URL_TARGET_SIZE - 1] = '\0';
    ck_assert(url_follow(&base, reference, &url, &err));
    char text[URL_TEXT_SIZE];
    url_text(&url, text);
    ck_assert_uint_eq(strlen(text), strlen("http://a.example:5002") + URL_TARGET_SIZE - 1);
    reference[URL_TARGET_SIZE - 1] = 'a';
    reference[URL_TARGET_SIZE] = '\0';
    ck_assert(!url_follow(&base, reference, &url, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "too long"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("url");
    TCase *cases = tcase_create("url");

    tcase_add_loop_test(cases, a_location_is_read_against_its_base, 0, (int)COUNT(good));
    tcase_add_loop_test(cases, rfc8738_5_where_the_base_is_an_address_others_are_followed, 0,
                        (int)COUNT(addresses));
    tcase_add_loop_test(cases, a_location_that_may_not_be_followed_is_refused, 0, (int)COUNT(bad));
    tcase_add_test(cases, a_location_of_any_length_is_read_or_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
