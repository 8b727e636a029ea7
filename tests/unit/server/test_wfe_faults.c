/* Faults as a client meets them: before a request is handled, and in its answer. */
#include <poll.h>

#include "admin_ask.h"
#include "server/faults.h"

static struct bed bed;
static struct actor actor;

static void set_up(void) {
    bed_start(&bed, NULL);
    actor = bed_account(&bed);
}

static void tear_down(void) {
    actor_done(&actor);
    bed_stop(&bed);
}

/* The only rule there is; body: {"faults": […]}. */
static void rules(const char *body) {
    struct answer answer = admin_ask(&bed, "PUT", "/faults", body);
    ck_assert_msg(answer.status == 200, "%s: %s", body, answer.body);
    answer_done(&answer);
}

#define RULE(at, more, actions) "{\"faults\":[{\"at\":\"" at "\"," more "\"do\":{" actions "}}]}"

static void expect_hits(int hits) {
    struct answer answer = admin_ask(&bed, "GET", "/faults", NULL);
    const json_t *rule = json_array_get(json_object_get(answer.json, "faults"), 0);
    ck_assert_msg(json_integer_value(json_object_get(rule, "hits")) == hits, "%s", answer.body);
    answer_done(&answer);
}

/* ---- instead of handling ---- */

/* clang-format off */
static const struct {
    const char *name, *rule;
    unsigned status;
    const char *type, *retry_after;
} problems[] = {
    {"a kind of ours", RULE("newOrder", "", "\"problem\":\"rateLimited\",\"retry_after\":7"), 429,
     "urn:ietf:params:acme:error:rateLimited", "7"},
    {"with another status", RULE("newOrder", "", "\"problem\":\"rateLimited\",\"status\":503"), 503,
     "urn:ietf:params:acme:error:rateLimited", ""},
    {"a type nobody knows", RULE("newOrder", "", "\"problem\":\"urn:x:odd\",\"status\":418"), 418, "urn:x:odd", ""},
    {"a status alone", RULE("newOrder", "", "\"status\":502"), 502, "about:blank", ""},
    {"an action that is no problem", RULE("newOrder", "", "\"retry_after\":3"), 201, NULL, "3"},
    {"in seconds of a date", RULE("newOrder", "", "\"retry_after_date\":60"), 201, NULL, "Wed, 18 Nov 202"},
};
/* clang-format on */

START_TEST(a_request_is_refused_as_the_rule_says) {
    set_up();
    for (unsigned i = 0; i < COUNT(problems); i++) {
        rules(problems[i].rule);
        struct answer answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
        ck_assert_msg(answer.status == problems[i].status, "%s: %u %s", problems[i].name,
                      answer.status, answer.body);
        ck_assert_msg(
            strncmp(answer.retry_after, problems[i].retry_after, strlen(problems[i].retry_after))
                    == 0
                && (problems[i].retry_after[0] == '\0') == (answer.retry_after[0] == '\0'),
            "%s: Retry-After: %s", problems[i].name, answer.retry_after);
        ck_assert_msg(answer.nonces == 1, "%s: %u nonces", problems[i].name, answer.nonces);
        if (problems[i].type != NULL) {
            ck_assert_str_eq(answer.type, ACME_PROBLEM_TYPE);
            ck_assert_str_eq(member(&answer, "type"), problems[i].type);
            ck_assert_str_eq(answer.location, "");
        }
        answer_done(&answer);
        expect_hits(1);
    }
    tear_down();
}
END_TEST

START_TEST(a_refusal_says_what_the_rule_says_and_does_nothing) {
    set_up();
    rules(RULE("account", "", "\"problem\":\"serverInternal\",\"detail\":\"not today\""));
    struct answer answer = bed_post(&bed, &actor, actor.kid, "{\"status\":\"deactivated\"}");
    ck_answer(answer, 500, "serverInternal");
    ck_assert_str_eq(member(&answer, "detail"), "not today");
    answer_done(&answer);
    rules("{\"faults\":[]}");
    bed_status(&bed, &actor, actor.kid, "valid");
    tear_down();
}
END_TEST

