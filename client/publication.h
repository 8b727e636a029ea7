/* What challenge answers lie outside this process, on disk: written before one is published, erased
 * when it was withdrawn, read at start. */
#pragma once

#include "client/store.h"

/* Lives, unchanged, until saved was called: the first member of what the caller keeps. */
struct publication {
    const char *kind, *name, *value; /* together unique; kind "dns-01" */
    int64_t row;                     /* of the enrolment */
};

/* ctx of saved is the publication. */
MUST_CHECK bool publication_put(struct store *store, struct publication *publication,
                                store_saved *saved, struct err *err);
MUST_CHECK bool publication_drop(struct store *store, struct publication *publication,
                                 store_saved *saved, struct err *err);

/* wanted: its enrolment may need it again.  publication is borrowed.  False stops, with err. */
typedef bool publication_fn(void *ctx, const struct publication *publication, bool wanted,
                            struct err *err);
/* Call fn for what an earlier life left of that kind; at start, on this thread. */
MUST_CHECK bool publication_left(struct store *store, const char *kind, publication_fn *fn,
                                 void *ctx, struct err *err);
