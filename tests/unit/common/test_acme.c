#include "common/acme.h"

#include "suite.h"

#define GO_BOTH_WAYS(type, count, name_of, parse, ...)                                             \
    do {                                                                                           \
        const char *const wire[] = {__VA_ARGS__};                                                  \
        ck_assert_uint_eq(COUNT(wire), (unsigned)(count));                                         \
        for (unsigned i = 0; i < COUNT(wire); i++) {                                               \
            type back = (type)99;                                                                  \
            ck_assert_str_eq(name_of((type)i), wire[i]);                                           \
            ck_assert(parse(wire[i], &back));                                                      \
            ck_assert_uint_eq((unsigned)back, i);                                                  \
        }                                                                                          \
        type kept = (type)1;                                                                       \
        ck_assert(!parse("Valid", &kept));                                                         \
        ck_assert(!parse("", &kept));                                                              \
        ck_assert(!parse(NULL, &kept));                                                            \
        ck_assert_uint_eq((unsigned)kept, 1);                                                      \
    } while (0)

START_TEST(rfc8555_7_1_6_names_go_both_ways) {
    GO_BOTH_WAYS(enum acme_identifier_type, ACME_ID__COUNT, acme_identifier_name,
                 acme_identifier_parse, "dns", "NfInstanceId", "ip");
    GO_BOTH_WAYS(enum acme_challenge_type, ACME_CHALLENGE__COUNT, acme_challenge_name,
                 acme_challenge_parse, "http-01", "tkauth-01", "tls-alpn-01", "dns-01");
    GO_BOTH_WAYS(enum account_status, ACCOUNT_STATUS__COUNT, account_status_name,
                 account_status_parse, "valid", "deactivated", "revoked");
    GO_BOTH_WAYS(enum order_status, ORDER_STATUS__COUNT, order_status_name, order_status_parse,
                 "pending", "ready", "processing", "valid", "invalid");
    GO_BOTH_WAYS(enum authz_status, AUTHZ_STATUS__COUNT, authz_status_name, authz_status_parse,
                 "pending", "valid", "invalid", "deactivated", "expired", "revoked");
    GO_BOTH_WAYS(enum challenge_status, CHALLENGE_STATUS__COUNT, challenge_status_name,
                 challenge_status_parse, "pending", "processing", "valid", "invalid");
}
END_TEST

