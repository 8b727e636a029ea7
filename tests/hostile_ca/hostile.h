/* A CA that means no good: it stands before a real ACME server, passes on what it is asked, and
 * bends what comes back.  One port for each row of the table, so that who connects chooses the
 * misbehaviour. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ossl.h"

#define MESSAGE_MAX (1 << 20)
#define NAME_SIZE 40

/* What the listener shows of itself. */
enum face {
    FACE_GOOD,
    FACE_WRONG_NAME, /* the certificate is another host's */
    FACE_UNTRUSTED,  /* another root */
    FACE_EXPIRED,
    FACE_FUTURE, /* not valid yet */
    FACE_OLD,    /* TLS 1.1 */
    FACE_PLAIN,  /* HTTP without TLS */
    FACE_DUMB,   /* accepts the connection and says nothing */
    FACE__COUNT
};

/* How an answer ends. */
enum ending {
    ENDING_WHOLE,
    ENDING_CLOSE,    /* no answer */
    ENDING_SILENT,   /* no answer, and the connection stays */
    ENDING_HALF,     /* half the body of the stated length, then closed */
    ENDING_LONG,     /* a longer body is announced than comes */
    ENDING_CHUNKS,   /* chunks without the last one */
    ENDING_ENDLESS,  /* a body without an end */
    ENDING_HEADERS,  /* header lines without an end */
    ENDING_CONTINUE, /* 100 Continue without an end */
    ENDING_GARBAGE,  /* no HTTP */
    ENDING__COUNT
};

struct exchange;
typedef void bend(struct exchange *exchange, const char *text);

struct row {
    const char *name;
    enum face face;
    const char *at; /* the operations that are bent, between commas, "any", or NULL: none */
    unsigned first; /* only the first so many; 0: all */
    bend *bend;
    const char *text; /* its argument; $BASE is the port's URL */
};
extern const struct row rows[]; /* rows.c; ended by a name of NULL */

/* A row at work. */
struct place {
    const struct row *row;
    int listener;
    unsigned port;
    pthread_mutex_t lock;
    unsigned seen; /* requests the row applies to */
    unsigned char *csr;
    size_t csr_len; /* of the last finalize */
};

struct answer {
    unsigned status;
    struct buf headers; /* "Name: value\r\n"..., without those about the length */
    struct buf body;
    enum ending ending;
};

struct exchange {
    struct place *place;
    const char *operation; /* "newOrder" */
    bool head;             /* HEAD: an answer without a body */
    struct buf request_head, request_body;
    struct answer answer;
};

/* A connection, with TLS or (ssl NULL) without. */
struct wire {
    int fd;
    SSL *ssl;
};

/* wire.c.  Each false: the connection is of no more use. */
MUST_CHECK bool wire_write(struct wire *wire, const char *data, size_t len);
/* A request or an answer: its head with the empty line, and a body of its Content-Length. */
MUST_CHECK bool wire_read(struct wire *wire, bool bodyless, struct buf *head, struct buf *body);
MUST_CHECK bool wire_send(struct wire *wire, const struct exchange *exchange);
/* Until the other end leaves. */
void wire_drain(struct wire *wire);
void wire_close(struct wire *wire);

/* relay.c: the operation of a path, and what a row makes of an exchange. */
const char *relay_operation(const char *head);
/* Pass the request on, bend what comes back; false: the server hung up. */
MUST_CHECK bool relay_turn(struct exchange *exchange, struct wire *server);

/* bend.c */
bend bend_members; /* a JSON object merged into the body; null takes a member away */
bend bend_status;  /* "302 https://…": the status, and Location */
bend bend_body;    /* another body */
bend bend_header;  /* "Name: value" instead of what there is; "Name:" takes it away */
bend bend_links;   /* so many Link headers */
bend bend_ending;  /* "half", "silent", … */
bend bend_crowd;   /* so many authorizations */
bend bend_deep;    /* JSON nested so deep */

/* forge.c: what a bad CA issues instead; text says which way. */
bend bend_chain;
/* A self-made root; its certificate into path, its key kept for forge_face and bend_chain. */
MUST_CHECK bool forge_begin(const char *path, struct err *err);
/* The TLS side of a face; NULL: it has none. */
SSL_CTX *forge_face(enum face face, struct err *err);