START_TEST(a_request_that_fails_its_gate_is_not_seen) {
    struct actor stranger = {0};

    set_up();
    rules(RULE("any", "", "\"problem\":\"rateLimited\""));
    stranger = bed_actor();
    bed_copy(stranger.kid, sizeof(stranger.kid), actor.kid); /* somebody else's signature */
    struct answer answer = bed_post(&bed, &stranger, "/new-order", BED_NF_ORDER);
    ck_assert_uint_ge(answer.status, 400);
    ck_assert_str_ne(answer.error, "rateLimited");
    answer_done(&answer);
    expect_hits(0);
    actor_done(&stranger);
    tear_down();
}
END_TEST

/* ---- the answer ---- */

START_TEST(the_answer_is_spoilt_as_the_rule_says) {
    set_up();
    rules(RULE("newOrder", "", "\"empty\":true"));
    struct answer answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "");
    ck_assert_str_eq(answer.type, "");
    answer_done(&answer);
    rules(RULE("newOrder", "", "\"malformed\":true,\"content_type\":\"text/html\""));
    answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_assert_uint_eq(answer.status, 201);
    ck_assert_ptr_null(answer.json);
    ck_assert_str_ne(answer.body, "");
    ck_assert_str_eq(answer.type, "text/html");
    answer_done(&answer);
    rules(RULE("any", "", "\"no_nonce\":true"));
    answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 201, "");
    ck_assert_uint_eq(answer.nonces, 0);
    answer_done(&answer);
    answer = bed_ask(&bed, "HEAD", "/new-nonce", NULL, NULL, 0);
    ck_assert_uint_eq(answer.nonces, 0);
    answer_done(&answer);
    rules("{\"faults\":[]}");
    answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 201, "");
    ck_assert_uint_eq(answer.nonces, 1);
    answer_done(&answer);
    tear_down();
}
END_TEST

START_TEST(an_answer_comes_late_and_slowly) {
    set_up();
    rules(RULE("newOrder", "", "\"delay\":\"300ms\""));
    uint64_t before_us = clock_wall_us();
    struct answer answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 201, "");
    ck_assert_uint_ge(clock_wall_us() - before_us, 300000);
    size_t octets = strlen(answer.body);
    answer_done(&answer);
    char rule[128];
    (void)snprintf(rule, sizeof(rule), RULE("newOrder", "", "\"slow\":%zu"), octets * 2);
    rules(rule);
    before_us = clock_wall_us();
    answer = bed_post(&bed, &actor, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 201, ""); /* whole */
    ck_assert_uint_eq(strlen(answer.body), octets);
    ck_assert_uint_ge(clock_wall_us() - before_us, 200000); /* of half a second */
    answer_done(&answer);
    tear_down();
}
END_TEST

static void lost(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct bed_call *call = ctx;

    ck_assert_msg(answer == NULL, "%u", answer == NULL ? 0 : answer->status);
    call->err = *err;
    loop_stop(call->bed->loop);
}

/* Post without getting an answer, over a connection of its own: libcurl would repeat what is lost
 * on one that was used before. */
static void post_lost(const char *url, const char *payload) {
    static const char *const headers[] = {"Content-Type: application/jose+json", NULL};
    struct bed_call call = {.bed = &bed};
    struct err err = {0};
    char whole[512];
    json_t *header = bed_header(&bed, &actor, url);
    AUTO(free) char *text = jws_sign(actor.key, header, payload, strlen(payload), &err);

    struct httpc *httpc = httpc_new(&(struct httpc_options){.loop = bed.loop,
                                                            .trust = bed.trust,
                                                            .user_agent = "nfacme-test/1"},
                                    &err);

    json_decref(header);
    ck_good(httpc != NULL);
    (void)snprintf(whole, sizeof(whole), "%s%s", url[0] == '/' ? bed.base : "", url);
    struct httpc_request request = {.method = "POST",
                                    .url = whole,
                                    .headers = headers,
                                    .body = text,
                                    .body_len = strlen(text),
                                    .address = "127.0.0.1"};
    ck_good(httpc_start(httpc, &request, lost, &call, &err) != NULL);
    loop_run(bed.loop);
    httpc_free(httpc);
    ck_assert_int_ne(call.err.kind, ERR_NONE);
}

