#include "server/finalizing.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/problem.h"
#include "server/issue.h"

#define AGAIN_US 1000000 /* after a failure of the disk */

struct finalizing {
    const struct wfe_options *options;
    struct later *later;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    bool stopping;
    unsigned live; /* between their time and their commit */
};

/* One order; owns itself until it is committed. */
struct work {
    struct finalizing *finalizing;
    char account[ID_SIZE], id[ID_SIZE];
    struct order order;
    struct certificate certificate;
    char *error; /* problem document; NULL: it was issued */
    struct store_tx tx;
};

static void work_free(struct work *work) {
    order_done(&work->order);
    certificate_done(&work->certificate);
    free(work->error);
    free(work);
}

struct finalizing *finalizing_new(const struct wfe_options *options, struct err *err) {
    AUTO(finalizing_free) struct finalizing *finalizing = calloc(1, sizeof(*finalizing));

    if (finalizing == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for orders in work");
        return NULL;
    }
    (void)pthread_mutex_init(&finalizing->lock, NULL);
    (void)pthread_cond_init(&finalizing->idle, NULL);
    finalizing->options = options;
    finalizing->later = later_new(err);
    return finalizing->later == NULL ? NULL : TAKE(finalizing);
}

/* false: it is too late to begin. */
static bool begin(struct finalizing *finalizing) {
    (void)pthread_mutex_lock(&finalizing->lock);
    bool begun = !finalizing->stopping;
    finalizing->live += begun;
    (void)pthread_mutex_unlock(&finalizing->lock);
    return begun;
}

static void end(struct finalizing *finalizing) {
    (void)pthread_mutex_lock(&finalizing->lock);
    if (--finalizing->live == 0) {
        (void)pthread_cond_broadcast(&finalizing->idle);
    }
    (void)pthread_mutex_unlock(&finalizing->lock);
}

void finalizing_stop(struct finalizing *finalizing) {
    if (finalizing == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&finalizing->lock);
    finalizing->stopping = true;
    while (finalizing->live > 0) {
        (void)pthread_cond_wait(&finalizing->idle, &finalizing->lock);
    }
    (void)pthread_mutex_unlock(&finalizing->lock);
    later_stop(finalizing->later);
}

void finalizing_free(struct finalizing *finalizing) {
    if (finalizing != NULL) {
        finalizing_stop(finalizing);
        later_free(finalizing->later);
        (void)pthread_cond_destroy(&finalizing->idle);
        (void)pthread_mutex_destroy(&finalizing->lock);
        free(finalizing);
    }
}

unsigned finalizing_count(const struct finalizing *finalizing) {
    return later_count(finalizing->later);
}

bool finalizing_room(struct finalizing *finalizing) {
    return later_count(finalizing->later) < LATER_MAX / 2;
}

static void on_due(void *ctx, bool stopped);

/* Takes work. */
static void wait_for(struct work *work, uint64_t real_us) {
    if (!later_add(work->finalizing->later, real_us, on_due, work)) {
        log_line(LOG_WARNING, "finalizing", "left", "order=%s", work->id); /* to the next start */
        work_free(work);
    }
}

static void note(const struct work *work) {
    struct trace *trace = work->finalizing->options->trace;
    bool issued = work->error == NULL;

    if (trace == NULL) {
        return;
    }
    trace_event(trace, &(struct trace_event){
                           .event = "order",
                           .order = work->id,
                           .nf = order_nf(&work->order),
                           .from = order_status_name(ORDER_PROCESSING),
                           .to = order_status_name(issued ? ORDER_VALID : ORDER_INVALID)});
    if (issued) {
        trace_event(trace, &(struct trace_event){.event = "certificate",
                                                 .order = work->id,
                                                 .nf = order_nf(&work->order),
                                                 .serial = work->order.serial,
                                                 .to = "issued"});
    }
}

static void on_commit(void *ctx, const struct err *err) {
    struct work *work = ctx;
    struct finalizing *finalizing = work->finalizing;

    if (err->kind == ERR_NONE) {
        if (work->order.status == ORDER_PROCESSING) { /* else it was only forgotten */
            note(work);
        }
        work_free(work);
    } else { /* a conflict does not say that the order has ended: it is looked at again */
        if (err->kind != ERR_CONFLICT) {
            log_line(LOG_ERROR, "finalizing", "uncommitted", "order=%s kind=%s", work->id,
                     err_name(err->kind));
        }
        wait_for(work, AGAIN_US);
    }
    end(finalizing);
}

