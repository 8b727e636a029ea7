#include "nfsim/result.h"

#include <stdlib.h>

const char *const result_step_name[RESULT_STEPS] = {"request",         "account",  "order",
                                                    "challenge",       "response", "validation",
                                                    "acknowledgement", "CSR",      "certificate"};

void run_result_done(struct run_result *result) {
    for (size_t i = 0; i < result->samples_count; i++) {
        free(result->samples[i].chain_pem);
    }
    free(result->acme_requests);
    free(result->failures);
    free(result->faults);
    free(result->expect);
    free(result->seconds);
    free(result->samples);
    *result = (struct run_result){0};
}

void run_result_done_auto(struct run_result *result) { run_result_done(result); }
