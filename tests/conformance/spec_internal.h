/* What the rooms behind spec.h share; cases never include it. */
#pragma once

#include <pthread.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/ossl.h"
#include "tests/conformance/spec.h"
#include "tests/conformance/wire.h"

#define SPEC_CASE_S 30 /* a case's deadline unless it says otherwise */
#define SPEC_REASON_SIZE 512

/* What was watched over the whole run: one rule. */
struct watch_rule {
    unsigned long seen, broken;
    char first[SPEC_REASON_SIZE]; /* where and how it was broken first */
};

/* The server under test and what the command line says of it; shared by all cases. */
struct spec_target {
    const char *directory_url;
    json_t *directory; /* as fetched at the start */
    SSL_CTX *tls;
    unsigned http01_port, tlsalpn01_port, dns_port; /* 0: no responder */
    const char *eab_kid;
    unsigned char *eab_key; /* NULL: none */
    size_t eab_key_len;
    EVP_PKEY *token_key;
    X509_CHAIN *token_chain;
    const char *admin;      /* URL; NULL: none */
    const char *domain;     /* suffix of names */
    unsigned has;           /* NEED_… that hold */
    const char *transcript; /* folder; NULL: none */
    const char *catalogue;  /* folder */
    struct responder *responder;
    pthread_mutex_t lock; /* of what follows */
    struct watch_rule watched[WATCH__COUNT];
};

enum spec_verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_SKIP };

struct spec_kept {
    struct spec_kept *next;
    void *memory;
    void (*release)(void *);
};

struct spec {
    const struct spec_case *row;
    struct spec_target *target;
    uint64_t deadline_us;
    enum spec_verdict verdict;
    char reason[SPEC_REASON_SIZE];
    struct spec_kept *kept;
    struct wire *idle; /* a connection that can be used again */
    char idle_to[272];
    FILE *transcript;
    bool unwatched; /* the next exchange is not ACME's */
    bool private;   /* nor is its body for the transcript */
    bool signed_post;
};

void spec_init(struct spec *spec, const struct spec_case *row, struct spec_target *target);
void spec_done(struct spec *spec);

/* One exchange on the idle or a new connection, kept and watched. */
struct spec_answer *spec_exchange(struct spec *spec, const char *method, const char *url,
                                  const char *headers, const void *body, size_t len);
/* An answer nobody has to free, status 0. */
struct spec_answer *spec_no_answer(struct spec *spec, const char *method, const char *url,
                                   const char *error);
/* What came over the wire as an answer; takes came. */
struct spec_answer *spec_received(struct spec *spec, const char *method, const char *url,
                                  struct wire_answer *came);
/* Host, port and path of a URL; false when it is neither http nor https. */
bool spec_split(const char *url, struct wire_target *ret, const char **ret_path, SSL_CTX *tls);

/* Rules of the whole run; watch.c. */
void watch_answer(struct spec *spec, const struct spec_answer *answer);
enum spec_verdict watch_verdict(struct spec_target *target, enum spec_watch watch,
                                char reason[SPEC_REASON_SIZE]);

/* transcript.c */
void transcript_open(struct spec *spec);
void transcript_request(struct spec *spec, const char *url, const char *head, const void *body,
                        size_t len);
void transcript_answer(struct spec *spec, const struct spec_answer *answer);
void transcript_close(struct spec *spec);

/* The JWS and what it takes; sign.c.  *ret_len its octets. */
char *sign_jws(struct spec *spec, const struct spec_post *post, size_t *ret_len);
