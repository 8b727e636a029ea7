#include "server/va_http01.h"

#include "dns_fixture.h"
#include "http01_bed.h"

/* The queries told of: the last one's, and how many. */
static struct {
    unsigned count, status;
    char asked[256], tried[64], answer[VA_ANSWER_SEEN + 1];
    enum err_kind kind;
} seen_query;

static void on_query(void *ctx, const struct va_query *query) {
    (void)ctx;
    seen_query.count++;
    seen_query.status = query->status;
    copy(seen_query.asked, sizeof seen_query.asked, query->asked);
    copy(seen_query.tried, sizeof seen_query.tried, query->tried);
    ck_assert_uint_le(query->answer_len, VA_ANSWER_SEEN);
    memset(seen_query.answer, 0, sizeof seen_query.answer);
    if (query->answer_len > 0) {
        memcpy(seen_query.answer, query->answer, query->answer_len);
    }
    seen_query.kind = query->err->kind;
}

static void make(void) {
    struct err err = {0};

    targets = va_targets_new(&options, loop, &err);
    ck_assert_msg(targets != NULL, "%s", err.detail);
    va_http01 = va_http01_new(&options, loop, targets, &err);
    ck_assert_msg(va_http01 != NULL, "%s", err.detail);
}

static void unmake(void) {
    va_http01_free(va_http01);
    va_targets_free(targets);
}

static void set_up(void) {
    const struct httpd_options listener = {.listen = "127.0.0.1:0", .handler = handle};
    struct err err = {0};

    httpd = httpd_start(&listener, &err);
    ck_assert_msg(httpd != NULL, "%s", err.detail);
    loop = loop_new(&err);
    options = (struct va_options){.http01_port = httpd_port(httpd),
                                  .resolve_to = "127.0.0.1",
                                  .timeout_ms = TIMEOUT_MS,
                                  .observer = {on_query, NULL}};
    make();
}

static void tear_down(void) {
    unmake();
    loop_free(loop);
    httpd_stop(httpd);
}

/* Another validator on the same loop. */
static void again(void) {
    unmake();
    make();
}

struct seen {
    unsigned calls;
    struct va_result result;
};

static void on_done(void *ctx, const struct va_result *result) {
    struct seen *seen = ctx;
    seen->calls++;
    seen->result = *result;
    loop_stop(loop);
}

static struct va_task task_of(const char *name, const char *token) {
    struct va_task task = {.type = ACME_CHALLENGE_HTTP01,
                           .identifier = {.type = ACME_ID_DNS},
                           .account_thumbprint = THUMBPRINT,
                           .traceparent = PARENT};
    copy(task.identifier.value, sizeof task.identifier.value, name);
    copy(task.token, sizeof task.token, token);
    return task;
}

static struct va_result validate(const char *name, const char *token) {
    struct va_task task = task_of(name, token);
    struct seen seen = {0};

    va_http01_start(va_http01, &task, on_done, &seen);
    loop_run(loop);
    ck_assert_uint_eq(seen.calls, 1);
    return seen.result;
}

