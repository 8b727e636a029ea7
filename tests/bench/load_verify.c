#include "tests/bench/load_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/x509.h"

#define PRINTED_MAX 10

struct verify;
struct asking {
    struct verify *verify;
    const struct fact *fact;
    struct wire_call call;
};

struct verify {
    struct loop *loop;
    struct wire *wire;
    const struct fact_list *list;
    struct asking *askings;
    size_t next;
    unsigned at_once, running;
    uint64_t missing;
    struct err err;
};

static void ask(struct asking *asking);

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "" : text;
}

static bool serial_is(const struct wire_answer *answer, const char *serial, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer->body, answer->body_len, err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    return chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, err)
           && (strcmp(cert.serial, serial) == 0
               || err_set(err, ERR_UPSTREAM, "another certificate, %s", cert.serial));
}

/* Is it what was acknowledged? */
static bool fits(const struct fact *fact, const struct wire_answer *answer, struct err *err) {
    switch (fact->kind) {
    case FACT_ACCOUNT: /* found by its key */
        return (answer->location != NULL && strcmp(answer->location, fact->url) == 0
                && strcmp(text_of(answer->json, "status"), "valid") == 0)
               || err_set(err, ERR_UPSTREAM, "another account, %s", answer->location);
    case FACT_ORDER: /* none of these orders failed, none may have */
        return strcmp(text_of(answer->json, "status"), "invalid") != 0
               || err_set(err, ERR_UPSTREAM, "the order is invalid");
    case FACT_CERTIFICATE:
        return serial_is(answer, fact->value, err);
    }
    return false;
}

static void asked(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct asking *asking = ctx;
    struct verify *verify = asking->verify;
    struct err wrong = {0};

    if (answer == NULL) {
        wrong = *err;
    }
    if (answer == NULL || !fits(asking->fact, answer, &wrong)) {
        if (verify->missing++ < PRINTED_MAX) {
            (void)fprintf(stderr, "acmeload: not there: %s: %s\n", asking->fact->url, wrong.detail);
        }
    }
    ask(asking);
}

static void ask(struct asking *asking) {
    static const enum load_op ops[] = {[FACT_ACCOUNT] = LOAD_ACCOUNT,
                                       [FACT_ORDER] = LOAD_POLL,
                                       [FACT_CERTIFICATE] = LOAD_CERTIFICATE};
    struct verify *verify = asking->verify;

    if (verify->next == verify->list->count) {
        if (--verify->running == 0) {
            loop_stop(verify->loop);
        }
        return;
    }
    const struct fact *fact = &verify->list->facts[verify->next++];
    bool account = fact->kind == FACT_ACCOUNT;
    asking->fact = fact;
    asking->call = (struct wire_call){
        .op = ops[fact->kind],
        .url = account ? wire_url(verify->wire, WIRE_NEW_ACCOUNT) : fact->url,
        .key = fact->key,
        .kid = account ? NULL : fact->account,
        .payload = account ? strdup("{\"onlyReturnExisting\":true}") : NULL, /* 7.3.1 */
        .done = asked,
        .ctx = asking};
    wire_send(verify->wire, &asking->call);
}

static void opened(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct verify *verify = ctx;

    if (answer == NULL) {
        verify->err = *err;
        loop_stop(verify->loop);
        return;
    }
    verify->running = verify->at_once;
    for (unsigned i = 0; i < verify->at_once; i++) {
        verify->askings[i].verify = verify;
        ask(&verify->askings[i]);
    }
}

bool verify_run(struct loop *loop, struct wire *wire, const struct fact_list *list,
                unsigned at_once, uint64_t *ret_missing, struct err *err) {
    struct verify verify = {.loop = loop, .wire = wire, .list = list, .at_once = at_once};

    verify.askings = calloc(at_once, sizeof(*verify.askings));
    if (verify.askings == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory to verify with");
    }
    wire_open(wire, opened, &verify);
    loop_run(loop);
    free(verify.askings);
    *ret_missing = verify.missing;
    if (verify.err.kind != ERR_NONE) {
        *err = verify.err;
    }
    return err->kind == ERR_NONE;
}
