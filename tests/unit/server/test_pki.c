#include "server/pki.h"

#include <openssl/ocsp.h>

#include "ca_fixture.h"
#include "common/httpc.h"

static struct ca_fixture fixture;
static struct crl *crl;
static struct root_crl *root_crl;
static struct ocsp *ocsp;
static struct pki_sources sources;
static struct pki *pki;
static struct loop *loop;
static struct httpc *httpc;

static bool nothing_revoked(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                            struct err *err) {
    (void)ctx;
    (void)expiring_after_s;
    (void)sink;
    (void)sink_ctx;
    (void)err;
    return true;
}

static bool none_issued(void *ctx, const char *serial, struct ocsp_status *ret, struct err *err) {
    (void)ctx;
    (void)err;
    *ret = (struct ocsp_status){.known = strcmp(serial, "0a") == 0, .reason = -1};
    return true;
}

static void set_up(void) {
    struct err err = {0};

    ca_fixture_open(&fixture, 2);
    const struct crl_options list = {
        .ca = fixture.ca, .source = nothing_revoked, .clock = &fixture.clock};
    crl = crl_new(&list, &err);
    ck_good(crl != NULL);
    root_crl = root_crl_open(fixture.folder, ca_root(fixture.ca), &fixture.clock, &err);
    ck_good(root_crl != NULL);
    ocsp = ocsp_new(
        &(struct ocsp_options){.ca = fixture.ca, .source = none_issued, .clock = &fixture.clock},
        &err);
    ck_good(ocsp != NULL);
    sources = (struct pki_sources){.crl = crl, .root_crl = root_crl, .ocsp = ocsp};
    const struct pki_options options = {
        .listen = "127.0.0.1:0", .ca = fixture.ca, .clock = &fixture.clock};
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
    root_crl_free(root_crl);
    ocsp_free(ocsp);
    ca_fixture_close(&fixture);
}

struct got {
    unsigned status;
    char type[64], allow[64], control[96], modified[64], expires[64], tag[64];
    char body[4096];
    size_t len;
};

static void header(const struct httpc_answer *answer, const char *name, char *out, size_t size) {
    const char *value = httpc_header(answer, name);
    (void)snprintf(out, size, "%s", value == NULL ? "" : value);
}

static void on_answer(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct got *got = ctx;

    ck_assert_msg(answer != NULL, "%s", err->detail);
    const char *type = httpc_header(answer, "Content-Type");
    const char *allow = httpc_header(answer, "Allow");
    got->status = answer->status;
    (void)snprintf(got->type, sizeof got->type, "%s", type == NULL ? "" : type);
    (void)snprintf(got->allow, sizeof got->allow, "%s", allow == NULL ? "" : allow);
    header(answer, "Cache-Control", got->control, sizeof got->control);
    header(answer, "Last-Modified", got->modified, sizeof got->modified);
    header(answer, "Expires", got->expires, sizeof got->expires);
    header(answer, "ETag", got->tag, sizeof got->tag);
    ck_assert_uint_le(answer->body_len, sizeof got->body);
    memcpy(got->body, answer->body, answer->body_len);
    got->len = answer->body_len;
    loop_stop(loop);
}

static struct got ask(const char *method, const char *path) {
    char url[1200];
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
    pki_sources_set(pki, &sources);
    for (unsigned i = 0; i < 2; i++) {
        AUTO(free) unsigned char *der = crl_der(crl, &len, NULL);
        got = ask("GET", "/crl/issuing.crl");
        ck_assert_uint_eq(got.status, 200);
        ck_assert_str_eq(got.type, "application/pkix-crl");
        ck_assert_uint_eq(got.len, len);
        ck_assert_mem_eq(got.body, der, len);
        ck_good(crl_refresh(crl, &err));
    }
}
END_TEST

START_TEST(the_roots_list_is_given_too) {
    pki_sources_set(pki, &sources);
    struct got got = ask("GET", "/crl/root.crl");
    const unsigned char *at = (const unsigned char *)got.body;

    ck_assert_uint_eq(got.status, 200);
    ck_assert_str_eq(got.type, "application/pkix-crl");
    AUTO(X509_CRL_free) X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)got.len);
    ck_assert_ptr_nonnull(list);
    ck_assert_int_eq(X509_CRL_verify(list, X509_get0_pubkey(ca_root(fixture.ca))), 1);
}
END_TEST