/* why NULL: valid */
/* clang-format off */
static const struct { const char *token; enum err_kind kind; const char *why; } rows[] = {
    {"good",    ERR_NONE, NULL},
    {"spaced",  ERR_NONE, NULL},
    {"same301", ERR_NONE, NULL},
    {"same302", ERR_NONE, NULL},
    {"same303", ERR_NONE, NULL},
    {"same307", ERR_NONE, NULL},
    {"same308", ERR_NONE, NULL},
    {"hops1",   ERR_NONE, NULL},
    {"hops10",  ERR_NONE, NULL},
    {"hops11",  ERR_INCORRECT_RESPONSE, "more than 10 redirects"},
    {"wrong",   ERR_INCORRECT_RESPONSE, "gave \"somebody else's\", not the key authorization"},
    {"quoted",  ERR_INCORRECT_RESPONSE, "gave \"???\", not the key authorization"},
    {"empty",   ERR_INCORRECT_RESPONSE, "gave \"\", not the key authorization"},
    {"leading", ERR_INCORRECT_RESPONSE, "not the key authorization"},
    {"longer",  ERR_INCORRECT_RESPONSE, "longer." "AAAAAAAAAAAAAAAAAAAA"},
    {"shorter", ERR_INCORRECT_RESPONSE, "not the key authorization"},
    {"missing", ERR_INCORRECT_RESPONSE, "answered 404, not 200"},
    {"broken",  ERR_INCORRECT_RESPONSE, "answered 500, not 200"},
    {"created", ERR_INCORRECT_RESPONSE, "answered 201, not 200"},
    {"choice",  ERR_INCORRECT_RESPONSE, "answered 300, not 200"},
    {"cached",  ERR_INCORRECT_RESPONSE, "answered 304, not 200"},
    {"large",   ERR_INCORRECT_RESPONSE, "more than 16384 octets"},
    {"nowhere", ERR_INCORRECT_RESPONSE, "without a Location"},
    {"ftp",     ERR_INCORRECT_RESPONSE, "neither http nor https"},
    {"address", ERR_INCORRECT_RESPONSE, "an address"},
    {"port",    ERR_INCORRECT_RESPONSE, "redirected to port 1;"},
    {"tls",     ERR_TLS, NAME},
    {"slow",    ERR_CONNECTION, "no answer in time"},
};
/* clang-format on */

START_TEST(the_key_authorization_is_fetched_and_everything_else_is_refused) {
    struct va_result result = validate(NAME, rows[_i].token);

    if (rows[_i].why == NULL) {
        ck_assert_msg(result.valid, "%s: %s", rows[_i].token, result.err.detail);
        return;
    }
    ck_assert_msg(!result.valid, "%s was valid", rows[_i].token);
    ck_assert_msg(result.err.kind == rows[_i].kind, "%s: %s: %s", rows[_i].token,
                  err_name(result.err.kind), result.err.detail);
    ck_assert_msg(strstr(result.err.detail, rows[_i].why) != NULL, "%s: %s", rows[_i].token,
                  result.err.detail);
    ck_assert_msg(strstr(result.err.detail, NAME) != NULL, "%s", result.err.detail);
}
END_TEST

START_TEST(the_request_names_the_host_the_server_and_the_trace) {
    char wanted[256];

    ck_assert(validate(NAME, "good").valid);
    (void)snprintf(wanted, sizeof wanted, "%s:%u", NAME, httpd_port(httpd));
    ck_assert_str_eq(host, wanted);
    ck_assert_msg(strncmp(agent, "nfacme-server/", 14) == 0, "%s", agent);
    ck_assert_str_eq(parent, PARENT);
}
END_TEST

START_TEST(a_closed_port_is_a_connection_error) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, not listening */

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    options.http01_port = ntohs(address.sin_port);
    again();
    struct va_result result = validate(NAME, "good");
    (void)close(fd);
    ck_assert(!result.valid);
    ck_assert_int_eq(result.err.kind, ERR_CONNECTION);
    ck_assert_msg(strstr(result.err.detail, "127.0.0.1") != NULL, "%s", result.err.detail);
}
END_TEST

