/* A store of either kind, and records to put into it: what the tests of the store rooms share. */
#pragma once

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "server/store_memory.h"
#include "server/store_sqlite.h"
#include "tests/unit/common/suite.h"

#define ck_good(call)                                                                              \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(good_, "%s: %s: %s (%s)", #call, err_name(err.kind), err.detail, err.cause); \
    } while (0)
#define ck_refused(call, want)                                                                     \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(!good_ && err.kind == (want), "%s: %s", #call, err_name(err.kind));          \
        err = (struct err){0};                                                                     \
    } while (0)

static char folder[64], path[96];
static struct store *store;
static struct err err;

__attribute__((unused)) static void open_disk(void) {
    store = store_sqlite_open(path, 1000, &err);
    ck_good(store != NULL);
}

__attribute__((unused)) static void set_up(bool memory) {
    err = (struct err){0};
    (void)snprintf(folder, sizeof(folder), "/tmp/nfacme-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/server.db", folder);
    if (memory) {
        store = store_memory_open(&err);
        ck_good(store != NULL);
    } else {
        open_disk();
    }
}

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(name);
}

__attribute__((unused)) static void tear_down(void) {
    store_close(store);
    (void)nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

/* ---- records ---- */

__attribute__((unused)) static struct account account_of(const char *id, const char *thumbprint) {
    struct account account = {.status = ACCOUNT_VALID,
                              .created_us = 5,
                              .jwk = strdup("{\"kty\":\"EC\"}"),
                              .contact = strdup("[]")};
    (void)snprintf(account.id, ID_SIZE, "%s", id);
    (void)snprintf(account.thumbprint, sizeof(account.thumbprint), "%s", thumbprint);
    return account;
}

__attribute__((unused)) static bool add_account(const char *id, const char *thumbprint) {
    AUTO(account_done) struct account account = account_of(id, thumbprint);
    struct store_tx tx = {0};
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    return store_write(store, &tx, &err);
}

/* An order "o" of account "a" with count dns names, and its authorizations. */
__attribute__((unused)) static struct order order_of(unsigned count, struct authz *authzs) {
    struct order order = {.id = "o",
                          .account = "a",
                          .status = ORDER_PENDING,
                          .created_us = 10,
                          .expires_us = 20,
                          .not_after_s = 7,
                          .profile = "tls-server",
                          .count = count,
                          .identifiers = calloc(count, sizeof(struct acme_identifier)),
                          .authzs = calloc(count, ID_SIZE)};
    for (unsigned i = 0; i < count; i++) {
        order.identifiers[i].type = ACME_ID_DNS;
        (void)snprintf(order.identifiers[i].value, ACME_ID_VALUE_MAX, "n%u.example", i);
        authz_init(&authzs[i], &order.identifiers[i], 0, "a", "o", 1000, 20);
        memcpy(order.authzs[i], authzs[i].id, ID_SIZE);
    }
    return order;
}

__attribute__((unused)) static void add_order(struct order *order, const struct authz *authzs) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_INSERT);
    op->new_order.order = order;
    op->new_order.authzs = authzs;
    op->new_order.authz_count = order->count;
    ck_good(store_write(store, &tx, &err));
}

__attribute__((unused)) static bool move_order(enum order_status from, enum order_status to,
                                               const char *serial) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_MOVE);
    op->account = "a";
    op->order = "o";
    op->from = from;
    op->to = to;
    op->serial = serial;
    return store_write(store, &tx, &err);
}

__attribute__((unused)) static bool validate_of(const struct authz *authz, const char *order,
                                                bool *ret_ready) {
    struct store_tx tx = {0};
    struct nftypes types = {0};
    (void)nftypes_add(&types, "AMF");
    (void)nftypes_add(&types, "SMF");
    struct store_op *op = store_tx_add(&tx, STORE_CHALLENGE_MOVE);
    op->account = "a";
    op->authz = authz->id;
    op->from = CHALLENGE_PENDING;
    op->to = CHALLENGE_VALID;
    op->challenge.type = ACME_CHALLENGE_HTTP01;
    op->challenge.validated_us = 15;
    op = store_tx_add(&tx, STORE_AUTHZ_MOVE);
    op->account = "a";
    op->authz = authz->id;
    op->from = AUTHZ_PENDING;
    op->to = AUTHZ_VALID;
    op->granted.expires_us = 99;
    op->granted.types = &types;
    op->granted.token_exp_s = 98;
    op = store_tx_add(&tx, STORE_ORDER_AUTHORISED);
    op->account = "a";
    op->order = order;
    bool done = store_write(store, &tx, &err);
    *ret_ready = op->authorised.ret_ready;
    return done;
}

__attribute__((unused)) static bool validate(const struct authz *authz, bool *ret_ready) {
    return validate_of(authz, "o", ret_ready);
}

__attribute__((unused)) static enum order_status order_now(void) {
    AUTO(order_done) struct order order = {0};
    ck_good(store_order_get(store, "a", "o", &order, &err));
    return order.status;
}

__attribute__((unused)) static bool use_token(const char *jti, const char *account,
                                              const char *value) {
    struct acme_identifier identifier = {.type = ACME_ID_NF_INSTANCE};
    struct store_tx tx = {0};
    (void)snprintf(identifier.value, sizeof(identifier.value), "%s", value);
    struct store_op *op = store_tx_add(&tx, STORE_TOKEN_USE);
    op->account = account;
    op->token.jti = jti;
    op->token.identifier = &identifier;
    op->token.exp_s = 2000;
    return store_write(store, &tx, &err);
}

/* Run tests for the disk (_i 0), whose answers come from the cache where it can, and the memory
 * (_i 1), whose never do; and those for the disk alone. */
__attribute__((unused)) static int store_suite(const char *name, const TTest *const *both,
                                               size_t both_count, const TTest *const *disk,
                                               size_t disk_count) {
    Suite *suite = suite_create(name);
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    for (size_t i = 0; i < both_count; i++) {
        tcase_add_loop_test(all, both[i], 0, 2);
    }
    for (size_t i = 0; i < disk_count; i++) {
        tcase_add_test(all, disk[i]);
    }
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
