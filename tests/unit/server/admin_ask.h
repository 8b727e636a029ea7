/* A call of the admin listener of a bed's server. */
#pragma once

#include "acme_flow.h"

static void admin_told(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    ck_assert_msg(answer != NULL, "%s", err->detail);
    bed_read(ctx, answer);
    loop_stop(((struct bed_call *)ctx)->bed->loop);
}

/* body  JSON, or NULL.   answer_done it. */
BED_UNUSED static struct answer admin_ask(struct bed *bed, const char *method, const char *path,
                                          const char *body) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct bed_call call = {.bed = bed};
    struct err err = {0};
    char url[512];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server_admin_port(bed->server), path);
    struct httpc_request request = {.method = method,
                                    .url = url,
                                    .headers = headers,
                                    .body = body,
                                    .body_len = body == NULL ? 0 : strlen(body)};
    ck_good(httpc_start(bed->httpc, &request, admin_told, &call, &err) != NULL);
    loop_run(bed->loop);
    return call.answer;
}
