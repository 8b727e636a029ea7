/* The state directory: the vault with its key, and the store whose accounts it opens. */
#pragma once

#include "client/options.h"
#include "client/store.h"
#include "client/vault.h"
#include "common/err.h"
#include "common/loop.h"

#define STATE_PATH_SIZE 1024
#define STATE_DATABASE "client.db"

enum state_key { STATE_KEY_GIVEN, STATE_KEY_CREDENTIAL, STATE_KEY_OWN };

/* Where the vault's key is: --vault-key, else the systemd credential "vault.key", else the state
 * directory, where it is made when missing. */
enum state_key state_key_path(const struct options *options, char path[STATE_PATH_SIZE]);
void state_path(const struct options *options, const char *name, char path[STATE_PATH_SIZE]);

/* Both are the caller's, also when it fails half-way.  ERR_CONFIG: the key is not the one the
 * accounts of this state were sealed with. */
MUST_CHECK bool state_open(const struct options *options, struct loop *loop,
                           struct vault **ret_vault, struct store **ret_store, struct err *err);
