/* Kept records: what is committed is seen, what is not is never kept, and there is a limit. */
#include "server/store_cache.h"

#include "store_bed.h"

#define SLOTS 256

static struct store_cache *cache;
static struct authz authzs[STORE_CACHE_NAMES + 1];
static struct order order;

static void begin(unsigned names) {
    err = (struct err){0};
    cache = store_cache_new(SLOTS, &err);
    ck_assert_ptr_nonnull(cache);
    order = order_of(names, authzs);
    /* ids of chance would now and then share a slot */
    for (unsigned i = 0; i < names; i++) {
        (void)snprintf(authzs[i].id, ID_SIZE, "z%u", i);
        memcpy(order.authzs[i], authzs[i].id, ID_SIZE);
    }
}

static void end(void) {
    order_done(&order);
    store_cache_free(cache);
}

static void commit(struct store_tx *tx) { store_cache_commit(cache, tx); }

static struct store_op *add(struct store_tx *tx, enum store_op_kind kind) {
    struct store_op *op = store_tx_add(tx, kind);
    op->account = "a";
    op->order = "o";
    op->authz = authzs[0].id;
    return op;
}

static void insert(void) {
    struct store_tx tx = {0};
    struct store_op *op = add(&tx, STORE_ORDER_INSERT);
    op->new_order.order = &order;
    op->new_order.authzs = authzs;
    op->new_order.authz_count = order.count;
    commit(&tx);
}

static bool order_kept(struct order *ret) {
    uint64_t seen = 0;
    return store_cache_order_get(cache, "a", "o", ret, &seen);
}

static int status_kept(void) {
    AUTO(order_done) struct order got = {0};
    return order_kept(&got) ? (int)got.status : -1;
}

START_TEST(a_committed_order_is_copied_out_with_its_authorizations) {
    AUTO(order_done) struct order got = {0};
    AUTO(authz_done) struct authz authz = {0};
    uint64_t seen = 0;

    begin(2);
    ck_assert(!order_kept(&got));
    insert();
    ck_assert(order_kept(&got));
    ck_assert_uint_eq(got.count, 2);
    ck_assert_str_eq(got.identifiers[1].value, "n1.example");
    ck_assert_str_eq(got.authzs[1], authzs[1].id);
    ck_assert_ptr_ne(got.identifiers, order.identifiers);
    ck_assert(store_cache_authz_get(cache, "a", authzs[1].id, &authz, &seen));
    ck_assert_str_eq(authz.challenges[0].token, authzs[1].challenges[0].token);
    end();
}
END_TEST

START_TEST(another_account_finds_nothing) {
    AUTO(order_done) struct order got = {0};
    AUTO(authz_done) struct authz authz = {0};
    uint64_t seen = 0;

    begin(1);
    insert();
    ck_assert(!store_cache_order_get(cache, "b", "o", &got, &seen));
    ck_assert(!store_cache_authz_get(cache, "b", authzs[0].id, &authz, &seen));
    ck_assert(!store_cache_order_get(cache, "a", authzs[0].id, &got, &seen)); /* another kind */
    end();
}
END_TEST

START_TEST(a_transaction_that_failed_changes_nothing) {
    struct store_tx failed = {.err = {.kind = ERR_CONFLICT}}, good = {0};

    begin(1);
    insert();
    add(&failed, STORE_ORDER_MOVE)->to = ORDER_VALID;
    commit(&failed);
    ck_assert_int_eq(status_kept(), ORDER_PENDING);
    failed.next = &good; /* and the others of its batch count */
    add(&good, STORE_ORDER_AUTHORISED)->authorised.ret_ready = true;
    commit(&failed);
    ck_assert_int_eq(status_kept(), ORDER_READY);
    end();
}
END_TEST

START_TEST(every_operation_on_an_order_shows_or_makes_it_be_read_again) {
    struct store_tx waits = {0}, moved = {0}, failed = {0}, cancelled = {0}, others = {0};
    AUTO(order_done) struct order got = {0};

    begin(2);
    insert();
    add(&waits, STORE_ORDER_AUTHORISED); /* one of two */
    commit(&waits);
    ck_assert_int_eq(status_kept(), ORDER_PENDING);
    struct store_op *op = add(&moved, STORE_ORDER_MOVE);
    op->to = ORDER_VALID;
    op->serial = "5e";
    commit(&moved);
    ck_assert(order_kept(&got));
    ck_assert_int_eq(got.status, ORDER_VALID);
    ck_assert_str_eq(got.serial, "5e");
    add(&failed, STORE_ORDER_FAIL);
    commit(&failed);
    ck_assert_int_eq(status_kept(), -1);
    insert();
    add(&others, STORE_ORDERS_CANCEL)->account = "b";
    commit(&others);
    ck_assert_int_eq(status_kept(), ORDER_PENDING);
    add(&cancelled, STORE_ORDERS_CANCEL);
    commit(&cancelled);
    ck_assert_int_eq(status_kept(), -1);
    end();
}
END_TEST

