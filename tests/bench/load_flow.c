#include "tests/bench/load_flow.h"

#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/clock.h"
#include "common/jwk.h"
#include "common/key.h"
#include "common/x509.h"

#define POLL_MAX_US 1000000
#define AWAY_US 200000        /* between attempts at a server that is away */
#define PATIENCE_US 120000000 /* a flow that takes longer has failed */

bool load_account_init(struct load_account *account, struct err *err) {
    *account = (struct load_account){.key = key_generate(KEY_P256, err)};
    return account->key != NULL && jwk_thumbprint(account->key, account->thumbprint, err);
}

void load_account_done(struct load_account *account) {
    EVP_PKEY_free(account->key);
    free(account->url);
    *account = (struct load_account){0};
}

void flow_clear(struct flow *flow) {
    char **const texts[] = {&flow->order, &flow->finalize, &flow->certificate, &flow->challenge};

    for (unsigned i = 0; i < COUNT(texts); i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    for (unsigned i = 0; i < LOAD_NAMES_MAX; i++) {
        if (flow->token[i] != NULL) {
            responder_withdraw(flow->bed->responder, flow->token[i]);
        }
        free(flow->token[i]);
        free(flow->authz[i]);
        flow->token[i] = flow->authz[i] = NULL;
    }
    flow->authz_count = 0;
    EVP_PKEY_free(flow->key);
    flow->key = NULL;
}

static void flow_end(struct flow *flow, bool good) {
    if (good && !flow->account_only) {
        load_stats_done(flow->bed->stats, clock_wall_us() - flow->start_us);
    }
    flow_clear(flow);
    flow->done(flow->ctx, flow, good);
}

static void flow_fail(struct flow *flow, const struct err *err) {
    load_stats_error(flow->bed->stats, flow->call.op, err);
    flow_end(flow, false);
}

static void flow_wrong(struct flow *flow, const char *what) {
    struct err err = {0};

    (void)err_set(&err, ERR_UPSTREAM, "%s", what);
    flow_fail(flow, &err);
}

static char *copy_member(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? NULL : strdup(text);
}

static bool member_is(const json_t *json, const char *name, const char *wanted) {
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL && strcmp(text, wanted) == 0;
}

static void flow_resume(void *ctx);

static bool away(const struct err *err) {
    return err->kind == ERR_UNREACHABLE || err->kind == ERR_TLS || err->kind == ERR_TIMEOUT;
}

/* Every answer comes here first: true when there is one to read. */
static bool flow_got(struct flow *flow, const struct wire_answer *answer, const struct err *err) {
    if (answer != NULL) {
        return true;
    }
    if (flow->bed->ride_out && away(err) && clock_wall_us() - flow->start_us < PATIENCE_US) {
        load_stats_interrupted(flow->bed->stats);
        loop_timer_set(flow->bed->loop, &flow->timer, clock_wall_us() + AWAY_US, flow_resume, flow);
        return false;
    }
    flow_fail(flow, err);
    return false;
}

static void flow_send(struct flow *flow, enum load_op op, const char *url, char *payload,
                      wire_done *done) {
    flow->call.op = op;
    flow->call.url = url;
    flow->call.key = flow->account->key;
    flow->call.kid = op == LOAD_ACCOUNT ? NULL : flow->account->url;
    flow->call.payload = payload;
    flow->call.done = done;
    flow->call.ctx = flow;
    wire_send(flow->bed->wire, &flow->call);
}

/* ---- section 7.4.2: download ---- */

static void certificate_came(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;
    struct err wrong = {0};

    if (!flow_got(flow, answer, err)) {
        return;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer->body, answer->body_len, &wrong);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), &cert, &wrong)) {
        flow_fail(flow, &wrong);
    } else if (EVP_PKEY_eq(X509_get0_pubkey(cert.x509), flow->key) != 1) {
        flow_wrong(flow, "a certificate for another key");
    } else {
        facts_certificate(flow->bed->facts, flow->account->url, flow->certificate, cert.serial);
        flow_end(flow, true);
    }
}

