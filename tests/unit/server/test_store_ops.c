/* What is committed is there as it was, and what conflicts leaves nothing: both back ends. */
#include "store_bed.h"

START_TEST(an_account_comes_back_as_it_was) {
    AUTO(account_done) struct account got = {0};
    bool known = false;

    set_up(_i == 1);
    ck_good(add_account("a", "t1"));
    ck_good(store_account_get(store, "a", &got, &err));
    ck_assert_str_eq(got.thumbprint, "t1");
    ck_assert_str_eq(got.jwk, "{\"kty\":\"EC\"}");
    ck_assert_str_eq(got.contact, "[]");
    ck_assert_ptr_null(got.eab);
    ck_assert_uint_eq(got.created_us, 5);
    account_done(&got);
    ck_good(store_account_find(store, "t1", &got, &err));
    ck_assert_str_eq(got.id, "a");
    ck_good(store_key_known(store, "t1", &known, &err));
    ck_assert(known);
    ck_good(store_key_known(store, "t2", &known, &err));
    ck_assert(!known);
    ck_refused(store_account_get(store, "b", &(struct account){0}, &err), ERR_NOT_FOUND);
    ck_refused(store_account_find(store, "t2", &(struct account){0}, &err), ERR_NOT_FOUND);
    tear_down();
}
END_TEST

START_TEST(one_key_is_one_account) {
    set_up(_i == 1);
    ck_good(add_account("a", "t"));
    ck_refused(add_account("b", "t"), ERR_CONFLICT);
    ck_refused(store_account_get(store, "b", &(struct account){0}, &err), ERR_NOT_FOUND);
    ck_refused(add_account("a", "u"), ERR_CONFLICT); /* an id twice: of this transaction only */
    ck_good(add_account("c", "u"));
    tear_down();
}
END_TEST

START_TEST(an_account_changes_only_from_the_state_named) {
    AUTO(account_done) struct account got = {0};
    set_up(_i == 1);
    ck_good(add_account("a", "t"));
    for (unsigned i = 0; i < 2; i++) {
        struct store_tx tx = {0};
        struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);
        op->account = "a";
        op->from = ACCOUNT_VALID;
        op->to = ACCOUNT_DEACTIVATED;
        op->contact = i == 0 ? "[\"mailto:a@b.example\"]" : "[]";
        bool done = store_write(store, &tx, &err);
        ck_assert(done == (i == 0));
    }
    err = (struct err){0};
    ck_good(store_account_get(store, "a", &got, &err));
    ck_assert_int_eq(got.status, ACCOUNT_DEACTIVATED);
    ck_assert_str_eq(got.contact, "[\"mailto:a@b.example\"]");
    tear_down();
}
END_TEST

START_TEST(an_order_comes_back_as_it_was_to_its_account_only) {
    struct authz authzs[3];
    AUTO(order_done) struct order order = order_of(3, authzs), got = {0};
    AUTO(authz_done) struct authz authz = {0};

    set_up(_i == 1);
    add_order(&order, authzs);
    ck_good(store_order_get(store, "a", "o", &got, &err));
    ck_assert_uint_eq(got.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_str_eq(got.identifiers[i].value, order.identifiers[i].value);
        ck_assert_str_eq(got.authzs[i], authzs[i].id);
    }
    ck_assert_str_eq(got.profile, "tls-server");
    ck_assert_int_eq(got.not_after_s, 7);
    ck_assert_uint_eq(got.expires_us, 20);
    ck_assert_str_eq(got.serial, "");
    ck_good(store_authz_get(store, "a", authzs[1].id, &authz, &err));
    ck_assert_str_eq(authz.identifier.value, "n1.example");
    ck_assert_str_eq(authz.order, "o");
    ck_assert_uint_eq(authz.count, authzs[1].count);
    for (unsigned i = 0; i < authz.count; i++) {
        ck_assert_str_eq(authz.challenges[i].token, authzs[1].challenges[i].token);
    }
    ck_refused(store_order_get(store, "b", "o", &(struct order){0}, &err), ERR_NOT_FOUND);
    ck_refused(store_authz_get(store, "b", authzs[1].id, &(struct authz){0}, &err), ERR_NOT_FOUND);
    tear_down();
}
END_TEST