START_TEST(a_connection_closed_before_the_commit_leaves_nothing_and_after_it_all) {
    set_up();
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    rules(RULE("finalize", "", "\"close\":\"before-commit\""));
    post_lost(placed.finalize, csr);
    bed_status(&bed, &actor, placed.url, "ready");
    rules(RULE("finalize", "", "\"close\":\"after-commit\""));
    post_lost(placed.finalize, csr);
    bed_status(&bed, &actor, placed.url, "valid");
    tear_down();
}
END_TEST

/* ---- whom it is for ---- */

static void enrol(char certificate[256], struct placed *ret) {
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    *ret = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_prove(&bed, &actor, ret, 0, "valid");
    struct answer answer = bed_post(&bed, &actor, ret->finalize, csr);
    ck_answer(answer, 200, "");
    bed_copy(certificate, 256, member(&answer, "certificate"));
    answer_done(&answer);
}

START_TEST(a_rule_for_a_name_sees_all_that_is_about_it) {
    static const char *const ours = "{\"faults\":[{\"at\":\"any\",\"identifier\":\"" BED_UUID "\","
                                    "\"do\":{\"problem\":\"rateLimited\"}}]}";
    static const char *const anothers =
        "{\"faults\":[{\"at\":\"any\",\"identifier\":\"" BED_OTHER_UUID "\","
        "\"do\":{\"problem\":\"rateLimited\"}}]}";
    struct placed placed;
    char certificate[256];

    set_up();
    enrol(certificate, &placed);
    const struct {
        const char *url, *payload;
        unsigned status;
    } rows[] = {{placed.url, NULL, 200},
                {placed.authz[0], NULL, 200},
                {placed.challenge[0], NULL, 200},
                {certificate, NULL, 200},
                {"/new-order", BED_NF_ORDER, 201}};
    for (unsigned i = 0; i < COUNT(rows); i++) {
        rules(anothers);
        bed_expect(&bed, &actor, rows[i].url, rows[i].payload, rows[i].status, "");
        expect_hits(0);
        rules(ours);
        bed_expect(&bed, &actor, rows[i].url, rows[i].payload, 429, "rateLimited");
    }
    bed_expect(&bed, &actor, "/new-order", BED_DNS_ORDER, 201, "");
    bed_expect(&bed, &actor, "/new-order", BED_BOTH_ORDER, 429, "rateLimited");
    bed_status(&bed, &actor, actor.kid, "valid"); /* about no name */
    tear_down();
}
END_TEST

START_TEST(a_name_in_an_order_that_is_none_is_looked_at_safely) {
    static const char *const odd[] = {"{}", "{\"identifiers\":7}", "{\"identifiers\":[]}",
                                      "{\"identifiers\":[7,{\"type\":\"dns\"},{\"value\":\"x\"},{"
                                      "\"type\":\"zz\",\"value\":\"x\"},"
                                      "{\"type\":7,\"value\":8}]}"};

    set_up();
    rules(RULE("any", "\"identifier\":\"*\",", "\"problem\":\"rateLimited\""));
    for (unsigned i = 0; i < COUNT(odd); i++) {
        struct answer answer = bed_post(&bed, &actor, "/new-order", odd[i]);
        ck_assert_msg(answer.status == 400, "%s: %u %s", odd[i], answer.status, answer.body);
        answer_done(&answer);
    }
    bed_expect(&bed, &actor, "/order/none", NULL, 404, "malformed");
    bed_expect(&bed, &actor, "/authz/none", NULL, 404, "malformed");
    expect_hits(0);
    tear_down();
}
END_TEST

