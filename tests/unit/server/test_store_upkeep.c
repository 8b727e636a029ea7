#include "server/store_upkeep.h"

#include "tests/unit/server/store_bed.h"

static const struct store_place beginning;

static unsigned sweep(enum store_kind kind, int64_t before_s, unsigned *ret_stale) {
    struct store_chunk chunk;
    struct store_tx tx = {0};

    ck_good(store_stale_look(store, kind, before_s, &beginning, &chunk, &err));
    *ret_stale = chunk.stale;
    struct store_op *op = store_tx_add(&tx, STORE_SWEEP);
    op->sweep.kind = kind;
    op->sweep.chunk = &chunk;
    op->sweep.before_s = before_s;
    ck_good(store_write(store, &tx, &err));
    return op->sweep.ret_removed;
}

static void issue(const char *serial, int64_t not_after_s) {
    struct certificate certificate = {
        .account = "a", .order = "o", .chain_pem = strdup("PEM"), .not_after_s = not_after_s};
    struct store_tx tx = {0};

    (void)snprintf(certificate.serial, sizeof(certificate.serial), "%s", serial);
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    ck_good(store_write(store, &tx, &err));
    certificate_done(&certificate);
}

/* Orders and authorizations of order_of end at 20 microseconds. */
START_TEST(ended_orders_and_authorizations_go_and_live_ones_stay) {
    struct authz authzs[2] = {0}, live[1] = {0};
    unsigned stale = 9;
    set_up(_i == 1);
    AUTO(order_done) struct order ended = order_of(2, authzs), other = order_of(1, live);
    AUTO(order_done) struct order alive = other;

    (void)snprintf(alive.id, sizeof(alive.id), "p");
    alive.expires_us = live[0].expires_us = 5000000;
    add_order(&ended, authzs);
    add_order(&alive, live);
    ck_assert_uint_eq(sweep(STORE_KIND_ORDER, 0, &stale), 0);
    ck_assert_uint_eq(stale, 0);
    ck_assert_uint_eq(sweep(STORE_KIND_ORDER, 1, &stale), 1);
    ck_assert_uint_eq(stale, 1);
    ck_assert_uint_eq(sweep(STORE_KIND_AUTHZ, 1, &stale), 2);
    ck_assert_uint_eq(sweep(STORE_KIND_AUTHZ, 1, &stale), 0);
    ck_assert_uint_eq(stale, 0);
    AUTO(authz_done) struct authz kept = {0};
    ck_good(store_authz_get(store, "a", live[0].id, &kept, &err));
    ck_assert_uint_gt(kept.count, 0); /* its challenges are there */
    other = (struct order){0};
    tear_down();
}
END_TEST

START_TEST(an_order_being_issued_is_never_swept) {
    struct authz authzs[1] = {0};
    unsigned stale = 9;
    bool ready = false;
    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, authzs);

    add_order(&order, authzs);
    ck_good(validate(&authzs[0], &ready));
    ck_good(move_order(ORDER_READY, ORDER_PROCESSING, NULL));
    ck_assert_uint_eq(sweep(STORE_KIND_ORDER, 1, &stale), 0);
    ck_assert_uint_eq(stale, 0);
    tear_down();
}
END_TEST

START_TEST(ended_tokens_and_certificates_go) {
    unsigned stale = 9;
    set_up(_i == 1);

    ck_good(use_token("j", "a", "n")); /* ends at 2000 s */
    ck_assert_uint_eq(sweep(STORE_KIND_TOKEN, 2000, &stale), 0);
    ck_assert_uint_eq(sweep(STORE_KIND_TOKEN, 2001, &stale), 1);
    issue("0a", 10);
    issue("0b", 30);
    ck_assert_uint_eq(sweep(STORE_KIND_CERTIFICATE, 20, &stale), 1);
    AUTO(certificate_done) struct certificate got = {0};
    ck_good(store_certificate_get(store, "0b", &got, &err));
    tear_down();
}
END_TEST

static void revoke_for(const char *serial, int reason) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_REVOKE);

    op->revoke.serial = serial;
    op->revoke.at_s = 5;
    op->revoke.reason = reason;
    ck_good(store_write(store, &tx, &err));
}

START_TEST(a_compromised_key_outlives_its_certificate) {
    unsigned stale = 9;
    AUTO(certificate_done) struct certificate got = {0};

    set_up(_i == 1);
    issue("0a", 10);
    issue("0b", 10);
    issue("0c", 10);
    revoke_for("0a", 4);
    revoke_for("0b", 1); /* keyCompromise */
    revoke_for("0c", -1);
    ck_assert_uint_eq(sweep(STORE_KIND_CERTIFICATE, 20, &stale), 2);
    ck_good(store_certificate_get(store, "0b", &got, &err));
    tear_down();
}
END_TEST

START_TEST(a_long_table_is_looked_at_in_chunks) {
    struct store_chunk chunk;
    char serial[8];
    set_up(_i == 1);

    for (unsigned i = 0; i < STORE_CHUNK_MAX + 5; i++) {
        (void)snprintf(serial, sizeof(serial), "%06x", i);
        issue(serial, i % 2 == 0 ? 10 : 30);
    }
    ck_good(store_stale_look(store, STORE_KIND_CERTIFICATE, 20, &beginning, &chunk, &err));
    ck_assert_uint_eq(chunk.rows, STORE_CHUNK_MAX);
    ck_assert_uint_eq(chunk.stale, STORE_CHUNK_MAX / 2);
    const struct store_place after = chunk.upto;
    ck_good(store_stale_look(store, STORE_KIND_CERTIFICATE, 20, &after, &chunk, &err));
    ck_assert_uint_eq(chunk.rows, 5);
    tear_down();
}
END_TEST

struct told {
    unsigned count, named, chains;
    int64_t last;
};

static bool tell(void *ctx, const struct store_issued *issued, struct err *ret) {
    struct told *told = ctx;
    (void)ret;
    ck_assert_int_gt(issued->n, told->last);
    told->last = issued->n;
    told->count++;
    told->named += issued->names != NULL && issued->names->count == 1;
    told->chains += issued->chain_pem != NULL;
    return true;
}

START_TEST(certificates_are_told_in_the_order_of_their_issue) {
    struct authz authzs[1] = {0};
    struct told told = {0};
    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, authzs);

    add_order(&order, authzs);
    issue("0c", 10);
    issue("0a", 10);
    issue("0b", 10);
    ck_good(store_issued_each(store, 0, 2, false, tell, &told, &err));
    ck_assert_uint_eq(told.count, 2);
    ck_good(store_issued_each(store, told.last, 9, true, tell, &told, &err));
    ck_assert_uint_eq(told.count, 3);
    ck_assert_uint_eq(told.named, 3);
    ck_assert_uint_eq(told.chains, 1);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {ended_orders_and_authorizations_go_and_live_ones_stay,
                                 an_order_being_issued_is_never_swept,
                                 ended_tokens_and_certificates_go,
                                 a_compromised_key_outlives_its_certificate,
                                 a_long_table_is_looked_at_in_chunks,
                                 certificates_are_told_in_the_order_of_their_issue};
    return store_suite("server/store_upkeep", both, COUNT(both), NULL, 0);
}
