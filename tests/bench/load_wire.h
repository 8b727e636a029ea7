/* Signed ACME requests of many accounts over one set of connections and one pool of nonces: RFC
 * 8555 sections 6.2 to 6.5 from the client's side. */
#pragma once

#include <jansson.h>

#include "common/httpc.h"
#include "tests/bench/load_stats.h"

struct wire;

struct wire_options {
    struct loop *loop;
    X509_STORE *trust; /* borrowed for the life */
    const char *directory;
    unsigned connections;     /* no more requests are under way; the others wait in turn */
    struct load_stats *stats; /* borrowed */
};
struct wire *wire_new(const struct wire_options *options, struct err *err);
void wire_free(struct wire *wire); /* no request may wait */
AUTO_DEFINE(struct wire, wire_free)

/* Where things are; read by wire_open. */
enum wire_place { WIRE_NEW_NONCE, WIRE_NEW_ACCOUNT, WIRE_NEW_ORDER, WIRE_PLACE__COUNT };
const char *wire_url(const struct wire *wire, enum wire_place place);

struct wire_answer {
    unsigned status;
    const json_t *json; /* NULL: the body is none */
    const char *body;
    size_t body_len;
    const char *location; /* or NULL */
};
/* answer is NULL and err filled when there was none (ERR_UNREACHABLE, ERR_TLS, ERR_TIMEOUT) or it
 * was a problem document.  All borrowed for the call. */
typedef void wire_done(void *ctx, const struct wire_answer *answer, const struct err *err);

/* Read the directory, before anything else. */
void wire_open(struct wire *wire, wire_done *done, void *ctx);

/* One request; in the caller's memory until done. */
struct wire_call {
    enum load_op op;
    const char *url; /* borrowed until done, like all of these */
    EVP_PKEY *key;
    const char *kid; /* NULL: the JWS carries the key */
    char *payload;   /* taken, free(); NULL: POST-as-GET */
    wire_done *done;
    void *ctx;
    /* the wire's: */
    struct wire *wire;
    struct wire_call *next;
    unsigned refused; /* badNonce so far */
    uint64_t sent_us;
    char nonce[128]; /* "": one must be had */
};
void wire_send(struct wire *wire, struct wire_call *call);
/* When an answer last came, clock_wall_us. */
uint64_t wire_heard_us(const struct wire *wire);
