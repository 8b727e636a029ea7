/* Enrolments that have no order yet leave a CA that is down for another one. */
#include "client/engine_inner.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define LOOK_US 1000000

struct move {
    struct engine *engine;
    char id[ENROLMENT_ID_SIZE];
    const struct ca *to;
};

/* The account it has there, or a new one; then it begins anew. */
static void found_there(void *ctx, struct store_found *found, const struct err *err) {
    struct move *move = ctx;
    struct live *live = map_get(move->engine->by_id, move->id);
    struct err failure = {0};

    if (live == NULL || !live->moving) {
        free(move);
        return;
    }
    live->moving = live->saving = false;
    if (err != NULL || live->leaving) {
        free(move);
        if (live->leaving) {
            engine_withdraw(live);
        }
        return; /* at the next look, if it is still so */
    }
    log_line(LOG_WARNING, "engine", "failover", "nf=%s enrolment=%s to=%s", live->record.nf,
             live->record.id, move->to->directory);
    request_cancel(live->request);
    live->request = NULL;
    engine_account_left(live);
    EVP_PKEY_free(live->key);
    live->key = NULL;
    free(live->record.account_url);
    live->record.account_url = NULL;
    free(live->record.replaces); /* a certificate of the other CA */
    live->record.replaces = NULL;
    free(live->record.directory);
    live->record.directory = strdup(move->to->directory);
    live->ca = move->to;
    free(move);
    if (live->record.directory == NULL || !engine_account_take(live, found, &failure)) {
        (void)err_set(&failure, ERR_NO_MEMORY, "out of memory");
        engine_fail(live, &failure);
        return;
    }
    engine_move(live, ENROLMENT_ON_FAILOVER);
}

static bool may_move(const struct live *live) {
    return live->record.state <= ENROLMENT_ACCOUNT && live->inserted && !live->saving
           && !live->leaving && !live->moving && !request_out(live->request);
}

static void move_one(void *ctx, void *value) {
    struct engine *engine = ctx;
    struct live *live = value;
    const uint64_t now_us = engine_now_us(), after_us = engine->options.failover_us;
    const struct ca *to = cas_choose(engine->options.cas, now_us, after_us);
    struct err err = {0};

    if (to == live->ca || !cas_down(live->ca, now_us, after_us) || cas_down(to, now_us, after_us)
        || !may_move(live)) {
        return;
    }
    struct move *move = calloc(1, sizeof *move);
    if (move == NULL) {
        return;
    }
    *move = (struct move){.engine = engine, .to = to};
    memcpy(move->id, live->record.id, sizeof move->id);
    live->moving = live->saving = true; /* nothing else is done with it meanwhile */
    upstream_unwait(live->ca->upstream, &live->waiter);
    loop_timer_unset(engine->options.loop, &live->timer);
    const struct store_tenant tenant = {
        .nf = live->record.nf, .account = live->record.account, .directory = to->directory};
    if (!store_tenant(engine->options.store, &tenant, found_there, move, &err)) {
        live->moving = live->saving = false;
        free(move);
    }
}

static void look(void *ctx) {
    struct engine *engine = ctx;
    const struct cas *cas = engine->options.cas;
    const uint64_t now_us = engine_now_us();
    bool down = false;

    for (unsigned i = 0; i < cas->count; i++) {
        down = down || cas_down(&cas->list[i], now_us, engine->options.failover_us);
        upstream_probe(cas->list[i].upstream); /* nobody may be waiting for it */
    }
    if (down) {
        map_each(engine->by_id, move_one, engine);
    }
    loop_timer_set(engine->options.loop, &engine->failover, now_us + LOOK_US, look, engine);
}

void engine_failover_begin(struct engine *engine) {
    if (engine->options.cas->count > 1) {
        loop_timer_set(engine->options.loop, &engine->failover, engine_now_us() + LOOK_US, look,
                       engine);
    }
}
