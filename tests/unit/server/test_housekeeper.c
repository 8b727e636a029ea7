#include "server/housekeeper.h"

#include <time.h>

#include "tests/unit/server/store_bed.h"

/* Rounds until `rounds` are done; fails after five seconds. */
static struct housekeeper_counts wait_rounds(struct housekeeper *housekeeper, uint64_t rounds) {
    const uint64_t until_us = clock_wall_us() + 5000000;
    struct housekeeper_counts counts = housekeeper_counts(housekeeper);

    while (counts.rounds < rounds) {
        ck_assert_uint_lt(clock_wall_us(), until_us);
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        counts = housekeeper_counts(housekeeper);
    }
    return counts;
}

START_TEST(a_round_removes_what_has_ended_and_been_kept_long_enough) {
    struct clock clock = {.scale = 1, .manual_us = 2500000000};
    struct authz authzs[1] = {0};
    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, authzs);

    add_order(&order, authzs);
    ck_good(use_token("j", "a", "n"));
    AUTO(housekeeper_stop)
    struct housekeeper *housekeeper =
        housekeeper_start(&(struct housekeeper_options){.store = store,
                                                        .clock = &clock,
                                                        .interval_us = 1000,
                                                        .keep_s = 100,
                                                        .certificate_keep_s = 100},
                          &err);
    ck_assert_ptr_nonnull(housekeeper);
    struct housekeeper_counts counts = wait_rounds(housekeeper, 1);
    ck_assert_uint_eq(counts.removed[STORE_KIND_ORDER], 1);
    ck_assert_uint_eq(counts.removed[STORE_KIND_AUTHZ], 1);
    ck_assert_uint_eq(counts.removed[STORE_KIND_TOKEN], 1);
    ck_assert_uint_eq(counts.removed[STORE_KIND_CERTIFICATE], 0);
    housekeeper_stop(TAKE(housekeeper));
    tear_down();
}
END_TEST

START_TEST(what_is_kept_stays) {
    struct clock clock = {.scale = 1, .manual_us = 2500000000};
    struct authz authzs[1] = {0};
    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, authzs);

    add_order(&order, authzs);
    AUTO(housekeeper_stop)
    struct housekeeper *housekeeper = housekeeper_start(
        &(struct housekeeper_options){
            .store = store, .clock = &clock, .interval_us = 1000, .keep_s = 3000},
        &err);
    ck_assert_ptr_nonnull(housekeeper);
    struct housekeeper_counts counts = wait_rounds(housekeeper, 2);
    ck_assert_uint_eq(counts.removed[STORE_KIND_ORDER], 0);
    ck_assert_uint_eq(counts.removed[STORE_KIND_AUTHZ], 0);
    housekeeper_stop(TAKE(housekeeper));
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {a_round_removes_what_has_ended_and_been_kept_long_enough,
                                 what_is_kept_stays};
    return store_suite("server/housekeeper", both, COUNT(both), NULL, 0);
}
