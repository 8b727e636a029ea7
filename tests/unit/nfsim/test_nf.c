/* An NF against a shared client that answers by a script: what it repeats, what it gives up on, and
 * what it does not believe. */
#include "nfsim/nf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/httpd.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/nfsim/state.h"

#define STEPS_MAX 8

/* One answer of the client. */
struct step {
    const char *method; /* the request it must be; NULL ends the script */
    const char *path;   /* how it ends */
    unsigned status;
    const char *body; /* NULL: by kind below */
    bool chain;       /* the certificate for the CSR that came */
    bool swapped;     /* … but for another key */
    const char *retry_after;
};

struct fake {
    const struct step *steps;
    unsigned at;     /* how many were answered */
    char wrong[256]; /* the first request that was not in the script */
    char idempotency[2][128];
    unsigned posts;
    struct httpd *httpd;
    char url[64];
    const struct fleet_nf *id;
    EVP_PKEY *ca_key, *other_key;
    X509 *ca;
};

static struct state state;
static struct state_nf a;
static struct fake fake;

static char *ready_body(const struct fake *f) {
    char *text = NULL;

    ck_assert_int_gt(asprintf(&text,
                              "{\"enrolmentId\":\"e1\",\"state\":\"READY\",\"identifiers\":[{"
                              "\"type\":\"NfInstanceId\",\"value\":\"%s\"}]}",
                              f->id->uuid),
                     0);
    return text;
}

/* What the operator's CA would issue for the CSR in the request. */
static char *chain_body(const struct fake *f, const struct httpd_exchange *exchange, bool swapped) {
    static char *last; /* for GET certificate */
    struct err err = {0};
    size_t len = 0;
    const char *der = httpd_body(exchange, &len);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    struct nftypes types = {0};
    const int64_t now_s = clock_now_s(&state.clock);

    if (len == 0 && last != NULL) {
        return strdup(last);
    }
    ck_assert(x509_csr_read((const unsigned char *)der, len, &csr, &err));
    ck_assert(nftypes_add(&types, f->id->type));
    const struct x509_spec spec = {.names = &csr.names,
                                   .names_critical = true,
                                   .types = &types,
                                   .eku = X509_EKU_CLIENT,
                                   .not_before_s = now_s - 60,
                                   .not_after_s = now_s + 600,
                                   .key = swapped ? f->other_key : csr.key};
    AUTO(X509_free) X509 *x509 = x509_make(&spec, f->ca, f->ca_key, &err);
    free(last);
    last = x509_pem(x509, &err);
    return strdup(last);
}

static bool ends_with(const char *text, const char *end) {
    const size_t len = strlen(text), tail = strlen(end);

    return len >= tail && strcmp(text + len - tail, end) == 0;
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct fake *f = ctx;
    const struct step *step = &f->steps[f->at];
    const char *key = httpd_header(exchange, "3gpp-Sbi-Request-Info");

    if (step->method == NULL || strcmp(step->method, httpd_method_text(exchange)) != 0
        || !ends_with(httpd_path(exchange), step->path)) {
        (void)snprintf(f->wrong, sizeof f->wrong, "%s %s", httpd_method_text(exchange),
                       httpd_path(exchange));
        httpd_answer(exchange, 500, NULL, NULL, 0);
        return;
    }
    f->at++;
    if (key != NULL && f->posts < 2) {
        (void)snprintf(f->idempotency[f->posts++], sizeof f->idempotency[0], "%s", key);
    }
    char *body = step->body != NULL ? strdup(step->body)
                 : step->chain      ? chain_body(f, exchange, step->swapped)
                 : step->status == 201 || step->status == 200
                     ? ready_body(f)
                     : strdup("{\"enrolmentId\":\"e1\",\"state\":\"ORDERED\"}");
    httpd_header_add(exchange, "nfacme-timeline", "t1=1,t2=1,t3=1,t4=1,t5=1,t6=1,t8=1");
    if (step->status == 201 || step->status == 202) {
        httpd_header_add(exchange, "Location", "/nacme-enrolment/v1/enrolments/e1");
    }
    if (step->retry_after != NULL) {
        httpd_header_add(exchange, "Retry-After", step->retry_after);
    }
    httpd_answer(exchange, step->status, "application/json", body, strlen(body));
}

static char *text_of(const char *name) {
    char path[128];
    size_t len = 0;
    struct err err = {0};

    state_path(&state, name, path);
    char *text = file_read(path, &len, &err);
    ck_assert_msg(text != NULL, "%s", err.detail);
    return text;
}