START_TEST(the_last_valid_authorization_makes_the_order_ready) {
    struct authz authzs[2];
    AUTO(order_done) struct order order = order_of(2, authzs);
    AUTO(authz_done) struct authz authz = {0};
    bool ready = true;

    set_up(_i == 1);
    add_order(&order, authzs);
    ck_good(validate(&authzs[0], &ready));
    ck_assert(!ready);
    ck_assert_int_eq(order_now(), ORDER_PENDING);
    ck_refused(validate(&authzs[0], &ready), ERR_CONFLICT); /* not twice */
    ck_assert_int_eq(order_now(), ORDER_PENDING);
    ck_good(validate(&authzs[1], &ready));
    ck_assert(ready);
    ck_assert_int_eq(order_now(), ORDER_READY);
    ck_good(store_authz_get(store, "a", authzs[1].id, &authz, &err));
    ck_assert_int_eq(authz.status, AUTHZ_VALID);
    ck_assert_uint_eq(authz.expires_us, 99);
    ck_assert_int_eq(authz.token_exp_s, 98);
    ck_assert_uint_eq(authz.types.count, 2);
    ck_assert_str_eq(authz.types.name[1], "SMF");
    ck_assert_uint_eq(authz.challenges[0].validated_us, 15);
    tear_down();
}
END_TEST

START_TEST(a_conflict_undoes_its_whole_transaction) {
    struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs);
    AUTO(authz_done) struct authz authz = {0};
    struct store_tx tx = {0};

    set_up(_i == 1);
    add_order(&order, authzs);
    struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);
    op->account = "a";
    op->authz = authzs[0].id;
    op->from = AUTHZ_PENDING;
    op->to = AUTHZ_INVALID;
    op = store_tx_add(&tx, STORE_ORDER_MOVE);
    op->account = "a";
    op->order = "o";
    op->from = ORDER_READY; /* it is pending */
    op->to = ORDER_VALID;
    ck_refused(store_write(store, &tx, &err), ERR_CONFLICT);
    ck_good(store_authz_get(store, "a", authzs[0].id, &authz, &err));
    ck_assert_int_eq(authz.status, AUTHZ_PENDING);
    ck_assert_uint_eq(store_counts(store).failed, 1);
    ck_assert(store_counts(store).healthy);
    tear_down();
}
END_TEST

START_TEST(a_failed_order_stays_failed) {
    struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs), got = {0};
    bool ready = true;

    set_up(_i == 1);
    add_order(&order, authzs);
    for (unsigned i = 0; i < 2; i++) { /* the second changes nothing */
        struct store_tx tx = {0};
        struct store_op *op = store_tx_add(&tx, STORE_ORDER_FAIL);
        op->account = "a";
        op->order = "o";
        op->error = i == 0 ? "{\"type\":\"first\"}" : "{\"type\":\"second\"}";
        ck_good(store_write(store, &tx, &err));
    }
    ck_good(validate(&authzs[0], &ready)); /* a late success */
    ck_assert(!ready);
    ck_good(store_order_get(store, "a", "o", &got, &err));
    ck_assert_int_eq(got.status, ORDER_INVALID);
    ck_assert_str_eq(got.error, "{\"type\":\"first\"}");
    tear_down();
}
END_TEST

START_TEST(orders_of_a_closed_account_are_cancelled) {
    struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs);
    struct store_tx tx = {0};

    set_up(_i == 1);
    add_order(&order, authzs);
    store_tx_add(&tx, STORE_ORDERS_CANCEL)->account = "a";
    ck_good(store_write(store, &tx, &err));
    ck_assert_int_eq(order_now(), ORDER_INVALID);
    tear_down();
}
END_TEST

START_TEST(a_certificate_is_revoked_once) {
    struct certificate certificate = {.serial = "0a",
                                      .account = "a",
                                      .order = "o",
                                      .chain_pem = strdup("PEM"),
                                      .not_after_s = 77,
                                      .spki_sha256 = {1, 2, 3}};
    AUTO(certificate_done) struct certificate got = {0};
    struct store_tx tx = {0};

    set_up(_i == 1);
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    ck_good(store_write(store, &tx, &err));
    ck_refused(store_write(store, &tx, &err), ERR_CONFLICT); /* a serial twice */
    ck_good(store_certificate_get(store, "0a", &got, &err));
    ck_assert_str_eq(got.chain_pem, "PEM");
    ck_assert_int_eq(got.revoked_at_s, 0);
    ck_assert_int_eq(got.reason, -1);
    ck_assert_mem_eq(got.spki_sha256, certificate.spki_sha256, 32);
    for (unsigned i = 0; i < 2; i++) {
        struct store_tx revoke = {0};
        struct store_op *op = store_tx_add(&revoke, STORE_REVOKE);
        op->revoke.serial = "0a";
        op->revoke.at_s = 50 + i;
        op->revoke.reason = 4;
        bool done = store_write(store, &revoke, &err);
        ck_assert(done == (i == 0));
    }
    ck_assert_int_eq(err.kind, ERR_ALREADY_REVOKED);
    err = (struct err){0};
    certificate_done(&got);
    ck_good(store_certificate_get(store, "0a", &got, &err));
    ck_assert_int_eq(got.revoked_at_s, 50);
    ck_assert_int_eq(got.reason, 4);
    ck_refused(store_certificate_get(store, "0b", &(struct certificate){0}, &err), ERR_NOT_FOUND);
    certificate_done(&certificate);
    tear_down();
}
END_TEST

