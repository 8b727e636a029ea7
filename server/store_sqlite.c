#include "server/store_sqlite.h"

#include "server/store_sql.h"

struct store *store_sqlite_open(const char *path, int64_t now_s, struct err *err) {
    return store_sql_open(path, /* shared */ true, now_s, err);
}
