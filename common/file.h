/* Whole small files, read and written safely. */
#pragma once

#include <stddef.h>

#include "common/err.h"

#define FILE_BYTES_MAX (1 << 20)

/* The file's octets, NUL-terminated beyond *ret_len; caller owns, free().  ERR_CONFIG names path. */
char *file_read(const char *path, size_t *ret_len, struct err *err);

/* Replace atomically (temporary file, fsync, rename, fsync of the folder); mode as in 0600. */
MUST_CHECK bool file_write(const char *path, unsigned mode, const void *data, size_t len,
                           struct err *err);

/* Make a directory (mode 0700) unless it exists. */
MUST_CHECK bool file_folder(const char *path, struct err *err);