START_TEST(a_token_serves_one_account_and_identifier) {
    set_up(_i == 1);
    ck_good(use_token("j", "a", "u"));
    ck_good(use_token("j", "a", "u")); /* again, until exp */
    ck_refused(use_token("j", "b", "u"), ERR_UNAUTHORIZED);
    ck_refused(use_token("j", "a", "v"), ERR_UNAUTHORIZED);
    ck_good(use_token("k", "b", "v"));
    tear_down();
}
END_TEST

struct list {
    unsigned count;
    char ids[8][ID_SIZE];
    unsigned types[8];
};

static bool add_id(void *ctx, const char *account, const char *id, unsigned type,
                   struct err *walk_err) {
    struct list *list = ctx;
    (void)walk_err;
    ck_assert_str_eq(account, "a");
    ck_assert_uint_lt(list->count, 8);
    (void)snprintf(list->ids[list->count], ID_SIZE, "%s", id);
    list->types[list->count++] = type;
    return true;
}

static bool stop_walk(void *ctx, const char *account, const char *id, unsigned type,
                      struct err *walk_err) {
    (void)ctx;
    (void)account;
    (void)id;
    (void)type;
    return err_set(walk_err, ERR_NO_MEMORY, "enough");
}

START_TEST(orders_are_walked_by_pages_without_the_invalid) {
    struct list list = {0};

    set_up(_i == 1);
    for (unsigned i = 0; i < 5; i++) {
        struct authz authzs[1];
        AUTO(order_done) struct order order = order_of(1, authzs);
        (void)snprintf(order.id, ID_SIZE, "o%u", i);
        order.status = i == 2 ? ORDER_INVALID : ORDER_PENDING;
        add_order(&order, authzs);
    }
    ck_good(store_orders_each(store, "a", "", 3, add_id, &list, &err));
    ck_assert_uint_eq(list.count, 3);
    ck_assert_str_eq(list.ids[2], "o3");
    ck_good(store_orders_each(store, "a", "o3", 3, add_id, &list, &err));
    ck_assert_uint_eq(list.count, 4);
    ck_assert_str_eq(list.ids[3], "o4");
    ck_good(store_orders_each(store, "b", "", 3, add_id, &list, &err));
    ck_assert_uint_eq(list.count, 4);
    ck_refused(store_orders_each(store, "a", "", 3, stop_walk, NULL, &err), ERR_NO_MEMORY);
    tear_down();
}
END_TEST

START_TEST(accepted_validations_and_valid_authorizations_are_found) {
    struct authz authzs[2];
    AUTO(order_done) struct order order = order_of(2, authzs);
    AUTO(authz_done) struct authz authz = {0};
    struct list processing = {0}, valid = {0};
    struct store_tx tx = {0};
    bool ready = false;

    set_up(_i == 1);
    add_order(&order, authzs);
    struct store_op *op = store_tx_add(&tx, STORE_CHALLENGE_MOVE);
    op->account = "a";
    op->authz = authzs[1].id;
    op->from = CHALLENGE_PENDING;
    op->to = CHALLENGE_PROCESSING;
    op->challenge.type = ACME_CHALLENGE_HTTP01;
    op->challenge.response = "{}";
    ck_good(store_write(store, &tx, &err));
    ck_good(validate(&authzs[0], &ready));
    ck_good(store_processing_each(store, add_id, &processing, &err));
    ck_assert_uint_eq(processing.count, 1);
    ck_assert_str_eq(processing.ids[0], authzs[1].id);
    ck_assert_uint_eq(processing.types[0], ACME_CHALLENGE_HTTP01);
    ck_good(store_authz_get(store, "a", authzs[1].id, &authz, &err));
    ck_assert_str_eq(authz.challenges[0].response, "{}");
    ck_good(store_authz_valid_each(store, "a", &order.identifiers[0], add_id, &valid, &err));
    ck_assert_uint_eq(valid.count, 1);
    ck_assert_str_eq(valid.ids[0], authzs[0].id);
    ck_good(store_authz_valid_each(store, "a", &order.identifiers[1], add_id, &valid, &err));
    ck_assert_uint_eq(valid.count, 1);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {an_account_comes_back_as_it_was,
                                 one_key_is_one_account,
                                 an_account_changes_only_from_the_state_named,
                                 an_order_comes_back_as_it_was_to_its_account_only,
                                 the_last_valid_authorization_makes_the_order_ready,
                                 a_conflict_undoes_its_whole_transaction,
                                 a_failed_order_stays_failed,
                                 orders_of_a_closed_account_are_cancelled,
                                 a_certificate_is_revoked_once,
                                 a_token_serves_one_account_and_identifier,
                                 orders_are_walked_by_pages_without_the_invalid,
                                 accepted_validations_and_valid_authorizations_are_found};
    return store_suite("server/store_ops", both, COUNT(both), NULL, 0);
}
