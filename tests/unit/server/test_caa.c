#include "server/caa.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT "0190000000000000000000001"
#define URI "https://acme.example:14000/account/" ACCOUNT

static const char *const identities[] = {"ca.example", "pki.example", NULL};
static const char *const hosts[] = {"acme.example", "::1", NULL};
static const struct caa_policy policy = {identities, hosts};

/* clang-format off */
static const struct {
    const char *what;
    bool wildcard;
    const char *records[3]; /* flags tag value */
    const char *says;       /* in the refusal; NULL: permitted */
} rows[] = {
    {"no record at all",                 false, {NULL}, NULL},
    {"our name",                         false, {"0 issue ca.example"}, NULL},
    {"X-8659-06 our other name",         false, {"0 issue pki.example"}, NULL},
    {"names have no case",               false, {"0 ISSUE Ca.Example"}, NULL},
    {"white space",                      false, {"0 issue  \t ca.example \t ; a = b "}, NULL},
    {"a semicolon at the end",           false, {"0 issue ca.example ; "}, NULL},
    {"another name",                     false, {"0 issue other.example"}, "none names this CA"},
    {"a name that begins as ours",       false, {"0 issue ca.example.org"}, "none names"},
    {"X-8659-04 nobody",                 false, {"0 issue ;"}, "none names"},
    {"the empty value",                  false, {"0 issue "}, "none names"},
    {"nobody beside us",                 false, {"0 issue ;", "0 issue ca.example"}, NULL},
    {"iodef alone",                      false, {"0 iodef mailto:a@b.example"}, NULL},
    {"X-8659-03 unknown, critical",      false, {"0 issue ca.example", "128 zz x"}, "critical"},
    {"the critical bit is the first",    false, {"0 issue ca.example", "1 zz x"}, NULL},
    {"issue, critical",                  false, {"128 issue ca.example"}, NULL},
    {"4.2 an empty label",               false, {"0 issue ca..example"}, "malformed"},
    {"4.2 a hyphen at the end",          false, {"0 issue ca.example-"}, "malformed"},
    {"4.2 an underscore",                false, {"0 issue ca_x.example"}, "malformed"},
    {"4.2 two words",                    false, {"0 issue ca.example x"}, "malformed"},
    {"4.2 a parameter without a value",  false, {"0 issue ca.example; a"}, "malformed"},
    {"4.2 a parameter without a name",   false, {"0 issue ca.example; =a"}, "malformed"},
    {"4.2 a semicolon too many",         false, {"0 issue ca.example; a=b;"}, "malformed"},
    {"4.2 no semicolon between",         false, {"0 issue ca.example; a=b c=d"}, "malformed"},
    {"an unknown parameter",             false, {"0 issue ca.example; a=b; c="}, NULL},
    {"X-8659-02 issuewild alone counts", true,  {"0 issue ca.example", "0 issuewild ;"}, "none names"},
    {"issuewild is not for names",       false, {"0 issue ca.example", "0 issuewild ;"}, NULL},
    {"issuewild for us",                 true,  {"0 issue ;", "0 issuewild ca.example"}, NULL},
    {"issue without issuewild",          true,  {"0 issue ;"}, "none names"},
    {"issuewild alone, for a name",      false, {"0 issuewild ;"}, NULL},
    {"X-8657-3-02 our account",          false, {"0 issue ca.example; accounturi=" URI}, NULL},
    {"at another port",                  false, {"0 issue ca.example; accounturi=https://acme.example/account/" ACCOUNT}, NULL},
    {"at an address",                    false, {"0 issue ca.example; accounturi=https://[::1]:14000/account/" ACCOUNT}, NULL},
    {"X-8657-3-01 another account",      false, {"0 issue ca.example; accounturi=https://acme.example/account/1"}, "accounturi"},
    {"another host",                     false, {"0 issue ca.example; accounturi=https://acme.example.org/account/" ACCOUNT}, "accounturi"},
    {"plain http",                       false, {"0 issue ca.example; accounturi=http://acme.example/account/" ACCOUNT}, "accounturi"},
    {"a port that is none",              false, {"0 issue ca.example; accounturi=https://acme.example:/account/" ACCOUNT}, "accounturi"},
    {"X-8657-3-03 twice",                false, {"0 issue ca.example; accounturi=" URI "; AccountURI=" URI}, "malformed"},
    {"X-8657-3-04 no URI",               false, {"0 issue ca.example; accounturi=x"}, "accounturi"},
    {"X-8657-3-05 not our name",         false, {"0 issue other.example; accounturi=" URI}, "none names"},
    {"X-8657-3-06 one of two",           false, {"0 issue ca.example; accounturi=x", "0 issue ca.example"}, NULL},
    {"X-8657-4-01 another method",       false, {"0 issue ca.example; validationmethods=dns-01"}, "validationmethods"},
    {"X-8657-4-02 ours among them",      false, {"0 issue ca.example; validationmethods=dns-01,http-01,ca-x"}, NULL},
    {"X-8657-4-03 no method",            false, {"0 issue ca.example; validationmethods="}, "validationmethods"},
    {"X-8657-4-04 an underscore",        false, {"0 issue ca.example; validationmethods=http-01,ca_x"}, "validationmethods"},
    {"X-8657-4-04 a comma at the end",   false, {"0 issue ca.example; validationmethods=http-01,"}, "validationmethods"},
    {"X-8657-4-04 an empty label",       false, {"0 issue ca.example; validationmethods=,http-01"}, "validationmethods"},
    {"X-8657-4-05 both must hold",       false, {"0 issue ca.example; accounturi=" URI "; validationmethods=dns-01"}, "validationmethods"},
};
/* clang-format on */

