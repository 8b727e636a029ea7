/* Where faults touch validations: instead of va_submit. */
#pragma once

#include "server/faults.h"
#include "server/wfe_request.h"

struct fault_held { /* borrowed for the call, but wfe and ctx */
    struct wfe *wfe;
    const char *account;
    const struct va_task *task;
    uint64_t hold_us; /* at least; FAULT_FOREVER: it is dropped, and taken up by the next start */
    va_done *done;
    void (*drop)(void *ctx); /* instead of done, when the server stops first */
    void *ctx;
};

/* As va_submit, after showing the validation to the rules: it may be held back, and its outcome
 * decided without asking anybody. */
MUST_CHECK bool wfe_fault_submit(const struct fault_held *held, struct err *err);