/* ---- section 7.4: the order decides what is next ---- */

static void order_decide(struct flow *flow, const json_t *order);
static void authz_next(struct flow *flow);

static void order_came(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;

    if (flow_got(flow, answer, err)) {
        order_decide(flow, answer->json);
    }
}

static void order_read(void *ctx) {
    struct flow *flow = ctx;

    flow_send(flow, LOAD_POLL, flow->order, NULL, order_came);
}

static void order_poll(struct flow *flow) {
    uint64_t wait_us = flow->bed->poll_us << (flow->polls < 16 ? flow->polls : 16);

    flow->polls++;
    if (clock_wall_us() - flow->start_us > PATIENCE_US) {
        flow_wrong(flow, "the order is still not done");
        return;
    }
    loop_timer_set(flow->bed->loop, &flow->timer,
                   clock_wall_us() + (wait_us < POLL_MAX_US ? wait_us : POLL_MAX_US), order_read,
                   flow);
}

static void order_finalized(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;

    if (answer == NULL && flow->bed->ride_out && err->kind == ERR_ORDER_NOT_READY) {
        load_stats_interrupted(
            flow->bed->stats); /* it was sent twice: the answer is in the order */
        order_read(flow);
        return;
    }
    order_came(flow, answer, err);
}

static void order_finalize(struct flow *flow) {
    struct err err = {0};

    if (flow->key == NULL) {
        flow->key = key_generate(KEY_P256, &err);
    }
    char *payload = flow->key == NULL ? NULL : load_names_csr(&flow->names, flow->key, &err);
    flow->polls = 0;
    flow->call.op = LOAD_FINALIZE;
    if (payload == NULL) {
        flow_fail(flow, &err);
        return;
    }
    flow_send(flow, LOAD_FINALIZE, flow->finalize, payload, order_finalized);
}

static void order_decide(struct flow *flow, const json_t *order) {
    if (member_is(order, "status", "pending")) {
        if (flow->authz_at < flow->authz_count) {
            authz_next(flow);
        } else {
            order_poll(flow);
        }
    } else if (member_is(order, "status", "ready")) {
        order_finalize(flow);
    } else if (member_is(order, "status", "processing")) {
        order_poll(flow);
    } else if (member_is(order, "status", "valid") && flow->key != NULL) {
        free(flow->certificate);
        flow->certificate = copy_member(order, "certificate");
        if (flow->certificate == NULL) {
            flow_wrong(flow, "a valid order without a certificate");
            return;
        }
        flow_send(flow, LOAD_CERTIFICATE, flow->certificate, NULL, certificate_came);
    } else {
        AUTO(free) char *text = json_dumps(order, JSON_COMPACT);
        flow_wrong(flow, text == NULL ? "an order of no known status" : text);
    }
}

/* ---- section 7.5: authorizations ---- */

static void challenge_came(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;

    if (!flow_got(flow, answer, err)) {
        return;
    }
    if (member_is(answer->json, "status", "invalid")) {
        AUTO(free) char *text = json_dumps(answer->json, JSON_COMPACT);
        flow_wrong(flow, text == NULL ? "an invalid challenge" : text);
        return;
    }
    flow->authz_at++;
    authz_next(flow);
}

static void challenge_answer(struct flow *flow, const json_t *challenge) {
    const bool nf = flow->names.kind == LOAD_NF;
    struct err err = {0};
    char *payload = NULL;

    char **const token = &flow->token[flow->authz_at];
    free(*token);
    free(flow->challenge);
    *token = copy_member(challenge, "token");
    flow->challenge = copy_member(challenge, "url");
    if (flow->challenge == NULL || *token == NULL) {
        flow_wrong(flow, "a challenge without url or token");
        return;
    }
    if (nf) {
        payload = load_token(&flow->bed->authority, flow->names.value[0], flow->account->thumbprint,
                             &err);
    } else {
        responder_publish(flow->bed->responder, *token, flow->account->thumbprint);
        payload = strdup("{}");
    }
    if (payload == NULL) {
        flow_fail(flow, &err);
        return;
    }
    flow_send(flow, LOAD_CHALLENGE, flow->challenge, payload, challenge_came);
}

