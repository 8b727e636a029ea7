#include "nfsim/oam.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/httpc.h"
#include "common/json.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/nfsim/state.h"

#define ONE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define TWO "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static struct state state;
static struct state_nf a;

static void begin(void) {
    state_make(&state);
    state_nf_get(&state, 0, &a);
}

static void end(void) {
    state_nf_done(&a);
    state_remove(&state);
}

/* What one call got. */
struct call {
    struct loop *loop;
    unsigned status; /* 0 = no answer */
    char body[4096];
};

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct call *call = ctx;

    (void)err;
    call->status = answer == NULL ? 0 : answer->status;
    (void)snprintf(call->body, sizeof call->body, "%s", answer == NULL ? "" : answer->body);
    loop_stop(call->loop);
}

/* Ask as who holds chain and key (NULL: nobody). */
static void ask(const struct oam *oam, X509_CHAIN *chain, EVP_PKEY *key, const char *path,
                const char *type, const char *body, struct call *ret) {
    struct err err = {0};
    char file[128], url[256];
    AUTO(loop_free) struct loop *loop = loop_new(&err);

    state_path(&state, "oam-ca.pem", file);
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(file, &err);
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
    const struct httpc_options options = {.loop = loop, .trust = trust, .chain = chain, .key = key};
    AUTO(httpc_free) struct httpc *httpc = httpc_new(&options, &err);
    const char *const headers[] = {type, NULL};
    (void)snprintf(url, sizeof url, "%s%s", oam_url(oam), path);
    const struct httpc_request request = {.method = "POST",
                                          .url = url,
                                          .headers = headers,
                                          .body = body,
                                          .body_len = strlen(body),
                                          .timeout_ms = 5000};
    *ret = (struct call){.loop = loop};
    ck_assert_ptr_nonnull(httpc_start(httpc, &request, answered, ret, &err));
    loop_run(loop);
}

static char *body_of(const struct state_nf *nf, const char *thumbprint, const char *cca) {
    AUTO(json_release)
    json_t *json =
        json_pack("{s:{s:s,s:s,s:s,s:b},s:s}", "atc", "tktype", "NfInstanceId", "tkvalue",
                  nf->row.id.uuid, "fingerprint", thumbprint, "ca", 0, "cca", cca);

    return json_text(json);
}

static void ask_token(const struct oam *oam, const struct state_nf *nf, const char *thumbprint,
                      const char *cca, struct call *ret) {
    char path[128];
    struct err err = {0};

    state_path(&state, "client.pem", path);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, &err);
    state_path(&state, "client.key", path);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_read_file(path, &err);
    AUTO(free) char *body = body_of(nf, thumbprint, cca);
    (void)snprintf(path, sizeof path, "/at/account/%s/token", thumbprint);
    ask(oam, chain, key, path, "Content-Type: application/json", body, ret);
}

static struct oam *start(void) {
    struct err err = {0};
    const struct oam_options options = {.state = state.folder,
                                        .listen = "127.0.0.1:0",
                                        .token_lifetime_s = 3600,
                                        .clock = &state.clock};
    struct oam *oam = oam_start(&options, &err);

    ck_assert_msg(oam != NULL, "%s", err.detail);
    return oam;
}

START_TEST(one_assertion_serves_one_account) {
    AUTO(oam_stop) struct oam *oam = start();
    struct err err = {0};
    struct call call;
    const struct cca_spec spec = state_cca(&a);
    AUTO(free) char *cca = cca_make(&spec, a.chain, a.key, &err);

    ask_token(oam, &a, ONE, cca, &call);
    ck_assert_msg(call.status == 200 && strstr(call.body, "\"token\"") != NULL, "%u %s",
                  call.status, call.body);
    ask_token(oam, &a, ONE, cca, &call);
    ck_assert_uint_eq(call.status, 200);
    ask_token(oam, &a, TWO, cca, &call);
    ck_assert_uint_eq(call.status, 403);
    ck_assert_msg(strstr(call.body, "another account key") != NULL, "%s", call.body);
    ck_assert_uint_eq(oam_issued(oam), 2);
    ck_assert_uint_eq(oam_refused(oam), 1);
}
END_TEST

