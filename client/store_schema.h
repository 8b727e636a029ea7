/* The tables of the client's store, as steps: a database says how many it has taken. */
#pragma once

#include <sqlite3.h>

#include "common/err.h"

/* Bring a database of any earlier version to this one.  ERR_STORE, also when it is of a later one.
 */
MUST_CHECK bool store_schema_apply(sqlite3 *db, struct err *err);
/* Is it of this very version?  Else ERR_STORE. */
MUST_CHECK bool store_schema_same(sqlite3 *db, struct err *err);
