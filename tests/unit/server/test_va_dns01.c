#include "server/va_dns01.h"

#include <stdlib.h>

#include "common/clock.h"
#include "dns_fixture.h"

#define TOKEN "evaGxfADs6pSRb2LAv9IZf"
#define THUMBPRINT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
/* base64url of the SHA-256 of TOKEN.THUMBPRINT, as openssl(1) makes it */
#define DIGEST_HEAD "8"
#define DIGEST_TAIL "0aWoIg-J-KJQXOxLuSzPCS4CYmcT48dny5M9IUFo-A"
#define DIGEST DIGEST_HEAD DIGEST_TAIL
#define TIMEOUT_MS 400
#define AT VA_DNS01_LABEL "."

/* clang-format off */
static const struct dns_row names[] = {
    {AT "good.example",    NULL, NULL, DNS_NOERROR},
    {AT "two.example",     NULL, NULL, DNS_NOERROR},
    {AT "parts.example",   NULL, NULL, DNS_NOERROR},
    {AT "wrong.example",   NULL, NULL, DNS_NOERROR},
    {AT "plain.example",   NULL, NULL, DNS_NOERROR},
    {AT "empty.example",   NULL, NULL, DNS_NOERROR},
    {AT "alias.example",   NULL, NULL, DNS_NOERROR},
    {AT "circle.example",  NULL, NULL, DNS_NOERROR},
    {AT "broken.example",  NULL, NULL, DNS_SERVFAIL},
    {AT "silent.example",  NULL, NULL, DNS_SILENT},
    {NULL, NULL, NULL, 0},
};
/* what the server says besides; data of TXT (strings) or CNAME (labels) */
static const struct { const char *name; unsigned type; const char *data; size_t len; } records[] = {
#define DATA(text) text, sizeof(text) - 1
    {AT "good.example",   16, DATA("\x2b" DIGEST)},
    {AT "two.example",    16, DATA("\5other")},
    {AT "two.example",    16, DATA("\x2b" DIGEST)},
    {AT "parts.example",  16, DATA("\x01" DIGEST_HEAD "\x2a" DIGEST_TAIL)},
    {AT "wrong.example",  16, DATA("\5\"oth\1")},
    {AT "plain.example",  16, DATA("\x42" TOKEN "." THUMBPRINT)},
    {AT "alias.example",  5,  DATA("\x0f" VA_DNS01_LABEL "\4good\7example\0")},
    {AT "circle.example", 5,  DATA("\x0f" VA_DNS01_LABEL "\6circle\7example\0")},
};
static const struct { const char *name; enum err_kind kind; const char *says; unsigned status; } rows[] = {
    {"good.example",   ERR_NONE,               "",                     0},
    {"two.example",    ERR_NONE,               "",                     0},
    {"parts.example",  ERR_NONE,               "",                     0},
    {"alias.example",  ERR_NONE,               "",                     0},
    {"wrong.example",  ERR_INCORRECT_RESPONSE, "\"?oth?\"",            0},
    {"plain.example",  ERR_INCORRECT_RESPONSE, "1 TXT record at",      0},
    {"empty.example",  ERR_INCORRECT_RESPONSE, "no TXT record",        0},
    {"circle.example", ERR_DNS,                "aliases",              0},
    {"none.example",   ERR_DNS,                "NXDOMAIN",             3},
    {"broken.example", ERR_DNS,                "127.0.0.1:",           2},
    {"broken.example", ERR_DNS,                "SERVFAIL",             2},
    {"silent.example", ERR_DNS,                "Timeout",              0},
};
/* clang-format on */

static size_t add_records(unsigned char *packet, size_t end, const char *name, unsigned type) {
    size_t len = 0;

    for (unsigned i = 0; i < sizeof records / sizeof *records; i++) {
        if (strcasecmp(records[i].name, name) == 0
            && (records[i].type == type || records[i].type == 5)) {
            len += dns_record(packet + end + len, records[i].type, records[i].data, records[i].len);
            packet[7]++;
        }
    }
    return len;
}

