/* Authorizations that several orders use, and orders being finalized, in the store. */
#include "store_bed.h"

#include <string.h>

/* Another order of account "a" for the name of authz, which it uses; nothing of it is new. */
static bool share(const char *id, const struct authz *authz, uint64_t now_us) {
    struct order order = {.account = "a",
                          .status = ORDER_READY,
                          .created_us = now_us,
                          .expires_us = 90,
                          .profile = "tls-server",
                          .count = 1,
                          .identifiers = calloc(1, sizeof(struct acme_identifier)),
                          .authzs = calloc(1, ID_SIZE)};
    struct store_tx tx = {0};

    (void)snprintf(order.id, ID_SIZE, "%s", id);
    order.identifiers[0] = authz->identifier;
    memcpy(order.authzs[0], authz->id, ID_SIZE);
    store_tx_add(&tx, STORE_ORDER_INSERT)->new_order.order = &order;
    bool done = store_write(store, &tx, &err);
    order_done(&order);
    return done;
}

static enum order_status status_of(const char *id) {
    AUTO(order_done) struct order order = {0};
    ck_good(store_order_get(store, "a", id, &order, &err));
    return order.status;
}

static bool give_up(const struct authz *authz) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);
    op->account = "a";
    op->authz = authz->id;
    op->from = AUTHZ_VALID;
    op->to = AUTHZ_DEACTIVATED;
    op = store_tx_add(&tx, STORE_ORDERS_FAIL);
    op->account = "a";
    op->authz = authz->id;
    op->error = "{}";
    return store_write(store, &tx, &err);
}

START_TEST(a_valid_authorization_is_shared_and_lost_together) {
    struct authz authz = {0};
    bool ready = false;

    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, &authz);
    add_order(&order, &authz);
    ck_refused(share("p", &authz, 11), ERR_CONFLICT); /* pending */
    ck_good(validate(&authz, &ready));
    ck_assert(ready);
    ck_good(share("q", &authz, 12));
    ck_refused(share("r", &authz, 99), ERR_CONFLICT); /* expired then */
    ck_assert_int_eq(status_of("q"), ORDER_READY);
    ck_good(give_up(&authz));
    ck_assert_int_eq(status_of("q"), ORDER_INVALID);
    ck_assert_int_eq(status_of("o"), ORDER_INVALID); /* it names it too */
    ck_refused(share("s", &authz, 13), ERR_CONFLICT);
    authz_done(&authz);
    tear_down();
}
END_TEST

START_TEST(one_that_is_not_shared_leaves_other_orders_alone) {
    struct authz authz = {0};
    bool ready = false;

    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, &authz);
    add_order(&order, &authz);
    ck_good(validate(&authz, &ready));
    ck_good(give_up(&authz));
    ck_assert_int_eq(status_of("o"), ORDER_READY); /* that is the business of STORE_ORDER_FAIL */
    authz_done(&authz);
    tear_down();
}
END_TEST

START_TEST(one_made_for_no_order_is_found_by_its_name) {
    struct acme_identifier name = {.type = ACME_ID_DNS, .value = "n.example"};
    AUTO(account_done) struct account account = {0};
    struct authz authz = {0}, read = {0};
    struct store_tx tx = {0};

    set_up(_i == 1);
    ck_good(add_account("a", "t"));
    ck_good(store_account_get(store, "a", &account, &err));
    ck_assert(!account.prepared);
    account_done(&account);
    authz_init(&authz, &name, AUTHZ_SUBDOMAINS, "a", "", 1000, 20);
    authz.challenges[0] = (struct challenge){.type = ACME_CHALLENGE_HTTP01, .token = "t"};
    authz.count = 1;
    store_tx_add(&tx, STORE_AUTHZ_INSERT)->new_authz = &authz;
    ck_good(store_write(store, &tx, &err));
    ck_good(store_account_get(store, "a", &account, &err));
    ck_assert(account.prepared);
    ck_good(store_authz_get(store, "a", authz.id, &read, &err));
    ck_assert_uint_eq(read.flags, AUTHZ_SUBDOMAINS);
    ck_assert_str_eq(read.order, "");
    authz_done(&read);
    authz_done(&authz);
    tear_down();
}
END_TEST

struct due {
    unsigned count;
    uint64_t due_us;
};

static bool count_due(void *ctx, const char *account, const char *order, uint64_t due_us,
                      struct err *ignored) {
    struct due *due = ctx;
    (void)ignored;
    ck_assert_str_eq(account, "a");
    ck_assert_str_eq(order, "o");
    due->count++;
    due->due_us = due_us;
    return true;
}

START_TEST(an_order_being_finalized_is_remembered_until_it_is_rejected) {
    struct authz authz = {0};
    struct due due = {0};
    bool ready = false;
    char *csr = NULL;

    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, &authz);
    add_order(&order, &authz);
    ck_good(validate(&authz, &ready));
    ck_good(move_order(ORDER_READY, ORDER_PROCESSING, NULL));
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_FINALIZING_INSERT);
    op->account = "a";
    op->order = "o";
    op->finalizing.due_us = 77;
    op->finalizing.csr = "MII";
    ck_good(store_write(store, &tx, &err));
    ck_good(store_finalizing_each(store, count_due, &due, &err));
    ck_assert_uint_eq(due.count, 1);
    ck_assert_uint_eq(due.due_us, 77);
    ck_good(store_finalizing_get(store, "a", "o", &csr, &err));
    ck_assert_str_eq(csr, "MII");
    free(csr);
    tx = (struct store_tx){0};
    op = store_tx_add(&tx, STORE_ORDER_REJECT);
    op->account = "a";
    op->order = "o";
    op->error = "{\"type\":\"x\"}";
    op = store_tx_add(&tx, STORE_FINALIZING_DELETE);
    op->account = "a";
    op->order = "o";
    ck_good(store_write(store, &tx, &err));
    ck_assert_int_eq(order_now(), ORDER_INVALID);
    ck_refused(store_finalizing_get(store, "a", "o", &csr, &err), ERR_NOT_FOUND);
    tx.count = 1;
    ck_refused(store_write(store, &tx, &err), ERR_CONFLICT); /* it is not processing any more */
    authz_done(&authz);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {a_valid_authorization_is_shared_and_lost_together,
                                 one_that_is_not_shared_leaves_other_orders_alone,
                                 one_made_for_no_order_is_found_by_its_name,
                                 an_order_being_finalized_is_remembered_until_it_is_rejected};
    return store_suite("server/store_orders", both, COUNT(both), NULL, 0);
}