START_TEST(a_used_assertion_is_remembered_by_the_next_oam) {
    struct err err = {0};
    struct call call;
    const struct cca_spec spec = state_cca(&a);
    AUTO(free) char *cca = cca_make(&spec, a.chain, a.key, &err);

    {
        AUTO(oam_stop) struct oam *first = start();
        ask_token(first, &a, ONE, cca, &call);
        ck_assert_uint_eq(call.status, 200);
    }
    AUTO(oam_stop) struct oam *second = start();
    ask_token(second, &a, TWO, cca, &call);
    ck_assert_uint_eq(call.status, 403);
}
END_TEST

START_TEST(an_nf_outside_the_inventory_gets_nothing) {
    AUTO(oam_stop) struct oam *oam = start();
    AUTO(init_ca_done) struct init_ca ca = {0};
    struct err err = {0};
    struct call call;
    struct fleet_nf id;
    struct inventory_nf row = {0};
    struct state_nf stranger;

    fleet_nf(&state.fleet, 99, &id);
    ck_assert(init_ca_read(state.folder, &state.fleet, &ca, &err));
    ck_assert(init_bootstrap(&ca, &id, clock_now_s(&state.clock), &row, &err));
    state_nf_take(&row, &stranger);
    const struct cca_spec spec = state_cca(&stranger);
    AUTO(free) char *cca = cca_make(&spec, stranger.chain, stranger.key, &err);
    ask_token(oam, &stranger, ONE, cca, &call);
    ck_assert_uint_eq(call.status, 403);
    ck_assert_msg(strstr(call.body, "inventory") != NULL, "%s", call.body);
    state_nf_done(&stranger);
}
END_TEST

START_TEST(an_nf_is_not_a_shared_client) {
    AUTO(oam_stop) struct oam *oam = start();
    struct err err = {0};
    struct call call;
    const struct cca_spec spec = state_cca(&a);
    AUTO(free) char *cca = cca_make(&spec, a.chain, a.key, &err);
    AUTO(free) char *body = body_of(&a, ONE, cca);

    ask(oam, a.chain, a.key, "/at/account/" ONE "/token", "Content-Type: application/json", body,
        &call);
    ck_assert_uint_eq(call.status, 403);
    ck_assert_msg(strstr(call.body, "registered shared client") != NULL, "%s", call.body);
}
END_TEST

START_TEST(without_a_certificate_no_handler_runs) {
    AUTO(oam_stop) struct oam *oam = start();
    struct call call;

    ask(oam, NULL, NULL, "/at/account/" ONE "/token", "Content-Type: application/json", "{}",
        &call);
    ck_assert_uint_eq(call.status, 0);
    ck_assert_uint_eq(oam_refused(oam), 0);
}
END_TEST

START_TEST(what_is_not_a_token_request_is_told_why) {
    static char large[OAM_BODY_MAX + 2];
    static const struct {
        const char *name, *path, *type, *body;
        unsigned status;
    } rows[] = {
        {"elsewhere", "/at/account", "Content-Type: application/json", "{}", 404},
        {"not JSON", "/at/account/" ONE "/token", "Content-Type: text/plain", "{}", 415},
        {"malformed", "/at/account/" ONE "/token", "Content-Type: application/json", "{", 400},
        {"empty object", "/at/account/" ONE "/token", "Content-Type: application/json", "{}", 400},
        {"too large", "/at/account/" ONE "/token", "Content-Type: application/json", large, 413},
    };
    AUTO(oam_stop) struct oam *oam = start();

    memset(large, ' ', sizeof large - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct call call;
        ask(oam, a.chain, a.key, rows[i].path, rows[i].type, rows[i].body, &call);
        ck_assert_msg(call.status == rows[i].status, "%s: %u %s", rows[i].name, call.status,
                      call.body);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oam");
    TCase *cases = tcase_create("oam");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, one_assertion_serves_one_account);
    tcase_add_test(cases, a_used_assertion_is_remembered_by_the_next_oam);
    tcase_add_test(cases, an_nf_outside_the_inventory_gets_nothing);
    tcase_add_test(cases, an_nf_is_not_a_shared_client);
    tcase_add_test(cases, without_a_certificate_no_handler_runs);
    tcase_add_test(cases, what_is_not_a_token_request_is_told_why);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