/* "flags tag value" in wire form. */
static size_t wire(const char *text, unsigned char *out) {
    char *rest = NULL;
    unsigned long flags = strtoul(text, &rest, 10);
    const char *tag = rest + 1;
    size_t tag_len = strcspn(tag, " "), value_len = strlen(tag) - tag_len - 1;

    out[0] = (unsigned char)flags;
    out[1] = (unsigned char)tag_len;
    memcpy(out + 2, tag, tag_len);
    memcpy(out + 2 + tag_len, tag + tag_len + 1, value_len);
    return 2 + tag_len + value_len;
}

START_TEST(rfc8659_records_permit_or_forbid) {
    struct caa_question question = {.name = "a.example",
                                    .wildcard = rows[_i].wildcard,
                                    .method = ACME_CHALLENGE_HTTP01,
                                    .account = ACCOUNT};
    unsigned char octets[3][512];
    struct dns_record records[3];
    unsigned count = 0;
    struct err err = {0};

    while (count < 3 && rows[_i].records[count] != NULL) {
        records[count].data = octets[count];
        records[count].len = wire(rows[_i].records[count], octets[count]);
        count++;
    }
    bool permitted = caa_permits(&policy, &question, "example", records, count, &err);
    ck_assert_msg(permitted == (rows[_i].says == NULL), "%s: %s", rows[_i].what, err.detail);
    if (!permitted) {
        ck_assert_msg(err.kind == ERR_CAA && strstr(err.detail, rows[_i].says) != NULL
                          && strstr(err.detail, "example") != NULL,
                      "%s: %s", rows[_i].what, err.detail);
    }
}
END_TEST

START_TEST(a_record_that_is_none_permits_nothing) {
    const struct caa_question question = {.name = "a.example", .method = ACME_CHALLENGE_HTTP01};
    const struct dns_record record = {(const unsigned char *)"\0\x09issue", 7};
    struct err err = {0};

    ck_assert(!caa_permits(&policy, &question, "a.example", &record, 1, &err));
    ck_assert_int_eq(err.kind, ERR_CAA);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("caa");
    TCase *cases = tcase_create("caa");

    tcase_add_loop_test(cases, rfc8659_records_permit_or_forbid, 0, sizeof rows / sizeof *rows);
    tcase_add_test(cases, a_record_that_is_none_permits_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