static void begin(void) {
    struct err err = {0};
    AUTO(free) char *cert = NULL;
    AUTO(free) char *key = NULL;
    AUTO(free) char *trust = NULL;

    state_make(&state);
    state_nf_get(&state, 0, &a);
    cert = text_of("client.pem");
    key = text_of("client.key");
    trust = text_of("oam-ca.pem");
    fake = (struct fake){.id = &a.row.id};
    fake.ca_key = key_generate(KEY_P256, &err);
    fake.other_key = key_generate(KEY_P256, &err);
    const int64_t now_s = clock_now_s(&state.clock);
    const struct x509_spec ca = {.common_name = "operator",
                                 .ca = true,
                                 .path_len = -1,
                                 .not_before_s = now_s - 60,
                                 .not_after_s = now_s + 6000,
                                 .key = fake.ca_key};
    fake.ca = x509_make(&ca, NULL, fake.ca_key, &err);
    const struct httpd_options options = {.listen = "127.0.0.1:0",
                                          .cert_pem = cert,
                                          .key_pem = key,
                                          .client_trust_pem = trust,
                                          .body_max = 65536,
                                          .handler = handle,
                                          .ctx = &fake};
    fake.httpd = httpd_start(&options, &err);
    ck_assert_msg(fake.httpd != NULL, "%s", err.detail);
    (void)snprintf(fake.url, sizeof fake.url, "https://127.0.0.1:%u", httpd_port(fake.httpd));
}

static void end(void) {
    httpd_stop(fake.httpd);
    X509_free(fake.ca);
    EVP_PKEY_free(fake.ca_key);
    EVP_PKEY_free(fake.other_key);
    state_nf_done(&a);
    state_remove(&state);
}

static void finished(void *ctx, struct nf *nf, const struct nf_outcome *outcome) {
    struct nf_world *world = ctx;

    (void)nf;
    (void)outcome;
    loop_stop(world->loop);
}

static X509_STORE *trust_in(X509 *x509) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();

    ck_assert_int_eq(X509_up_ref(x509), 1);
    ck_assert_int_gt(sk_X509_push(anchors, x509), 0);
    return x509_trust(anchors, &err);
}

/* One life by a script. */
static struct nf_outcome live(const struct step *steps, const char *url, uint64_t timeout_us) {
    struct err err = {0};
    char path[128];
    AUTO(loop_free) struct loop *loop = loop_new(&err);
    AUTO(X509_STORE_free) X509_STORE *operator_trust = trust_in(fake.ca);
    AUTO(nf_check_free) struct nf_check *check = nf_check_new(operator_trust, false, &err);

    state_path(&state, "oam-ca.pem", path);
    AUTO(chain_free) X509_CHAIN *oam = x509_chain_read_file(path, &err);
    AUTO(X509_STORE_free) X509_STORE *oam_trust = x509_trust(oam, &err);
    struct nf_world world = {.loop = loop,
                             .clock = &state.clock,
                             .api = url,
                             .oam_trust = oam_trust,
                             .operator_trust = operator_trust,
                             .check = check,
                             .client_name = STATE_CLIENT,
                             .profile = "nf-client",
                             .timeout_us = timeout_us};
    const struct nf_order order = {
        .id = &a.row, .due_us = clock_wall_us(), .done = finished, .ctx = &world};
    fake.steps = steps;
    fake.at = 0;
    AUTO(nf_free) struct nf *nf = nf_start(&world, &order, &err);
    ck_assert_msg(nf != NULL, "%s", err.detail);
    loop_run(loop);
    ck_assert_msg(fake.wrong[0] == '\0', "it sent %s", fake.wrong);
    struct nf_outcome outcome = *nf_last(nf);
    outcome.chain_pem = NULL;
    return outcome;
}

#define POST "POST", "/enrolments"
#define GET "GET", "/enrolments/e1"
#define CSR "PUT", "/enrolments/e1/csr"
#define CERT "GET", "/enrolments/e1/certificate"

static void lives(const char *name, const struct step *steps, unsigned count) {
    const struct nf_outcome outcome = live(steps, fake.url, 20000000);

    ck_assert_msg(outcome.end == NF_ENROLLED, "%s: %s: %s", name, outcome.kind, outcome.detail);
    ck_assert_msg(fake.at == count, "%s: %u requests", name, fake.at);
    ck_assert_str_eq(outcome.enrolment, "e1");
    for (unsigned i = 1; i < RESULT_INSTANTS; i++) {
        ck_assert_uint_ge(outcome.t_us[i], outcome.t_us[i - 1]);
    }
}

START_TEST(two_requests_are_enough) {
    static const struct step steps[] = {
        {POST, .status = 201}, {CSR, .status = 200, .chain = true}, {0}};

    lives("short", steps, 2);
}
END_TEST

