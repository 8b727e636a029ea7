#include "client/eab_keys.h"

#include <fnmatch.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/b64.h"
#include "common/config.h"

#define PATTERN_SIZE 128

struct row {
    char pattern[PATTERN_SIZE];
    struct eab_key key;
};

struct eab_keys {
    size_t count;
    struct row rows[];
};

/* clang-format off */
static const struct config_key keys_of_file[] = {
    {.path = "eab", .type = CONFIG_LIST, .help = "Keys, the first that fits an account is its own."},
    {.path = "eab[].account", .type = CONFIG_TEXT, .help = "Pattern of the names of accounts."},
    {.path = "eab[].kid", .type = CONFIG_TEXT, .help = "The key's identifier at the CA."},
    {.path = "eab[].key", .type = CONFIG_TEXT, .help = "The key, base64url."},
    {0}};
/* clang-format on */

void eab_keys_free(struct eab_keys *keys) {
    if (keys != NULL) {
        OPENSSL_cleanse(keys->rows, keys->count * sizeof keys->rows[0]);
        free(keys);
    }
}

static bool row_fill(struct row *row, const char *pattern, const char *kid, size_t kid_len,
                     const char *key) {
    struct err ignored = {0};

    if (pattern == NULL || strlen(pattern) >= sizeof row->pattern || kid == NULL || kid_len == 0
        || kid_len >= sizeof row->key.kid || key == NULL
        || !b64_decode_into(key, strlen(key), row->key.key, sizeof row->key.key, &row->key.len,
                            &ignored)
        || row->key.len == 0) {
        return false;
    }
    memcpy(row->pattern, pattern, strlen(pattern) + 1);
    memcpy(row->key.kid, kid, kid_len);
    row->key.kid[kid_len] = '\0';
    return true;
}

static bool private_file(const char *path, struct err *err) {
    struct stat stat_of;

    if (stat(path, &stat_of) != 0) {
        return err_set(err, ERR_CONFIG, "%.150s: cannot be read", path);
    }
    return (stat_of.st_mode & 077) == 0
           || err_set(err, ERR_CONFIG, "%.120s: keys, and others than its owner may read it", path);
}

static bool read_rows(const struct config *config, struct eab_keys *keys, struct err *err) {
    const size_t count = config_count(config, "eab");

    for (size_t i = 0; i < count; i++) {
        char account[48], kid[48], key[48], where[160];
        (void)snprintf(account, sizeof account, "eab[%zu].account", i);
        (void)snprintf(kid, sizeof kid, "eab[%zu].kid", i);
        (void)snprintf(key, sizeof key, "eab[%zu].key", i);
        const char *kid_text = config_text(config, kid);
        if (!row_fill(&keys->rows[i], config_text(config, account), kid_text,
                      kid_text == NULL ? 0 : strlen(kid_text), config_text(config, key))) {
            config_where(config, kid_text == NULL ? account : kid, where, sizeof where);
            return err_set(err, ERR_CONFIG, "%s: not account, kid and key (base64url)", where);
        }
        keys->count++;
    }
    return true;
}

struct eab_keys *eab_keys_read(const char *path, const char *one, struct err *err) {
    AUTO(config_free) struct config *config = NULL;

    if (path != NULL
        && (!private_file(path, err)
            || (config = config_read(path, keys_of_file, NULL, err)) == NULL)) {
        return NULL;
    }
    const size_t count = config == NULL ? 0 : config_count(config, "eab");
    if (count > EAB_KEYS_MAX) {
        (void)err_set(err, ERR_CONFIG, "%.120s: more than %d keys", path, EAB_KEYS_MAX);
        return NULL;
    }
    AUTO(eab_keys_free)
    struct eab_keys *keys = calloc(1, sizeof *keys + (count + 1) * sizeof keys->rows[0]);
    if (keys == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    if (config != NULL && !read_rows(config, keys, err)) {
        return NULL;
    }
    if (one != NULL) {
        const char *colon = strrchr(one, ':');
        if (colon == NULL
            || !row_fill(&keys->rows[keys->count++], "*", one, (size_t)(colon - one), colon + 1)) {
            (void)err_set(err, ERR_CONFIG, "eab (--eab): not KID:BASE64URL");
            return NULL;
        }
    }
    return TAKE(keys);
}

const struct eab_key *eab_keys_of(const struct eab_keys *keys, const char *account) {
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        if (fnmatch(keys->rows[i].pattern, account, 0) == 0) {
            return &keys->rows[i].key;
        }
    }
    return NULL;
}
