/* The writer takes everything queued (at most STORE_BATCH_MAX), applies each change under a
 * compare-and-set, commits once (when, says common/pace), and posts the whole batch back to the
 * loop.  A change that finds another state than it names fails alone and leaves the batch as it is;
 * any other failure rolls the batch back and every change in it fails. */
#include "client/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash_point.h"
#include "client/store_queue.h"
#include "client/store_sql.h"
#include "common/clock.h"
#include "common/pace.h"

struct change {
    struct store_node node;
    bool insert, with_account;
    enum enrolment_state from;
    struct enrolment enrolment;
    struct store_account account;
    store_work *work; /* instead of all that */
    store_saved *saved;
    void *ctx;
    struct err err;
};

struct look {
    struct store_node node;
    int64_t row;
    char nf[37], account[ENROLMENT_ACCOUNT_SIZE];
    char *directory, *idempotency;
    store_found_fn *fn;
    store_work *work; /* instead of all that; its end is `done` */
    store_saved *done;
    void *ctx;
    struct store_found found;
    struct err err;
};

struct store {
    struct loop *loop;
    struct store_sql *writing, *reading;
    struct store_queue changes, looks;
    struct store_queue changed, looked; /* completions on their way to the loop */
    pthread_t writer, reader;
    bool started;
    int64_t row_last;
    _Atomic bool writable;
    _Atomic uint64_t commits, records;
};

void store_account_done(struct store_account *account) {
    free(account->directory);
    free(account->sealed);
    free(account->next_sealed);
    free(account->url);
    *account = (struct store_account){0};
}

void store_account_done_auto(struct store_account *account) { store_account_done(account); }

void store_found_done(struct store_found *found) {
    store_account_done(&found->account);
    enrolment_done(&found->enrolment);
    *found = (struct store_found){0};
}

static void change_free(struct change *change) {
    enrolment_done(&change->enrolment);
    store_account_done(&change->account);
    free(change);
}

static void look_free(struct look *look) {
    store_found_done(&look->found);
    free(look->directory);
    free(look->idempotency);
    free(look);
}

static void deliver_changes(void *ctx) {
    struct store *store = ctx;

    for (struct store_node *node = store_queue_poll(&store->changed), *next; node != NULL;
         node = next) {
        struct change *change = (struct change *)node;
        next = node->next;
        change->saved(change->ctx, change->err.kind == ERR_NONE ? NULL : &change->err);
        change_free(change);
    }
}

static bool apply(struct store *store, struct change *change) {
    struct err *err = &change->err;

    if (change->work != NULL) {
        return change->work(store->writing, change->ctx, err);
    }
    if (!change->insert) {
        return (!change->with_account
                || store_sql_account_put(store->writing, &change->account, err))
               && store_sql_move(store->writing, &change->enrolment, change->from, err);
    }
    return (!change->with_account || store_sql_account_put(store->writing, &change->account, err))
           && store_sql_insert(store->writing, &change->enrolment, err);
}

#ifdef NFACME_CRASH_POINTS
static void crash_points(const struct store_node *list, const char *where) {
    for (; list != NULL; list = list->next) {
        const struct change *change = (const struct change *)list;
        if (change->work == NULL && change->err.kind == ERR_NONE) {
            crash_point_move(where, change->insert ? "NEW" : enrolment_state_name(change->from),
                             enrolment_state_name(change->enrolment.state));
        }
    }
}
#else
#define crash_points(list, where) ((void)0)
#endif

static bool commit(struct store *store, struct store_node *list, struct err *err) {
    unsigned records = 0;

    if (!store_sql_begin(store->writing, err)) {
        return false;
    }
    for (struct store_node *node = list; node != NULL; node = node->next) {
        struct change *change = (struct change *)node;
        if (apply(store, change)) {
            records++;
        } else if (change->err.kind != ERR_CONFLICT) {
            *err = change->err;
            store_sql_rollback(store->writing);
            return false;
        }
    }
    crash_points(list, "before");
    if (!store_sql_commit(store->writing, err)) {
        store_sql_rollback(store->writing);
        return false;
    }
    crash_points(list, "after");
    atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->records, records, memory_order_relaxed);
    return true;
}

static void *writer_main(void *arg) {
    struct store *store = arg;
    uint64_t started_us = 0;

    for (;;) {
        store_queue_wait(&store->changes);
        pace_rest(started_us);
        struct store_node *list = store_queue_take(&store->changes, STORE_BATCH_MAX);
        if (list == NULL) {
            return NULL;
        }
        struct err err = {0};
        started_us = clock_wall_us();
        bool good = commit(store, list, &err);
        atomic_store(&store->writable, good);
        for (struct store_node *node = list; !good && node != NULL; node = node->next) {
            ((struct change *)node)->err = err;
        }
        store_queue_append(&store->changed, list);
        loop_post(store->loop, deliver_changes, store);
    }
}