static struct va_result result;
static unsigned calls, queries;
static struct loop *loop;
static unsigned status;
static char asked[300];

static void on_done(void *ctx, const struct va_result *outcome) {
    (void)ctx;
    calls++;
    result = *outcome;
    loop_stop(loop);
}

static void on_query(void *ctx, const struct va_query *query) {
    (void)ctx;
    queries++;
    status = query->status;
    (void)snprintf(asked, sizeof asked, "%s", query->asked);
    ck_assert_int_eq(query->type, ACME_CHALLENGE_DNS01);
    ck_assert_int_eq(strncmp(query->tried, "127.0.0.1:", 10), 0);
}

static void validate(enum acme_identifier_type type, const char *value) {
    static struct dns_fixture dns;
    struct va_task task = {.type = ACME_CHALLENGE_DNS01,
                           .identifier = {.type = type},
                           .token = TOKEN,
                           .account_thumbprint = THUMBPRINT};
    struct va_options options = {.observer = {on_query, NULL}};
    struct err err = {0};

    (void)snprintf(task.identifier.value, sizeof task.identifier.value, "%s", value);
    dns_start(&dns, names);
    dns.more = add_records;
    loop = loop_new(&err);
    struct resolver *resolver = resolver_new(loop, dns.address, TIMEOUT_MS, &err);
    ck_assert_msg(resolver != NULL, "%s", err.detail);
    struct va_dns01 *va = va_dns01_new(&options, resolver, &err);
    ck_assert_ptr_nonnull(va);
    va_dns01_start(va, &task, on_done, NULL);
    if (calls == 0) {
        loop_run(loop);
    }
    ck_assert_uint_eq(calls, 1);
    va_dns01_free(va);
    resolver_free(resolver);
    loop_free(loop);
    dns_stop(&dns);
}

START_TEST(rfc8555_8_4_each_answer_gets_its_verdict) {
    char wanted[300];

    validate(ACME_ID_DNS, rows[_i].name);
    ck_assert_msg(result.err.kind == rows[_i].kind, "%s: %s", rows[_i].name, result.err.detail);
    ck_assert_int_eq(result.valid, rows[_i].kind == ERR_NONE);
    ck_assert_msg(strstr(result.err.detail, rows[_i].says) != NULL, "%s: %s", rows[_i].name,
                  result.err.detail);
    (void)snprintf(wanted, sizeof wanted, "TXT " AT "%s", rows[_i].name);
    ck_assert_uint_eq(queries, 1);
    ck_assert_str_eq(asked, wanted);
    ck_assert_uint_eq(status, rows[_i].status);
}
END_TEST

START_TEST(x_8738_7_01_an_address_is_not_looked_up) {
    validate(ACME_ID_IP, "127.0.0.1");
    ck_assert_int_eq(result.err.kind, ERR_UNAUTHORIZED);
    ck_assert_uint_eq(queries, 0);
}
END_TEST

START_TEST(a_name_without_room_for_the_label_is_refused) {
    char name[ACME_ID_VALUE_MAX + 1];

    for (unsigned i = 0; i < ACME_ID_VALUE_MAX; i++) {
        name[i] = i % 50 == 49 ? '.' : 'a';
    }
    name[ACME_ID_VALUE_MAX] = '\0';
    validate(ACME_ID_DNS, name);
    ck_assert_int_eq(result.err.kind, ERR_DNS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("va_dns01");
    TCase *cases = tcase_create("va_dns01");

    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, rfc8555_8_4_each_answer_gets_its_verdict, 0,
                        sizeof rows / sizeof *rows);
    tcase_add_test(cases, x_8738_7_01_an_address_is_not_looked_up);
    tcase_add_test(cases, a_name_without_room_for_the_label_is_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
