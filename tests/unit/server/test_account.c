#include "server/account.h"

#include "tests/unit/common/suite.h"

/* RFC 8555 7.1.6, read again: a column per event, a row per state; -1 = no arrow. */
START_TEST(the_table_is_the_figure_of_rfc8555_7_1_6) {
    static const int figure[ACCOUNT_STATUS__COUNT][ACCOUNT_EVENT__COUNT] = {
        [ACCOUNT_VALID] = {ACCOUNT_DEACTIVATED, ACCOUNT_REVOKED},
        [ACCOUNT_DEACTIVATED] = {-1, -1},
        [ACCOUNT_REVOKED] = {-1, -1},
    };

    for (unsigned status = 0; status < ACCOUNT_STATUS__COUNT; status++) {
        for (unsigned event = 0; event < ACCOUNT_EVENT__COUNT; event++) {
            enum account_status next = ACCOUNT_STATUS__COUNT;
            struct err err = {0};
            bool arrow =
                account_next((enum account_status)status, (enum account_event)event, &next, &err);
            int want = figure[status][event];
            ck_assert_msg(arrow == (want >= 0), "state %u, event %u", status, event);
            ck_assert_msg(!arrow || (int)next == want, "state %u, event %u", status, event);
            ck_assert_msg(arrow || (err.kind == ERR_CONFLICT && next == ACCOUNT_STATUS__COUNT),
                          "state %u, event %u", status, event);
        }
    }
}
END_TEST

START_TEST(an_empty_account_can_be_done_with_twice) {
    struct account account = {.jwk = strdup("{}"), .contact = strdup("[]")};

    account_done(&account);
    account_done(&account);
    ck_assert_ptr_null(account.jwk);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_table_is_the_figure_of_rfc8555_7_1_6,
                                  an_empty_account_can_be_done_with_twice};
    return suite_run("server/account", tests, COUNT(tests));
}
