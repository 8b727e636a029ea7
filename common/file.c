#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"

static void close_fd_auto(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

/* ERR_CONFIG for path, with errno's text. */
static bool complain(struct err *err, const char *path, const char *what) {
    int number = errno;

    return err_set(err, ERR_CONFIG, "%s: %s: %s", path, what, strerror(number));
}

char *file_read(const char *path, size_t *ret_len, struct err *err) {
    AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    size_t len = 0;

    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)complain(err, path, "cannot be opened");
        return NULL;
    }
    /* What has no size (a pipe) gets the whole room; one octet more than allowed shows too much. */
    size_t size = S_ISREG(status.st_mode) && status.st_size < FILE_BYTES_MAX
                      ? (size_t)status.st_size + 1
                      : FILE_BYTES_MAX + 1;
    AUTO(free) char *data = malloc(size + 1);
    if (data == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    while (len < size) {
        ssize_t got = read(fd, data + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            (void)complain(err, path, "cannot be read");
            return NULL;
        }
        if (got == 0) {
            data[len] = '\0';
            *ret_len = len;
            return TAKE(data);
        }
        len += (size_t)got;
    }
    (void)err_set(err, ERR_CONFIG, "%s: is larger than %d octets, or growing", path,
                  FILE_BYTES_MAX);
    return NULL;
}

static bool write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t put = write(fd, data, len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return false;
        }
        data += put;
        len -= (size_t)put;
    }
    return true;
}

/* Make the rename itself last. */
static bool sync_folder(const char *path, struct err *err) {
    const char *slash = strrchr(path, '/');
    AUTO(free)
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    if (folder == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    AUTO(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || complain(err, folder, "cannot be synced");
}

bool file_write(const char *path, unsigned mode, const void *data, size_t len, struct err *err) {
    AUTO(buf_done) struct buf name = buf_new(PATH_MAX);

    if (!buf_printf(&name, "%s.XXXXXX", path)) {
        return err_set(err, ERR_CONFIG, "%s: the path is too long", path);
    }
    AUTO(close_fd) int fd = mkostemp(name.data, O_CLOEXEC);
    if (fd < 0) {
        return complain(err, path, "cannot be written");
    }
    if (fchmod(fd, mode) != 0 || !write_all(fd, data, len) || fsync(fd) != 0
        || rename(name.data, path) != 0) {
        (void)complain(err, path, "cannot be written");
        (void)unlink(name.data);
        return false;
    }
    return sync_folder(path, err);
}

bool file_folder(const char *path, struct err *err) {
    struct stat status;

    if (mkdir(path, 0700) == 0) {
        return true;
    }
    if (errno != EEXIST || stat(path, &status) != 0) {
        return complain(err, path, "cannot be made");
    }
    return S_ISDIR(status.st_mode) || err_set(err, ERR_CONFIG, "%s: is not a folder", path);
}
