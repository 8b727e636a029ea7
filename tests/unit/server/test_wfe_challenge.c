/* Challenges: RFC 8555 7.5.1, 8.3, RFC 9447. */
#include <poll.h>
#include <sqlite3.h>

#include "acme_flow.h"

static struct bed bed;

#define NOW_S ((int64_t)(BED_TIME_US / 1000000))
#define POLLS_MAX 1000 /* of 10 ms: the deadline of what happens in the background */

/* Poll until url's status is no longer that. */
static struct answer await_change(const struct actor *actor, const char *url, const char *status) {
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        struct answer answer = bed_post(&bed, actor, url, NULL);
        ck_answer(answer, 200, "");
        if (strcmp(member(&answer, "status"), status) != 0) {
            return answer;
        }
        answer_done(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_abort_msg("%s stays %s", url, status);
}

/* What the http-01 page must say. */
static void key_authorization(const struct actor *actor, const char *token, char text[256]) {
    char thumbprint[JWK_THUMBPRINT_SIZE];
    struct err err = {0};
    ck_good(jwk_thumbprint(actor->key, thumbprint, &err));
    (void)snprintf(text, 256, "%s.%s", token, thumbprint);
}

START_TEST(a_challenge_shows_its_type_and_where_it_belongs) {
    char up[300];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_BOTH_ORDER);
    struct answer nf = bed_post(&bed, &actor, placed.challenge[0], NULL);
    struct answer dns = bed_post(&bed, &actor, placed.challenge[1], NULL);

