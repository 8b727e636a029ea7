#include "server/pki.h"

#include "ca_fixture.h"
#include "common/httpc.h"

static struct ca_fixture fixture;
static struct crl *crl;
static struct pki *pki;
static struct loop *loop;
static struct httpc *httpc;

static bool nothing_revoked(void *ctx, crl_sink *sink, void *sink_ctx, struct err *err) {
    (void)ctx;
    (void)sink;
    (void)sink_ctx;
    (void)err;
    return true;
}

static void set_up(void) {
    struct err err = {0};

    ca_fixture_open(&fixture, 2);
    const struct crl_options list = {
        .ca = fixture.ca, .source = nothing_revoked, .clock = &fixture.clock};
    crl = crl_new(&list, &err);
    ck_good(crl != NULL);
    const struct pki_options options = {.listen = "127.0.0.1:0", .ca = fixture.ca};
    pki = pki_start(&options, &err);
    ck_good(pki != NULL);
    loop = loop_new(&err);
    const struct httpc_options client = {.loop = loop, .user_agent = "test"};
    httpc = httpc_new(&client, &err);
    ck_good(httpc != NULL);
}

static void tear_down(void) {
    httpc_free(httpc);
    loop_free(loop);
    pki_stop(pki);
    crl_free(crl);
    ca_fixture_close(&fixture);
}

struct got {
    unsigned status;
    char type[64], allow[64];
    char body[4096];
    size_t len;
};

static void on_answer(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct got *got = ctx;

    ck_assert_msg(answer != NULL, "%s", err->detail);
    const char *type = httpc_header(answer, "Content-Type");
    const char *allow = httpc_header(answer, "Allow");
    got->status = answer->status;
    (void)snprintf(got->type, sizeof got->type, "%s", type == NULL ? "" : type);
    (void)snprintf(got->allow, sizeof got->allow, "%s", allow == NULL ? "" : allow);
    ck_assert_uint_le(answer->body_len, sizeof got->body);
    memcpy(got->body, answer->body, answer->body_len);
    got->len = answer->body_len;
    loop_stop(loop);
}

static struct got ask(const char *method, const char *path) {
    char url[128];
    struct got got = {0};
    struct err err = {0};

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", pki_port(pki), path);
    const struct httpc_request request = {.method = method, .url = url};
    ck_good(httpc_start(httpc, &request, on_answer, &got, &err) != NULL);
    loop_run(loop);
    return got;
}

static void ck_der(const struct got *got, X509 *x509) {
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);

    ck_assert_uint_eq(got->status, 200);
    ck_assert_str_eq(got->type, "application/pkix-cert");
    ck_assert_uint_eq(got->len, (size_t)len);
    ck_assert_mem_eq(got->body, der, (size_t)len);
}

START_TEST(the_ca_certificates_are_given_in_der) {
    struct got got = ask("GET", "/root.crt");
    ck_der(&got, ca_root(fixture.ca));
    got = ask("GET", "/issuing.crt");
    ck_der(&got, ca_issuer(fixture.ca));
}
END_TEST

START_TEST(the_current_revocation_list_is_given_once_it_is_set) {
    struct err err = {0};
    size_t len = 0;

    struct got got = ask("GET", "/crl/issuing.crl");
    ck_assert_uint_eq(got.status, 404);
    pki_crl_set(pki, crl);
    for (unsigned i = 0; i < 2; i++) {
        AUTO(free) unsigned char *der = crl_der(crl, &len);
        got = ask("GET", "/crl/issuing.crl");
        ck_assert_uint_eq(got.status, 200);
        ck_assert_str_eq(got.type, "application/pkix-crl");
        ck_assert_uint_eq(got.len, len);
        ck_assert_mem_eq(got.body, der, len);
        ck_good(crl_refresh(crl, &err));
    }
}
END_TEST

/* clang-format off */
static const struct { const char *method, *path; unsigned status; const char *allow; } rows[] = {
    {"GET",    "/",                 404, ""},
    {"GET",    "/root.pem",         404, ""},
    {"GET",    "/root.crt/",        404, ""},
    {"GET",    "/crl/root.crt",     404, ""},
    {"GET",    "/root.key",         404, ""},
    {"POST",   "/root.crt",         405, "GET, HEAD"},
    {"PUT",    "/crl/issuing.crl",  405, "GET, HEAD"},
    {"DELETE", "/issuing.crt",      405, "GET, HEAD"},
};
/* clang-format on */

START_TEST(nothing_else_is_there) {
    struct got got = ask(rows[_i].method, rows[_i].path);

    ck_assert_msg(got.status == rows[_i].status, "%s %s: %u", rows[_i].method, rows[_i].path,
                  got.status);
    ck_assert_str_eq(got.allow, rows[_i].allow);
    ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(head_gives_the_type_without_the_body) {
    struct got got = ask("HEAD", "/root.crt");
    ck_assert_uint_eq(got.status, 200);
    ck_assert_str_eq(got.type, "application/pkix-cert");
    ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(an_address_in_use_is_a_config_error) {
    char listen[32];
    struct err err = {0};

    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", pki_port(pki));
    const struct pki_options options = {.listen = listen, .ca = fixture.ca};
    ck_assert_ptr_null(pki_start(&options, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pki");
    TCase *cases = tcase_create("pki");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_ca_certificates_are_given_in_der);
    tcase_add_test(cases, the_current_revocation_list_is_given_once_it_is_set);
    tcase_add_loop_test(cases, nothing_else_is_there, 0, (int)COUNT(rows));
    tcase_add_test(cases, head_gives_the_type_without_the_body);
    tcase_add_test(cases, an_address_in_use_is_a_config_error);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
