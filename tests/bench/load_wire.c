#include "tests/bench/load_wire.h"

#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/ossl.h"
#include "common/problem.h"

#define NONCES_MAX 4096
#define NONCE_TRIES 5     /* badNonce in a row before it is an error */
#define TIMEOUT_MS 120000 /* 2000 flows on a slow machine are no error */
#define ANSWER_MAX (1 << 18)

struct wire {
    struct wire_options options;
    struct httpc *httpc;
    char *urls[WIRE_PLACE__COUNT];
    struct wire_call *first, **last; /* waiting for their turn */
    unsigned busy;
    unsigned nonce_first, nonce_count;
    uint64_t heard_us;
    wire_done *opened;
    void *opened_ctx;
    char nonces[NONCES_MAX][128]; /* a ring: the oldest is spent first */
};

struct wire *wire_new(const struct wire_options *options, struct err *err) {
    AUTO(wire_free) struct wire *wire = calloc(1, sizeof(*wire));
    const struct httpc_options http = {.loop = options->loop,
                                       .trust = options->trust,
                                       .connections_max = options->connections,
                                       .user_agent = "acmeload/1"};

    if (wire == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for requests");
        return NULL;
    }
    wire->options = *options;
    wire->last = &wire->first;
    wire->httpc = httpc_new(&http, err);
    return wire->httpc == NULL ? NULL : TAKE(wire);
}

void wire_free(struct wire *wire) {
    if (wire != NULL) {
        httpc_free(wire->httpc);
        for (unsigned i = 0; i < WIRE_PLACE__COUNT; i++) {
            free(wire->urls[i]);
        }
        free(wire);
    }
}

const char *wire_url(const struct wire *wire, enum wire_place place) { return wire->urls[place]; }

uint64_t wire_heard_us(const struct wire *wire) { return wire->heard_us; }

/* ---- nonces ---- */

static void nonce_keep(struct wire *wire, const struct httpc_answer *answer,
                       struct wire_call *for_call) {
    const char *nonce = httpc_header(answer, "Replay-Nonce");

    if (nonce == NULL || !(strlen(nonce) < sizeof(wire->nonces[0]))) {
        return;
    }
    if (for_call != NULL) {
        memcpy(for_call->nonce, nonce, strlen(nonce) + 1);
    } else if (wire->nonce_count < NONCES_MAX) {
        unsigned at = (wire->nonce_first + wire->nonce_count++) % NONCES_MAX;
        memcpy(wire->nonces[at], nonce, strlen(nonce) + 1);
    }
}

static bool nonce_take(struct wire *wire, struct wire_call *call) {
    if (call->nonce[0] != '\0') {
        return true;
    }
    if (wire->nonce_count == 0) {
        return false;
    }
    memcpy(call->nonce, wire->nonces[wire->nonce_first], sizeof(call->nonce));
    wire->nonce_first = (wire->nonce_first + 1) % NONCES_MAX;
    wire->nonce_count--;
    return true;
}

/* ---- one request ---- */

static void call_go(struct wire *wire, struct wire_call *call);

static void wire_next(struct wire *wire) {
    while (wire->first != NULL && wire->busy < wire->options.connections) {
        struct wire_call *call = wire->first;
        wire->first = call->next;
        if (wire->first == NULL) {
            wire->last = &wire->first;
        }
        wire->busy++;
        call_go(wire, call);
    }
}

static void call_end(struct wire_call *call, const struct wire_answer *answer,
                     const struct err *err) {
    struct wire *wire = call->wire;

    wire->busy--;
    free(call->payload);
    call->payload = NULL;
    call->done(call->ctx, answer, err); /* may send the next one in the same memory */
    wire_next(wire);
}

static void call_answered_well(struct wire_call *call, const struct httpc_answer *from) {
    AUTO(json_release) json_t *json = NULL;
    const char *type = httpc_header(from, "Content-Type");
    const char *wanted =
        call->op == LOAD_CERTIFICATE ? ACME_CHAIN_TYPE : "application/json"; /* 7.4.2 */
    struct err err = {0};

    if (type == NULL || strncmp(type, wanted, strlen(wanted)) != 0) {
        (void)err_set(&err, ERR_UPSTREAM, "status %u with content type %s", from->status,
                      type == NULL ? "none" : type);
    } else if (call->op != LOAD_CERTIFICATE) {
        json = json_read_object(from->body, from->body_len, &err);
    }
    if (err.kind == ERR_NONE && httpc_header(from, "Replay-Nonce") == NULL) {
        (void)err_set(&err, ERR_UPSTREAM, "status %u without a nonce", from->status); /* 6.5 */
    }
    const struct wire_answer answer = {.status = from->status,
                                       .json = json,
                                       .body = from->body,
                                       .body_len = from->body_len,
                                       .location = httpc_header(from, "Location")};
    call_end(call, err.kind == ERR_NONE ? &answer : NULL, err.kind == ERR_NONE ? NULL : &err);
}

