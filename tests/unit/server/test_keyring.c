#include "server/keyring.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/json.h"
#include "common/key.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

static struct store *store;
static struct keyring *keyring;
static struct err err;

static void add_account(const char *id) {
    AUTO(account_done) struct account account = {.status = ACCOUNT_VALID, .contact = strdup("[]")};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    struct store_tx tx = {0};
    json_t *jwk = jwk_write(key, &err);

    (void)snprintf(account.id, ID_SIZE, "%s", id);
    ck_assert(jwk_thumbprint(key, account.thumbprint, &err));
    account.jwk = json_text(jwk);
    json_decref(jwk);
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    ck_assert(store_write(store, &tx, &err));
}

static void deactivate(const char *id) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);
    op->account = id;
    op->from = ACCOUNT_VALID;
    op->to = ACCOUNT_DEACTIVATED;
    ck_assert(store_write(store, &tx, &err));
}

static enum account_status status_of(const char *id) {
    struct keyring_entry entry = {0};
    ck_assert(keyring_get(keyring, id, &entry, &err));
    ck_assert_str_eq(entry.id, id);
    enum account_status status = entry.status;
    keyring_entry_done(&entry);
    return status;
}

static void set_up(unsigned size) {
    err = (struct err){0};
    store = store_memory_open(&err);
    keyring = keyring_new(store, size, &err);
    ck_assert_ptr_nonnull(keyring);
}

static void tear_down(void) {
    keyring_free(keyring);
    store_close(store);
}

START_TEST(an_account_is_read_once_and_kept) {
    set_up(4);
    add_account("a");
    ck_assert_int_eq(status_of("a"), ACCOUNT_VALID);
    deactivate("a"); /* behind its back: what is kept is still given */
    ck_assert_int_eq(status_of("a"), ACCOUNT_VALID);
    keyring_forget(keyring, "a");
    ck_assert_int_eq(status_of("a"), ACCOUNT_DEACTIVATED);
    tear_down();
}
END_TEST

START_TEST(nobody_is_account_does_not_exist) {
    struct keyring_entry entry = {0};
    set_up(4);
    ck_assert(!keyring_get(keyring, "nobody", &entry, &err));
    ck_assert_int_eq(err.kind, ERR_ACCOUNT_DOES_NOT_EXIST);
    keyring_forget(keyring, "nobody");
    tear_down();
}
END_TEST

START_TEST(a_stored_key_that_cannot_be_read_is_an_error) {
    AUTO(account_done)
    struct account account = {.id = "odd",
                              .thumbprint = "odd",
                              .jwk = strdup("{\"kty\":\"none\"}"),
                              .contact = strdup("[]")};
    struct keyring_entry entry = {0};
    struct store_tx tx = {0};

    set_up(4);
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    ck_assert(store_write(store, &tx, &err));
    ck_assert(!keyring_get(keyring, "odd", &entry, &err));
    ck_assert_int_eq(err.kind, ERR_BAD_PUBLIC_KEY);
    tear_down();
}
END_TEST

START_TEST(the_least_recently_used_goes_first) {
    set_up(2);
    add_account("a");
    add_account("b");
    add_account("c");
    (void)status_of("a");
    (void)status_of("b");
    (void)status_of("a"); /* b is now the oldest */
    (void)status_of("c");
    deactivate("a");
    deactivate("b");
    ck_assert_int_eq(status_of("a"), ACCOUNT_VALID);       /* kept */
    ck_assert_int_eq(status_of("b"), ACCOUNT_DEACTIVATED); /* read again */
    tear_down();
}
END_TEST

START_TEST(what_was_put_needs_no_reading) {
    struct keyring_entry entry = {.id = "new", .thumbprint = "t", .status = ACCOUNT_VALID};
    set_up(2);
    entry.key = key_generate(KEY_P256, &err);
    keyring_put(keyring, &entry);
    keyring_put(keyring, &entry);
    ck_assert_int_eq(status_of("new"), ACCOUNT_VALID); /* the store has no such account */
    keyring_entry_done(&entry);
    tear_down();
}
END_TEST

static atomic_bool stop;
static void *get_often(void *ctx) {
    (void)ctx;
    while (!atomic_load(&stop)) {
        struct keyring_entry entry = {0};
        struct err why = {0};
        ck_assert(keyring_get(keyring, "a", &entry, &why));
        keyring_entry_done(&entry);
    }
    return NULL;
}

START_TEST(after_forgetting_nobody_gets_the_old_state) {
    pthread_t threads[3];

    set_up(2);
    for (unsigned round = 0; round < 20; round++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "r%u", round);
        add_account(id);
    }
    add_account("a");
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, get_often, NULL), 0);
    }
    for (unsigned round = 0; round < 20; round++) { /* evicts and reads again all the time */
        char id[8];
        (void)snprintf(id, sizeof(id), "r%u", round);
        (void)status_of(id);
        deactivate(id);
        keyring_forget(keyring, id);
        ck_assert_int_eq(status_of(id), ACCOUNT_DEACTIVATED);
    }
    deactivate("a");
    keyring_forget(keyring, "a");
    ck_assert_int_eq(status_of("a"), ACCOUNT_DEACTIVATED);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_account_is_read_once_and_kept,
                                  nobody_is_account_does_not_exist,
                                  a_stored_key_that_cannot_be_read_is_an_error,
                                  the_least_recently_used_goes_first,
                                  what_was_put_needs_no_reading,
                                  after_forgetting_nobody_gets_the_old_state};
    return suite_run("server/keyring", tests, COUNT(tests));
}
