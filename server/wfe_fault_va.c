#include "server/wfe_fault_va.h"

#include <stdlib.h>
#include <string.h>

#include "common/later.h"

/* A task whose time has not come. */
struct waiting {
    struct fault_held held; /* task points to the next */
    struct va_task task;    /* response is owned */
    struct fault_action action;
};

/* The outcome a rule wants; nobody is asked. */
static void decide(const struct fault_held *held, const struct fault_action *action) {
    struct va_result result = {.valid = action->verdict == FAULT_VALID};

    if (!result.valid) {
        (void)err_set(&result.err,
                      action->problem[0] != '\0' ? action->kind : ERR_INCORRECT_RESPONSE, "%s",
                      action->detail[0] != '\0' ? action->detail : "a fault on purpose");
    }
    held->done(held->ctx, &result);
}

static bool submit(const struct fault_held *held, const struct fault_action *action,
                   struct err *err) {
    if (action->verdict != FAULT_JUDGE) {
        decide(held, action);
        return true;
    }
    return va_submit(held->wfe->options.va, held->task, held->done, held->ctx, err);
}

static void go_on(void *ctx, bool stopped) {
    struct waiting *waiting = ctx;
    struct fault_held *held = &waiting->held;
    struct va_result result = {0};

    wfe_hold(held->wfe);
    if (stopped) {
        held->drop(held->ctx);
    } else if (!submit(held, &waiting->action, &result.err)) {
        held->done(held->ctx, &result);
    }
    free((char *)(uintptr_t)waiting->task.response);
    free(waiting);
}

/* false: no room; go on at once. */
static bool hold(const struct fault_held *held, const struct fault_action *action,
                 uint64_t hold_us) {
    struct wfe *wfe = held->wfe;
    struct waiting *waiting = malloc(sizeof(*waiting));
    char *response = strdup(held->task->response == NULL ? "" : held->task->response);
    uint64_t real_us = clock_real_delay_us(wfe->options.clock, hold_us);

    if (waiting != NULL && response != NULL) {
        *waiting = (struct waiting){.held = *held, .task = *held->task, .action = *action};
        waiting->task.response = response;
        waiting->held.task = &waiting->task;
        wfe_let_go(wfe); /* a drain does not wait for it */
        if (later_add(faults_later(wfe->options.faults), real_us, go_on, waiting)) {
            return true;
        }
        wfe_hold(wfe);
    }
    free(response);
    free(waiting);
    return false;
}

bool wfe_fault_submit(const struct fault_held *held, struct err *err) {
    struct faults *faults = held->wfe->options.faults;
    struct fault_action action = {0};
    uint64_t hold_us = held->hold_us;
    const struct fault_event event = {.validation = true,
                                      .account = held->account,
                                      .identifiers = &held->task->identifier,
                                      .count = 1,
                                      .challenge = (int)held->task->type};

    if (faults_on(faults) && faults_hit(faults, &event, &action) && hold_us == 0) {
        hold_us = action.delay_us;
    }
    if (hold_us == FAULT_FOREVER) {
        held->drop(held->ctx);
        return true;
    }
    return (hold_us != 0 && hold(held, &action, hold_us)) || submit(held, &action, err);
}
