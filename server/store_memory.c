#include "server/store_memory.h"

#include "server/store_sql.h"

/* A database in memory belongs to its one connection: readers take turns with the writer, which
 * never waits for a disk. */
struct store *store_memory_open(struct err *err) {
    return store_sql_open(":memory:", /* shared */ false, 0, err);
}
