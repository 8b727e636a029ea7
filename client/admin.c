#include "client/admin.h"

#include <stdlib.h>

#include "client/stats.h"
#include "common/health.h"

struct admin {
    const struct store *store;
    struct health *health;
};

static void add_metrics(void *ctx, struct buf *buf) {
    const struct admin *admin = ctx;

    metric_set(stats_count(STATS_COMMITS), (int64_t)store_commits(admin->store));
    metric_set(stats_count(STATS_RECORDS), (int64_t)store_commit_records(admin->store));
    (void)stats_render(buf);
}

static bool is_ready(void *ctx) { return store_writable(((const struct admin *)ctx)->store); }

struct admin *admin_start(const char *listen, const struct store *store, struct err *err) {
    AUTO(admin_stop) struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->store = store;
    admin->health = health_start(&(struct health_options){.listen = listen,
                                                          .ready = is_ready,
                                                          .metrics = add_metrics,
                                                          .ctx = admin,
                                                          .program = "nfacme-client"},
                                 err);
    return admin->health == NULL ? NULL : TAKE(admin);
}

void admin_stop(struct admin *admin) {
    if (admin != NULL) {
        health_stop(admin->health);
        free(admin);
    }
}

unsigned admin_port(const struct admin *admin) { return health_port(admin->health); }
