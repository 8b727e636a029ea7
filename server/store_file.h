/* A database file looked at from outside, while a server uses it or not: copied, and checked. */
#pragma once

#include "server/store_upkeep.h"

/* A copy of one moment, compact, mode 0600, complete or not there at all; the server goes on.
 * ERR_CONFIG: there is no database, or `to` is there already. */
MUST_CHECK bool store_file_copy(const char *path, const char *to, struct err *err);

struct store_file;

struct store_file_counts {
    int64_t accounts, orders, authorizations, certificates;
};

/* Open for reading, at this moment.  ERR_CONFIG: no database, or of another version. */
struct store_file *store_file_open(const char *path, struct err *err);
void store_file_close(struct store_file *file);
AUTO_DEFINE(struct store_file, store_file_close)

/* Takes one finding, a sentence. */
typedef void store_finding(void *ctx, const char *text);
/* The file's structure, and the rules its records keep among each other. */
MUST_CHECK bool store_file_check(struct store_file *file, store_finding *finding, void *ctx,
                                 struct store_file_counts *ret, struct err *err);
/* Every certificate with its chain, by number. */
MUST_CHECK bool store_file_issued_each(struct store_file *file, store_issued_sink *sink, void *ctx,
                                       struct err *err);
