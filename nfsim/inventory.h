/* fleet.db of the OAM's state folder (SQLite, WAL): who the NFs are, their bootstrap certificates
 * and keys, the registered shared clients, and the assertions already used. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "nfsim/fleet.h"

/* Rows of NFs that are in no fleet (the producer) have indices from here on. */
#define INVENTORY_EXTRA 0x40000000u
#define INVENTORY_JTI_MAX 256 /* octets */

struct inventory; /* one connection; one thread at a time */

/* Open state/fleet.db, making it when create. */
struct inventory *inventory_open(const char *state, bool create, struct err *err);
void inventory_close(struct inventory *inventory);
AUTO_DEFINE(struct inventory, inventory_close)

/* One transaction around many of the calls below. */
MUST_CHECK bool inventory_begin(struct inventory *inventory, struct err *err);
MUST_CHECK bool inventory_commit(struct inventory *inventory, struct err *err);

/* Facts of the whole: "fleet" (fleet_text).  Copies into text[size]; "" when unset. */
MUST_CHECK bool inventory_fact(struct inventory *inventory, const char *name, char *text,
                               size_t size, struct err *err);
MUST_CHECK bool inventory_fact_set(struct inventory *inventory, const char *name, const char *text,
                                   struct err *err);

struct inventory_nf {
    uint32_t index;
    struct fleet_nf id;
    int64_t not_after_s;     /* of the bootstrap certificate */
    unsigned char *cert_der; /* owned */
    size_t cert_len;
    unsigned char *key_der; /* PKCS #8; owned, cleansed on free */
    size_t key_len;
};
void inventory_nf_done(struct inventory_nf *nf);
void inventory_nf_done_auto(struct inventory_nf *nf);

/* How many NFs of the fleet there are (indices 0 … n-1), the extra ones not counted. */
MUST_CHECK bool inventory_count(struct inventory *inventory, uint32_t *ret, struct err *err);
/* Insert or replace by index. */
MUST_CHECK bool inventory_put(struct inventory *inventory, const struct inventory_nf *nf,
                              struct err *err);
/* ERR_NOT_FOUND. */
MUST_CHECK bool inventory_get(struct inventory *inventory, uint32_t index, struct inventory_nf *ret,
                              struct err *err);
/* Who has that id: type and FQDN only.  ERR_NOT_FOUND. */
MUST_CHECK bool inventory_find(struct inventory *inventory, const char *uuid, struct fleet_nf *ret,
                               struct err *err);
/* By id, FQDN or type and ordinal ("amf-1", the first label of its FQDN being "amf1"), or index.
 * ERR_NOT_FOUND. */
MUST_CHECK bool inventory_search(struct inventory *inventory, const char *word,
                                 struct inventory_nf *ret, struct err *err);
/* The first index at or after `from` whose certificate ends before end_s; false: none (err empty)
 * or failed (err set). */
MUST_CHECK bool inventory_stale(struct inventory *inventory, uint32_t from, int64_t end_s,
                                uint32_t *ret, struct err *err);

/* Shared clients, by the DNS name of their certificate. */
MUST_CHECK bool inventory_client_add(struct inventory *inventory, const char *name,
                                     struct err *err);
/* The nth name, from 0; ERR_NOT_FOUND beyond the last. */
MUST_CHECK bool inventory_client(struct inventory *inventory, unsigned n, char ret[FLEET_FQDN_SIZE],
                                 struct err *err);

/*
 * Note that NF sub's assertion jti is used for the account with that fingerprint, until exp_s.
 * ERR_CCA: it was used for another one.  Durable with the next commit.
 */
MUST_CHECK bool inventory_jti(struct inventory *inventory, const char *sub, const char *jti,
                              const char *fingerprint, int64_t exp_s, struct err *err);
/* Forget assertions that ended before now_s. */
MUST_CHECK bool inventory_jti_purge(struct inventory *inventory, int64_t now_s, struct err *err);
