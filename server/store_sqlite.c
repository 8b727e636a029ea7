#include "server/store_sqlite.h"

#include <fcntl.h>
#include <unistd.h>

#include "server/store_sql.h"

/* A new file is for its owner alone, whatever the folder is: it holds keys for external account
 * binding.  SQLite gives its log the same mode, and has the words for what fails. */
static void make_private(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0) {
        (void)close(fd);
    }
}

struct store *store_sqlite_open(const char *path, int64_t now_s, struct err *err) {
    make_private(path);
    return store_sql_open(path, /* shared */ true, now_s, err);
}