    ck_assert_str_eq(member(&nf, "type"), "tkauth-01");
    ck_assert_str_eq(member(&nf, "tkauth-type"), "atc");
    ck_assert_str_eq(member(&nf, "url"), placed.challenge[0]);
    ck_assert_str_eq(member(&dns, "type"), "http-01");
    ck_assert_ptr_null(json_object_get(dns.json, "tkauth-type"));
    ck_assert_uint_eq(strlen(member(&dns, "token")), 22);
    (void)snprintf(up, sizeof(up), "<%s>;rel=\"up\"", placed.authz[0]);
    ck_assert_ptr_nonnull(strstr(nf.links, up));
    answer_done(&nf);
    answer_done(&dns);
    bed_status(&bed, &actor, placed.challenge[1], "pending"); /* S-6.3-10 */
    bed_expect(&bed, &actor, placed.authz[1], "{}", 400, "malformed");
    bed_status(&bed, &actor, placed.challenge[1], "pending"); /* S-7.5.1-10 */
    ck_assert_uint_eq(bed.fetched, 0);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_token_settles_challenge_authorization_and_order_at_once) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *token = bed_token(&bed, &actor, BED_UUID, "j1", NOW_S + 10 * BED_DAY_S);

    struct answer answer = bed_post(&bed, &actor, placed.challenge[0], token);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert_str_eq(member(&answer, "validated"), "2026-11-18T11:06:40Z");
    ck_assert_ptr_null(json_object_get(answer.json, "error"));
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "ready");
    answer = bed_post(&bed, &actor, placed.authz[0], NULL);
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert_str_eq(member(&answer, "expires"), "2026-11-28T11:06:40Z"); /* the token's end */
    answer_done(&answer);
    answer = bed_post(&bed, &actor, placed.challenge[0], token); /* S-7.5.1-09 */
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "valid");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_response_without_a_token_is_an_http_error) {
    static const char *const payloads[] = {"{}", "{\"tkauth\":5}", "[]"};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    for (unsigned i = 0; i < COUNT(payloads); i++) {
        bed_expect(&bed, &actor, placed.challenge[0], payloads[i], 400, "malformed");
        bed_status(&bed, &actor, placed.challenge[0], "pending");
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_bad_token_makes_all_three_invalid_and_says_why) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *token = bed_token(&bed, &actor, BED_OTHER_UUID, "j1", NOW_S + 10 * BED_DAY_S);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    struct answer answer = bed_post(&bed, &actor, placed.challenge[0], token);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    const json_t *error = json_object_get(answer.json, "error");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(error, "type")), "acme:error:"));
    ck_assert_ptr_nonnull(json_object_get(error, "detail"));
    struct answer order = bed_post(&bed, &actor, placed.url, NULL);
    ck_assert_str_eq(member(&order, "status"), "invalid");
    ck_assert(json_equal(json_object_get(order.json, "error"), error));
    answer_done(&order);
    answer_done(&answer);
    bed_status(&bed, &actor, placed.authz[0], "invalid");
    answer = bed_post(&bed, &actor, placed.authz[0], NULL); /* S-7.1.4-06 */
    ck_assert_uint_eq(json_array_size(json_object_get(answer.json, "challenges")), 1);
    answer_done(&answer);
    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_jti_serves_its_account_and_identifier_again_but_nobody_else) {
    bed_start(&bed, NULL);
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);

    for (unsigned i = 0; i < 2; i++) {
        struct placed placed = bed_order(&bed, &alice, BED_NF_ORDER);
        AUTO(free) char *token = bed_token(&bed, &alice, BED_UUID, "same", NOW_S + BED_DAY_S);
        bed_expect(&bed, &alice, placed.challenge[0], token, 200, "");
        bed_status(&bed, &alice, placed.url, "ready");
    }
    struct placed placed = bed_order(&bed, &bob, BED_NF_ORDER);
    AUTO(free) char *token = bed_token(&bed, &bob, BED_UUID, "same", NOW_S + BED_DAY_S);
    struct answer answer = bed_post(&bed, &bob, placed.challenge[0], token);
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    ck_assert_ptr_nonnull(strstr(answer.body, "acme:error:unauthorized"));
    answer_done(&answer);
    bed_status(&bed, &bob, placed.url, "invalid");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(http01_is_accepted_then_fetched) {
    char page[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    key_authorization(&actor, placed.token[0], page);
    bed_page(&bed, page);
    struct answer answer = bed_post(&bed, &actor, placed.challenge[0], "{\"zz\":1}");
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "processing");
    answer_done(&answer);
    answer = await_change(&actor, placed.challenge[0], "processing");
    ck_assert_msg(strcmp(member(&answer, "status"), "valid") == 0, "%s", answer.body);
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "ready");
    ck_assert_uint_eq(bed.fetched, 1);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    ck_assert_uint_eq(bed.fetched, 1);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_wrong_page_makes_the_order_invalid) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_page(&bed, "nonsense");
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    struct answer answer = await_change(&actor, placed.url, "pending");
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    ck_assert_ptr_nonnull(json_object_get(answer.json, "error"));
    answer_done(&answer);
    bed_status(&bed, &actor, placed.challenge[0], "invalid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_accepted_validation_goes_on_after_a_restart) {
    char page[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    key_authorization(&actor, placed.token[0], page);
    bed_page(&bed, page);
    /* the state a kill -9 leaves: accepted and stored, not validated */
    bed_stop_server(&bed);
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/state/server.db", bed.folder);
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db, "UPDATE challenge SET status = 1, response = '{}' WHERE type = 0", NULL,
                     NULL, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_changes(db), 1);
    (void)sqlite3_close(db);
    bed_start_server(&bed, NULL);
    struct answer answer = await_change(&actor, placed.url, "pending");
    ck_assert_str_eq(member(&answer, "status"), "ready");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_challenge_of_another_type_does_not_exist) {
    char url[300];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_copy(url, sizeof(url), placed.challenge[0]);
    (void)snprintf(strrchr(url, '/'), 20, "/tkauth-01");
    bed_expect(&bed, &actor, url, NULL, 404, "malformed");
    (void)snprintf(strrchr(url, '/'), 20, "/dns-99");
    bed_expect(&bed, &actor, url, NULL, 404, "malformed");
    bed_expect(&bed, &actor, "/challenge/nothing/http-01", NULL, 404, "malformed");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_challenge_shows_its_type_and_where_it_belongs,
                                  a_token_settles_challenge_authorization_and_order_at_once,
                                  a_response_without_a_token_is_an_http_error,
                                  a_bad_token_makes_all_three_invalid_and_says_why,
                                  a_jti_serves_its_account_and_identifier_again_but_nobody_else,
                                  http01_is_accepted_then_fetched,
                                  a_wrong_page_makes_the_order_invalid,
                                  an_accepted_validation_goes_on_after_a_restart,
                                  a_challenge_of_another_type_does_not_exist};
    return suite_run("server/wfe_challenge", tests, COUNT(tests));
}
