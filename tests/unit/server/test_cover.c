/* What an authorization covers: RFC 8555 7.1.3, RFC 9444 4.1, 4.3 and 7. */
#include "server/cover.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "server/policy.h"
#include "tests/unit/common/suite.h"

#define W AUTHZ_WILDCARD
#define S AUTHZ_SUBDOMAINS

START_TEST(an_authorization_covers_what_it_says_and_nothing_else) {
    static const struct {
        const char *authorised;
        unsigned flags;
        const char *name;
        bool covered;
    } rows[] = {
        {"x.example", 0, "x.example", true},
        {"x.example", 0, "a.x.example", false}, /* X-9444-7-02 */
        {"x.example", 0, "*.x.example", false},
        {"x.example", W, "*.x.example", true},
        {"x.example", W, "x.example", false},
        {"x.example", W, "a.x.example", false},
        {"x.example", S, "x.example", true},
        {"x.example", S, "a.x.example", true},
        {"x.example", S, "b.a.x.example", true},
        {"x.example", S, "*.x.example", false},
        {"x.example", S, "ax.example", false},
        {"a.x.example", S, "x.example", false}, /* X-9444-7-01 */
        {"a.x.example", S, "b.x.example", false},
        {"x.example", S | W, "*.x.example", true},
        {"x.example", S | W, "*.a.x.example", true},
        {"x.example", S | W, "x.example", true},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct authz authz = {.status = AUTHZ_VALID, .flags = rows[i].flags, .expires_us = 100};
        struct acme_identifier name = {.type = ACME_ID_DNS};
        (void)snprintf(authz.identifier.value, ACME_ID_VALUE_MAX, "%s", rows[i].authorised);
        (void)snprintf(name.value, ACME_ID_VALUE_MAX, "%s", rows[i].name);
        ck_assert_msg(cover_by(&authz, &name, 99) == rows[i].covered, "%s %u %s",
                      rows[i].authorised, rows[i].flags, rows[i].name);
        ck_assert(!cover_by(&authz, &name, 100)); /* 7.1.6: expired */
        authz.status = AUTHZ_DEACTIVATED;
        ck_assert(!cover_by(&authz, &name, 99));
    }
}
END_TEST

START_TEST(an_ancestor_is_taken_when_it_is_one) {
    static const struct {
        const char *text;
        bool subdomains;
        enum err_kind kind;
        const char *value;
        unsigned flags;
    } rows[] = {
        {"{\"type\":\"dns\",\"value\":\"a.b.x.example\"}", true, ERR_NONE, "a.b.x.example", 0},
        {"{\"type\":\"dns\",\"value\":\"*.x.example\"}", true, ERR_NONE, "x.example", W},
        {"{\"type\":\"dns\",\"value\":\"a.b.x.example\",\"ancestorDomain\":\"X.example\"}", true,
         ERR_NONE, "x.example", S},
        {"{\"type\":\"dns\",\"value\":\"*.x.example\",\"ancestorDomain\":\"x.example\"}", true,
         ERR_NONE, "x.example", S | W},
        {"{\"type\":\"dns\",\"value\":\"a.b.x.example\",\"ancestorDomain\":\"x.example\"}", false,
         ERR_NONE, "a.b.x.example", 0},
        {"{\"type\":\"dns\",\"value\":\"a.x.example\",\"ancestorDomain\":\"other.example\"}", true,
         ERR_MALFORMED, NULL, 0},
        {"{\"type\":\"dns\",\"value\":\"bar.x.example\",\"ancestorDomain\":\"ar.x.example\"}", true,
         ERR_MALFORMED, NULL, 0},
        {"{\"type\":\"dns\",\"value\":\"a.x.example\",\"ancestorDomain\":\"a.x.example\"}", true,
         ERR_MALFORMED, NULL, 0},
        {"{\"type\":\"dns\",\"value\":\"a.x.example\",\"ancestorDomain\":\"example\"}", true,
         ERR_MALFORMED, NULL, 0},
        {"{\"type\":\"dns\",\"value\":\"a.x.example\",\"ancestorDomain\":5}", true, ERR_MALFORMED,
         NULL, 0},
        {"{\"type\":\"NfInstanceId\",\"value\":\"4ace9d34-2c69-4f99-92d5-a73a3fe8e23b\","
         "\"ancestorDomain\":\"x.example\"}",
         true, ERR_MALFORMED, NULL, 0},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *list = json_array();
        AUTO(json_release) json_t *subproblems = NULL;
        AUTO(order_done) struct order order = {0};
        struct cover_need need = {0};
        struct err err = {0};
        (void)json_array_append_new(list,
                                    json_read_object(rows[i].text, strlen(rows[i].text), &err));
        ck_assert(policy_identifiers(list, &order, &subproblems, &err));
        bool good = cover_needs(list, &order, rows[i].subdomains, &need, &err);
        ck_assert_msg(good == (rows[i].kind == ERR_NONE) && err.kind == rows[i].kind, "%s: %s",
                      rows[i].text, err_name(err.kind));
        if (good) {
            ck_assert_str_eq(need.identifier.value, rows[i].value);
            ck_assert_uint_eq(need.flags, rows[i].flags);
        }
    }
}
END_TEST

START_TEST(needs_are_the_same_by_name_and_flags) {
    struct acme_identifier plain = {ACME_ID_DNS, "x.example"}, wild = {ACME_ID_DNS, "*.x.example"};
    struct cover_need one = cover_need(&plain), other = cover_need(&wild);

    ck_assert(cover_same(&one, &one));
    ck_assert(!cover_same(&one, &other));
    ck_assert_str_eq(other.identifier.value, one.identifier.value);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_authorization_covers_what_it_says_and_nothing_else,
                                  an_ancestor_is_taken_when_it_is_one,
                                  needs_are_the_same_by_name_and_flags};
    return suite_run("server/cover", tests, COUNT(tests));
}