static void deliver_looks(void *ctx) {
    struct store *store = ctx;

    for (struct store_node *node = store_queue_poll(&store->looked), *next; node != NULL;
         node = next) {
        struct look *look = (struct look *)node;
        next = node->next;
        const struct err *err = look->err.kind == ERR_NONE ? NULL : &look->err;
        if (look->work != NULL) {
            look->done(look->ctx, err);
        } else {
            look->fn(look->ctx, &look->found, err);
        }
        look_free(look);
    }
}

/* Whatever goes wrong stands in look->err. */
static bool look_up(struct store *store, struct look *look) {
    struct err *err = &look->err;

    if (look->work != NULL) {
        return look->work(store->reading, look->ctx, err);
    }
    if (look->nf[0] == '\0') {
        return store_sql_find(store->reading, look->row, &look->found, err);
    }
    return store_sql_account(store->reading, look->account, look->directory, &look->found, err)
           && (look->idempotency == NULL
               || store_sql_find_key(store->reading, look->nf, look->idempotency, &look->found,
                                     err));
}

static void *reader_main(void *arg) {
    struct store *store = arg;

    for (struct store_node *node; (node = store_queue_take(&store->looks, 1)) != NULL;) {
        struct look *look = (struct look *)node;
        look_up(store, look);
        store_queue_append(&store->looked, node);
        loop_post(store->loop, deliver_looks, store);
    }
    return NULL;
}

static bool start_threads(struct store *store, struct err *err) {
    if (pthread_create(&store->writer, NULL, writer_main, store) != 0) {
        return err_set(err, ERR_STORE, "could not start a thread");
    }
    if (pthread_create(&store->reader, NULL, reader_main, store) != 0) {
        store_queue_stop(&store->changes);
        (void)pthread_join(store->writer, NULL);
        return err_set(err, ERR_STORE, "could not start a thread");
    }
    store->started = true;
    return true;
}

struct store *store_open(const char *path, struct loop *loop, struct err *err) {
    AUTO(store_close) struct store *store = calloc(1, sizeof *store);

    if (store == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    store->loop = loop;
    store->writable = true;
    store_queue_init(&store->changes);
    store_queue_init(&store->looks);
    store_queue_init(&store->changed);
    store_queue_init(&store->looked);
    store->writing = store_sql_open(path, true, err);
    if (store->writing == NULL) {
        return NULL;
    }
    store->reading = store_sql_open(path, false, err);
    if (store->reading == NULL || !store_sql_row_max(store->reading, &store->row_last, err)
        || !start_threads(store, err)) {
        return NULL;
    }
    return TAKE(store);
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    if (store->started) {
        store_queue_stop(&store->changes);
        store_queue_stop(&store->looks);
        (void)pthread_join(store->writer, NULL);
        (void)pthread_join(store->reader, NULL);
    }
    for (struct store_node *node = store_queue_poll(&store->changed), *next; node != NULL;
         node = next) {
        next = node->next;
        change_free((struct change *)node);
    }
    for (struct store_node *node = store_queue_poll(&store->looked), *next; node != NULL;
         node = next) {
        next = node->next;
        look_free((struct look *)node);
    }
    store_sql_close(store->writing);
    store_sql_close(store->reading);
    store_queue_done(&store->changes);
    store_queue_done(&store->looks);
    store_queue_done(&store->changed);
    store_queue_done(&store->looked);
    free(store);
}

bool store_writable(const struct store *store) { return atomic_load(&store->writable); }

int64_t store_row_next(struct store *store) { return ++store->row_last; }

static bool account_copy(const struct store_account *from, struct store_account *ret) {
    *ret = *from;
    ret->next_sealed = NULL;
    ret->next_sealed_len = 0;
    ret->sealed = malloc(from->sealed_len);
    ret->url = from->url == NULL ? NULL : strdup(from->url);
    ret->directory = from->directory == NULL ? NULL : strdup(from->directory);
    if (ret->sealed == NULL || (from->url != NULL && ret->url == NULL)
        || (from->directory != NULL && ret->directory == NULL)) {
        store_account_done(ret);
        return false;
    }
    memcpy(ret->sealed, from->sealed, from->sealed_len);
    return true;
}

static struct change *change_new(const struct enrolment *enrolment, store_saved *saved, void *ctx,
                                 struct err *err) {
    struct change *change = calloc(1, sizeof *change);

