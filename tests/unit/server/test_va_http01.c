#include "server/va_http01.h"

#include <check.h>
#include <stdlib.h>

#include "common/httpd.h"
#include "dns_fixture.h"

#define NAME "amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org"
#define THUMBPRINT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PREFIX "/.well-known/acme-challenge/"
#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define TIMEOUT_MS 500

static struct httpd *httpd;
static struct loop *loop;
static struct va_http01 *va_http01;
static char host[256], agent[64], parent[64]; /* of the last request */

static void answer(struct httpd_exchange *exchange, unsigned status, const char *text) {
    httpd_answer(exchange, status, "text/plain", strdup(text), strlen(text));
}

static void key_authorization(struct httpd_exchange *exchange, const char *token,
                              const char *after) {
    char text[256];
    (void)snprintf(text, sizeof text, "%s.%s%s", token, THUMBPRINT, after);
    answer(exchange, 200, text);
}

static void redirect(struct httpd_exchange *exchange, unsigned status, const char *location) {
    if (location != NULL) {
        httpd_header_add(exchange, "Location", location);
    }
    answer(exchange, status, "elsewhere");
}

/* Tokens that answer with a plain page. */
/* clang-format off */
static const struct { const char *token; unsigned status; const char *body; } pages[] = {
    {"wrong",    200, "somebody else's"},
    {"quoted",   200, "\"\x01\xff"},
    {"empty",    200, ""},
    {"missing",  404, "not here"},
    {"broken",   500, "oops"},
    {"created",  201, "created." THUMBPRINT},
    {"leading",  200, " leading." THUMBPRINT},
    {"longer",   200, "longer." THUMBPRINT "x"},
    {"shorter",  200, "shorter.AAAAAAAA"},
};

/* Tokens that answer with a redirect. */
static const struct { const char *token; unsigned status; const char *location; } redirects[] = {
    {"nowhere",  302, NULL},
    {"ftp",      302, "ftp://" NAME "/"},
    {"address",  302, "http://127.0.0.1/"},
    {"port",     302, "http://" NAME ":1/"},
    {"same301",  301, PREFIX "good?same301=1"},
    {"same302",  302, PREFIX "good?same302=1"},
    {"same303",  303, PREFIX "good?same303=1"},
    {"same307",  307, PREFIX "good?same307=1"},
    {"same308",  308, PREFIX "good?same308=1"},
    {"choice",   300, PREFIX "good?choice=1"},
    {"cached",   304, PREFIX "good?cached=1"},
};
/* clang-format on */

/* "hopsN" is N redirects away from its key authorization. */
static void hops(struct httpd_exchange *exchange, const char *token, unsigned done) {
    unsigned count = 0;
    char location[128];

    ck_assert_int_eq(sscanf(token, "hops%u", &count), 1);
    if (done == count) {
        key_authorization(exchange, token, "");
        return;
    }
    (void)snprintf(location, sizeof location, "/hop/%u/%s", done + 1, token);
    redirect(exchange, 302, location);
}

static void handle_token(struct httpd_exchange *exchange, const char *token) {
    for (unsigned i = 0; i < COUNT(pages); i++) {
        if (strcmp(pages[i].token, token) == 0) {
            answer(exchange, pages[i].status, pages[i].body);
            return;
        }
    }
    for (unsigned i = 0; i < COUNT(redirects); i++) {
        if (strcmp(redirects[i].token, token) == 0) {
            redirect(exchange, redirects[i].status, redirects[i].location);
            return;
        }
    }
    if (strcmp(token, "slow") == 0) {
        ck_assert(httpd_defer(exchange)); /* answered by httpd_stop */
    } else if (strcmp(token, "large") == 0) {
        char *body = calloc(1, 100000);
        httpd_answer(exchange, 200, "text/plain", body, 100000);
    } else if (strcmp(token, "tls") == 0) {
        char location[256];
        (void)snprintf(location, sizeof location, "https://%s:%u/", NAME, httpd_port(httpd));
        redirect(exchange, 302, location);
    } else if (strncmp(token, "hops", 4) == 0) {
        hops(exchange, token, 0);
    } else {
        key_authorization(exchange, token, strcmp(token, "spaced") == 0 ? "\r\n \t" : "");
    }
}

static void copy(char *to, size_t size, const char *from) {
    (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    const char *path = httpd_path(exchange);
    unsigned done = 0;
    char token[64] = "";

    (void)ctx;
    copy(host, sizeof host, httpd_header(exchange, "Host"));
    copy(agent, sizeof agent, httpd_header(exchange, "User-Agent"));
    copy(parent, sizeof parent, httpd_header(exchange, "traceparent"));
    if (strcmp(path, PREFIX "good") == 0) { /* a redirect's end: the token is the query */
        for (unsigned i = 0; i < COUNT(redirects); i++) {
            if (httpd_query(exchange, redirects[i].token) != NULL) {
                key_authorization(exchange, redirects[i].token, "");
                return;
            }
        }
    }
    if (sscanf(path, "/hop/%u/%63s", &done, token) == 2) {
        hops(exchange, token, done);
    } else if (strncmp(path, PREFIX, strlen(PREFIX)) == 0) {
        handle_token(exchange, path + strlen(PREFIX));
    } else {
        answer(exchange, 404, "no such page");
    }
}

static struct va_options options;

static void set_up(void) {
    const struct httpd_options listener = {.listen = "127.0.0.1:0", .handler = handle};
    struct err err = {0};

    httpd = httpd_start(&listener, &err);
    ck_assert_msg(httpd != NULL, "%s", err.detail);
    loop = loop_new(&err);
    options = (struct va_options){
        .http01_port = httpd_port(httpd), .resolve_to = "127.0.0.1", .timeout_ms = TIMEOUT_MS};
    va_http01 = va_http01_new(&options, loop, &err);
    ck_assert_msg(va_http01 != NULL, "%s", err.detail);
}

static void tear_down(void) {
    va_http01_free(va_http01);
    loop_free(loop);
    httpd_stop(httpd);
}

/* Another validator on the same loop. */
static void again(void) {
    struct err err = {0};

    va_http01_free(va_http01);
    va_http01 = va_http01_new(&options, loop, &err);
    ck_assert_msg(va_http01 != NULL, "%s", err.detail);
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
    va_http01 = NULL;
    ck_assert_uint_eq(seen.calls, 0);
}
END_TEST

START_TEST(resolve_to_must_be_an_address) {
    struct err err = {0};

    options.resolve_to = "localhost";
    ck_assert_ptr_null(va_http01_new(&options, loop, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

/* ---- with a name server ---- */

/* clang-format off */
static const struct dns_row zone[] = {
    {NAME,                "127.0.0.1", NULL,  DNS_NOERROR},
    {"two.example",       "127.0.0.1", "::1", DNS_NOERROR}, /* nobody listens on ::1 */
    {"elsewhere.example", "127.0.0.9", NULL,  DNS_NOERROR},
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
    tcase_add_checked_fixture(names, set_up_dns, tear_down_dns);
    tcase_set_timeout(names, 30);
    tcase_add_test(names, a_name_is_looked_up_at_the_given_server);
    tcase_add_test(names, the_second_address_is_tried_when_the_first_does_not_answer);
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
