#include "nfsim/bundle_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool bundle_path(const char *folder, const char *name, char path[BUNDLE_PATH_MAX],
                 struct err *err) {
    int len = snprintf(path, BUNDLE_PATH_MAX, "%s/%s", folder, name);

    return (len > 0 && len < BUNDLE_PATH_MAX)
           || err_set(err, ERR_CONFIG, "%.64s…/%.64s: the path is too long", folder, name);
}

static bool new_path(const char *folder, const char *name, char path[BUNDLE_PATH_MAX],
                     struct err *err) {
    int len = snprintf(path, BUNDLE_PATH_MAX, "%s/%s.new", folder, name);

    return (len > 0 && len < BUNDLE_PATH_MAX)
           || err_set(err, ERR_CONFIG, "%.64s…/%.64s: the path is too long", folder, name);
}

static bool complain(const char *folder, const char *name, const char *what, struct err *err) {
    int saved = errno;

    (void)err_set(err, ERR_CONFIG, "%.120s/%.50s: %s", folder, name, what);
    return err_cause(err, "%s", strerror(saved));
}

FILE *bundle_open(const char *folder, const char *name, struct err *err) {
    char path[BUNDLE_PATH_MAX];

    if (!new_path(folder, name, path, err)) {
        return NULL;
    }
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        (void)complain(folder, name, "cannot be written", err);
    }
    return file;
}

bool bundle_close(FILE *file, const char *folder, const char *name, bool ok, struct err *err) {
    char from[BUNDLE_PATH_MAX], to[BUNDLE_PATH_MAX];

    ok = ok && ferror(file) == 0;
    ok = fclose(file) == 0 && ok;
    if (!new_path(folder, name, from, err) || !bundle_path(folder, name, to, err)) {
        return false;
    }
    if (ok && rename(from, to) == 0) {
        return true;
    }
    (void)complain(folder, name, "cannot be written", err);
    (void)unlink(from);
    return false;
}

bool bundle_text(const char *folder, const char *name, const char *text, size_t len,
                 struct err *err) {
    FILE *file = bundle_open(folder, name, err);

    return file != NULL && bundle_close(file, folder, name, fwrite(text, 1, len, file) == len, err);
}

bool bundle_json(const char *folder, const char *name, const json_t *json, size_t flags,
                 struct err *err) {
    FILE *file = bundle_open(folder, name, err);

    return file != NULL
           && bundle_close(file, folder, name,
                           json_dumpf(json, file, flags | JSON_REAL_PRECISION(12)) == 0
                               && fputc('\n', file) != EOF,
                           err);
}

json_t *bundle_read(const char *folder, const char *name, struct err *err) {
    char path[BUNDLE_PATH_MAX];
    struct stat facts;
    json_error_t where;

    if (!bundle_path(folder, name, path, err)) {
        return NULL;
    }
    if (stat(path, &facts) != 0 || facts.st_size > BUNDLE_JSON_BYTES_MAX) {
        (void)complain(folder, name, "cannot be read", err);
        return NULL;
    }
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL || !json_is_object(json)) {
        json_decref(json);
        (void)err_set(err, ERR_CONFIG, "%.80s/%.50s: line %d: %.50s", folder, name,
                      json == NULL ? where.line : 1, json == NULL ? where.text : "not an object");
        return NULL;
    }
    return json;
}
