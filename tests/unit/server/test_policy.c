#include "server/policy.h"

#include "common/json.h"
#include "tests/unit/common/suite.h"

#define NOW_S 1795000000 /* 2026-11-18T11:06:40Z */

static json_t *read_json(const char *text) {
    struct err err = {0};
    json_t *json = json_read(text, strlen(text), &err);
    ck_assert_msg(json != NULL, "%s: %s", text, err.detail);
    return json;
}

START_TEST(contacts_are_one_mailto_address_each) {
    static const struct {
        const char *text;
        enum err_kind kind;
    } rows[] = {
        {"[]", ERR_NONE},
        {"[\"mailto:admin@example.org\"]", ERR_NONE},
        {"[\"MAILTO:a.b+c@example.org\",\"mailto:d@example.org\"]", ERR_NONE},
        {"\"mailto:admin@example.org\"", ERR_MALFORMED},
        {"{}", ERR_MALFORMED},
        {"[5]", ERR_INVALID_CONTACT},
        {"[\"\"]", ERR_INVALID_CONTACT},
        {"[\"not a url\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:nobody\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:@example.org\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a@b@example.org\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a@example.org?subject=x\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a@example.org,b@example.org\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a@example.org\\r\\nBcc:b@example.org\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a%0d@example.org\"]", ERR_INVALID_CONTACT},
        {"[\"mailto:a@-example.org\"]", ERR_INVALID_CONTACT},
        {"[\"ftp://example.org/x\"]", ERR_UNSUPPORTED_CONTACT},
        {"[\"tel:+123\"]", ERR_UNSUPPORTED_CONTACT},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *contact = read_json(rows[i].text);
        struct err err = {0};
        bool good = policy_contact(contact, &err);
        ck_assert_msg(good == (rows[i].kind == ERR_NONE) && err.kind == rows[i].kind, "%s: %s",
                      rows[i].text, err_name(err.kind));
    }
}
END_TEST

START_TEST(contacts_are_bounded) {
    AUTO(json_release) json_t *many = json_array(), *longest = json_array();
    char text[ACME_ID_VALUE_MAX * 2] = "mailto:a@";
    struct err err = {0};

    for (unsigned i = 0; i < 17; i++) {
        (void)json_array_append_new(many, json_string("mailto:a@example.org"));
    }
    ck_assert(!policy_contact(many, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID_CONTACT);
    memset(text + 9, 'a', 400);
    (void)json_array_append_new(longest, json_string(text));
    err = (struct err){0};
    ck_assert(!policy_contact(longest, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID_CONTACT);
}
END_TEST

#define ID(type, value) "{\"type\":\"" type "\",\"value\":\"" value "\"}"

START_TEST(identifiers_are_judged_and_made_canonical) {
    static const struct {
        const char *text;
        enum err_kind kind;
        unsigned count;
        const char *first;
    } rows[] = {
        {"[" ID("dns", "EXAMPLE.Org") "]", ERR_NONE, 1, "example.org"},
        {"[" ID("dns", "a.example") "," ID("dns", "A.example") "]", ERR_NONE, 1, "a.example"},
        {"[" ID("dns", "a.example") "," ID("dns", "b.example") "]", ERR_NONE, 2, "a.example"},
        {"[" ID("NfInstanceId", "4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B") "]", ERR_NONE, 1,
         "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"},
        {"[" ID("ip", "192.0.2.1") "]", ERR_NONE, 1, "192.0.2.1"},
        {"[" ID("ip", "2001:DB8:0::1") "," ID("ip", "2001:db8::1") "]", ERR_NONE, 1, "2001:db8::1"},
        {"[" ID("ip", "127.1") "]", ERR_MALFORMED, 0, NULL},
        {"[" ID("ip", "127.000.000.001") "]", ERR_MALFORMED, 0, NULL},
        {"[" ID("ip", "[::1]") "]", ERR_MALFORMED, 0, NULL},
        {"[" ID("ip", "127.0.0.0/8") "]", ERR_MALFORMED, 0, NULL},
        {"[" ID("ip", "*.127.0.0.1") "]", ERR_MALFORMED, 0, NULL},
        {"[" ID("ip", "a.example") "]", ERR_MALFORMED, 0, NULL},
        {"[]", ERR_MALFORMED, 0, NULL},
        {"[5]", ERR_MALFORMED, 0, NULL},
        {"[{\"type\":\"dns\"}]", ERR_MALFORMED, 0, NULL},
        {"[{\"value\":\"a.example\"}]", ERR_MALFORMED, 0, NULL},
        {"[{\"type\":\"dns\",\"value\":5}]", ERR_MALFORMED, 0, NULL},
        {"[" ID("email", "a@example.org") "]", ERR_UNSUPPORTED_IDENTIFIER, 0, NULL},
        {"[" ID("nfinstanceid", "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b") "]",
         ERR_UNSUPPORTED_IDENTIFIER, 0, NULL},
        {"[" ID("NfInstanceId", "4ace9d34-2c69-1f99-92d5-a73a3fe8e23b") "]",
         ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("NfInstanceId", "amf1") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "a..b") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "*.Example.org") "]", ERR_NONE, 1, "*.example.org"},
        {"[" ID("dns", "*") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "*.com") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "*.*.example.org") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "a.*.example.org") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "*a.example.org") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "xn--zzzzzzz99999.example.org") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "127.0.0.1") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "-a.example") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
        {"[" ID("dns", "b\u00fccher.example") "]", ERR_REJECTED_IDENTIFIER, 0, NULL},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *list = read_json(rows[i].text);
        AUTO(order_done) struct order order = {0};
        struct err err = {0};
        AUTO(json_release) json_t *subproblems = NULL;
        bool good = policy_identifiers(list, &order, &subproblems, &err);
        ck_assert_ptr_null(subproblems);
        ck_assert_msg(good == (rows[i].kind == ERR_NONE) && err.kind == rows[i].kind, "%s: %s",
                      rows[i].text, err_name(err.kind));
        ck_assert_msg(!good || order.count == rows[i].count, "%s", rows[i].text);
        ck_assert_msg(!good || strcmp(order.identifiers[0].value, rows[i].first) == 0, "%s",
                      rows[i].text);
    }
}
END_TEST

