/* What is kept in memory may be behind SQLite for a moment; what decides about an order is not. */
#include <sqlite3.h>
#include <stdatomic.h>

#include "store_bed.h"

static const char grant[] =
    "UPDATE authz SET status = (SELECT status FROM authz WHERE value = 'n1.example')";

START_TEST(an_authorization_as_committed_is_read_past_what_is_kept) {
    struct authz authzs[2];
    AUTO(order_done) struct order order = order_of(2, authzs);
    AUTO(authz_done) struct authz kept = {0}, committed = {0};
    bool ready = false;
    sqlite3 *other = NULL;

    set_up(false);
    ck_good(add_account("a", "t"));
    add_order(&order, authzs);
    ck_good(validate(&authzs[1], &ready));
    ck_good(store_authz_get(store, "a", authzs[0].id, &kept, &err));
    ck_assert_int_eq(kept.status, AUTHZ_PENDING);
    authz_done(&kept);
    /* committed, and the store has not heard of it yet */
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, grant, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
    ck_good(store_authz_get(store, "a", authzs[0].id, &kept, &err));
    ck_assert_int_eq(kept.status, AUTHZ_PENDING);
    ck_good(store_authz_get_committed(store, "a", authzs[0].id, &committed, &err));
    ck_assert_int_eq(committed.status, AUTHZ_VALID);
    ck_refused(store_authz_get_committed(store, "b", authzs[0].id, &kept, &err), ERR_NOT_FOUND);
    tear_down();
    authz_done(&authzs[0]);
    authz_done(&authzs[1]);
}
END_TEST

#define ORDERS 200

/* As a finalize may run: as soon as the order is seen ready. */
static void *watch(void *ctx) {
    const struct authz *authz = ctx;
    struct err mine = {0};
    enum order_status status = ORDER_PENDING;

    while (status == ORDER_PENDING) {
        AUTO(order_done) struct order order = {0};
        ck_assert(store_order_get(store, "a", authz->order, &order, &mine));
        status = order.status;
    }
    AUTO(authz_done) struct authz committed = {0};
    ck_assert(store_authz_get_committed(store, "a", authz->id, &committed, &mine));
    ck_assert_int_eq(committed.status, AUTHZ_VALID);
    return NULL;
}

START_TEST(who_sees_an_order_ready_reads_its_authorizations_valid) {
    set_up(false);
    ck_good(add_account("a", "t"));
    for (unsigned i = 0; i < ORDERS; i++) {
        struct authz authz;
        bool ready = false;
        pthread_t threads[2];
        AUTO(order_done) struct order order = order_of(1, &authz);
        (void)snprintf(order.id, sizeof(order.id), "o%u", i);
        (void)snprintf(authz.order, sizeof(authz.order), "o%u", i);
        add_order(&order, &authz);
        for (unsigned n = 0; n < COUNT(threads); n++) {
            ck_assert_int_eq(pthread_create(&threads[n], NULL, watch, &authz), 0);
        }
        ck_good(validate_of(&authz, order.id, &ready));
        ck_assert(ready);
        for (unsigned n = 0; n < COUNT(threads); n++) {
            (void)pthread_join(threads[n], NULL);
        }
        authz_done(&authz);
    }
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_authorization_as_committed_is_read_past_what_is_kept,
                                  who_sees_an_order_ready_reads_its_authorizations_valid};
    return suite_run("store_reads", tests, COUNT(tests));
}