static void answer(enum challenge_status to, const char *error, const char *response) {
    struct store_tx tx = {0};
    struct store_op *op = add(&tx, STORE_CHALLENGE_MOVE);
    op->to = to;
    op->challenge.type = ACME_CHALLENGE_HTTP01;
    op->challenge.error = error;
    op->challenge.response = response;
    commit(&tx);
}

START_TEST(an_authorization_follows_its_challenge_and_its_grant) {
    struct store_tx granted = {0}, taken = {0};
    struct nftypes types = {0};
    struct authz got = {0};
    uint64_t seen = 0;

    begin(1);
    insert();
    answer(CHALLENGE_PROCESSING, NULL, "{}");
    ck_assert(store_cache_authz_get(cache, "a", authzs[0].id, &got, &seen));
    ck_assert_int_eq(got.challenges[0].status, CHALLENGE_PROCESSING);
    ck_assert_str_eq(got.challenges[0].response, "{}");
    authz_done(&got);
    answer(CHALLENGE_INVALID, "{\"status\":1}", NULL);
    ck_assert(nftypes_add(&types, "AMF"));
    struct store_op *op = add(&granted, STORE_AUTHZ_MOVE);
    op->to = AUTHZ_VALID;
    op->granted.expires_us = 77;
    op->granted.types = &types;
    op->granted.token_exp_s = 78;
    commit(&granted);
    add(&taken, STORE_AUTHZ_MOVE)->to = AUTHZ_DEACTIVATED; /* the rest stays */
    commit(&taken);
    ck_assert(store_cache_authz_get(cache, "a", authzs[0].id, &got, &seen));
    ck_assert_str_eq(got.challenges[0].error, "{\"status\":1}");
    ck_assert_ptr_null(got.challenges[0].response);
    ck_assert_int_eq(got.status, AUTHZ_DEACTIVATED);
    ck_assert_uint_eq(got.expires_us, 77);
    ck_assert_int_eq(got.token_exp_s, 78);
    ck_assert(nftypes_has(&got.types, "AMF"));
    authz_done(&got);
    end();
}
END_TEST

START_TEST(what_was_read_before_a_commit_is_not_kept) {
    AUTO(order_done) struct order got = {0};
    AUTO(authz_done) struct authz authz = {0};
    struct store_tx nothing = {0};
    uint64_t seen = 0, ignored = 0;

    begin(1);
    ck_assert(!store_cache_order_get(cache, "a", "o", &got, &seen));
    commit(&nothing);
    store_cache_order_put(cache, &order, seen);
    store_cache_authz_put(cache, &authzs[0], seen);
    ck_assert_int_eq(status_kept(), -1);
    ck_assert(!store_cache_authz_get(cache, "a", authzs[0].id, &authz, &seen));
    store_cache_order_put(cache, &order, seen);
    store_cache_authz_put(cache, &authzs[0], seen);
    ck_assert_int_eq(status_kept(), ORDER_PENDING);
    ck_assert(store_cache_authz_get(cache, "a", authzs[0].id, &authz, &ignored));
    end();
}
END_TEST

START_TEST(what_was_read_between_a_commit_and_its_news_ends_the_same) {
    struct store_tx tx = {0};
    struct store_op *op = NULL;

    begin(1);
    order.status = ORDER_VALID; /* read after the commit of: */
    store_cache_order_put(cache, &order, 0);
    add(&tx, STORE_ORDER_AUTHORISED)->authorised.ret_ready = true;
    op = add(&tx, STORE_ORDER_MOVE);
    op->to = ORDER_VALID;
    op->serial = "5e";
    commit(&tx);
    ck_assert_int_eq(status_kept(), ORDER_VALID);
    end();
}
END_TEST