START_TEST(answers_are_dated_and_say_how_long_they_keep) {
    pki_sources_set(pki, &sources);
    struct got got = ask("GET", "/crl/issuing.crl");
    ck_assert_str_eq(got.control, "no-cache");
    ck_assert_str_eq(got.modified, "Wed, 18 Nov 2026 11:06:40 GMT");
    ck_assert_uint_eq(strlen(got.tag), 34);
    got = ask("GET", "/root.crt");
    ck_assert_str_eq(got.control, "max-age=3600, public, no-transform");
    ck_assert_str_eq(got.modified, "Wed, 18 Nov 2026 11:05:40 GMT");
}
END_TEST

/* RFC 6960 A.1 */
static void add_request(char *path, size_t size, const char *serial, bool escaped) {
    static const char digits[] = "0123456789ABCDEF";
    AUTO(X509_free) X509 *x509 = X509_new();
    AUTO(BN_free) BIGNUM *number = NULL;
    unsigned char *der = NULL;
    char text[512];

    ck_assert_int_gt(BN_hex2bn(&number, serial), 0);
    ck_assert_ptr_nonnull(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)));
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    ck_assert_ptr_nonnull(OCSP_request_add0_id(
        request, OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(ca_issuer(fixture.ca)),
                                  X509_get0_pubkey_bitstr(ca_issuer(fixture.ca)),
                                  X509_get_serialNumber(x509))));
    int len = i2d_OCSP_REQUEST(request, &der);
    ck_assert_int_lt(EVP_EncodeBlock((unsigned char *)text, der, len), (int)sizeof text);
    size_t at = strlen(path);
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = !escaped || (*c != '+' && *c != '/' && *c != '=');
        at += (size_t)snprintf(path + at, size - at, plain ? "%c" : "%%%c%c",
                               plain ? *c : digits[*c >> 4], digits[*c & 15]);
    }
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

START_TEST(ocsp_by_get_is_cacheable_when_the_certificate_is_known) {
    char path[1024] = "/ocsp/";

    ck_assert_uint_eq(ask("GET", "/ocsp/AAAA").status, 404); /* no responder yet */
    pki_sources_set(pki, &sources);
    add_request(path, sizeof path, "0a", _i != 0);
    struct got got = ask("GET", path);
    ck_assert_uint_eq(got.status, 200);
    ck_assert_str_eq(got.type, "application/ocsp-response");
    ck_assert_str_eq(got.control, "max-age=1800, public, no-transform, must-revalidate");
    ck_assert_str_eq(got.modified, "Wed, 18 Nov 2026 11:06:40 GMT");
    ck_assert_str_eq(got.expires, "Wed, 18 Nov 2026 12:06:40 GMT");
    ck_assert_uint_gt(got.len, 500);
    struct got again = ask("GET", path);
    ck_assert_mem_eq(again.body, got.body, got.len);
    (void)snprintf(path, sizeof path, "/ocsp/");
    add_request(path, sizeof path, "0b", _i != 0);
    got = ask("GET", path);
    ck_assert_uint_eq(got.status, 200);
    ck_assert_str_eq(got.control, "no-cache");
    ck_assert_str_eq(got.expires, "");
}
END_TEST

START_TEST(what_is_no_ocsp_request_gets_malformed_request) {
    static const char *const paths[] = {"/ocsp/AAAA", "/ocsp/!", "/ocsp/%00", "/ocsp/%41%",
                                        "/ocsp/MAA="};

    pki_sources_set(pki, &sources);
    for (unsigned i = 0; i < COUNT(paths); i++) {
        struct got got = ask("GET", paths[i]);
        ck_assert_uint_eq(got.status, 200);
        ck_assert_uint_eq(got.len, 5);
        ck_assert_mem_eq(got.body, "\x30\x03\x0A\x01\x01", 5);
    }
    ck_assert_uint_eq(ask("POST", "/ocsp").status, 415);
    ck_assert_uint_eq(ask("GET", "/ocsp").status, 405);
    ck_assert_uint_eq(ask("PUT", "/ocsp/AAAA").status, 405);
    ck_assert_uint_eq(ask("GET", "/ocspx").status, 404);
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
    const struct pki_options options = {
        .listen = listen, .ca = fixture.ca, .clock = &fixture.clock};
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
    tcase_add_test(cases, the_roots_list_is_given_too);
    tcase_add_test(cases, answers_are_dated_and_say_how_long_they_keep);
    tcase_add_loop_test(cases, ocsp_by_get_is_cacheable_when_the_certificate_is_known, 0, 2);
    tcase_add_test(cases, what_is_no_ocsp_request_gets_malformed_request);
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
