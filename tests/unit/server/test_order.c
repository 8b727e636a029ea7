#include "server/order.h"

#include "tests/unit/common/suite.h"

/* RFC 8555 7.1.6, read again: a column per event, a row per state; -1 = no arrow. */
START_TEST(the_table_is_the_figure_of_rfc8555_7_1_6) {
    static const int figure[ORDER_STATUS__COUNT][ORDER_EVENT__COUNT] = {
        /*                    all valid    finalize          issued       failed */
        [ORDER_PENDING] = {ORDER_READY, -1, -1, ORDER_INVALID},
        [ORDER_READY] = {-1, ORDER_PROCESSING, -1, ORDER_INVALID},
        [ORDER_PROCESSING] = {-1, -1, ORDER_VALID, ORDER_INVALID},
        [ORDER_VALID] = {-1, -1, -1, -1},
        [ORDER_INVALID] = {-1, -1, -1, -1},
    };

    for (unsigned status = 0; status < ORDER_STATUS__COUNT; status++) {
        for (unsigned event = 0; event < ORDER_EVENT__COUNT; event++) {
            enum order_status next = ORDER_STATUS__COUNT;
            struct err err = {0};
            bool arrow =
                order_next((enum order_status)status, (enum order_event)event, &next, &err);
            int want = figure[status][event];
            ck_assert_msg(arrow == (want >= 0), "state %u, event %u", status, event);
            ck_assert_msg(!arrow || (int)next == want, "state %u, event %u", status, event);
            ck_assert_msg(arrow || (err.kind == ERR_CONFLICT && next == ORDER_STATUS__COUNT),
                          "state %u, event %u", status, event);
        }
    }
}
END_TEST

START_TEST(out_of_time_is_invalid_unless_finalized) {
    static const int late[ORDER_STATUS__COUNT] = {
        [ORDER_PENDING] = ORDER_INVALID,       [ORDER_READY] = ORDER_INVALID,
        [ORDER_PROCESSING] = ORDER_PROCESSING, [ORDER_VALID] = ORDER_VALID,
        [ORDER_INVALID] = ORDER_INVALID,
    };

    for (unsigned status = 0; status < ORDER_STATUS__COUNT; status++) {
        struct order order = {.status = (enum order_status)status, .expires_us = 1000};
        ck_assert_uint_eq(order_status_at(&order, 999), status);
        ck_assert_int_eq((int)order_status_at(&order, 1000), late[status]);
    }
}
END_TEST

START_TEST(the_nf_of_an_order_is_its_nf_instance_id) {
    struct acme_identifier identifiers[] = {{ACME_ID_DNS, "a.example"},
                                            {ACME_ID_NF_INSTANCE, "uuid"}};
    struct order order = {.count = 2, .identifiers = identifiers};

    ck_assert_str_eq(order_nf(&order), "uuid");
    order.count = 1;
    ck_assert_ptr_null(order_nf(&order));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_table_is_the_figure_of_rfc8555_7_1_6,
                                  out_of_time_is_invalid_unless_finalized,
                                  the_nf_of_an_order_is_its_nf_instance_id};
    return suite_run("server/order", tests, COUNT(tests));
}
