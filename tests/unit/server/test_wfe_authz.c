/* Authorizations: RFC 8555 7.1.4, 7.5, 7.5.2. */
#include "acme_flow.h"

static struct bed bed;

START_TEST(a_pending_authorization_offers_its_challenges) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_BOTH_ORDER);

    for (unsigned i = 0; i < 2; i++) {
        struct answer answer = bed_post(&bed, &actor, placed.authz[i], NULL);
        const json_t *identifier = json_object_get(answer.json, "identifier");
        ck_answer(answer, 200, "");
        ck_assert_str_eq(member(&answer, "status"), "pending");
        ck_assert_str_eq(json_string_value(json_object_get(identifier, "value")),
                         i == 0 ? BED_UUID : BED_FQDN);
        ck_assert_uint_eq(json_array_size(json_object_get(answer.json, "challenges")), i == 0 ? 1 : 3);
        (void)member(&answer, "expires");
        ck_assert_ptr_null(json_object_get(answer.json, "wildcard"));
        answer_done(&answer);
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_valid_authorization_can_be_given_up_and_its_order_with_it) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_expect(&bed, &actor, placed.authz[0], "{\"status\":\"valid\"}", 400, "malformed");
    bed_expect(&bed, &actor, placed.authz[0], "{\"status\":5}", 400, "malformed");
    bed_status(&bed, &actor, placed.authz[0], "valid");
    struct answer answer = bed_post(&bed, &actor, placed.authz[0], "{\"status\":\"deactivated\"}");
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "deactivated");
    answer_done(&answer);
    bed_status(&bed, &actor, placed.authz[0], "deactivated");
    bed_status(&bed, &actor, placed.url, "invalid");
    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    bed_expect(&bed, &actor, placed.authz[0], "{\"status\":\"deactivated\"}", 409, "malformed");
    struct placed next = bed_order(&bed, &actor, BED_NF_ORDER); /* S-7.5.2-03 */
    bed_status(&bed, &actor, next.authz[0], "pending");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_authorization_nobody_made_does_not_exist) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_expect(&bed, &actor, "/authz/nothing", NULL, 404, "malformed");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_pending_authorization_offers_its_challenges,
                                  a_valid_authorization_can_be_given_up_and_its_order_with_it,
                                  an_authorization_nobody_made_does_not_exist};
    return suite_run("server/wfe_authz", tests, COUNT(tests));
}
