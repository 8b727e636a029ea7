/* Key changes, external account keys, compromised keys and settings in the store. */
#include <string.h>

#include "store_bed.h"

static bool change_key(const char *account, const char *from, const char *to) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_KEY);

    op->account = account;
    op->key.thumbprint_from = from;
    op->key.thumbprint = to;
    op->key.jwk = "{\"kty\":\"OKP\"}";
    return store_write(store, &tx, &err);
}

static void a_key_changes_by_compare_and_set(bool memory) {
    AUTO(account_done) struct account account = {0};

    set_up(memory);
    ck_good(add_account("a", "ta"));
    ck_good(add_account("b", "tb"));
    ck_refused(change_key("a", "stale", "tn"), ERR_CONFLICT);
    ck_refused(change_key("a", "ta", "tb"), ERR_CONFLICT); /* b's */
    ck_refused(change_key("none", "ta", "tn"), ERR_CONFLICT);
    ck_good(change_key("a", "ta", "tn"));
    ck_refused(change_key("a", "ta", "tm"), ERR_CONFLICT);
    ck_refused(store_account_find(store, "ta", &account, &err), ERR_NOT_FOUND);
    ck_good(store_account_find(store, "tn", &account, &err));
    ck_assert_str_eq(account.id, "a");
    ck_assert_str_eq(account.jwk, "{\"kty\":\"OKP\"}");
    tear_down();
}

START_TEST(a_key_changes_by_compare_and_set_on_disk) { a_key_changes_by_compare_and_set(false); }
END_TEST
START_TEST(a_key_changes_by_compare_and_set_in_memory) { a_key_changes_by_compare_and_set(true); }
END_TEST

START_TEST(a_deactivated_account_changes_no_key) {
    struct store_tx tx = {0};

    set_up(true);
    ck_good(add_account("a", "ta"));
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);
    op->account = "a";
    op->to = ACCOUNT_DEACTIVATED;
    ck_good(store_write(store, &tx, &err));
    ck_refused(change_key("a", "ta", "tn"), ERR_CONFLICT);
    tear_down();
}
END_TEST

static bool eab(enum store_op_kind kind, const char *kid, unsigned uses) {
    struct eab_record record = {.kid = kid, .key = "AAAA", .uses = uses, .created_us = 9};
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, kind);

    if (kind == STORE_EAB_INSERT) {
        op->eab = &record;
    } else {
        op->eab_kid = kid;
    }
    return store_write(store, &tx, &err);
}

struct seen {
    unsigned count, used;
    char account[ID_SIZE];
};

static bool see_key(void *ctx, const struct eab_record *record, struct err *why) {
    struct seen *seen = ctx;
    (void)why;
    seen->count++;
    seen->used = record->used;
    ck_assert_str_eq(record->key, "AAAA");
    ck_assert_uint_eq(record->created_us, 9);
    return true;
}

static bool see_account(void *ctx, const char *kid, const char *id, unsigned type,
                        struct err *why) {
    struct seen *seen = ctx;
    (void)why;
    (void)type;
    ck_assert_str_eq(kid, "once");
    (void)snprintf(seen->account, ID_SIZE, "%s", id);
    return true;
}

/* An account bound by "once". */
static bool bind_account(const char *id, const char *thumbprint) {
    AUTO(account_done) struct account account = account_of(id, thumbprint);
    struct store_tx tx = {0};

    account.eab_kid = strdup("once");
    account.terms = strdup("https://x/");
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    store_tx_add(&tx, STORE_EAB_USE)->eab_kid = "once";
    return store_write(store, &tx, &err);
}

START_TEST(a_key_binds_as_often_as_it_may) {
    AUTO(account_done) struct account account = {0};
    struct seen seen = {0};

    set_up(false);
    ck_good(eab(STORE_EAB_INSERT, "once", 1));
    ck_refused(eab(STORE_EAB_INSERT, "once", 0), ERR_CONFLICT);
    ck_good(bind_account("a", "ta"));
    ck_refused(bind_account("b", "tb"), ERR_UNAUTHORIZED); /* and the account is not there */
    ck_refused(store_account_get(store, "b", &account, &err), ERR_NOT_FOUND);
    store_close(store);
    open_disk();
    ck_good(store_eab_each(store, see_key, &seen, &err));
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_uint_eq(seen.used, 1);
    ck_good(store_eab_accounts_each(store, 10, see_account, &seen, &err));
    ck_assert_str_eq(seen.account, "a");
    ck_good(store_account_get(store, "a", &account, &err));
    ck_assert_str_eq(account.eab_kid, "once");
    ck_assert_str_eq(account.terms, "https://x/");
    ck_good(eab(STORE_EAB_DELETE, "once", 0));
    ck_refused(eab(STORE_EAB_DELETE, "once", 0), ERR_NOT_FOUND);
    ck_refused(eab(STORE_EAB_USE, "once", 0), ERR_UNAUTHORIZED);
    ck_good(eab(STORE_EAB_INSERT, "many", 0));
    for (unsigned i = 0; i < 3; i++) {
        ck_good(eab(STORE_EAB_USE, "many", 0));
    }
    tear_down();
}
END_TEST

static void add_certificate(const char *serial, unsigned char mark, int reason) {
    struct certificate certificate = {.account = "a", .order = "o", .chain_pem = strdup("pem")};
    struct store_tx tx = {0};

    (void)snprintf(certificate.serial, sizeof(certificate.serial), "%s", serial);
    memset(certificate.spki_sha256, mark, sizeof(certificate.spki_sha256));
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    if (reason >= 0) {
        struct store_op *op = store_tx_add(&tx, STORE_REVOKE);
        op->revoke.serial = serial;
        op->revoke.at_s = 5;
        op->revoke.reason = reason;
    }
    ck_good(store_write(store, &tx, &err));
    certificate_done(&certificate);
}

static bool see_compromised(void *ctx, const unsigned char *digest, struct err *why) {
    unsigned *sum = ctx;
    (void)why;
    *sum += digest[31];
    return true;
}

START_TEST(only_keys_revoked_as_compromised_are_compromised) {
    unsigned sum = 0;

    set_up(true);
    add_certificate("01", 1, -1);
    add_certificate("02", 2, 4);
    add_certificate("03", 30, 1);
    add_certificate("04", 100, 1);
    ck_good(store_compromised_each(store, see_compromised, &sum, &err));
    ck_assert_uint_eq(sum, 130);
    tear_down();
}
END_TEST

START_TEST(a_setting_is_the_last_put) {
    set_up(false);
    char *value = NULL;
    ck_good(store_setting_get(store, "x", &value, &err));
    ck_assert_ptr_null(value);
    for (unsigned i = 0; i < 2; i++) {
        struct store_tx tx = {0};
        struct store_op *op = store_tx_add(&tx, STORE_SETTING);
        op->setting.name = "x";
        op->setting.value = i == 0 ? "1" : "2";
        ck_good(store_write(store, &tx, &err));
    }
    store_close(store);
    open_disk();
    ck_good(store_setting_get(store, "x", &value, &err));
    ck_assert_str_eq(value, "2");
    free(value);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_key_changes_by_compare_and_set_on_disk,
                                  a_key_changes_by_compare_and_set_in_memory,
                                  a_deactivated_account_changes_no_key,
                                  a_key_binds_as_often_as_it_may,
                                  only_keys_revoked_as_compromised_are_compromised,
                                  a_setting_is_the_last_put};
    return suite_run("server/store_account", tests, COUNT(tests));
}
