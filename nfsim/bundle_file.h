/* Files of a run bundle: paths, whole-file replacement of any size, JSON in and out. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "common/err.h"

#define BUNDLE_PATH_MAX 4096
#define BUNDLE_JSON_BYTES_MAX (256 << 20) /* of a file that is read back */

/* FOLDER/NAME; ERR_CONFIG when it is longer than BUNDLE_PATH_MAX. */
MUST_CHECK bool bundle_path(const char *folder, const char *name, char path[BUNDLE_PATH_MAX],
                            struct err *err);

/* Start FOLDER/NAME anew (beside the old one, until closed); NULL and ERR_CONFIG otherwise. */
FILE *bundle_open(const char *folder, const char *name, struct err *err);
/* Finish it: when ok and all of it was written it takes its place, else it is removed and
 * ERR_CONFIG names it.  file is closed either way. */
MUST_CHECK bool bundle_close(FILE *file, const char *folder, const char *name, bool ok,
                             struct err *err);

/* All of it at once. */
MUST_CHECK bool bundle_text(const char *folder, const char *name, const char *text, size_t len,
                            struct err *err);
/* flags   jansson's; reals with twelve digits. */
MUST_CHECK bool bundle_json(const char *folder, const char *name, const json_t *json, size_t flags,
                            struct err *err);
/* Read back a JSON object; caller owns; NULL and ERR_CONFIG with the line otherwise. */
json_t *bundle_read(const char *folder, const char *name, struct err *err);