START_TEST(a_certificate_is_there_once_and_not_after_its_revocation) {
    struct certificate issued = {.serial = "5e", .account = "a", .chain_pem = (char[]){"pem"}};
    AUTO(certificate_done) struct certificate got = {0};
    struct store_tx inserted = {0}, revoked = {0};

    begin(1);
    store_tx_add(&inserted, STORE_CERTIFICATE_INSERT)->certificate = &issued;
    commit(&inserted);
    ck_assert(store_cache_certificate_take(cache, "5e", &got));
    ck_assert_str_eq(got.chain_pem, "pem");
    ck_assert_int_eq(got.reason, -1);
    ck_assert(!store_cache_certificate_take(cache, "5e", &got));
    commit(&inserted);
    store_tx_add(&revoked, STORE_REVOKE)->revoke.serial = "5e";
    commit(&revoked);
    ck_assert(!store_cache_certificate_take(cache, "5e", &got));
    end();
}
END_TEST

START_TEST(no_more_are_kept_than_there_are_slots_and_no_large_ones) {
    unsigned kept = 0;
    char id[ID_SIZE];

    begin(1);
    for (unsigned i = 0; i < 2 * SLOTS; i++) {
        (void)snprintf(order.id, ID_SIZE, "%u", i);
        store_cache_order_put(cache, &order, 0);
    }
    for (unsigned i = 0; i < 2 * SLOTS; i++) {
        AUTO(order_done) struct order got = {0};
        uint64_t seen = 0;
        (void)snprintf(id, ID_SIZE, "%u", i);
        kept += store_cache_order_get(cache, "a", id, &got, &seen);
    }
    ck_assert_uint_le(kept, SLOTS);
    ck_assert_uint_ge(kept, SLOTS / 2);
    end();
    begin(STORE_CACHE_NAMES + 1);
    insert();
    ck_assert_int_eq(status_kept(), -1);
    end();
}
END_TEST

/* A store that answers from its cache answers as one just opened. */
START_TEST(the_store_answers_as_one_without_a_cache) {
    AUTO(order_done) struct order cached = {0}, read = {0};
    AUTO(authz_done) struct authz cached_authz = {0}, read_authz = {0};
    bool ready = false;

    begin(1);
    set_up(false);
    add_order(&order, authzs);
    ck_good(validate(&authzs[0], &ready));
    ck_assert(ready);
    ck_good(store_order_get(store, "a", "o", &cached, &err));
    ck_good(store_authz_get(store, "a", authzs[0].id, &cached_authz, &err));
    store_close(store);
    open_disk();
    ck_good(store_order_get(store, "a", "o", &read, &err));
    ck_good(store_authz_get(store, "a", authzs[0].id, &read_authz, &err));
    ck_assert_int_eq(cached.status, read.status);
    ck_assert_uint_eq(cached.expires_us, read.expires_us);
    ck_assert_int_eq(cached.not_after_s, read.not_after_s);
    ck_assert_str_eq(cached.profile, read.profile);
    ck_assert_str_eq(cached.serial, read.serial);
    ck_assert_str_eq(cached.identifiers[0].value, read.identifiers[0].value);
    ck_assert_int_eq(cached_authz.status, read_authz.status);
    ck_assert_uint_eq(cached_authz.expires_us, read_authz.expires_us);
    ck_assert_int_eq(cached_authz.token_exp_s, read_authz.token_exp_s);
    ck_assert_mem_eq(&cached_authz.types, &read_authz.types, sizeof(read_authz.types));
    ck_assert_uint_eq(cached_authz.count, read_authz.count);
    ck_assert_int_eq(cached_authz.challenges[0].status, read_authz.challenges[0].status);
    ck_assert_uint_eq(cached_authz.challenges[0].validated_us,
                      read_authz.challenges[0].validated_us);
    tear_down();
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_committed_order_is_copied_out_with_its_authorizations,
                                  another_account_finds_nothing,
                                  a_transaction_that_failed_changes_nothing,
                                  every_operation_on_an_order_shows_or_makes_it_be_read_again,
                                  an_authorization_follows_its_challenge_and_its_grant,
                                  what_was_read_before_a_commit_is_not_kept,
                                  what_was_read_between_a_commit_and_its_news_ends_the_same,
                                  a_certificate_is_there_once_and_not_after_its_revocation,
                                  no_more_are_kept_than_there_are_slots_and_no_large_ones,
                                  the_store_answers_as_one_without_a_cache};
    return store_suite("server/store_cache", NULL, 0, tests, COUNT(tests));
}