/* Not the order's fault: it is tried again. */
static bool passing(enum err_kind kind) {
    return kind == ERR_STORE || kind == ERR_NO_MEMORY || kind == ERR_OVERLOAD;
}

static bool check_account(const struct work *work, struct err *err) {
    struct keyring_entry account = {0};

    if (!keyring_get(work->finalizing->options->gate.keyring, work->account, &account, err)) {
        return false;
    }
    enum account_status status = account.status;
    keyring_entry_done(&account);
    return status == ACCOUNT_VALID /* 7.3.6: what is pending should be cancelled */
           || err_set(err, ERR_UNAUTHORIZED, "the account is %s", account_status_name(status));
}

static bool make(struct work *work, struct err *err) {
    const struct wfe_options *options = work->finalizing->options;
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    AUTO(free) char *text = NULL;
    struct ca_request wanted;

    return store_finalizing_get(options->store, work->account, work->id, &text, err)
           && check_account(work, err) && issue_csr_read(text, &csr, err)
           && issue_check(options, &work->order, &csr, &wanted, err)
           && issue(options, &work->order, &wanted, &work->certificate, err);
}

static struct store_op *add_op(struct work *work, enum store_op_kind kind) {
    struct store_op *op = store_tx_add(&work->tx, kind);

    op->account = work->account;
    op->order = work->id;
    return op;
}

static void commit(struct work *work) {
    struct err lost = {0};

    (void)add_op(work, STORE_FINALIZING_DELETE);
    if (!store_submit(work->finalizing->options->store, &work->tx, on_commit, work, &lost)) {
        on_commit(work, &lost);
    }
}

/* What becomes of the order, as one transaction; err: why it was not issued. */
static void conclude(struct work *work, const struct err *err) {
    if (err->kind == ERR_NONE) {
        struct store_op *op = add_op(work, STORE_ORDER_MOVE);
        op->from = ORDER_PROCESSING;
        op->to = ORDER_VALID;
        op->serial = work->order.serial;
        add_op(work, STORE_CERTIFICATE_INSERT)->certificate = &work->certificate;
        if (work->order.replaces[0] != '\0') {
            op = add_op(work, STORE_REPLACED);
            op->replace.serial = work->order.replaces;
            op->replace.at_us = clock_now_us(work->finalizing->options->clock);
        }
    } else {
        work->error = problem_render(err);
        add_op(work, STORE_ORDER_REJECT)->error = work->error;
    }
    commit(work);
}

/* On the thread of later. */
static void on_due(void *ctx, bool stopped) {
    struct work *work = ctx;
    struct finalizing *finalizing = work->finalizing;
    struct err err = {0};

    if (stopped || !begin(finalizing)) {
        work_free(work);
        return;
    }
    order_done(&work->order);
    certificate_done(&work->certificate);
    free(TAKE(work->error));
    work->tx = (struct store_tx){.promised = true};
    bool there =
        store_order_get(finalizing->options->store, work->account, work->id, &work->order, &err);
    if (err.kind == ERR_NOT_FOUND || (there && work->order.status != ORDER_PROCESSING)) {
        commit(work); /* nothing is left to do but to forget it */
        return;
    }
    if ((!there || !make(work, &err)) && passing(err.kind)) {
        wait_for(work, AGAIN_US);
        end(finalizing);
        return;
    }
    conclude(work, &err);
}

void finalizing_add(struct finalizing *finalizing, const char *account, const char *order,
                    uint64_t due_us) {
    const struct clock *clock = finalizing->options->clock;
    uint64_t now_us = clock_now_us(clock);
    struct work *work = calloc(1, sizeof(*work));

    if (work == NULL) {
        return; /* the next start finds it */
    }
    work->finalizing = finalizing;
    (void)snprintf(work->account, ID_SIZE, "%s", account);
    (void)snprintf(work->id, ID_SIZE, "%s", order);
    wait_for(work, due_us > now_us ? clock_real_delay_us(clock, due_us - now_us) : 0);
}

bool finalizing_post(struct finalizing *finalizing, later_call *fn, void *ctx) {
    return finalizing_room(finalizing) && later_add(finalizing->later, 0, fn, ctx);
}

static bool add_stored(void *ctx, const char *account, const char *order, uint64_t due_us,
                       struct err *err) {
    (void)err;
    finalizing_add(ctx, account, order, due_us);
    return true;
}

bool finalizing_resume(struct finalizing *finalizing, struct err *err) {
    return store_finalizing_each(finalizing->options->store, add_stored, finalizing, err);
}
