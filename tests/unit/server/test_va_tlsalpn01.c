#include "server/va_tlsalpn01.h"

#include "common/clock.h"
#include "dns_fixture.h"
#include "responder.h"

#define NAME "a.example"
#define TOKEN "evaGxfADs6pSRb2LAv9IZf"
#define THUMBPRINT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define AUTHORIZATION TOKEN "." THUMBPRINT
#define TIMEOUT_MS 1000

static struct loop *loop;
static struct va_result result;
static unsigned calls;
static struct va_options options;

/* What the observer was told last. */
static struct {
    unsigned queries;
    char asked[256], tried[64], first[64];
    unsigned addresses;
    bool connected;
    size_t answer_len;
    enum err_kind kind;
} seen;

static void on_query(void *ctx, const struct va_query *query) {
    (void)ctx;
    seen.queries++;
    (void)snprintf(seen.asked, sizeof seen.asked, "%s", query->asked);
    (void)snprintf(seen.tried, sizeof seen.tried, "%s", query->tried == NULL ? "" : query->tried);
    seen.addresses = query->addresses;
    seen.connected = query->connected;
    seen.answer_len = query->answer_len;
    seen.kind = query->err->kind;
}

static void on_done(void *ctx, const struct va_result *outcome) {
    (void)ctx;
    calls++;
    result = *outcome;
    loop_stop(loop);
}

/* One validation of the identifier against that port. */
static void validate(enum acme_identifier_type type, const char *value, unsigned port) {
    struct va_task task = {.type = ACME_CHALLENGE_TLSALPN01,
                           .identifier = {.type = type},
                           .token = TOKEN,
                           .account_thumbprint = THUMBPRINT};
    struct err err = {0};

    (void)snprintf(task.identifier.value, sizeof task.identifier.value, "%s", value);
    options.tlsalpn01_port = port;
    options.timeout_ms = TIMEOUT_MS;
    options.observer = (struct va_observer){on_query, NULL};
    loop = loop_new(&err);
    struct va_targets *targets = va_targets_new(&options, loop, &err);
    ck_assert_msg(targets != NULL, "%s", err.detail);
    struct va_tlsalpn01 *va = va_tlsalpn01_new(&options, loop, targets, &err);
    ck_assert_msg(va != NULL, "%s", err.detail);
    va_tlsalpn01_start(va, &task, on_done, NULL);
    if (calls == 0) {
        loop_run(loop);
    }
    ck_assert_uint_eq(calls, 1);
    va_tlsalpn01_free(va);
    va_targets_free(targets);
    loop_free(loop);
}