static void call_answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct wire_call *call = ctx;
    struct wire *wire = call->wire;
    struct err problem = {0};

    call->nonce[0] = '\0';
    if (answer == NULL) {
        call_end(call, NULL, err);
        return;
    }
    wire->heard_us = answer->times.done_us;
    load_stats_request(wire->options.stats, call->op, answer->times.done_us - call->sent_us);
    if (answer->status >= 200 && answer->status < 300) {
        nonce_keep(wire, answer, NULL);
        call_answered_well(call, answer);
        return;
    }
    problem_read(&problem, answer->status, answer->body, answer->body_len, 0);
    if (problem.kind == ERR_BAD_NONCE && call->refused < NONCE_TRIES) {
        call->refused++;
        load_stats_bad_nonce(wire->options.stats);
        nonce_keep(wire, answer, call); /* 6.5: with the nonce of this answer */
        call_go(wire, call);
        return;
    }
    nonce_keep(wire, answer, NULL);
    call_end(call, NULL, &problem);
}

static char *call_sign(const struct wire_call *call, struct err *err) {
    AUTO(json_release)
    json_t *header = json_pack("{s:s, s:s}", "nonce", call->nonce, "url", call->url);

    if (header == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    if (call->kid != NULL) {
        (void)json_object_set_new(header, "kid", json_string(call->kid));
    } else {
        json_t *jwk = jwk_write(call->key, err);
        if (jwk == NULL || json_object_set_new(header, "jwk", jwk) != 0) {
            return NULL;
        }
    }
    return jws_sign(call->key, header, call->payload,
                    call->payload == NULL ? 0 : strlen(call->payload), err);
}

static void nonce_came(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct wire_call *call = ctx;
    struct wire *wire = call->wire;
    struct err none = {0};

    if (answer == NULL) {
        call_end(call, NULL, err);
        return;
    }
    wire->heard_us = answer->times.done_us;
    load_stats_request(wire->options.stats, LOAD_NONCE, answer->times.done_us - call->sent_us);
    nonce_keep(wire, answer, call);
    if (call->nonce[0] == '\0') {
        (void)err_set(&none, ERR_UPSTREAM, "newNonce answered %u without one", answer->status);
        call_end(call, NULL, &none);
        return;
    }
    call_go(wire, call);
}

static void call_go(struct wire *wire, struct wire_call *call) {
    static const char *const headers[] = {"Content-Type: " ACME_JOSE_TYPE, NULL};
    AUTO(free) char *body = NULL;
    struct err err = {0};
    struct httpc_request http = {.method = "HEAD",
                                 .url = wire->urls[WIRE_NEW_NONCE],
                                 .timeout_ms = TIMEOUT_MS,
                                 .connect_timeout_ms = TIMEOUT_MS,
                                 .answer_max = ANSWER_MAX};
    httpc_done *done = nonce_came;

    if (nonce_take(wire, call)) {
        body = call_sign(call, &err);
        http.method = "POST";
        http.url = call->url;
        http.headers = headers;
        http.body = body;
        http.body_len = body == NULL ? 0 : strlen(body);
        done = call_answered;
    }
    call->sent_us = clock_wall_us();
    if (err.kind != ERR_NONE || httpc_start(wire->httpc, &http, done, call, &err) == NULL) {
        call_end(call, NULL, &err);
    }
}

void wire_send(struct wire *wire, struct wire_call *call) {
    call->wire = wire;
    call->next = NULL;
    call->refused = 0;
    call->nonce[0] = '\0';
    *wire->last = call;
    wire->last = &call->next;
    wire_next(wire);
}

/* ---- the directory ---- */

static void directory_came(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    static const char *const names[] = {[WIRE_NEW_NONCE] = "newNonce",
                                        [WIRE_NEW_ACCOUNT] = "newAccount",
                                        [WIRE_NEW_ORDER] = "newOrder"};
    struct wire *wire = ctx;
    AUTO(json_release) json_t *json = NULL;
    struct err wrong = {0};

    if (answer == NULL) {
        wire->opened(wire->opened_ctx, NULL, err);
        return;
    }
    wire->heard_us = answer->times.done_us;
    json = json_read_object(answer->body, answer->body_len, &wrong);
    for (unsigned i = 0; json != NULL && i < WIRE_PLACE__COUNT; i++) {
        const char *url = json_string_value(json_object_get(json, names[i]));
        free(wire->urls[i]);
        wire->urls[i] = url == NULL ? NULL : strdup(url);
        if (wire->urls[i] == NULL) {
            (void)err_set(&wrong, ERR_UPSTREAM, "the directory has no %s", names[i]);
        }
    }
    const struct wire_answer opened = {.status = answer->status, .json = json};
    bool good = wrong.kind == ERR_NONE;
    wire->opened(wire->opened_ctx, good ? &opened : NULL, good ? NULL : &wrong);
}

void wire_open(struct wire *wire, wire_done *done, void *ctx) {
    const struct httpc_request http = {
        .method = "GET", .url = wire->options.directory, .timeout_ms = 10000};
    struct err err = {0};

    wire->opened = done;
    wire->opened_ctx = ctx;
    if (httpc_start(wire->httpc, &http, directory_came, wire, &err) == NULL) {
        done(ctx, NULL, &err);
    }
}
