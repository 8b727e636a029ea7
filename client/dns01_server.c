#include "client/dns01_server.h"

#include <stdlib.h>
#include <time.h>

#include "client/dns_exchange.h"

struct dns01_server {
    struct dns01_server_options options;
};

struct run {
    const struct dns01_server *server;
    struct dns01_job job;
    dns01_done *done;
    void *ctx;
    struct dns_message message;
    struct dns_exchange *exchange;
    unsigned check; /* the one being asked */
};

struct dns01_server *dns01_server_new(const struct dns01_server_options *options, struct err *err) {
    struct dns01_server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    server->options = *options;
    return server;
}

void dns01_server_free(struct dns01_server *server) { free(server); }

static void cancel(void *ctx) {
    struct run *run = ctx;

    dns_exchange_cancel(run->exchange);
    dns_message_done(&run->message);
    free(run);
}

static void finish(struct run *run, enum dns_verdict verdict, const struct err *err) {
    dns01_done *done = run->done;
    void *ctx = run->ctx;

    cancel(run);
    done(ctx, verdict, err);
}

static void answered(void *ctx, const uint8_t *wire, size_t len, const struct err *err);

static bool ask(struct run *run, struct err *err) {
    const struct dns01_server_options *options = &run->server->options;
    const struct endpoint *to =
        run->job.op == DNS01_LOOK ? &options->checks[run->check] : &options->server;

    run->exchange = dns_exchange_start(options->loop, to, run->message.wire, run->message.len,
                                       answered, run, err);
    return run->exchange != NULL;
}

static void answered(void *ctx, const uint8_t *wire, size_t len, const struct err *err) {
    struct run *run = ctx;
    const struct dns01_server_options *options = &run->server->options;
    struct err failure = {0};

    run->exchange = NULL;
    if (err != NULL) {
        finish(run, DNS_UNSURE, err);
        return;
    }
    enum dns_verdict verdict =
        run->job.op == DNS01_LOOK
            ? dns_query_read(&run->message, run->job.value, wire, len, &failure)
            : dns_update_read(&run->message, &options->key, wire, len, (uint64_t)time(NULL),
                              &failure);
    if (verdict == DNS_DONE && run->job.op == DNS01_LOOK && ++run->check < options->checks_count) {
        if (!ask(run, &failure)) {
            finish(run, DNS_UNSURE, &failure);
        }
        return;
    }
    finish(run, verdict, verdict == DNS_DONE ? NULL : &failure);
}

static bool make(struct run *run, struct err *err) {
    const struct dns01_server_options *options = &run->server->options;
    const struct dns_change change = {.zone = options->zone,
                                      .name = run->job.name,
                                      .value = run->job.value,
                                      .ttl_s = options->ttl_s,
                                      .add = run->job.op == DNS01_ADD};

    return run->job.op == DNS01_LOOK ? dns_query_make(run->job.name, &run->message, err)
                                     : dns_update_make(&change, &options->key, &run->message, err);
}

static void *start(void *self, const struct dns01_job *job, dns01_done *done, void *ctx,
                   struct err *err) {
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    *run = (struct run){.server = self, .job = *job, .done = done, .ctx = ctx};
    if (!make(run, err) || !ask(run, err)) {
        cancel(run);
        return NULL;
    }
    return run;
}

struct dns01_runner dns01_server_runner(struct dns01_server *server) {
    return (struct dns01_runner){.start = start, .cancel = cancel, .self = server};
}