START_TEST(an_nf_instance_is_not_validated_by_http01) {
    struct va_task task = task_of("4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "good");
    struct seen seen = {0};

    task.identifier.type = ACME_ID_NF_INSTANCE;
    va_http01_start(va_http01, &task, on_done, &seen);
    ck_assert_uint_eq(seen.calls, 1);
    ck_assert_int_eq(seen.result.err.kind, ERR_UNAUTHORIZED);
}
END_TEST

START_TEST(freeing_drops_fetches_without_calling_back) {
    struct va_task task = task_of(NAME, "slow");
    struct seen seen = {0};

    va_http01_start(va_http01, &task, on_done, &seen);
    va_http01_free(va_http01);
    va_http01 = NULL; /* once more by tear_down */
    ck_assert_uint_eq(seen.calls, 0);
}
END_TEST

START_TEST(resolve_to_must_be_an_address) {
    struct err err = {0};

    options.resolve_to = "localhost";
    ck_assert_ptr_null(va_targets_new(&options, loop, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(what_is_excluded_must_be_ranges) {
    static const char *const exclude[] = {"10.0.0.0/8", "10.0.0.0/33", NULL};
    struct err err = {0};

    options.exclude = exclude;
    ck_assert_ptr_null(va_targets_new(&options, loop, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(an_excluded_address_is_not_fetched_from) {
    static const char *const exclude[] = {"127.0.0.0/8", NULL};

    options.exclude = exclude;
    again();
    struct va_result result = validate(NAME, "good");
    ck_assert_int_eq(result.err.kind, ERR_REJECTED_IDENTIFIER);
    ck_assert_str_eq(host, ""); /* nothing was asked */
    ck_assert_str_eq(seen_query.tried, "");
    ck_assert_int_eq(seen_query.kind, ERR_REJECTED_IDENTIFIER);
}
END_TEST

/* RFC 8738 4 and 5: the address itself, in Host too; resolve_to is for names. */
START_TEST(rfc8738_an_address_is_fetched_from_as_it_is) {
    struct va_task task = task_of("127.0.0.1", "good");
    struct seen seen = {0};
    char wanted[256];

    options.resolve_to = "192.0.2.1";
    again();
    task.identifier.type = ACME_ID_IP;
    va_http01_start(va_http01, &task, on_done, &seen);
    loop_run(loop);
    ck_assert_msg(seen.result.valid, "%s", seen.result.err.detail);
    (void)snprintf(wanted, sizeof wanted, "127.0.0.1:%u", httpd_port(httpd));
    ck_assert_str_eq(host, wanted);
}
END_TEST

START_TEST(rfc8738_an_ipv6_address_stands_in_brackets) {
    const struct httpd_options listener = {.listen = "[::1]:0", .handler = handle};
    struct va_task task = task_of("::1", "good");
    struct seen seen = {0};
    struct err err = {0};
    char wanted[256];

    httpd_stop(httpd);
    httpd = httpd_start(&listener, &err);
    ck_assert_msg(httpd != NULL, "%s", err.detail);
    options.http01_port = httpd_port(httpd);
    again();
    task.identifier.type = ACME_ID_IP;
    va_http01_start(va_http01, &task, on_done, &seen);
    loop_run(loop);
    ck_assert_msg(seen.result.valid, "%s", seen.result.err.detail);
    (void)snprintf(wanted, sizeof wanted, "[::1]:%u", httpd_port(httpd));
    ck_assert_str_eq(host, wanted);
}
END_TEST

START_TEST(every_query_is_told_with_what_came_back) {
    char url[256];

    ck_assert(validate(NAME, "hops2").valid);
    ck_assert_uint_eq(seen_query.count, 3);
    ck_assert_uint_eq(seen_query.status, 200);
    ck_assert_str_eq(seen_query.answer, "hops2." THUMBPRINT);
    (void)snprintf(url, sizeof url, "http://%s:%u/hop/2/hops2", NAME, httpd_port(httpd));
    ck_assert_str_eq(seen_query.asked, url);
    (void)snprintf(url, sizeof url, "127.0.0.1:%u", httpd_port(httpd));
    ck_assert_str_eq(seen_query.tried, url);
    ck_assert_int_eq(seen_query.kind, ERR_NONE);
    ck_assert(!validate(NAME, "missing").valid);
    ck_assert_uint_eq(seen_query.status, 404);
    ck_assert_str_eq(seen_query.answer, "not here");
    ck_assert_int_eq(seen_query.kind, ERR_INCORRECT_RESPONSE);
    ck_assert(!validate(NAME, "port").valid);
    ck_assert_uint_eq(seen_query.status, 302);
    ck_assert_uint_eq(seen_query.count, 5);
}
END_TEST

/* ---- with a name server ---- */

/* clang-format off */
static const struct dns_row zone[] = {
    {NAME,                "127.0.0.1", NULL,  DNS_NOERROR},
    {"two.example",       "127.0.0.1", "::1", DNS_NOERROR}, /* nobody listens on ::1 */
    {"elsewhere.example", "127.0.0.9", NULL,  DNS_NOERROR},
    {"inside.example",    "127.0.0.8", NULL,  DNS_NOERROR}, /* excluded */
    {"both.example",      "127.0.0.1", "::1", DNS_NOERROR}, /* ::1 is excluded */
    {NULL, NULL, NULL, 0},
};
/* clang-format on */

static struct dns_fixture dns;

static void set_up_dns(void) {
    set_up();
    dns_start(&dns, zone);
    options.resolve_to = NULL;
    options.resolver = dns.address;
    again();
}

static void tear_down_dns(void) {
    tear_down();
    dns_stop(&dns);
}

START_TEST(a_name_is_looked_up_at_the_given_server) {
    struct va_result result = validate(NAME, "hops3");

    ck_assert_msg(result.valid, "%s", result.err.detail);
    ck_assert_uint_ge(atomic_load(&dns.asked), 2);
}
END_TEST

START_TEST(the_second_address_is_tried_when_the_first_does_not_answer) {
    struct va_result result = validate("two.example", "good");
    ck_assert_msg(result.valid, "%s", result.err.detail);
}
END_TEST

/* A redirect's host is looked up and judged like the first. */
START_TEST(a_redirect_into_an_excluded_range_is_not_followed) {
    static const char *const exclude[] = {"127.0.0.8/32", "::/0", NULL};

    options.exclude = exclude;
    again();
    struct va_result result = validate(NAME, "inside");
    ck_assert_int_eq(result.err.kind, ERR_CONNECTION);
    ck_assert_msg(strstr(result.err.detail, "127.0.0.8") != NULL, "%s", result.err.detail);
    ck_assert_int_eq(validate("inside.example", "good").err.kind, ERR_REJECTED_IDENTIFIER);
    ck_assert(validate("both.example", "good").valid); /* by its other address */
}
END_TEST

START_TEST(a_name_without_an_address_is_a_dns_error) {
    struct va_result result = validate("nobody.example", "good");
    ck_assert_int_eq(result.err.kind, ERR_DNS);
    ck_assert_msg(strstr(result.err.detail, "nobody.example") != NULL, "%s", result.err.detail);
}
END_TEST

START_TEST(a_name_that_points_elsewhere_is_a_connection_error) {
    struct va_result result = validate("elsewhere.example", "good");
    ck_assert_int_eq(result.err.kind, ERR_CONNECTION);
    ck_assert_msg(strstr(result.err.detail, "127.0.0.9") != NULL, "%s", result.err.detail);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("va_http01");
    TCase *cases = tcase_create("fetching"), *names = tcase_create("names");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, the_key_authorization_is_fetched_and_everything_else_is_refused, 0,
                        (int)COUNT(rows));
    tcase_add_test(cases, the_request_names_the_host_the_server_and_the_trace);
    tcase_add_test(cases, a_closed_port_is_a_connection_error);
    tcase_add_test(cases, an_nf_instance_is_not_validated_by_http01);
    tcase_add_test(cases, freeing_drops_fetches_without_calling_back);
    tcase_add_test(cases, resolve_to_must_be_an_address);
    tcase_add_test(cases, what_is_excluded_must_be_ranges);
    tcase_add_test(cases, an_excluded_address_is_not_fetched_from);
    tcase_add_test(cases, rfc8738_an_address_is_fetched_from_as_it_is);
    tcase_add_test(cases, rfc8738_an_ipv6_address_stands_in_brackets);
    tcase_add_test(cases, every_query_is_told_with_what_came_back);
    tcase_add_checked_fixture(names, set_up_dns, tear_down_dns);
    tcase_set_timeout(names, 30);
    tcase_add_test(names, a_name_is_looked_up_at_the_given_server);
    tcase_add_test(names, the_second_address_is_tried_when_the_first_does_not_answer);
    tcase_add_test(names, a_redirect_into_an_excluded_range_is_not_followed);
    tcase_add_test(names, a_name_without_an_address_is_a_dns_error);
    tcase_add_test(names, a_name_that_points_elsewhere_is_a_connection_error);
    suite_add_tcase(suite, cases);
    suite_add_tcase(suite, names);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
