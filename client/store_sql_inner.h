/* What the store's SQL rooms share; nobody else includes this. */
#pragma once

#include <sqlite3.h>

#include "client/store_sql.h"

#define SQL_KEPT 64 /* statements of other rooms, prepared once */

enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_ACCOUNT_PUT,
    SQL_ACCOUNT_URL,
    SQL_INSERT,
    SQL_INSERT_PROGRESS,
    SQL_MOVE,
    SQL_CHAIN,
    SQL_DIRECTORY,
    SQL_TOKEN,
    SQL_RENEWAL,
    SQL_RENEWED,
    SQL_CCA_DROP,
    SQL_ROW_MAX,
    SQL_FIND,
    SQL_FIND_KEY,
    SQL_LIVE,
    SQL_ACCOUNT,
    SQL__COUNT
};

struct store_sql {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL__COUNT];
    struct {
        const char *text;
        sqlite3_stmt *statement;
    } kept[SQL_KEPT];
    unsigned kept_count;
};

/* Fill err from the connection; false. */
bool store_sql_failed(struct store_sql *sql, struct err *err);
