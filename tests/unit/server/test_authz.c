#include "server/authz.h"

#include "tests/unit/common/suite.h"

/* RFC 8555 7.1.6, read again: a column per event, a row per state; -1 = no arrow. */
START_TEST(the_authorization_table_is_the_figure_of_rfc8555_7_1_6) {
    static const int figure[AUTHZ_STATUS__COUNT][AUTHZ_EVENT__COUNT] = {
        /*                valid        failed         deactivate         expire         revoke */
        [AUTHZ_PENDING] = {AUTHZ_VALID, AUTHZ_INVALID, AUTHZ_DEACTIVATED, AUTHZ_EXPIRED,
                           AUTHZ_REVOKED},
        [AUTHZ_VALID] = {-1, -1, AUTHZ_DEACTIVATED, AUTHZ_EXPIRED, AUTHZ_REVOKED},
        [AUTHZ_INVALID] = {-1, -1, -1, -1, -1},
        [AUTHZ_DEACTIVATED] = {-1, -1, -1, -1, -1},
        [AUTHZ_EXPIRED] = {-1, -1, -1, -1, -1},
        [AUTHZ_REVOKED] = {-1, -1, -1, -1, -1},
    };

    for (unsigned status = 0; status < AUTHZ_STATUS__COUNT; status++) {
        for (unsigned event = 0; event < AUTHZ_EVENT__COUNT; event++) {
            enum authz_status next = AUTHZ_STATUS__COUNT;
            struct err err = {0};
            bool arrow =
                authz_next((enum authz_status)status, (enum authz_event)event, &next, &err);
            int want = figure[status][event];
            ck_assert_msg(arrow == (want >= 0), "state %u, event %u", status, event);
            ck_assert_msg(!arrow || (int)next == want, "state %u, event %u", status, event);
            ck_assert_msg(arrow || (err.kind == ERR_CONFLICT && next == AUTHZ_STATUS__COUNT),
                          "state %u, event %u", status, event);
        }
    }
}
END_TEST

START_TEST(the_challenge_table_is_the_figure_of_rfc8555_7_1_6) {
    static const int figure[CHALLENGE_STATUS__COUNT][CHALLENGE_EVENT__COUNT] = {
        /*                     response              retry                 good             bad */
        [CHALLENGE_PENDING] = {CHALLENGE_PROCESSING, -1, -1, -1},
        [CHALLENGE_PROCESSING] = {-1, CHALLENGE_PROCESSING, CHALLENGE_VALID, CHALLENGE_INVALID},
        [CHALLENGE_VALID] = {-1, -1, -1, -1},
        [CHALLENGE_INVALID] = {-1, -1, -1, -1},
    };

    for (unsigned status = 0; status < CHALLENGE_STATUS__COUNT; status++) {
        for (unsigned event = 0; event < CHALLENGE_EVENT__COUNT; event++) {
            enum challenge_status next = CHALLENGE_STATUS__COUNT;
            struct err err = {0};
            bool arrow = challenge_next((enum challenge_status)status, (enum challenge_event)event,
                                        &next, &err);
            int want = figure[status][event];
            ck_assert_msg(arrow == (want >= 0), "state %u, event %u", status, event);
            ck_assert_msg(!arrow || (int)next == want, "state %u, event %u", status, event);
            ck_assert_msg(arrow || (err.kind == ERR_CONFLICT && next == CHALLENGE_STATUS__COUNT),
                          "state %u, event %u", status, event);
        }
    }
}
END_TEST

START_TEST(pending_and_valid_authorizations_expire) {
    static const int late[AUTHZ_STATUS__COUNT] = {
        [AUTHZ_PENDING] = AUTHZ_EXPIRED, [AUTHZ_VALID] = AUTHZ_EXPIRED,
        [AUTHZ_INVALID] = AUTHZ_INVALID, [AUTHZ_DEACTIVATED] = AUTHZ_DEACTIVATED,
        [AUTHZ_EXPIRED] = AUTHZ_EXPIRED, [AUTHZ_REVOKED] = AUTHZ_REVOKED,
    };

    for (unsigned status = 0; status < AUTHZ_STATUS__COUNT; status++) {
        struct authz authz = {.status = (enum authz_status)status, .expires_us = 1000};
        ck_assert_uint_eq(authz_status_at(&authz, 999), status);
        ck_assert_int_eq((int)authz_status_at(&authz, 1000), late[status]);
    }
}
END_TEST

START_TEST(a_new_authorization_offers_its_types_with_fresh_tokens) {
    struct acme_identifier nf = {ACME_ID_NF_INSTANCE, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"};
    struct acme_identifier dns = {ACME_ID_DNS, "a.example"};
    struct authz first = {0}, second = {0};

    authz_init(&first, &nf, 0, "account", "order", 1000, 2000);
    authz_init(&second, &dns, 0, "account", "order", 1000, 2000);
    ck_assert_uint_eq(first.count, 1);
    ck_assert_ptr_nonnull(authz_challenge(&first, ACME_CHALLENGE_TKAUTH01));
    ck_assert_ptr_null(authz_challenge(&first, ACME_CHALLENGE_HTTP01));
    ck_assert_uint_eq(second.count, 3);
    ck_assert_ptr_nonnull(authz_challenge(&second, ACME_CHALLENGE_HTTP01));
    ck_assert_ptr_nonnull(authz_challenge(&second, ACME_CHALLENGE_TLSALPN01));
    ck_assert_ptr_nonnull(authz_challenge(&second, ACME_CHALLENGE_DNS01));
    ck_assert_uint_eq(strlen(first.challenges[0].token), 22); /* 8.3: 128 bits */
    ck_assert_str_ne(first.challenges[0].token, second.challenges[0].token);
    ck_assert_str_ne(first.id, second.id);
    ck_assert_uint_eq(first.challenges[0].status, CHALLENGE_PENDING);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_authorization_table_is_the_figure_of_rfc8555_7_1_6,
                                  the_challenge_table_is_the_figure_of_rfc8555_7_1_6,
                                  pending_and_valid_authorizations_expire,
                                  a_new_authorization_offers_its_types_with_fresh_tokens};
    return suite_run("server/authz", tests, COUNT(tests));
}
