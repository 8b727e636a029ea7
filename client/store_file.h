/* The store's file from outside, also while a client runs with it: copied, looked at. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Copy the database at path to a new file at to (mode 0600), as it is at one instant.  ERR_CONFIG:
 * no such database, or `to` is there already.  Durable when it returns. */
MUST_CHECK bool store_file_copy(const char *path, const char *to, struct err *err);

typedef void store_file_finding(void *ctx, const char *text);
typedef void store_file_account(void *ctx, const char *name, const unsigned char *sealed,
                                size_t len);
struct store_file_look {
    store_file_finding *finding; /* a sentence for each thing that does not hold */
    store_file_account *account; /* each account that has its key under its own name */
    void *ctx;
};

struct store_file_counts {
    int64_t accounts, enrolments, certificates, renewals, jobs;
};

/* SQLite's integrity check, the version, and what must hold between the tables.  ERR_CONFIG,
 * ERR_STORE: it could not be read. */
MUST_CHECK bool store_file_check(const char *path, const struct store_file_look *look,
                                 struct store_file_counts *ret, struct err *err);
