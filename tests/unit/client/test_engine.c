#include "client/engine.h"

#include "tests/unit/common/suite.h"

#include "engine_bed.h"

#define WHOLE "directory newNonce newAccount newOrder authz challenge order"

START_TEST(an_enrolment_goes_from_the_request_to_the_chain) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_int_eq(strncmp(nf.location, "https://nf.example/nacme-enrolment/v1/enrolments/", 49),
                     0);
    ck_assert_str_eq(acme_log(), WHOLE);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_str_eq(nf.body, ACME_CHAIN);
    ck_assert_str_eq(acme_log(), WHOLE " finalize certificate");
    ck_assert_uint_eq(acme.replays, 0);
    bed_end();
}
END_TEST

START_TEST(the_timeline_is_whole_and_never_runs_backwards) {
    const char *at = nf.timeline;
    unsigned long long last = 0, now = 0;
    unsigned step = 0, seen = 0;

    bed_begin();
    (void)nf_enrol("20", NULL);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    for (; sscanf(at, "t%u=%llu", &step, &now) == 2; at = strchr(at, ',') + 1) {
        ck_assert_msg(now >= last, "%s", nf.timeline);
        last = now;
        seen = seen * 10 + step;
        if (strchr(at, ',') == NULL) {
            break;
        }
    }
    ck_assert_uint_eq(seen, 1234568);
    bed_end();
}
END_TEST

START_TEST(without_a_wait_the_answer_is_202_and_the_work_goes_on) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    ck_assert_uint_ge(nf.retry_after_s, 1);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_uint_eq(nf_csr("a request", NULL), 202);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "ISSUED");
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "GET", .path = "/certificate/", .id = nf.id}), 200);
    ck_assert_str_eq(nf.body, ACME_CHAIN);
    bed_end();
}
END_TEST

START_TEST(an_order_in_processing_is_polled_to_its_end) {
    bed_begin();
    acme_expect("finalize", 0, "processing", NULL);
    acme_expect("order", 0, "ready", NULL);
    acme_expect("order", 0, "processing", "1");
    acme_expect("order", 0, "valid", NULL);
    (void)nf_enrol("20", NULL);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_str_eq(acme_log(), WHOLE " finalize order order certificate");
    bed_end();
}
END_TEST

/* An NF whose CSR was answered 202, because the CA took long, asks for the certificate. */
START_TEST(the_certificate_of_a_csr_under_way_is_waited_for) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "GET", .path = "/certificate/", .id = nf.id}), 404);
    acme_expect("finalize", 0, "processing", NULL);
    acme_expect("order", 0, "processing", "1");
    acme_expect("order", 0, "valid", NULL);
    ck_assert_uint_eq(nf_csr("a request", NULL), 202);
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "GET", .path = "/certificate/", .id = nf.id}), 202);
    ck_assert_uint_ge(nf.retry_after_s, 1);
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){
            .method = "GET", .path = "/certificate/", .id = nf.id, .wait = "20"}),
        200);
    ck_assert_str_eq(nf.body, ACME_CHAIN);
    bed_end();
}
END_TEST

START_TEST(an_order_that_is_pending_is_polled_until_it_is_ready) {
    bed_begin();
    acme_expect("order", 0, "pending", NULL);
    acme_expect("order", 0, "pending", NULL);
    acme_expect("order", 0, "ready", NULL);
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_str_eq(acme_log(), WHOLE " order order");
    bed_end();
}
END_TEST

START_TEST(a_refused_csr_is_told_and_a_better_one_needs_no_new_order) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    acme_expect("finalize", 400, ACME_PROBLEM("badCSR", "it asks for another name"), NULL);
    acme_expect("order", 0, "ready", NULL);
    ck_assert_uint_eq(nf_csr("a bad request", "20"), 400);
    ck_assert_str_eq(nf_member("detail"), "it asks for another name");
    ck_assert_str_eq(nf_member("acmeProblem"), "urn:ietf:params:acme:error:badCSR");
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_str_eq(nf_member("reason"), "it asks for another name");
    ck_assert_uint_eq(nf_csr("a good request", "20"), 200);
    ck_assert_str_eq(acme_log(), WHOLE " finalize order finalize certificate");
    bed_end();
}
END_TEST

START_TEST(a_finalize_whose_answer_is_lost_is_not_sent_for_another_certificate) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    acme_expect("finalize", 403, ACME_PROBLEM("orderNotReady", "it is valid"), NULL);
    acme_expect("order", 0, "valid", NULL);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_str_eq(acme_log(), WHOLE " finalize order certificate");
    bed_end();
}
END_TEST