/* clang-format off */
static const struct { const char *text, *canonical; } uuids[] = {
    {"4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"},
    {"4ACE9D34-2C69-4F99-B2D5-A73A3FE8E23B", "4ace9d34-2c69-4f99-b2d5-a73a3fe8e23b"},
    {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", NULL}, /* version 1 */
    {"4ace9d34-2c69-4f99-c2d5-a73a3fe8e23b", NULL}, /* variant */
    {"4ace9d34-2c69-4f99-72d5-a73a3fe8e23b", NULL},
    {"4ace9d342c694f9992d5a73a3fe8e23b", NULL},
    {"{4ace9d34-2c69-4f99-92d5-a73a3fe8e23b}", NULL},
    {"urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", NULL},
    {"4ace9d34-2c69-4f99-92d5-a73a3fe8e23", NULL},
    {"4ace9d34-2c69-4f99-92d5-a73a3fe8e23bb", NULL},
    {"4ace9d34-2c69-4f99-92d5-a73a3fe8e23g", NULL},
    {"4ace9d34_2c69_4f99_92d5_a73a3fe8e23b", NULL},
    {"xace9d34-2c69-4f99-92d5-a73a3fe8e23b", NULL},
    {"", NULL},
};
static const struct { const char *text, *canonical; } names[] = {
    {"example.com", "example.com"}, {"Amf1.5GC.MNC001.mcc001.3gppnetwork.ORG", "amf1.5gc.mnc001.mcc001.3gppnetwork.org"},
    {"a.b", "a.b"}, {"1.b", "1.b"}, {"xn--p1ai.xn--p1ai", "xn--p1ai.xn--p1ai"}, {"a--b.c", "a--b.c"},
    {"example.com.", NULL}, {"*.example.com", NULL}, {"localhost", NULL}, {"", NULL}, {".", NULL},
    {".example.com", NULL}, {"a..b", NULL}, {"-a.b", NULL}, {"a-.b", NULL}, {"a_b.c", NULL},
    {"a b.c", NULL}, {"127.0.0.1", NULL}, {"a.123", NULL}, {"caf\xc3\xa9.com", NULL}, {"a/b.c", NULL},
    {"a.b:80", NULL},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", NULL},
};
static const struct { const char *text, *canonical; } addresses[] = { /* X-8738-3-02, -03, -04 */
    {"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "0.0.0.0"}, {"255.255.255.255", "255.255.255.255"},
    {"127.1", NULL}, {"0x7f.0.0.1", NULL}, {"127.000.000.001", NULL}, {"2130706433", NULL},
    {"127.0.0.1/32", NULL}, {"127.0.0.0/8", NULL}, {"*.127.0.0.1", NULL}, {"127.0.0.256", NULL},
    {"127.0.0.1:80", NULL}, {" 127.0.0.1", NULL}, {"127.0.0.1 ", NULL}, {"127.0.0.01", NULL},
    {"2001:db8::1", "2001:db8::1"}, {"2001:DB8::1", "2001:db8::1"},
    {"2001:db8:0:0:0:0:0:1", "2001:db8::1"}, {"2001:0db8::0001", "2001:db8::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:db8:1:1:1:1:1::", "2001:db8:1:1:1:1:1:0"}, {"2001:db8::", "2001:db8::"},
    {"::", "::"}, {"::1", "::1"}, {"0:0:0:0:0:0:0:1", "::1"}, {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    {"::FFFF:c000:201", "::ffff:192.0.2.1"}, {"::192.0.2.1", "::c000:201"},
    {"[2001:db8::1]", NULL}, {"fe80::1%eth0", NULL}, {"2001:db8::1/64", NULL}, {"1::2::3", NULL},
    {"2001:db8::g", NULL}, {":::", NULL}, {"example.org", NULL}, {"", NULL},
};
/* clang-format on */

START_TEST(rfc8738_an_address_is_dotted_decimal_or_rfc5952) {
    for (unsigned i = 0; i < COUNT(addresses); i++) {
        char out[ACME_IP_SIZE] = "untouched";
        bool good = acme_ip_canonical(addresses[i].text, out);
        ck_assert_msg(good == (addresses[i].canonical != NULL), "%s", addresses[i].text);
        ck_assert_str_eq(out, good ? addresses[i].canonical : "untouched");
    }
}
END_TEST

START_TEST(ts29571_a_uuid_is_version_4_and_lower_case) {
    for (unsigned i = 0; i < COUNT(uuids); i++) {
        char out[37] = "untouched";
        bool good = acme_uuid_canonical(uuids[i].text, out);
        ck_assert_msg(good == (uuids[i].canonical != NULL), "%s", uuids[i].text);
        ck_assert_str_eq(out, good ? uuids[i].canonical : "untouched");
    }
}
END_TEST

START_TEST(rfc1123_a_dns_name_has_ldh_labels_in_lower_case) {
    for (unsigned i = 0; i < COUNT(names); i++) {
        char out[ACME_ID_VALUE_MAX + 1] = "untouched";
        bool good = acme_dns_canonical(names[i].text, out);
        ck_assert_msg(good == (names[i].canonical != NULL), "%s", names[i].text);
        ck_assert_str_eq(out, good ? names[i].canonical : "untouched");
    }
}
END_TEST

START_TEST(a_dns_name_is_at_most_253_octets) {
    for (size_t len = 251; len <= 256; len++) {
        char text[300];
        char out[ACME_ID_VALUE_MAX + 1];
        for (size_t i = 0; i < len; i++) {
            text[i] = i % 50 == 49 && i + 1 < len ? '.' : 'a';
        }
        text[len] = '\0';
        ck_assert_msg(acme_dns_canonical(text, out) == (len <= 253), "%zu", len);
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {
        rfc8555_7_1_6_names_go_both_ways, ts29571_a_uuid_is_version_4_and_lower_case,
        rfc1123_a_dns_name_has_ldh_labels_in_lower_case, a_dns_name_is_at_most_253_octets,
        rfc8738_an_address_is_dotted_decimal_or_rfc5952};
    return suite_run("acme", tests, COUNT(tests));
}
