/* Finalize: refusals with subproblems, and orders that are issued later (RFC 8555 7.4, 6.7.1). */
#include <poll.h>

#include "acme_flow.h"
#include "server/store_sqlite.h"
#include "server/store_upkeep.h"

static struct bed bed;

#define TRIES 600 /* of 50 ms: far beyond what any machine needs */

/* Poll until the order is no longer processing; its status is then that. */
static void bed_outcome(const struct actor *actor, const char *url, const char *status) {
    for (unsigned i = 0;; i++) {
        struct answer answer = bed_post(&bed, actor, url, NULL);
        bool ended = strcmp(member(&answer, "status"), "processing") != 0;
        ck_answer(answer, 200, "");
        ck_assert_msg(ended || strcmp(answer.retry_after, "") != 0, "no Retry-After");
        ck_assert_msg(!ended || strcmp(member(&answer, "status"), status) == 0, "%s", answer.body);
        answer_done(&answer);
        if (ended) {
            return;
        }
        ck_assert_uint_lt(i, TRIES);
        (void)poll(NULL, 0, 50);
    }
}

START_TEST(an_order_that_is_not_ready_says_which_names_are_in_the_way) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_BOTH_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, BED_FQDN);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    struct answer answer = bed_post(&bed, &actor, placed.finalize, csr);
    ck_answer(answer, 403, "orderNotReady");
    ck_assert_ptr_null(json_object_get(answer.json, "identifier")); /* S-6.7.1-01 */
    const json_t *subproblems = json_object_get(answer.json, "subproblems");
    ck_assert_uint_eq(json_array_size(subproblems), 1);
    const json_t *first = json_array_get(subproblems, 0);
    const json_t *identifier = json_object_get(first, "identifier");
    ck_assert_str_eq(json_string_value(json_object_get(identifier, "value")), BED_FQDN);
    ck_assert_str_eq(json_string_value(json_object_get(identifier, "type")), "dns");
    ck_assert_ptr_nonnull(json_object_get(first, "type"));
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(several_bad_names_are_one_problem_with_subproblems) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct answer answer = bed_post(&bed, &actor, "/new-order",
                                    "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"_bad.\"},"
                                    "{\"type\":\"dns\",\"value\":\"good.example\"},"
                                    "{\"type\":\"zz\",\"value\":\"x\"}]}");

    ck_answer(answer, 400, "compound");
    const json_t *subproblems = json_object_get(answer.json, "subproblems");
    ck_assert_uint_eq(json_array_size(subproblems), 2);
    ck_assert_ptr_nonnull(strstr(answer.body, "rejectedIdentifier"));
    ck_assert_ptr_nonnull(strstr(answer.body, "unsupportedIdentifier"));
    answer_done(&answer);
    answer = bed_post(&bed, &actor, "/new-order",
                      "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"_bad.\"},"
                      "{\"type\":\"dns\",\"value\":\"a..b\"}]}");
    ck_answer(answer, 403, "rejectedIdentifier");
    ck_assert_uint_eq(json_array_size(json_object_get(answer.json, "subproblems")), 2);
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_delayed_order_is_processing_and_then_valid) {
    bed_start(&bed, (const char *const[]){"finalize.delay=200ms", NULL});
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);
    AUTO(free) char *wrong = bed_csr(NULL, BED_OTHER_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_expect(&bed, &actor, placed.finalize, wrong, 400, "badCSR");
    bed_status(&bed, &actor, placed.url, "ready"); /* S-7.4-27 */
    struct answer answer = bed_post(&bed, &actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "processing");
    ck_assert_str_eq(answer.location, placed.url);
    ck_assert_str_eq(answer.retry_after, "1");
    answer_done(&answer);
    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    bed_outcome(&actor, placed.url, "valid");
    answer = bed_post(&bed, &actor, placed.url, NULL);
    bed_expect(&bed, &actor, member(&answer, "certificate"), NULL, 200, "");
    answer_done(&answer);
    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(what_was_processing_is_issued_after_a_restart) {
    bed_start(&bed, (const char *const[]){"finalize.delay=3000s", NULL});
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_expect(&bed, &actor, placed.finalize, csr, 200, "");
    bed_status(&bed, &actor, placed.url, "processing");
    bed_restart(&bed, BED_TIME_US);
    bed_status(&bed, &actor, placed.url, "processing");
    bed_restart(&bed, BED_TIME_US + 3001 * 1000000ULL);
    bed_outcome(&actor, placed.url, "valid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_authorization_lost_meanwhile_makes_it_invalid) {
    bed_start(&bed, (const char *const[]){"finalize.delay=3000s", NULL});
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_expect(&bed, &actor, placed.finalize, csr, 200, "");
    bed_expect(&bed, &actor, placed.authz[0], "{\"status\":\"deactivated\"}", 200, "");
    bed_restart(&bed, BED_TIME_US + 3001 * 1000000ULL);
    bed_outcome(&actor, placed.url, "invalid");
    struct answer answer = bed_post(&bed, &actor, placed.url, NULL);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(answer.json, "error"), "type"));
    ck_assert_ptr_null(json_object_get(answer.json, "certificate"));
    answer_done(&answer);
    bed_restart(&bed, BED_TIME_US + 3002 * 1000000ULL); /* nothing is left of it */
    bed_status(&bed, &actor, placed.url, "invalid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* Take all authorizations out of the database, as housekeeping does long after their end. */
static void sweep_authzs(void) {
    static const struct store_place beginning;
    struct store_chunk chunk;
    struct store_tx tx = {0};
    struct err err = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/state/server.db", bed.folder);
    AUTO(store_close) struct store *store = store_sqlite_open(path, 0, &err);
    ck_good(store != NULL);
    ck_good(store_stale_look(store, STORE_KIND_AUTHZ, 4000000000, &beginning, &chunk, &err));
    ck_assert_uint_eq(chunk.stale, 1);
    struct store_op *op = store_tx_add(&tx, STORE_SWEEP);
    op->sweep.kind = STORE_KIND_AUTHZ;
    op->sweep.chunk = &chunk;
    op->sweep.before_s = 4000000000;
    ck_good(store_write(store, &tx, &err));
}

START_TEST(an_authorization_long_gone_does_not_leave_it_processing_for_ever) {
    bed_start(&bed, (const char *const[]){"finalize.delay=3000s", NULL});
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_expect(&bed, &actor, placed.finalize, csr, 200, "");
    bed_stop_server(&bed);
    sweep_authzs();
    bed_start_server(&bed, bed.more);
    bed_restart(&bed, BED_TIME_US + 3001 * 1000000ULL);
    bed_outcome(&actor, placed.url, "invalid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_order_that_is_not_ready_says_which_names_are_in_the_way,
                                  several_bad_names_are_one_problem_with_subproblems,
                                  a_delayed_order_is_processing_and_then_valid,
                                  what_was_processing_is_issued_after_a_restart,
                                  an_authorization_lost_meanwhile_makes_it_invalid,
                                  an_authorization_long_gone_does_not_leave_it_processing_for_ever};
    return suite_run("server/wfe_finalize", tests, COUNT(tests));
}
