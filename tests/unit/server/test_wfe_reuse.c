/* Authorizations of earlier orders used again, when the operator wants it. */
#include "acme_flow.h"

static struct bed bed;

static unsigned reused(const char *setting, unsigned orders) {
    unsigned count = 0;

    bed_start(&bed, (const char *const[]){setting, NULL});
    struct actor actor = bed_account(&bed);
    struct placed first = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_prove(&bed, &actor, &first, 0, "valid");
    for (unsigned i = 0; i < orders; i++) {
        struct placed next = bed_order(&bed, &actor, BED_NF_ORDER);
        bool same = strcmp(next.authz[0], first.authz[0]) == 0;
        bed_status(&bed, &actor, next.url, same ? "ready" : "pending");
        count += same;
    }
    actor_done(&actor);
    bed_stop(&bed);
    return count;
}

START_TEST(every_order_has_its_own_authorizations_by_default) {
    ck_assert_uint_eq(reused("authz.reuse=0", 3), 0);
}
END_TEST

START_TEST(they_are_used_again_when_asked_for) {
    ck_assert_uint_eq(reused("authz.reuse=100", 3), 3);
}
END_TEST

START_TEST(a_share_of_them_is_the_same_in_every_run) {
    ck_assert_uint_eq(reused("authz.reuse=50", 9), 5); /* every second of ten chances */
}
END_TEST

START_TEST(giving_one_up_ends_its_order_and_the_later_ones) {
    bed_start(&bed, (const char *const[]){"authz.reuse=100", NULL});
    struct actor actor = bed_account(&bed);
    struct placed first = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_prove(&bed, &actor, &first, 0, "valid");
    struct placed later = bed_order(&bed, &actor, BED_NF_ORDER);

    bed_expect(&bed, &actor, first.authz[0], "{\"status\":\"deactivated\"}", 200, "");
    bed_status(&bed, &actor, first.url, "invalid");
    bed_status(&bed, &actor, later.url, "invalid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        every_order_has_its_own_authorizations_by_default, they_are_used_again_when_asked_for,
        a_share_of_them_is_the_same_in_every_run, giving_one_up_ends_its_order_and_the_later_ones};
    return suite_run("server/wfe_reuse", tests, COUNT(tests));
}
