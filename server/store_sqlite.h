/* The store on SQLite: WAL, synchronous=FULL, so that what was acknowledged survives a power cut.
 */
#pragma once

#include "server/store.h"

/* Open or make the database file.  now_s: authority tokens that ran out before are forgotten. */
struct store *store_sqlite_open(const char *path, int64_t now_s, struct err *err);
