/*
 * Group commit.  The writer takes everything that waits (at most STORE_BATCH_MAX transactions),
 * runs each inside a savepoint of one SQLite transaction, commits once, and then tells each.
 * A transaction that comes alone begins at once, those of a crowd share a commit, an fsync and a
 * wake-up (common/pace).
 */
#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/pace.h"

#include "server/store_sql.h"

static_assert(1 << (STORE_SIZES - 1) == STORE_BATCH_MAX, "the largest group has a size");

struct store_op *store_tx_add(struct store_tx *tx, enum store_op_kind kind) {
    assert(tx->count < STORE_OPS_MAX);
    struct store_op *op = &tx->ops[tx->count++];
    *op = (struct store_op){.kind = kind};
    return op;
}

static bool run(struct conn *conn, enum sql which, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, which, err);
    return statement != NULL && store_run(conn, statement, NULL, err);
}

/* One transaction of the batch; its own failure goes to tx->err.  false: the batch is lost. */
static bool tx_run(struct conn *conn, struct store_tx *tx, struct err *err) {
    bool whole = true;

    if (!run(conn, SQL_SAVEPOINT, err)) {
        return false;
    }
    for (unsigned i = 0; whole && i < tx->count; i++) {
        whole = store_op_run(conn, &tx->ops[i], &tx->err);
    }
    if (!whole && (tx->err.kind == ERR_STORE || !run(conn, SQL_ROLLBACK_TO, err))) {
        (void)err_set(err, ERR_STORE, "the store failed");
        (void)err_cause(err, "%s", tx->err.cause);
        return false;
    }
    return run(conn, SQL_RELEASE, err);
}

static bool batch_run(struct store *store, struct store_tx *first, struct err *err) {
    struct conn *conn = store->writer;
    bool whole = run(conn, SQL_BEGIN, err);

    for (struct store_tx *tx = first; whole && tx != NULL; tx = tx->next) {
        whole = tx_run(conn, tx, err);
    }
    if (whole && run(conn, SQL_COMMIT, err)) {
        return true;
    }
    if (sqlite3_get_autocommit(conn->db) == 0) {
        struct err ignored = {0};
        (void)!run(conn, SQL_ROLLBACK, &ignored);
    }
    return false;
}

/* Wait for work, then let more of it gather. */
static void gather(struct store *store, uint64_t started_us) {
    (void)pthread_mutex_lock(&store->lock);
    while (store->first == NULL && !store->stopping) {
        (void)pthread_cond_wait(&store->wake, &store->lock);
    }
    bool stopping = store->stopping;
    (void)pthread_mutex_unlock(&store->lock);
    if (!stopping) {
        pace_rest(started_us);
    }
}

static struct store_tx *batch_take(struct store *store, unsigned *ret_count) {
    (void)pthread_mutex_lock(&store->lock);
    struct store_tx *first = store->first, *last = first;
    unsigned count = first != NULL;
    while (count > 0 && count < STORE_BATCH_MAX && last->next != NULL) {
        last = last->next;
        count++;
    }
    if (last != NULL) {
        store->first = last->next;
        last->next = NULL;
    }
    store->counts.queued -= count;
    (void)pthread_mutex_unlock(&store->lock);
    *ret_count = count;
    return first;
}

static void tx_count(const struct store_tx *tx, struct store_counts *counts) {
    for (unsigned i = 0; i < tx->count; i++) {
        counts->issued += tx->ops[i].kind == STORE_CERTIFICATE_INSERT;
        counts->revoked += tx->ops[i].kind == STORE_REVOKE;
    }
}

/* Under the lock. */
static void batch_count(struct store_counts *counts, const struct store_tx *first, unsigned count,
                        bool lost) {
    counts->healthy = !lost;
    if (!lost) {
        counts->commits++;
        counts->transactions += count;
        counts->sizes[count <= 1 ? 0 : 32 - __builtin_clz(count - 1)]++;
    }
    for (const struct store_tx *tx = first; tx != NULL; tx = tx->next) {
        if (lost || tx->err.kind != ERR_NONE) {
            counts->failed++;
        } else {
            tx_count(tx, counts);
        }
    }
}

