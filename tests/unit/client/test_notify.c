#include "client/notify.h"

#include "common/x509.h"
#include "tests/unit/common/suite.h"

static const struct x509_cert peer = {
    .names = {.uuid = "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11",
              .dns_count = 2,
              .dns = {"amf-1.5gc.mnc001.mcc001.3gppnetwork.org", "amf-1.example"}}};

/* clang-format off */
static const struct {
    const char *uri, *from;
    bool good;
} uris[] = {
    {"https://amf-1.5gc.mnc001.mcc001.3gppnetwork.org/cb", "10.0.0.1:4711", true},
    {"https://AMF-1.example:8443/cb?x=1", "10.0.0.1:4711", true},
    {"https://10.0.0.1:9000/cb", "10.0.0.1:4711", true},
    {"https://[2001:db8::1]:9000/cb", "[2001:db8::1]:4711", true},
    {"http://amf-1.example/cb", "10.0.0.1:4711", false},
    {"https://10.0.0.2/cb", "10.0.0.1:4711", false},
    {"https://smf-1.example/cb", "10.0.0.1:4711", false},
    {"https://amf-1.example.evil.example/cb", "10.0.0.1:4711", false},
    {"https://amf-1.example@evil.example/cb", "10.0.0.1:4711", false},
    {"https://amf-1.example#@evil.example/cb", "10.0.0.1:4711", false},
    {"https://127.0.0.1/", "10.0.0.1:4711", false},
    {"https://[::1/", "10.0.0.1:4711", false},
    {"https:///cb", "10.0.0.1:4711", false},
    {"https://", "10.0.0.1:4711", false},
    {"", "10.0.0.1:4711", false},
    {"file:///etc/passwd", "10.0.0.1:4711", false},
    {"https://10.0.0.1/cb", NULL, false},
};
/* clang-format on */

START_TEST(an_nf_is_told_only_at_its_own_name_or_address) {
    struct err err = {0};

    ck_assert_msg(notify_allows(uris[_i].uri, &peer, uris[_i].from, &err) == uris[_i].good, "%s",
                  uris[_i].uri);
    ck_assert(uris[_i].good || err.kind == ERR_INVALID);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("client/notify");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, an_nf_is_told_only_at_its_own_name_or_address, 0, COUNT(uris));
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
