/* Many at once: group commit, races, and readers beside the writer. */
#include <stdatomic.h>

#include "store_bed.h"

#define RACERS 64
struct racer {
    struct store_tx tx;
    enum err_kind kind;
};
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static unsigned told_count;

static void racer_done(void *ctx, const struct err *done_err) {
    struct racer *racer = ctx;
    (void)pthread_mutex_lock(&told_lock);
    racer->kind = done_err->kind;
    told_count++;
    (void)pthread_cond_signal(&told);
    (void)pthread_mutex_unlock(&told_lock);
}

static void wait_told(unsigned count) {
    (void)pthread_mutex_lock(&told_lock);
    while (told_count < count) {
        (void)pthread_cond_wait(&told, &told_lock);
    }
    (void)pthread_mutex_unlock(&told_lock);
}

START_TEST(of_many_who_move_a_record_one_succeeds_and_few_commits_serve_all) {
    static struct racer racers[RACERS];
    struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs), got = {0};
    char serials[RACERS][8];
    unsigned winners = 0, winner = 0;

    set_up(_i == 1);
    told_count = 0;
    add_order(&order, authzs);
    ck_good(move_order(ORDER_PENDING, ORDER_READY, NULL));
    uint64_t before = store_counts(store).commits;
    for (unsigned i = 0; i < RACERS; i++) {
        struct store_op *op = store_tx_add(&racers[i].tx, STORE_ORDER_MOVE);
        (void)snprintf(serials[i], sizeof(serials[i]), "%u", i);
        op->account = "a";
        op->order = "o";
        op->from = ORDER_READY;
        op->to = ORDER_VALID;
        op->serial = serials[i];
        ck_good(store_submit(store, &racers[i].tx, racer_done, &racers[i], &err));
    }
    wait_told(RACERS);
    for (unsigned i = 0; i < RACERS; i++) {
        ck_assert(racers[i].kind == ERR_NONE || racers[i].kind == ERR_CONFLICT);
        if (racers[i].kind == ERR_NONE) {
            winners++;
            winner = i;
        }
    }
    ck_assert_uint_eq(winners, 1);
    ck_good(store_order_get(store, "a", "o", &got, &err));
    ck_assert_str_eq(got.serial, serials[winner]);
    ck_assert_uint_lt(store_counts(store).commits - before, RACERS);
    tear_down();
}
END_TEST

START_TEST(stopping_commits_what_is_queued) {
    static struct racer racers[RACERS];
    static struct account accounts[RACERS];

    set_up(false);
    told_count = 0;
    for (unsigned i = 0; i < RACERS; i++) {
        char id[12], thumbprint[12];
        (void)snprintf(id, sizeof(id), "a%u", i);
        (void)snprintf(thumbprint, sizeof(thumbprint), "t%u", i);
        accounts[i] = account_of(id, thumbprint);
        racers[i] = (struct racer){0};
        store_tx_add(&racers[i].tx, STORE_ACCOUNT_INSERT)->new_account = &accounts[i];
        ck_good(store_submit(store, &racers[i].tx, racer_done, &racers[i], &err));
    }
    store_stop(store);
    ck_assert_uint_eq(told_count, RACERS);
    for (unsigned i = 0; i < RACERS; i++) {
        ck_assert_int_eq(racers[i].kind, ERR_NONE);
        account_done(&accounts[i]);
    }
    tear_down();
}
END_TEST

/* Of readers and a writer at once, each reader sees one whole state. */
static atomic_bool reading;
static void *read_pairs(void *ctx) {
    const char *id = ctx;
    while (atomic_load(&reading)) {
        AUTO(authz_done) struct authz authz = {0};
        struct err read_err = {0};
        ck_assert(store_authz_get(store, "a", id, &authz, &read_err));
        bool both =
            (authz.status == AUTHZ_VALID) == (authz.challenges[0].status == CHALLENGE_VALID);
        ck_assert(both);
    }
    return NULL;
}

START_TEST(a_reader_never_sees_half_a_transaction) {
    static struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs);
    pthread_t threads[2];
    bool ready = false;

    set_up(_i == 1);
    add_order(&order, authzs);
    atomic_store(&reading, true);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_pairs, authzs[0].id), 0);
    }
    ck_good(validate(&authzs[0], &ready));
    atomic_store(&reading, false);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {of_many_who_move_a_record_one_succeeds_and_few_commits_serve_all,
                                 a_reader_never_sees_half_a_transaction};
    const TTest *const disk[] = {stopping_commits_what_is_queued};
    return store_suite("server/store_writer", both, COUNT(both), disk, COUNT(disk));
}
