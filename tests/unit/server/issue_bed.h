/* What issues certificates without a web in front: a CA, a store on disk, an account, and an order
 * "o" of it that is processing; for the tests of issue and finalizing. */
#pragma once

#include <sqlite3.h>

#include "ca_fixture.h"
#include "common/b64.h"
#include "common/json.h"
#include "common/later.h"
#include "server/finalizing.h"
#include "server/issue.h"
#include "server/store_sqlite.h"
#include "tests/unit/common/suite.h"

#define ISSUE_UNUSED __attribute__((unused))
#define ISSUE_NOW_US ((uint64_t)FIXTURE_NOW_S * 1000000)

struct issue_bed {
    struct ca_fixture fixture;
    char path[96]; /* of the database */
    struct wfe_options options;
    EVP_PKEY *account_key;
    struct order order;
    struct authz authz;
    struct err err;
};

/* What a start reads. */
ISSUE_UNUSED static void issue_bed_open_store(struct issue_bed *bed) {
    struct err err = {0};

    bed->options.store = store_sqlite_open(bed->path, FIXTURE_NOW_S, &err);
    ck_good(bed->options.store != NULL);
    bed->options.gate.keyring = keyring_new(bed->options.store, 16, &err);
    ck_good(bed->options.gate.keyring != NULL);
}

ISSUE_UNUSED static void issue_bed_close_store(struct issue_bed *bed) {
    keyring_free(bed->options.gate.keyring);
    store_close(bed->options.store);
}

ISSUE_UNUSED static void issue_bed_write(struct issue_bed *bed, struct store_tx *tx) {
    struct err err = {0};
    ck_good(store_write(bed->options.store, tx, &err));
}

ISSUE_UNUSED static void issue_bed_account(struct issue_bed *bed, const char *id, EVP_PKEY *key) {
    struct err err = {0};
    AUTO(account_done)
    struct account account = {
        .status = ACCOUNT_VALID, .created_us = ISSUE_NOW_US, .contact = strdup("[]")};
    json_t *jwk = jwk_write(key, &err);
    struct store_tx tx = {0};

    (void)snprintf(account.id, ID_SIZE, "%s", id);
    ck_good(jwk_thumbprint(key, account.thumbprint, &err));
    account.jwk = json_text(jwk);
    json_decref(jwk);
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    issue_bed_write(bed, &tx);
}

ISSUE_UNUSED static void issue_bed_account_to(struct issue_bed *bed, enum account_status to) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);

    op->account = "a";
    op->from = ACCOUNT_VALID;
    op->to = to;
    issue_bed_write(bed, &tx);
    keyring_forget(bed->options.gate.keyring, "a");
}

ISSUE_UNUSED static void issue_bed_order_to(struct issue_bed *bed, const char *id,
                                            enum order_status from, enum order_status to) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_MOVE);

    op->account = "a";
    op->order = id;
    op->from = from;
    op->to = to;
    issue_bed_write(bed, &tx);
}

/* An order for FIXTURE_UUID with its pending authorization "<id>". */
ISSUE_UNUSED static void issue_bed_order(struct issue_bed *bed, const char *id) {
    const struct acme_identifier identifier = fixture_id(ACME_ID_NF_INSTANCE, FIXTURE_UUID);
    struct store_tx tx = {0};

    order_done(&bed->order);
    authz_done(&bed->authz);
    bed->order = (struct order){.account = "a",
                                .status = ORDER_PENDING,
                                .created_us = ISSUE_NOW_US,
                                .expires_us = ISSUE_NOW_US + 3600 * 1000000ULL,
                                .profile = "nf-client",
                                .count = 1,
                                .identifiers = calloc(1, sizeof(identifier)),
                                .authzs = calloc(1, ID_SIZE)};
    (void)snprintf(bed->order.id, ID_SIZE, "%s", id);
    bed->order.identifiers[0] = identifier;
    authz_init(&bed->authz, &identifier, 0, "a", id, ISSUE_NOW_US, bed->order.expires_us);
    memcpy(bed->order.authzs[0], bed->authz.id, ID_SIZE);
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_INSERT);
    op->new_order.order = &bed->order;
    op->new_order.authzs = &bed->authz;
    op->new_order.authz_count = 1;
    issue_bed_write(bed, &tx);
}

