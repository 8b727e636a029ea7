/* What housekeeping and the audit log ask of the store: records out of time, and certificates in
 * the order in which they were issued. */
#pragma once

#include "server/store.h"

enum store_kind {
    STORE_KIND_ORDER, /* not while processing */
    STORE_KIND_AUTHZ, /* with its challenges */
    STORE_KIND_CERTIFICATE,
    STORE_KIND_TOKEN,
    STORE_KIND__COUNT
};
#define STORE_PLACE_SIZE 128
#define STORE_CHUNK_MAX 1000 /* records one look takes in */

/* A place in a table, between two records; all empty: before the first. */
struct store_place {
    char first[STORE_PLACE_SIZE], second[ID_SIZE];
};

struct store_chunk {
    struct store_place after, upto; /* the records in between */
    unsigned rows;                  /* of them; less than STORE_CHUNK_MAX: the table ends here */
    unsigned stale;                 /* that ended before the time asked about */
};
/* Look at the records after `after`, through a reader: nobody waits.  before_s: seconds. */
MUST_CHECK bool store_stale_look(struct store *store, enum store_kind kind, int64_t before_s,
                                 const struct store_place *after, struct store_chunk *ret,
                                 struct err *err);

/* A certificate as the audit log tells it; all borrowed for the call. */
struct store_issued {
    int64_t n; /* counts certificates, strictly rising */
    const char *serial, *account, *order;
    const struct order *names; /* profile and identifiers; NULL: the order has been swept */
    int64_t not_after_s;
    unsigned char spki_sha256[32];
    int64_t revoked_at_s; /* 0 = not */
    int reason;
    const char *chain_pem; /* only when asked for */
};
typedef bool store_issued_sink(void *ctx, const struct store_issued *issued, struct err *err);
/* At most max certificates after number n; chains: with their PEM. */
MUST_CHECK bool store_issued_each(struct store *store, int64_t n, unsigned max, bool chains,
                                  store_issued_sink *sink, void *ctx, struct err *err);
/* What one revocation left: those at or after since_s. */
MUST_CHECK bool store_revoked_since(struct store *store, int64_t since_s, store_revoked_sink *sink,
                                    void *ctx, struct err *err);
