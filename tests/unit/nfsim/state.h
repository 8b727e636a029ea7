/* A temporary OAM state folder with a small fleet, for the tests of what reads one. */
#pragma once

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/key.h"
#include "common/x509.h"
#include "nfsim/cca.h"
#include "nfsim/init.h"
#include "nfsim/inventory.h"

#define STATE_CLIENT "nfacme-client.5gc.mnc001.mcc001.3gppnetwork.org"

struct state {
    char folder[64];
    struct fleet fleet;
    struct clock clock;
};

/* AMF, SMF and the producer. */
static inline void state_make(struct state *state) {
    struct err err = {0};

    *state = (struct state){.folder = "/tmp/nfsim-test.XXXXXX",
                            .fleet = {.seed = 3,
                                      .mcc = 1,
                                      .mnc = 1,
                                      .types_count = 2,
                                      .types = {{"AMF", 1}, {"SMF", 1}}},
                            .clock = clock_real()};
    ck_assert_ptr_nonnull(mkdtemp(state->folder));
    const struct init_options init = {.state = state->folder,
                                      .fleet = state->fleet,
                                      .nfs = 2,
                                      .clock = &state->clock,
                                      .quiet = true};
    ck_assert_msg(init_state(&init, &err), "%s", err.detail);
}

static inline void state_path(const struct state *state, const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", state->folder, name);
}

static inline void state_remove(const struct state *state) {
    static const char *const names[] = {
        "oam-ca.pem",          "oam-ca.key",          "oam.pem",     "oam.key",
        "token-authority.pem", "client.pem",          "client.key",  "fleet.db",
        "fleet.db-wal",        "token-authority.key", "fleet.db-shm"};

    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        state_path(state, names[i], path);
        (void)unlink(path);
    }
    (void)rmdir(state->folder);
}

/* An NF's id, key and chain. */
struct state_nf {
    struct inventory_nf row;
    EVP_PKEY *key;
    X509_CHAIN *chain;
};

static inline void state_nf_take(struct inventory_nf *row, struct state_nf *ret) {
    struct err err = {0};

    ret->row = *row;
    ret->key = key_from_private_der(row->key_der, row->key_len, &err);
    ret->chain = sk_X509_new_null();
    ck_assert(ret->key != NULL && ret->chain != NULL);
    ck_assert_int_gt(sk_X509_push(ret->chain, x509_from_der(row->cert_der, row->cert_len, &err)),
                     0);
}

static inline void state_nf_get(const struct state *state, uint32_t index, struct state_nf *ret) {
    struct err err = {0};
    struct inventory_nf row = {0};
    AUTO(inventory_close) struct inventory *inventory = inventory_open(state->folder, false, &err);

    ck_assert_ptr_nonnull(inventory);
    ck_assert_msg(inventory_get(inventory, index, &row, &err), "%s", err.detail);
    state_nf_take(&row, ret);
}

static inline void state_nf_done(struct state_nf *nf) {
    inventory_nf_done(&nf->row);
    EVP_PKEY_free(nf->key);
    chain_free(nf->chain);
}

/* A good assertion of an NF. */
static inline struct cca_spec state_cca(const struct state_nf *nf) {
    const struct clock clock = clock_real();

    return (struct cca_spec){.uuid = nf->row.id.uuid,
                             .type = nf->row.id.type,
                             .client = STATE_CLIENT,
                             .now_s = clock_now_s(&clock),
                             .lifetime_s = 300};
}