START_TEST(the_same_csr_again_is_the_same_answer_and_another_one_a_conflict) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_str_eq(nf.body, ACME_CHAIN);
    ck_assert_uint_eq(nf_csr("another request", "20"), 409);
    ck_assert_str_eq(acme_log(), WHOLE " finalize certificate");
    bed_end();
}
END_TEST

START_TEST(a_csr_before_ready_is_a_conflict) {
    bed_begin();
    acme_expect("newOrder", 503, "later", "30");
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    ck_assert_uint_eq(nf_csr("a request", NULL), 409);
    bed_end();
}
END_TEST

START_TEST(a_waiting_enrolment_says_what_it_waits_for) {
    bed_begin();
    acme_expect("newOrder", 503, ACME_PROBLEM("rateLimited", "slow down"), "30");
    ck_assert_uint_eq(nf_enrol("1", NULL), 202);
    ck_assert_msg(strstr(nf_member("waitsFor"), "to repeat newOrder") != NULL, "%s", nf.body);
    ck_assert_msg(strstr(nf_member("waitsFor"), "slow down") != NULL, "%s", nf.body);
    bed_end();
}
END_TEST

START_TEST(a_ready_enrolment_waits_for_the_csr) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_str_eq(nf_member("waitsFor"), "the NF's CSR");
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("waitsFor"), "");
    bed_end();
}
END_TEST

START_TEST(a_chain_that_is_not_what_was_ordered_is_a_failure_and_given_to_nobody) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    acme_expect("certificate", 200,
                "-----BEGIN CERTIFICATE-----\nWFla\n-----END CERTIFICATE-----\n", NULL);
    ck_assert_uint_eq(nf_csr("a request", "20"), 502);
    ck_assert_str_eq(nf_member("detail"), "the certificate is not the test's");
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("state"), "FAILED");
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "GET", .path = "/certificate/", .id = nf.id}), 502);
    bed_end();
}
END_TEST

START_TEST(a_failed_challenge_tells_the_nf_why) {
    bed_begin();
    acme_expect("challenge", 200,
                "{\"type\":\"http-01\",\"status\":\"invalid\",\"url\":\"x\",\"error\":"
                "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"wrong key\"}}",
                NULL);
    acme_expect("order", 0, "invalid", NULL);
    ck_assert_uint_eq(nf_enrol("20", NULL), 403);
    ck_assert_str_eq(nf_member("detail"), "wrong key");
    bed_end();
}
END_TEST

START_TEST(a_failure_found_in_the_authorization_tells_the_nf_why) {
    bed_begin();
    acme_expect("challenge", 200, "{\"type\":\"http-01\",\"status\":\"processing\",\"url\":\"x\"}",
                NULL);
    acme_expect("order", 0, "invalid", NULL);
    acme_expect("authz", 200, NULL, NULL); /* the first reading, as by default */
    acme_expect("authz", 200,
                "{\"status\":\"invalid\",\"challenges\":[{\"type\":\"http-01\",\"error\":"
                "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"no token\"}}]}",
                NULL);
    ck_assert_uint_eq(nf_enrol("20", "k"), 403);
    ck_assert_str_eq(nf_member("detail"), "no token");
    ck_assert_uint_eq(nf_enrol(NULL, "k"), 403); /* the same request, the same answer */
    ck_assert_str_eq(nf_member("detail"), "no token");
    bed_end();
}
END_TEST

START_TEST(a_challenge_nobody_can_meet_names_both_lists) {
    bed_begin();
    acme_expect("authz", 200,
                "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},"
                "\"challenges\":[{\"type\":\"dns-01\",\"url\":\"https://x\"}]}",
                NULL);
    ck_assert_uint_eq(nf_enrol("20", NULL), 502);
    ck_assert_ptr_nonnull(strstr(nf_member("detail"), "dns-01"));
    ck_assert_ptr_nonnull(strstr(nf_member("detail"), "http-01"));
    bed_end();
}
END_TEST

START_TEST(an_authorization_for_another_name_is_refused) {
    bed_begin();
    acme_expect("authz", 200,
                "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"},"
                "\"challenges\":[]}",
                NULL);
    ck_assert_uint_eq(nf_enrol("20", NULL), 502);
    bed_end();
}
END_TEST