static void authz_came(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;
    const char *wanted = flow->names.kind == LOAD_NF ? "tkauth-01" : "http-01";
    const json_t *challenge = NULL;
    size_t i = 0;

    if (!flow_got(flow, answer, err)) {
        return;
    }
    const json_t *list = json_object_get(answer->json, "challenges");
    for (i = 0; i < json_array_size(list); i++) {
        challenge = json_array_get(list, i);
        if (member_is(challenge, "type", wanted)) {
            break;
        }
    }
    if (member_is(answer->json, "status", "valid")) {
        flow->authz_at++;
        authz_next(flow);
    } else if (!member_is(answer->json, "status", "pending") || i == json_array_size(list)) {
        AUTO(free) char *text = json_dumps(answer->json, JSON_COMPACT);
        flow_wrong(flow, text == NULL ? "an authorization that cannot be met" : text);
    } else if (member_is(challenge, "status", "pending")) {
        challenge_answer(flow, challenge);
    } else { /* accepted before the server was away */
        flow->authz_at++;
        authz_next(flow);
    }
}

static void authz_next(struct flow *flow) {
    if (flow->authz_at < flow->authz_count) {
        flow_send(flow, LOAD_AUTHZ, flow->authz[flow->authz_at], NULL, authz_came);
    } else {
        order_poll(flow);
    }
}

/* ---- section 7.4: the order ---- */

static void order_made(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;

    if (!flow_got(flow, answer, err)) {
        return;
    }
    const json_t *list = json_object_get(answer->json, "authorizations");
    flow->finalize = copy_member(answer->json, "finalize");
    flow->order = answer->location == NULL ? NULL : strdup(answer->location);
    for (size_t i = 0; i < json_array_size(list) && i < LOAD_NAMES_MAX; i++) {
        const char *url = json_string_value(json_array_get(list, i));
        flow->authz[flow->authz_count] = url == NULL ? NULL : strdup(url);
        flow->authz_count += flow->authz[flow->authz_count] != NULL;
    }
    if (answer->status != 201 || flow->order == NULL || flow->finalize == NULL
        || flow->authz_count != flow->names.count) {
        flow_wrong(flow, "not an order as section 7.4 has it");
        return;
    }
    facts_order(flow->bed->facts, flow->account->url, flow->order);
    order_decide(flow, answer->json);
}

static void order_new(struct flow *flow) {
    flow_send(flow, LOAD_ORDER, wire_url(flow->bed->wire, WIRE_NEW_ORDER),
              load_names_order(&flow->names), order_made);
}

/* ---- section 7.3: the account ---- */

static void account_made(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct flow *flow = ctx;
    struct load_account *account = flow->account;

    if (!flow_got(flow, answer, err)) {
        return;
    }
    if ((answer->status != 201 && answer->status != 200) || answer->location == NULL) {
        flow_wrong(flow, "an account without a Location");
        return;
    }
    account->url = strdup(answer->location);
    facts_account(flow->bed->facts, account->url, account->thumbprint, account->key);
    if (flow->account_only) {
        flow_end(flow, true);
    } else {
        order_new(flow);
    }
}

/* From the last thing the server acknowledged. */
static void flow_resume(void *ctx) {
    struct flow *flow = ctx;

    flow->polls = 0;
    flow->authz_at = 0;
    if (flow->account->url == NULL) {
        flow_send(flow, LOAD_ACCOUNT, wire_url(flow->bed->wire, WIRE_NEW_ACCOUNT),
                  strdup("{\"termsOfServiceAgreed\":true}"), account_made);
    } else if (flow->order == NULL) {
        order_new(flow);
    } else {
        order_read(flow);
    }
}

void flow_start(struct flow *flow) {
    flow->start_us = clock_wall_us();
    flow_resume(flow);
}