START_TEST(a_rule_for_an_account_or_a_challenge_sees_no_other) {
    char rule[256];

    set_up();
    struct actor other = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_BOTH_ORDER);
    (void)snprintf(rule, sizeof(rule),
                   RULE("newOrder", "\"account\":\"%s\",", "\"problem\":\"rateLimited\""),
                   strrchr(actor.kid, '/') + 1);
    rules(rule);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 429, "rateLimited");
    bed_expect(&bed, &other, "/new-order", BED_NF_ORDER, 201, "");
    rules(RULE("challenge", "\"challenge\":\"http-01\",", "\"problem\":\"rateLimited\""));
    bed_expect(&bed, &actor, placed.challenge[0], NULL, 200, ""); /* tkauth-01 */
    bed_expect(&bed, &actor, placed.challenge[1], NULL, 429, "rateLimited");
    actor_done(&other);
    tear_down();
}
END_TEST

/* ---- orders that look processing ---- */

START_TEST(an_order_looks_processing_for_a_while) {
    struct placed placed;
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    set_up();
    placed = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_prove(&bed, &actor, &placed, 0, "valid");
    rules(RULE("finalize", "", "\"processing\":\"60s\""));
    struct answer answer = bed_post(&bed, &actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "processing");
    ck_assert_ptr_null(json_object_get(answer.json, "certificate"));
    ck_assert_str_eq(answer.retry_after, "1");
    answer_done(&answer);
    bed.options.clock.manual_us = BED_TIME_US + 59 * 1000000ULL;
    bed_status(&bed, &actor, placed.url, "processing");
    bed.options.clock.manual_us = BED_TIME_US + 60 * 1000000ULL;
    answer = bed_post(&bed, &actor, placed.url, NULL);
    ck_assert_str_eq(member(&answer, "status"), "valid");
    bed_expect(&bed, &actor, member(&answer, "certificate"), NULL, 200, "");
    answer_done(&answer);
    tear_down();
}
END_TEST

START_TEST(an_order_stuck_for_ever_is_let_go_with_the_rules_and_by_a_restart) {
    struct placed placed;
    char certificate[256];

    set_up();
    enrol(certificate, &placed);
    rules(RULE("order", "", "\"processing\":\"forever\""));
    bed_status(&bed, &actor, placed.url, "processing");
    bed.options.clock.manual_us = BED_TIME_US + 30 * 86400 * 1000000ULL;
    bed_status(&bed, &actor, placed.url, "processing");
    struct answer answer = admin_ask(&bed, "DELETE", "/faults", NULL);
    ck_assert_uint_eq(answer.status, 204);
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "valid");
    rules(RULE("order", "", "\"processing\":\"forever\""));
    bed_status(&bed, &actor, placed.url, "processing");
    bed_restart(&bed, BED_TIME_US);
    bed_status(&bed, &actor, placed.url, "valid"); /* nor is the rule left */
    tear_down();
}
END_TEST

/* ---- a challenge that stays processing ---- */

START_TEST(a_stuck_challenge_is_taken_up_by_the_next_start) {
    set_up();
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    rules(RULE("challenge", "", "\"processing\":\"forever\""));
    bed_prove(&bed, &actor, &placed, 0, "processing");
    bed_status(&bed, &actor, placed.url, "pending");
    bed_restart(&bed, BED_TIME_US);
    for (unsigned i = 0;; i++) {
        struct answer answer = bed_post(&bed, &actor, placed.url, NULL);
        bool ready = strcmp(member(&answer, "status"), "ready") == 0;
        ck_assert_msg(i < 1000, "%s", answer.body);
        answer_done(&answer);
        if (ready) {
            break;
        }
        (void)poll(NULL, 0, 10);
    }
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_request_is_refused_as_the_rule_says,
        a_refusal_says_what_the_rule_says_and_does_nothing,
        a_request_that_fails_its_gate_is_not_seen,
        the_answer_is_spoilt_as_the_rule_says,
        an_answer_comes_late_and_slowly,
        a_connection_closed_before_the_commit_leaves_nothing_and_after_it_all,
        a_rule_for_a_name_sees_all_that_is_about_it,
        a_name_in_an_order_that_is_none_is_looked_at_safely,
        a_rule_for_an_account_or_a_challenge_sees_no_other,
        an_order_looks_processing_for_a_while,
        an_order_stuck_for_ever_is_let_go_with_the_rules_and_by_a_restart,
        a_stuck_challenge_is_taken_up_by_the_next_start};
    return suite_run("server/wfe_faults", tests, COUNT(tests));
}