START_TEST(asking_again_joins_the_live_enrolment) {
    char first[64];

    bed_begin();
    ck_assert_uint_eq(nf_enrol(NULL, "one"), 202);
    bed_text(first, sizeof first, nf.id);
    ck_assert_uint_eq(nf_enrol("20", "two"), 201);
    ck_assert_str_eq(nf.id, first);
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "POST",
                                  .path = "/enrol",
                                  .body = "{\"nfInstanceId\":\"" NF_A
                                          "\",\"nfType\":\"AMF\",\"fqdn\":\"b.example\"}"}),
        409);
    ck_assert_str_eq(acme_log(), WHOLE);
    bed_end();
}
END_TEST

START_TEST(an_idempotency_key_finds_its_enrolment_again_and_a_new_one_begins_anew) {
    char first[64];

    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", "one"), 201);
    bed_text(first, sizeof first, nf.id);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_uint_eq(nf_enrol("20", "one"), 201);
    ck_assert_str_eq(nf.id, first);
    ck_assert_str_eq(nf_member("state"), "ISSUED");
    ck_assert_uint_eq(nf_enrol("20", "two"), 201);
    ck_assert_str_ne(nf.id, first);
    /* the account is there already: no second newAccount, and t2 = t1 */
    ck_assert_str_eq(acme_log(), WHOLE " finalize certificate newOrder authz challenge order");
    unsigned long long t1 = 0, t2 = 1;
    ck_assert_int_eq(sscanf(nf.timeline, "t1=%llu,t2=%llu", &t1, &t2), 2);
    ck_assert_uint_eq(t1, t2);
    bed_end();
}
END_TEST

START_TEST(an_account_the_server_has_lost_is_made_again) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", "one"), 201);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    acme_expect("newOrder", 400, ACME_PROBLEM("accountDoesNotExist", "who?"), NULL);
    ck_assert_uint_eq(nf_enrol("20", "two"), 201);
    ck_assert_str_eq(acme_log(), WHOLE
                     " finalize certificate newOrder newAccount newOrder authz challenge order");
    bed_end();
}
END_TEST

START_TEST(others_enrolments_are_not_there) {
    static const char *const paths[] = {"/get/", "/csr/", "/certificate/"};

    bed_begin();
    (void)nf_enrol("20", NULL);
    for (unsigned round = 0; round < 2; round++) { /* in memory, then in the store only */
        for (size_t i = 0; i < COUNT(paths); i++) {
            ck_assert_uint_eq(
                nf_call(&(struct nf_call){
                    .method = "PUT", .path = paths[i], .id = nf.id, .body = "x", .peer = NF_B}),
                404);
        }
        ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    }
    ck_assert_uint_eq(nf_call(&(struct nf_call){.method = "GET", .path = "/get/", .id = "none"}),
                      404);
    bed_end();
}
END_TEST

START_TEST(the_nfs_own_limit_answers_504_and_the_work_goes_on) {
    bed_begin();
    acme_expect("newOrder", 503, "later", "1");
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){
            .method = "POST", .path = "/enrol", .body = NF_BODY(NF_A), .wait = "20", .max = "200"}),
        504);
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    bed_end();
}
END_TEST

START_TEST(more_enrolments_than_the_limit_are_refused_with_503) {
    bed_begin();
    bed_client_end();
    bed.live_max = 1;
    bed_client_begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_uint_eq(nf_call(&(struct nf_call){
                          .method = "POST", .path = "/enrol", .body = NF_BODY(NF_B), .peer = NF_B}),
                      503);
    ck_assert_uint_ge(nf.retry_after_s, 1);
    bed_end();
}
END_TEST

START_TEST(a_server_that_is_down_is_202_and_the_enrolment_ends_when_it_returns) {
    char listen[64];

    bed_begin();
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", httpd_port(acme.httpd));
    acme_end();
    ck_assert_uint_eq(nf_enrol("1", NULL), 202);
    ck_assert_uint_ge(nf.retry_after_s, 1);
    acme_begin(listen);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    bed_end();
}
END_TEST

static const char *wanted;
static struct loop_timer watch;

/* Stop the loop as soon as the server has seen the operation. */
static void seen(void *ctx) {
    (void)ctx;
    if (strstr(acme_log(), wanted) != NULL) {
        loop_stop(bed_loop);
    } else {
        loop_timer_set(bed_loop, &watch, clock_wall_us() + 200, seen, NULL);
    }
}

