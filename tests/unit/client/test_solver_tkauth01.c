#include "client/solver_tkauth01.h"

#include "tests/unit/common/suite.h"

#include <pthread.h>

#include "common/httpd.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"
#include "loop_bed.h"

/* RFC 7638 3.1's thumbprint and its octets in hex. */
#define THUMBPRINT "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
#define FINGERPRINT                                                                                \
    "SHA256 37:36:CB:B1:78:7C:B8:30:9C:77:EE:8C:37:05:C5:E1:"                                      \
    "6F:FB:9E:85:97:15:90:1F:1E:4C:59:B1:11:82:F5:7B"
#define NF "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"

static struct httpd *oam;
static struct httpc *httpc;
static struct upstream *upstream;
static struct trace *trace;
static struct clock real;
static struct solvers solvers;
static char url[64];
static const char *answers[4];
static unsigned statuses[4];
static unsigned asked;
static char path[256], sent[2048];
static struct err failure;
static bool good;

static void oam_handle(void *ctx, struct httpd_exchange *exchange) {
    size_t len = 0;
    char *body = strdup(answers[asked] == NULL ? "" : answers[asked]);

    (void)ctx;
    (void)snprintf(path, sizeof path, "%s", httpd_path(exchange));
    (void)snprintf(sent, sizeof sent, "%s", httpd_body(exchange, &len));
    const unsigned status = statuses[asked++];
    httpd_answer(exchange, status, status < 300 ? "application/json" : "application/problem+json",
                 body, strlen(body));
}

static void begin(void) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    bed_loop_new();
    real = clock_real();
    oam = httpd_start(
        &(struct httpd_options){.listen = "127.0.0.1:0", .body_max = 65536, .handler = oam_handle},
        &err);
    ck_assert_ptr_nonnull(oam);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", httpd_port(oam));
    trace = trace_open("client", NULL, NULL, &err);
    httpc = httpc_new(&(struct httpc_options){.loop = bed_loop}, &err);
    upstream = upstream_new(
        &(struct upstream_options){
            .loop = bed_loop, .httpc = httpc, .clock = &real, .trace = trace, .directory_url = url},
        &err);
    solvers.tkauth01 = solver_tkauth01_new(
        &(struct solver_tkauth01_options){.httpc = httpc, .upstream = upstream, .oam_url = url},
        &err);
    ck_assert_ptr_nonnull(solvers.tkauth01);
}

static void end(void) {
    solver_tkauth01_free(solvers.tkauth01);
    upstream_free(upstream);
    httpc_free(httpc);
    httpd_stop(oam);
    trace_close(trace);
    loop_free(bed_loop);
}

static void presented(void *ctx, const struct err *err) {
    (void)ctx;
    good = err == NULL;
    failure = err == NULL ? (struct err){0} : *err;
    loop_stop(bed_loop);
}

/* Present once; the payload, or NULL and failure is filled.  Caller owns. */
static char *present(void) {
    char cca[] = "a.b.c";
    struct enrolment enrolment = {.nf = NF, .thumbprint = THUMBPRINT, .cca = cca};
    struct trace_context parent = {0};
    struct solver_task task = {.type = ACME_CHALLENGE_TKAUTH01,
                               .identifier = {ACME_ID_NF_INSTANCE, NF},
                               .enrolment = &enrolment,
                               .parent = &parent,
                               .done = presented};
    struct err err = {0};

    ck_assert(solver_tkauth01_row.present(&solvers, &task, &err));
    bed_run();
    char *payload = TAKE(task.payload);
    solver_tkauth01_row.withdraw(&solvers, &task);
    solver_task_done(&task);
    return payload;
}

START_TEST(the_fingerprint_is_that_of_rfc9448) {
    char text[SOLVER_FINGERPRINT_SIZE];

    ck_assert(solver_tkauth01_fingerprint(THUMBPRINT, text));
    ck_assert_str_eq(text, FINGERPRINT);
    ck_assert(!solver_tkauth01_fingerprint("", text));
    ck_assert(!solver_tkauth01_fingerprint("NzbLsXh8uDCcd", text));
}
END_TEST

START_TEST(the_oam_is_asked_as_rfc9447_5_1_says) {
    struct err err = {0};

    begin();
    statuses[0] = 200;
    answers[0] = "{\"token\":\"x.y.z\"}";
    AUTO(free) char *payload = present();
    ck_assert(good);
    ck_assert_str_eq(payload, "{\"tkauth\":\"x.y.z\"}");
    ck_assert_str_eq(path, "/at/account/" THUMBPRINT "/token");
    AUTO(json_release) json_t *body = json_read_object(sent, strlen(sent), &err);
    const json_t *atc = json_object_get(body, "atc");
    ck_assert_str_eq(json_string_value(json_object_get(atc, "tktype")), "NfInstanceId");
    ck_assert_str_eq(json_string_value(json_object_get(atc, "tkvalue")), NF);
    ck_assert_str_eq(json_string_value(json_object_get(atc, "fingerprint")), FINGERPRINT);
    ck_assert(json_is_false(json_object_get(atc, "ca")));
    ck_assert_str_eq(json_string_value(json_object_get(body, "cca")), "a.b.c");
    end();
}
END_TEST

START_TEST(a_refusal_of_the_oam_is_the_nfs_to_read) {
    begin();
    statuses[0] = 403;
    answers[0] = "{\"cause\":\"CCA_VERIFICATION_FAILURE\",\"detail\":\"the assertion is old\"}";
    ck_assert_ptr_null(present());
    ck_assert(!good);
    ck_assert_int_eq(failure.kind, ERR_CCA);
    ck_assert_str_eq(failure.detail, "the assertion is old");
    ck_assert_uint_eq(asked, 1);
    end();
}
END_TEST

START_TEST(an_oam_that_is_busy_is_asked_again) {
    begin();
    statuses[0] = 503;
    answers[0] = "{}";
    statuses[1] = 200;
    answers[1] = "{\"token\":\"x.y.z\"}";
    AUTO(free) char *payload = present();
    ck_assert(good);
    ck_assert_uint_eq(asked, 2);
    end();
}
END_TEST

START_TEST(an_answer_without_a_token_is_the_oams_fault) {
    static const char *const bodies[] = {"{}", "[]", "hello", "{\"token\":5}"};

    for (size_t i = 0; i < COUNT(bodies); i++) {
        begin();
        asked = 0;
        statuses[0] = 200;
        answers[0] = bodies[i];
        ck_assert_ptr_null(present());
        ck_assert_int_eq(failure.kind, ERR_UPSTREAM);
        end();
    }
}
END_TEST

START_TEST(without_an_assertion_nothing_is_asked) {
    struct enrolment enrolment = {.thumbprint = THUMBPRINT};
    struct solver_task task = {.enrolment = &enrolment, .done = presented};
    struct err err = {0};

    begin();
    ck_assert(!solver_tkauth01_row.present(&solvers, &task, &err));
    ck_assert_int_eq(err.kind, ERR_CCA);
    ck_assert_uint_eq(asked, 0);
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_fingerprint_is_that_of_rfc9448,          the_oam_is_asked_as_rfc9447_5_1_says,
        a_refusal_of_the_oam_is_the_nfs_to_read,     an_oam_that_is_busy_is_asked_again,
        an_answer_without_a_token_is_the_oams_fault, without_an_assertion_nothing_is_asked};

    return suite_run("client/solver_tkauth01", tests, COUNT(tests));
}