START_TEST(a_client_that_needs_time_is_asked_again) {
    static const struct step steps[] = {{POST, .status = 202},
                                        {GET, .status = 202},
                                        {GET, .status = 200},
                                        {CSR, .status = 202, .chain = true},
                                        {CERT, .status = 202},
                                        {CERT, .status = 200, .chain = true},
                                        {0}};

    lives("slow", steps, 6);
}
END_TEST

START_TEST(a_busy_client_is_asked_again_with_the_same_key) {
    static const struct step steps[] = {{POST, .status = 503, .body = "", .retry_after = "1"},
                                        {POST, .status = 201},
                                        {CSR, .status = 502, .body = ""},
                                        {CSR, .status = 200, .chain = true},
                                        {0}};

    lives("busy", steps, 4);
    ck_assert_uint_eq(fake.posts, 2);
    ck_assert_str_ne(fake.idempotency[0], "");
    ck_assert_str_eq(fake.idempotency[0], fake.idempotency[1]);
}
END_TEST

static void fails(const char *name, const struct step *steps, const char *kind, unsigned step,
                  const char *why) {
    const struct nf_outcome outcome = live(steps, fake.url, 20000000);

    ck_assert_msg(outcome.end == NF_FAILED, "%s ended %s", name, nf_state_name(outcome.end));
    ck_assert_msg(strcmp(outcome.kind, kind) == 0 && strstr(outcome.detail, why) != NULL,
                  "%s: %s: %s", name, outcome.kind, outcome.detail);
    ck_assert_msg(outcome.step == step, "%s: step %u", name, outcome.step);
}

START_TEST(a_refusal_is_final_and_says_why) {
    static const struct step refused[] = {
        {POST, .status = 403,
         .body = "{\"status\":403,\"cause\":\"CCA_VERIFICATION_FAILURE\",\"detail\":\"expired\"}"},
        {0}};
    static const struct step gone[] = {
        {POST, .status = 202},
        {GET, .status = 200,
         .body = "{\"state\":\"FAILED\",\"reason\":\"the order is invalid\",\"failure\":"
                 "\"unauthorized\"}"},
        {0}};
    static const struct step bad_csr[] = {
        {POST, .status = 201},
        {CSR, .status = 400,
         .body = "{\"status\":400,\"cause\":\"MANDATORY_IE_INCORRECT\",\"detail\":\"weak\"}"},
        {0}};

    fails("refused", refused, "CCA_VERIFICATION_FAILURE", 9, "expired");
    fails("failed", gone, "unauthorized", 9, "invalid");
    fails("bad CSR", bad_csr, "MANDATORY_IE_INCORRECT", 9, "weak");
}
END_TEST

START_TEST(a_certificate_for_another_key_is_noticed) {
    static const struct step steps[] = {
        {POST, .status = 201}, {CSR, .status = 200, .chain = true, .swapped = true}, {0}};

    fails("swapped", steps, "upstream", 9, "not this NF's");
}
END_TEST

START_TEST(an_enrolment_for_somebody_else_is_noticed) {
    static const struct step steps[] = {
        {POST, .status = 201,
         .body = "{\"state\":\"READY\",\"identifiers\":[{\"type\":\"NfInstanceId\",\"value\":"
                 "\"4ace9d34-2c69-4f99-92d5-a73a3fe8e23b\"}]}"},
        {0}};
    static const struct step empty[] = {
        {POST, .status = 201, .body = "{\"state\":\"READY\",\"identifiers\":[]}"}, {0}};

    fails("another's", steps, "upstream", 9, "not this NF");
    fails("nobody's", empty, "upstream", 9, "no identifiers");
}
END_TEST

START_TEST(nobody_listening_is_a_timeout_at_the_deadline) {
    static const struct step none[] = {{0}};
    const struct nf_outcome outcome = live(none, "https://127.0.0.1:1", 900000);

    ck_assert_int_eq(outcome.end, NF_TIMEOUT);
    ck_assert_str_eq(outcome.kind, "timeout");
    ck_assert_uint_eq(outcome.step, 1);
    ck_assert_uint_ge(outcome.retries, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nf");
    TCase *cases = tcase_create("nf");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, two_requests_are_enough);
    tcase_add_test(cases, a_client_that_needs_time_is_asked_again);
    tcase_add_test(cases, a_busy_client_is_asked_again_with_the_same_key);
    tcase_add_test(cases, a_refusal_is_final_and_says_why);
    tcase_add_test(cases, a_certificate_for_another_key_is_noticed);
    tcase_add_test(cases, an_enrolment_for_somebody_else_is_noticed);
    tcase_add_test(cases, nobody_listening_is_a_timeout_at_the_deadline);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