static unsigned times(const char *operation) {
    unsigned count = 0;

    for (const char *at = acme_log(); (at = strstr(at, operation)) != NULL; at++) {
        count++;
    }
    return count;
}

START_TEST(a_client_that_dies_after_any_request_goes_on_where_it_was) {
    static const char *const operations[] = {"newAccount", "newOrder", "authz",
                                             "challenge",  "order",    "finalize"};

    for (size_t i = 0; i < COUNT(operations); i++) {
        acme.log[0] = '\0';
        bed_begin();
        ck_assert_uint_eq(nf_enrol(i == COUNT(operations) - 1 ? "20" : NULL, "k"), nf.status);
        if (i == COUNT(operations) - 1) {
            ck_assert_uint_eq(nf_csr("a request", NULL), 202);
        }
        wanted = operations[i];
        watch = (struct loop_timer){0};
        loop_timer_set(bed_loop, &watch, clock_wall_us(), seen, NULL);
        bed_run();
        bed_client_end();
        bed_client_begin();
        ck_assert_uint_eq(nf_enrol("20", "k"), 201);
        ck_assert_uint_eq(nf_csr("a request", "20"), 200);
        ck_assert_str_eq(nf.body, ACME_CHAIN);
        /* newOrder may be asked twice when its answer was not saved; nothing is issued twice */
        ck_assert_msg(times("newOrder") <= 2 && times("finalize") <= 2, "%s: %s", operations[i],
                      acme_log());
        bed_end();
    }
}
END_TEST

START_TEST(an_order_that_failed_while_nobody_was_there_is_made_again_once) {
    bed_begin();
    acme_expect("order", 0, "pending", "3600");
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    for (unsigned i = 0; i < 2000 && strstr(acme_log(), "order") == NULL; i++) {
        (void)nf_get(NULL);
    }
    bed_client_end();
    acme_expect("order", 0, "invalid", NULL);
    bed_client_begin();
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_ptr_nonnull(strstr(strstr(acme_log(), "newOrder") + 1, "newOrder"));
    bed_end();
}
END_TEST

START_TEST(an_engine_that_stops_answers_what_it_holds) {
    bed_begin();
    acme_expect("newOrder", 503, "later", "30");
    nf_start(
        &(struct nf_call){.method = "POST", .path = "/enrol", .body = NF_BODY(NF_A), .wait = "20"});
    wanted = "newOrder";
    loop_timer_set(bed_loop, &watch, clock_wall_us(), seen, NULL);
    bed_run();
    loop_post(bed_loop, engine_stop, bed.engine);
    bed_run();
    bed_run(); /* the NF reads its answer */
    ck_assert_uint_eq(nf.status, 503);
    bed_end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        an_enrolment_goes_from_the_request_to_the_chain,
        the_timeline_is_whole_and_never_runs_backwards,
        without_a_wait_the_answer_is_202_and_the_work_goes_on,
        an_order_in_processing_is_polled_to_its_end,
        the_certificate_of_a_csr_under_way_is_waited_for,
        an_order_that_is_pending_is_polled_until_it_is_ready,
        a_refused_csr_is_told_and_a_better_one_needs_no_new_order,
        a_finalize_whose_answer_is_lost_is_not_sent_for_another_certificate,
        the_same_csr_again_is_the_same_answer_and_another_one_a_conflict,
        a_csr_before_ready_is_a_conflict,
        a_waiting_enrolment_says_what_it_waits_for,
        a_ready_enrolment_waits_for_the_csr,
        a_chain_that_is_not_what_was_ordered_is_a_failure_and_given_to_nobody,
        a_failed_challenge_tells_the_nf_why,
        a_failure_found_in_the_authorization_tells_the_nf_why,
        a_challenge_nobody_can_meet_names_both_lists,
        an_authorization_for_another_name_is_refused,
        asking_again_joins_the_live_enrolment,
        an_idempotency_key_finds_its_enrolment_again_and_a_new_one_begins_anew,
        an_account_the_server_has_lost_is_made_again,
        others_enrolments_are_not_there,
        the_nfs_own_limit_answers_504_and_the_work_goes_on,
        more_enrolments_than_the_limit_are_refused_with_503,
        a_server_that_is_down_is_202_and_the_enrolment_ends_when_it_returns,
        a_client_that_dies_after_any_request_goes_on_where_it_was,
        an_order_that_failed_while_nobody_was_there_is_made_again_once,
        an_engine_that_stops_answers_what_it_holds,
    };

    return suite_run("client/engine", tests, COUNT(tests));
}