#define OCTETS_30 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* clang-format off */
static const struct {
    const char *what;
    struct responder_cert cert;
    bool no_alpn, drops, stalls;
    int max_version;
    enum err_kind kind;
    const char *says;
} rows[] = {
    {"X-8737-3-16 good",                {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_NONE, ""},
    {"good, TLS 1.2",                   {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, false, false, false, TLS1_2_VERSION, ERR_NONE, ""},
    {"X-8737-3-05 no ALPN",             {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, true,  false, false, 0, ERR_UNAUTHORIZED, "acme-tls/1"},
    {"X-8737-3-06 no acmeIdentifier",   {.names = "DNS:" NAME, .no_identifier = true}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "no acmeIdentifier"},
    {"two acmeIdentifier",              {.names = "DNS:" NAME, .digest_of = AUTHORIZATION, .twice = true}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "more than one"},
    {"X-8737-3-07 not critical",        {.names = "DNS:" NAME, .digest_of = AUTHORIZATION, .not_critical = true}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "not critical"},
    {"X-8737-3-08 wrong digest",        {.names = "DNS:" NAME, .digest_of = TOKEN ".other"}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "another key authorization"},
    {"X-8737-3-09 raw 32 octets",       {.names = "DNS:" NAME, .raw = OCTETS_30 "aa", .raw_len = 32}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "OCTET STRING"},
    {"X-8737-3-09 31 octets",           {.names = "DNS:" NAME, .raw = "\x04\x1f" OCTETS_30 "a", .raw_len = 33}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "OCTET STRING"},
    {"X-8737-3-09 33 octets",           {.names = "DNS:" NAME, .raw = "\x04\x21" OCTETS_30 "aaa", .raw_len = 35}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "OCTET STRING"},
    {"another tag",                     {.names = "DNS:" NAME, .raw = "\x0c\x20" OCTETS_30 "aa", .raw_len = 34}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "OCTET STRING"},
    {"X-8737-3-10 another name",        {.names = "DNS:other.example", .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "not for the dNSName " NAME},
    {"X-8737-3-11 two names",           {.names = "DNS:" NAME ",DNS:b.example", .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "2 names"},
    {"X-8737-3-11 name and address",    {.names = "DNS:" NAME ",IP:127.0.0.1", .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "2 names"},
    {"an email of that text",           {.names = "email:" NAME, .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "not for"},
    {"X-8737-3-12 CN alone",            {.digest_of = AUTHORIZATION}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "no subjectAltName"},
    {"X-8737-3-13 upper case",          {.names = "DNS:A.EXAMPLE", .digest_of = AUTHORIZATION}, false, false, false, 0, ERR_NONE, ""},
    {"X-8737-3-14 signed by a CA",      {.names = "DNS:" NAME, .digest_of = AUTHORIZATION, .by_a_ca = true}, false, false, false, 0, ERR_INCORRECT_RESPONSE, "self-signed"},
    {"X-8737-4-01 TLS 1.1",             {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, false, false, false, TLS1_1_VERSION, ERR_TLS, ""},
    {"closed in the handshake",         {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, false, true, false, 0, ERR_CONNECTION, ""},
    {"never says anything",             {.names = "DNS:" NAME, .digest_of = AUTHORIZATION}, false, false, true, 0, ERR_CONNECTION, "in time"},
};
/* clang-format on */

START_TEST(rfc8737_each_certificate_gets_its_verdict) {
    struct responder responder = {
        .no_alpn = rows[_i].no_alpn, .drops = rows[_i].drops, .stalls = rows[_i].stalls};

    options = (struct va_options){.resolve_to = "127.0.0.1"};
    responder_start(&responder, "127.0.0.1", &rows[_i].cert, rows[_i].max_version);
    validate(ACME_ID_DNS, NAME, responder.port);
    responder_stop(&responder);
    ck_assert_msg(result.valid == (rows[_i].kind == ERR_NONE), "%s: %s", rows[_i].what,
                  result.err.detail);
    ck_assert_msg(result.err.kind == rows[_i].kind, "%s: %s %s", rows[_i].what,
                  err_name(result.err.kind), result.err.detail);
    ck_assert_msg(strstr(result.err.detail, rows[_i].says) != NULL, "%s: %s", rows[_i].what,
                  result.err.detail);
    ck_assert_msg(result.valid || strstr(result.err.detail, "(127.0.0.1)") != NULL, "%s",
                  result.err.detail);
    ck_assert_uint_eq(atomic_load(&responder.connections), 1);
    ck_assert_uint_eq(seen.queries, 1);
    ck_assert_int_eq(seen.kind, rows[_i].kind);
}
END_TEST

START_TEST(rfc8737_3_the_client_hello_names_protocol_and_name_and_nothing_follows) {
    const struct responder_cert cert = {.names = "DNS:xn--p1ai.example",
                                        .digest_of = AUTHORIZATION};
    struct responder responder = {0};

    options = (struct va_options){.resolve_to = "127.0.0.1"};
    responder_start(&responder, "127.0.0.1", &cert, 0);
    validate(ACME_ID_DNS, "xn--p1ai.example", responder.port); /* X-8737-3-17 */
    responder_stop(&responder);
    ck_assert_msg(result.valid, "%s", result.err.detail);
    ck_assert_str_eq(responder.sni, "xn--p1ai.example"); /* X-8737-3-04 */
    ck_assert_uint_eq(responder.offered_len, 11);        /* X-8737-3-03 */
    ck_assert_int_eq(memcmp(responder.offered,
                            "\x0a"
                            "acme-tls/1",
                            11),
                     0);
    ck_assert_uint_eq(atomic_load(&responder.after), 0); /* X-8737-3-15 */
    ck_assert(atomic_load(&responder.closed));
    ck_assert_str_eq(seen.asked, "xn--p1ai.example");
    ck_assert(seen.connected);
    ck_assert_uint_gt(seen.answer_len, 64);
}
END_TEST

/* clang-format off */
static const struct { const char *listen, *value, *names, *sni; enum err_kind kind; } addresses[] = {
    {"127.0.0.1", "127.0.0.1", "IP:127.0.0.1", "1.0.0.127.in-addr.arpa", ERR_NONE}, /* X-8738-6-01 */
    {"127.0.0.2", "127.0.0.2", "IP:127.0.0.2", "2.0.0.127.in-addr.arpa", ERR_NONE},
    {"::1", "::1", "IP:::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", ERR_NONE},
    {"127.0.0.1", "127.0.0.1", "DNS:1.0.0.127.in-addr.arpa", "1.0.0.127.in-addr.arpa", ERR_INCORRECT_RESPONSE}, /* X-8738-6-02 */
    {"127.0.0.1", "127.0.0.1", "DNS:127.0.0.1", "1.0.0.127.in-addr.arpa", ERR_INCORRECT_RESPONSE},
    {"127.0.0.1", "127.0.0.1", "IP:127.0.0.1,IP:127.0.0.2", "1.0.0.127.in-addr.arpa", ERR_INCORRECT_RESPONSE},
    {"127.0.0.1", "127.0.0.1", "IP:127.0.0.2", "1.0.0.127.in-addr.arpa", ERR_INCORRECT_RESPONSE},
    {"127.0.0.1", "127.0.0.1", "IP:::ffff:127.0.0.1", "1.0.0.127.in-addr.arpa", ERR_INCORRECT_RESPONSE},
};
/* clang-format on */

START_TEST(rfc8738_6_an_address_is_asked_for_by_its_reverse_name) {
    const struct responder_cert cert = {.names = addresses[_i].names, .digest_of = AUTHORIZATION};
    struct responder responder = {0};

    options = (struct va_options){.resolve_to = "192.0.2.1"}; /* X-8738-4-01: not for addresses */
    responder_start(&responder, addresses[_i].listen, &cert, 0);
    validate(ACME_ID_IP, addresses[_i].value, responder.port);
    responder_stop(&responder);
    ck_assert_msg(result.err.kind == addresses[_i].kind, "%s", result.err.detail);
    ck_assert_str_eq(responder.sni, addresses[_i].sni);
}
END_TEST

START_TEST(an_excluded_address_is_never_connected_to) {
    const struct responder_cert cert = {.names = "DNS:" NAME, .digest_of = AUTHORIZATION};
    static const char *const exclude[] = {"10.0.0.0/8", "127.0.0.0/8", NULL};
    struct responder responder = {0};

    options = (struct va_options){.resolve_to = "127.0.0.1", .exclude = exclude};
    responder_start(&responder, "127.0.0.1", &cert, 0);
    validate(ACME_ID_DNS, NAME, responder.port);
    responder_stop(&responder);
    ck_assert_int_eq(result.err.kind, ERR_REJECTED_IDENTIFIER);
    ck_assert_uint_eq(atomic_load(&responder.connections), 0);
    ck_assert_str_eq(seen.tried, "");
}
END_TEST

/* clang-format off */
static const struct dns_row zone[] = {
    {NAME, "127.0.0.1", "::1", DNS_NOERROR}, /* nobody listens on ::1 */
    {NULL, NULL, NULL, 0},
};
/* clang-format on */

START_TEST(every_address_is_tried_ipv6_first) {
    const struct responder_cert cert = {.names = "DNS:" NAME, .digest_of = AUTHORIZATION};
    struct responder responder = {0};
    struct dns_fixture dns = {0};

    dns_start(&dns, zone);
    options = (struct va_options){.resolver = dns.address};
    responder_start(&responder, "127.0.0.1", &cert, 0);
    validate(ACME_ID_DNS, NAME, responder.port);
    responder_stop(&responder);
    dns_stop(&dns);
    ck_assert_msg(result.valid, "%s", result.err.detail);
    ck_assert_uint_eq(seen.queries, 2); /* both tries were told */
    ck_assert_uint_eq(seen.addresses, 2);
    ck_assert_int_eq(strncmp(seen.tried, "127.0.0.1:", 10), 0);
}
END_TEST

START_TEST(a_name_without_an_address_is_a_dns_error) {
    struct dns_fixture dns = {0};

    dns_start(&dns, zone);
    options = (struct va_options){.resolver = dns.address};
    validate(ACME_ID_DNS, "nobody.example", 1);
    dns_stop(&dns);
    ck_assert_int_eq(result.err.kind, ERR_DNS);
}
END_TEST

START_TEST(an_nf_instance_is_not_validated_so) {
    validate(ACME_ID_NF_INSTANCE, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", 1);
    ck_assert_int_eq(result.err.kind, ERR_UNAUTHORIZED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("server/va_tlsalpn01");
    TCase *cases = tcase_create("handshakes");

    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, rfc8737_each_certificate_gets_its_verdict, 0, (int)COUNT(rows));
    tcase_add_test(cases, rfc8737_3_the_client_hello_names_protocol_and_name_and_nothing_follows);
    tcase_add_loop_test(cases, rfc8738_6_an_address_is_asked_for_by_its_reverse_name, 0,
                        (int)COUNT(addresses));
    tcase_add_test(cases, an_excluded_address_is_never_connected_to);
    tcase_add_test(cases, every_address_is_tried_ipv6_first);
    tcase_add_test(cases, a_name_without_an_address_is_a_dns_error);
    tcase_add_test(cases, an_nf_instance_is_not_validated_so);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
