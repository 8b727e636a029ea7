#include "client/state.h"

#include <stdio.h>
#include <string.h>

#include "client/store_sql.h"
#include "common/file.h"
#include "common/ossl.h"
#include "common/run.h"

void state_path(const struct options *options, const char *name, char path[STATE_PATH_SIZE]) {
    (void)snprintf(path, STATE_PATH_SIZE, "%s/%s", options->state_dir, name);
}

enum state_key state_key_path(const struct options *options, char path[STATE_PATH_SIZE]) {
    if (options->vault_key != NULL) {
        (void)snprintf(path, STATE_PATH_SIZE, "%s", options->vault_key);
        return STATE_KEY_GIVEN;
    }
    if (run_credential("vault.key", path, STATE_PATH_SIZE)) {
        return STATE_KEY_CREDENTIAL;
    }
    state_path(options, "vault.key", path);
    return STATE_KEY_OWN;
}

static struct vault *open_vault(const struct options *options, struct err *err) {
    char path[STATE_PATH_SIZE];
    const enum state_key which = state_key_path(options, path);

    /* systemd guards a credential's folder, and may have to let its group read the file */
    return which == STATE_KEY_OWN ? vault_open(path, err)
                                  : vault_open_file(path, which == STATE_KEY_GIVEN, err);
}

/* Another key would make every account a stranger's, one failure after the other. */
static bool opens(void *ctx, const struct store_row *row, struct err *err) {
    struct err wrong = {0};
    size_t len = 0;
    const unsigned char *sealed = store_row_blob(row, 1, &len);
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = vault_open_key(ctx, store_row_text(row, 0), sealed, len, &wrong);

    return key != NULL
           || err_set(err, ERR_CONFIG, "the vault's key is not the one of this state directory");
}

/* The first account that is not on its way out (those are sealed under another name). */
static bool fits(struct store_sql *sql, void *ctx, struct err *err) {
    static const char first[] = "SELECT name, sealed FROM account WHERE instr(name, '#')=0 LIMIT 1";

    return store_sql_each(sql, first, NULL, 0, opens, ctx, err);
}

bool state_open(const struct options *options, struct loop *loop, struct vault **ret_vault,
                struct store **ret_store, struct err *err) {
    char path[STATE_PATH_SIZE];

    state_path(options, STATE_DATABASE, path);
    *ret_vault = open_vault(options, err);
    *ret_store = *ret_vault == NULL ? NULL : store_open(path, loop, err);
    return *ret_store != NULL && store_read_now(*ret_store, fits, *ret_vault, err);
}