/* done may free its transaction. */
static void batch_tell(struct store_tx *first, const struct err *lost) {
    while (first != NULL) {
        struct store_tx *tx = first;
        first = tx->next;
        struct err err = lost->kind != ERR_NONE ? *lost : tx->err;
        tx->done(tx->ctx, &err);
    }
}

void store_observe(struct store *store, store_observer *observer, void *ctx) {
    (void)pthread_mutex_lock(&store->lock);
    store->observer_ctx = ctx;
    store->observer = observer;
    (void)pthread_mutex_unlock(&store->lock);
}

static void observe(struct store *store, const struct store_tx *first) {
    (void)pthread_mutex_lock(&store->lock);
    store_observer *observer = store->observer;
    void *ctx = store->observer_ctx;
    (void)pthread_mutex_unlock(&store->lock);
    for (const struct store_tx *tx = first; observer != NULL && tx != NULL; tx = tx->next) {
        if (tx->err.kind == ERR_NONE) {
            observer(ctx, tx);
        }
    }
}

static void *writer(void *ctx) {
    struct store *store = ctx;
    uint64_t started_us = 0;

    for (;;) {
        unsigned count = 0;
        gather(store, started_us);
        struct store_tx *batch = batch_take(store, &count);
        if (batch == NULL) {
            return NULL;
        }
        struct err lost = {0};
        started_us = clock_wall_us();
        (void)pthread_mutex_lock(&store->writing);
        bool done = batch_run(store, batch, &lost);
        if (done) {
            store_cache_commit(store->cache, batch);
            observe(store, batch);
        }
        (void)pthread_mutex_unlock(&store->writing);
        (void)pthread_mutex_lock(&store->lock);
        batch_count(&store->counts, batch, count, !done);
        (void)pthread_mutex_unlock(&store->lock);
        batch_tell(batch, &lost);
    }
    return NULL;
}

bool store_writer_start(struct store *store, struct err *err) {
    store->started = pthread_create(&store->thread, NULL, writer, store) == 0;
    return store->started || err_set(err, ERR_NO_MEMORY, "could not start the store's thread");
}

void store_stop(struct store *store) {
    if (store == NULL || !store->started) {
        return;
    }
    (void)pthread_mutex_lock(&store->lock);
    store->stopping = true;
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->lock);
    (void)pthread_join(store->thread, NULL);
    store->started = false;
}

bool store_submit(struct store *store, struct store_tx *tx, store_done *done, void *ctx,
                  struct err *err) {
    tx->done = done;
    tx->ctx = ctx;
    tx->next = NULL;
    tx->err = (struct err){0};
    (void)pthread_mutex_lock(&store->lock);
    bool room = tx->promised || store->counts.queued < STORE_QUEUE_MAX;
    if (room) {
        *(store->first == NULL ? &store->first : &store->last->next) = tx;
        store->last = tx;
        store->counts.queued++;
        (void)pthread_cond_signal(&store->wake);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return room || err_set(err, ERR_OVERLOAD, "too many requests wait for the store");
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    struct err err;
};

static void waiting_done(void *ctx, const struct err *err) {
    struct waiting *waiting = ctx;
    (void)pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    waiting->err = *err;
    (void)pthread_cond_signal(&waiting->told);
    (void)pthread_mutex_unlock(&waiting->lock);
}

bool store_write(struct store *store, struct store_tx *tx, struct err *err) {
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};

    if (!store_submit(store, tx, waiting_done, &waiting, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&waiting.lock);
    while (!waiting.done) {
        (void)pthread_cond_wait(&waiting.told, &waiting.lock);
    }
    (void)pthread_mutex_unlock(&waiting.lock);
    if (waiting.err.kind != ERR_NONE) {
        *err = waiting.err;
    }
    return waiting.err.kind == ERR_NONE;
}

struct store_counts store_counts(struct store *store) {
    (void)pthread_mutex_lock(&store->lock);
    struct store_counts counts = store->counts;
    (void)pthread_mutex_unlock(&store->lock);
    return counts;
}