START_TEST(an_unsupported_type_is_named) {
    AUTO(json_release) json_t *list = read_json("[" ID("email", "x") "]");
    AUTO(order_done) struct order order = {0};
    struct err err = {0};

    AUTO(json_release) json_t *subproblems = NULL;
    ck_assert(!policy_identifiers(list, &order, &subproblems, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "email"));
}
END_TEST

START_TEST(a_hundred_identifiers_are_enough) {
    AUTO(json_release) json_t *list = json_array();

    for (unsigned i = 0; i <= ORDER_IDENTIFIERS_MAX; i++) {
        AUTO(order_done) struct order order = {0};
        struct err err = {0};
        char value[32];
        (void)snprintf(value, sizeof(value), "n%u.example", i);
        (void)json_array_append_new(list, json_pack("{s:s,s:s}", "type", "dns", "value", value));
        AUTO(json_release) json_t *subproblems = NULL;
        bool good = policy_identifiers(list, &order, &subproblems, &err);
        ck_assert_uint_eq(good, i < ORDER_IDENTIFIERS_MAX);
    }
}
END_TEST

START_TEST(a_validity_wanted_is_kept_or_refused) {
    static const struct profile profile = {.name = "tls-server", .lifetime_s = 90 * 86400};
    static const struct {
        const char *text;
        bool good;
        int64_t from_s, until_s;
    } rows[] = {
        {"{}", true, 0, 0},
        {"{\"notAfter\":\"2026-11-19T11:06:40Z\"}", true, 0, NOW_S + 86400},
        {"{\"notBefore\":\"2026-11-18T11:06:40Z\",\"notAfter\":\"2026-11-19T13:06:40+02:00\"}",
         true, NOW_S, NOW_S + 86400},
        {"{\"notBefore\":\"tomorrow\"}", false, 0, 0},
        {"{\"notBefore\":\"2026-11-18T11:06:40.5Z\"}", false, 0, 0},
        {"{\"notBefore\":5}", false, 0, 0},
        {"{\"notAfter\":\"2026-11-18T11:06:40Z\"}", false, 0, 0},
        {"{\"notAfter\":\"2020-01-01T00:00:00Z\"}", false, 0, 0},
        {"{\"notAfter\":\"1970-01-01T00:00:00Z\"}", false, 0, 0},
        {"{\"notBefore\":\"2020-01-01T00:00:00Z\"}", false, 0, 0},
        {"{\"notBefore\":\"2036-01-01T00:00:00Z\"}", false, 0, 0},
        {"{\"notAfter\":\"2027-03-18T11:06:40Z\"}", false, 0, 0},
        {"{\"notBefore\":\"2026-11-20T00:00:00Z\",\"notAfter\":\"2026-11-19T00:00:00Z\"}", false, 0,
         0},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *payload = read_json(rows[i].text);
        struct order order = {0};
        struct err err = {0};
        bool good = policy_validity(payload, &profile, NOW_S, &order, &err);
        ck_assert_msg(good == rows[i].good, "%s: %s", rows[i].text, err.detail);
        ck_assert_msg(good || err.kind == ERR_MALFORMED, "%s", rows[i].text);
        ck_assert_msg(
            !good || (order.not_before_s == rows[i].from_s && order.not_after_s == rows[i].until_s),
            "%s", rows[i].text);
    }
}
END_TEST

START_TEST(revocation_reasons_are_those_of_a_subscriber) {
    static const struct {
        const char *text;
        int reason; /* -2: refused */
    } rows[] = {
        {"{}", -1},
        {"{\"reason\":0}", 0},
        {"{\"reason\":1}", 1},
        {"{\"reason\":5}", 5},
        {"{\"reason\":6}", -2},
        {"{\"reason\":7}", -2},
        {"{\"reason\":8}", -2},
        {"{\"reason\":9}", 9},
        {"{\"reason\":10}", 10},
        {"{\"reason\":11}", -2},
        {"{\"reason\":99}", -2},
        {"{\"reason\":-1}", -2},
        {"{\"reason\":1.5}", -2},
        {"{\"reason\":\"1\"}", -2},
        {"{\"reason\":true}", -2},
        {"{\"reason\":null}", -2},
        {"{\"reason\":9223372036854775807}", -2},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *payload = read_json(rows[i].text);
        struct err err = {0};
        int reason = -2;
        bool good = policy_reason(payload, &reason, &err);
        ck_assert_msg(good == (rows[i].reason != -2) && reason == rows[i].reason, "%s",
                      rows[i].text);
        ck_assert_msg(good || err.kind == ERR_BAD_REVOCATION_REASON, "%s", rows[i].text);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {contacts_are_one_mailto_address_each,
                                  contacts_are_bounded,
                                  identifiers_are_judged_and_made_canonical,
                                  an_unsupported_type_is_named,
                                  a_hundred_identifiers_are_enough,
                                  a_validity_wanted_is_kept_or_refused,
                                  revocation_reasons_are_those_of_a_subscriber};
    return suite_run("server/policy", tests, COUNT(tests));
}