    if (change == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    if (!enrolment_copy(enrolment, &change->enrolment, err)) {
        free(change);
        return NULL;
    }
    change->saved = saved;
    change->ctx = ctx;
    return change;
}

/* Each live enrolment has at most one change under way, so their limit bounds this queue too. */
static void change_queue(struct store *store, struct change *change) {
    (void)store_queue_add(&store->changes, &change->node, UINT32_MAX);
}

static bool copy_once(const char *from, char **ret) {
    *ret = from == NULL ? NULL : strdup(from);
    return from == NULL || *ret != NULL;
}

bool store_insert(struct store *store, const struct enrolment *enrolment,
                  const struct store_account *account, store_saved *saved, void *ctx,
                  struct err *err) {
    struct change *change = change_new(enrolment, saved, ctx, err);

    if (change == NULL) {
        return false;
    }
    change->insert = true;
    change->with_account = account != NULL;
    if (!copy_once(enrolment->cca, &change->enrolment.cca)
        || (account != NULL && !account_copy(account, &change->account))) {
        change_free(change);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    change_queue(store, change);
    return true;
}

bool store_move(struct store *store, const struct enrolment *enrolment, enum enrolment_state from,
                store_saved *saved, void *ctx, struct err *err) {
    return store_move_with(store, enrolment, from, NULL, saved, ctx, err);
}

bool store_move_with(struct store *store, const struct enrolment *enrolment,
                     enum enrolment_state from, const struct store_account *account,
                     store_saved *saved, void *ctx, struct err *err) {
    struct change *change = change_new(enrolment, saved, ctx, err);

    if (change == NULL) {
        return false;
    }
    change->from = from;
    change->with_account = account != NULL;
    if ((account != NULL && !account_copy(account, &change->account))
        || (enrolment->state == ENROLMENT_ISSUED
            && !copy_once(enrolment->chain, &change->enrolment.chain))
        || (from == ENROLMENT_AWAITING_TOKEN && enrolment->state == ENROLMENT_ORDERED
            && !copy_once(enrolment->token, &change->enrolment.token))) {
        change_free(change);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    change_queue(store, change);
    return true;
}

static bool look_queue(struct store *store, const struct look *wanted, const char *idempotency,
                       struct err *err) {
    struct look *look = malloc(sizeof *look);

    if (look == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    *look = *wanted;
    look->directory = NULL;
    if (!copy_once(idempotency, &look->idempotency)
        || !copy_once(wanted->directory, &look->directory)
        || !store_queue_add(&store->looks, &look->node, STORE_READS_MAX)) {
        look_free(look);
        return err_set(err, ERR_OVERLOAD, "too many look-ups are waiting");
    }
    return true;
}

bool store_find(struct store *store, int64_t row, store_found_fn *fn, void *ctx, struct err *err) {
    return look_queue(store, &(struct look){.row = row, .fn = fn, .ctx = ctx}, NULL, err);
}

bool store_tenant(struct store *store, const struct store_tenant *tenant, store_found_fn *fn,
                  void *ctx, struct err *err) {
    struct look look = {.directory = (char *)tenant->directory, .fn = fn, .ctx = ctx};

    (void)memcpy(look.nf, tenant->nf, strnlen(tenant->nf, sizeof look.nf - 1));
    (void)memcpy(look.account, tenant->account, strnlen(tenant->account, sizeof look.account - 1));
    return look_queue(store, &look, tenant->idempotency, err);
}

bool store_read(struct store *store, store_work *work, store_saved *done, void *ctx,
                struct err *err) {
    return look_queue(store, &(struct look){.work = work, .done = done, .ctx = ctx}, NULL, err);
}

bool store_write(struct store *store, store_work *work, store_saved *done, void *ctx,
                 struct err *err) {
    struct change *change = calloc(1, sizeof *change);

    if (change == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    *change = (struct change){.work = work, .saved = done, .ctx = ctx};
    change_queue(store, change);
    return true;
}

bool store_resume(struct store *store, store_found_fn *fn, void *ctx, struct err *err) {
    /* before any look-up is queued, so the reading connection is this thread's alone */
    return store_sql_live(store->reading, fn, ctx, err);
}

bool store_read_now(struct store *store, store_work *work, void *ctx, struct err *err) {
    return work(store->reading, ctx, err);
}

uint64_t store_commits(const struct store *store) { return atomic_load(&store->commits); }

uint64_t store_commit_records(const struct store *store) { return atomic_load(&store->records); }