/* Its authorization becomes valid until then, by a token that ends at token_exp_s. */
ISSUE_UNUSED static void issue_bed_grant(struct issue_bed *bed, uint64_t expires_us,
                                         int64_t token_exp_s) {
    struct nftypes types = {0};
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);

    ck_assert(nftypes_add(&types, "AMF"));
    op->account = "a";
    op->authz = bed->authz.id;
    op->from = AUTHZ_PENDING;
    op->to = AUTHZ_VALID;
    op->granted.expires_us = expires_us;
    op->granted.types = &types;
    op->granted.token_exp_s = token_exp_s;
    op = store_tx_add(&tx, STORE_ORDER_AUTHORISED);
    op->account = "a";
    op->order = bed->order.id;
    issue_bed_write(bed, &tx);
}

/* A CSR as finalize has it; key NULL: a fresh one.  Caller owns. */
ISSUE_UNUSED static char *issue_bed_csr(EVP_PKEY *key, const char *uuid) {
    struct err err = {0};
    struct x509_names names = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *fresh = key == NULL ? key_generate(KEY_P256, &err) : NULL;
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    (void)snprintf(names.uuid, sizeof(names.uuid), "%s", uuid);
    ck_good(x509_csr_make(key == NULL ? fresh : key, &names, NULL, &der, &len, &err));
    return b64_encode(der, len);
}

/* An order as finalize leaves it with a delay: processing, its CSR beside it. */
ISSUE_UNUSED static void issue_bed_processing(struct issue_bed *bed, const char *id,
                                              const char *csr_uuid) {
    AUTO(free) char *csr = issue_bed_csr(NULL, csr_uuid);
    struct store_tx tx = {0};

    issue_bed_order(bed, id);
    issue_bed_grant(bed, ISSUE_NOW_US + 3600 * 1000000ULL, 0);
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_MOVE);
    op->account = "a";
    op->order = id;
    op->from = ORDER_READY;
    op->to = ORDER_PROCESSING;
    op = store_tx_add(&tx, STORE_FINALIZING_INSERT);
    op->account = "a";
    op->order = id;
    op->finalizing.due_us = ISSUE_NOW_US;
    op->finalizing.csr = csr;
    issue_bed_write(bed, &tx);
}

ISSUE_UNUSED static void issue_bed_start(struct issue_bed *bed) {
    struct err err = {0};

    *bed = (struct issue_bed){0};
    ca_fixture_open(&bed->fixture, 2);
    (void)snprintf(bed->path, sizeof(bed->path), "%s/server.db", bed->fixture.folder);
    bed->options.clock = &bed->fixture.clock;
    bed->options.ca = bed->fixture.ca;
    bed->options.keys = key_policy_new(&err);
    ck_good(bed->options.keys != NULL);
    issue_bed_open_store(bed);
    bed->account_key = key_generate(KEY_P256, &err);
    ck_good(bed->account_key != NULL);
    issue_bed_account(bed, "a", bed->account_key);
}

ISSUE_UNUSED static void issue_bed_stop(struct issue_bed *bed) {
    issue_bed_close_store(bed);
    order_done(&bed->order);
    authz_done(&bed->authz);
    EVP_PKEY_free(bed->account_key);
    key_policy_free(bed->options.keys);
    ca_fixture_close(&bed->fixture);
}

/* The database as another process sees it; sqlite3_close it. */
ISSUE_UNUSED static sqlite3 *issue_bed_database(const struct issue_bed *bed) {
    sqlite3 *db = NULL;

    ck_assert_int_eq(sqlite3_open(bed->path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    return db;
}

ISSUE_UNUSED static void issue_bed_exec(sqlite3 *db, const char *text) {
    char *why = NULL;

    ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, &why) == SQLITE_OK, "%s: %s", text, why);
}

/* How many records that statement counts. */
ISSUE_UNUSED static int issue_bed_number(const struct issue_bed *bed, const char *text) {
    sqlite3 *db = issue_bed_database(bed);
    sqlite3_stmt *statement = NULL;

    ck_assert_int_eq(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int number = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}
