#include "nfsim/scrape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/httpc.h"

#define ANSWER_MAX (1 << 20)

/* Counters with an operation label: the client's, else the server's. */
static const char *const counters[] = {"nfacme_client_acme_requests_total{",
                                       "nfacme_server_requests_total{"};

static void add(struct scrape *scrape, const char *name, size_t len, uint64_t value) {
    for (size_t i = 0; i < scrape->count; i++) {
        if (strncmp(scrape->operations[i].name, name, len) == 0
            && scrape->operations[i].name[len] == '\0') {
            scrape->operations[i].count += value;
            return;
        }
    }
    if (scrape->count < SCRAPE_OPERATIONS_MAX && len < sizeof scrape->operations[0].name) {
        struct result_count *operation = &scrape->operations[scrape->count++];
        memcpy(operation->name, name, len);
        operation->name[len] = '\0';
        operation->count = value;
    }
}

static void read_line(const char *line, size_t len, struct scrape *ret) {
    static const char label[] = "operation=\"";
    const char *operation = memmem(line, len, label, sizeof label - 1);
    const char *close = memchr(line, '}', len);
    double value = 0;

    if (operation == NULL || close == NULL || operation > close
        || sscanf(close + 1, " %lf", &value) != 1 || value < 0) {
        return;
    }
    operation += sizeof label - 1;
    add(ret, operation, strcspn(operation, "\""), (uint64_t)value);
}

void scrape_read(const char *text, struct scrape *ret) {
    *ret = (struct scrape){0};
    for (size_t i = 0; i < COUNT(counters) && ret->count == 0; i++) {
        for (const char *line = text; *line != '\0';) {
            const size_t len = strcspn(line, "\n");
            if (strncmp(line, counters[i], strlen(counters[i])) == 0) {
                read_line(line, len, ret);
            }
            line += len + (line[len] == '\n');
        }
    }
}

struct fetch {
    struct loop *loop;
    struct scrape *ret;
    struct err *err;
    bool done;
};

static void fetched(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct fetch *fetch = ctx;

    if (answer == NULL) {
        *fetch->err = *err;
    } else if (answer->status != 200) {
        (void)err_set(fetch->err, ERR_UPSTREAM, "/metrics answered %u", answer->status);
    } else {
        scrape_read(answer->body, fetch->ret);
        fetch->done = true;
    }
    loop_stop(fetch->loop);
}

bool scrape_requests(struct loop *loop, const char *admin_url, struct scrape *ret,
                     struct err *err) {
    const struct httpc_options options = {.loop = loop, .user_agent = "nfsim"};
    AUTO(httpc_free) struct httpc *httpc = httpc_new(&options, err);
    struct fetch fetch = {.loop = loop, .ret = ret, .err = err};
    char url[512];

    (void)snprintf(url, sizeof url, "%s/metrics", admin_url);
    const struct httpc_request request = {
        .method = "GET", .url = url, .timeout_ms = 5000, .answer_max = ANSWER_MAX};
    if (httpc == NULL || httpc_start(httpc, &request, fetched, &fetch, err) == NULL) {
        return false;
    }
    loop_run(loop);
    return fetch.done;
}

struct result_count *scrape_difference(const struct scrape *before, const struct scrape *after,
                                       size_t *ret_count) {
    struct result_count *counts = calloc(after->count + 1, sizeof *counts);
    size_t count = 0;

    for (size_t i = 0; counts != NULL && i < after->count; i++) {
        struct result_count each = after->operations[i];
        for (size_t j = 0; j < before->count; j++) {
            if (strcmp(before->operations[j].name, each.name) == 0
                && before->operations[j].count <= each.count) {
                each.count -= before->operations[j].count;
            }
        }
        if (each.count > 0) {
            counts[count++] = each;
        }
    }
    *ret_count = count;
    return counts;
}
