/* What the server remembers.  One writer commits the transactions of many requests at once (group
 * commit); readers get copies.  A record's state changes only by an operation that names the state
 * it comes from.  Back ends: SQLite on disk, SQLite in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/account.h"
#include "server/authz.h"
#include "server/order.h"

struct store;
struct store_chunk;
struct renewal_window;

/* A certificate as issued; certificate_done. */
struct certificate {
    char serial[X509_SERIAL_SIZE]; /* lower-case hex */
    char account[ID_SIZE];
    char order[ID_SIZE];
    char *chain_pem;
    int64_t not_after_s;
    unsigned char spki_sha256[32];
    int64_t revoked_at_s; /* 0 = not revoked */
    int reason;           /* RFC 5280 5.3.1; -1 = none given */
};
void certificate_done(struct certificate *certificate);
void certificate_done_auto(struct certificate *certificate);

/* A key for external account binding that was made at run time; borrowed texts. */
struct eab_record {
    const char *kid, *key; /* key: base64url */
    unsigned uses;         /* accounts it may bind; 0: any number */
    unsigned used;
    uint64_t created_us;
};

/*
 * Writing.  A transaction is a list of operations that succeed together or not at all.  It, and all
 * its operations point to, belong to the caller and stay as they are until done is called, once, on
 * the writer's thread, after the commit is durable:
 *   err->kind ERR_NONE     committed
 *   ERR_CONFLICT           a record was not in the state an operation starts from
 *   ERR_UNAUTHORIZED       the authority token was used for something else; STORE_EAB_USE
 *   ERR_ALREADY_REVOKED    by STORE_REVOKE
 *   ERR_ALREADY_REPLACED   by STORE_REPLACE
 *   ERR_STORE              the disk; nothing of the batch was kept
 */
enum store_op_kind {
    STORE_ACCOUNT_INSERT,    /* conflict: the key has an account already */
    STORE_ACCOUNT_CHANGE,    /* from `from` to `to`; contact and terms unless NULL */
    STORE_ACCOUNT_KEY,       /* a valid account's key; conflict: it has another, or it is taken */
    STORE_ORDERS_CANCEL,     /* all unfulfilled orders of an account become invalid */
    STORE_ORDER_INSERT,      /* with its authorizations and their challenges; conflict: one of the
                                others that it uses is no longer valid */
    STORE_AUTHZ_INSERT,      /* one for no order, RFC 8555 7.4.1 */
    STORE_CHALLENGE_MOVE,    /* from `from` to `to`, with validated_us, error, response */
    STORE_AUTHZ_MOVE,        /* from `from` to `to`, with expires_us, types, token_exp_s, jkt */
    STORE_ORDER_AUTHORISED,  /* one authorization more is valid; sets ret_ready at the last one */
    STORE_ORDER_FAIL,        /* pending or ready to invalid, with error; else nothing happens */
    STORE_ORDERS_FAIL,       /* the same for the orders made later that share `authz` */
    STORE_ORDER_MOVE,        /* from `from` to `to`, with serial */
    STORE_ORDER_REJECT,      /* processing to invalid, with error */
    STORE_FINALIZING_INSERT, /* the CSR of an order that is issued later */
    STORE_FINALIZING_DELETE,
    STORE_CERTIFICATE_INSERT,
    STORE_REVOKE,
    STORE_TOKEN_USE,  /* the jti of an authority token: for one account and identifier only */
    STORE_SWEEP,      /* what ended before a time, within a stretch of a table (store_upkeep.h) */
    STORE_REPLACE,    /* an order's claim to replace a certificate (store_renewal.h) */
    STORE_REPLACED,   /* the claim's order was fulfilled */
    STORE_WINDOW,     /* a renewal window set by the operator, or taken back */
    STORE_EAB_INSERT, /* conflict: there is such a kid */
    STORE_EAB_DELETE, /* not found: there is none */
    STORE_EAB_USE,    /* unauthorized: it is gone or used up */
    STORE_SETTING,    /* what is to survive a restart */
    STORE_OP__COUNT
};

struct store_op {
    enum store_op_kind kind;
    const char *account; /* ids of the record meant; borrowed */
    const char *order;
    const char *authz;
    unsigned from, to; /* the record's status enum */
    union {
        const struct account *new_account;
        struct {
            const char *contact, *terms;
        };
        struct {
            const char *thumbprint_from, *thumbprint, *jwk;
        } key;
        const struct eab_record *eab;
        const char *eab_kid;
        struct {
            const char *name, *value;
        } setting;
        struct {
            const struct order *order;
            const struct authz *authzs; /* the new ones; order->authzs may name older ones too */
            unsigned authz_count;
        } new_order;
        const struct authz *new_authz;
        struct {
            enum acme_challenge_type type;
            uint64_t validated_us;
            const char *error, *response;
        } challenge;
        struct {
            uint64_t expires_us;
            const struct nftypes *types; /* or NULL */
            int64_t token_exp_s;
            const char *jkt;
        } granted;
        struct {
            uint64_t expires_us; /* the authorization's: the order's end is no later; 0 = keep */
            bool ret_ready;
        } authorised;
        struct {
            uint64_t due_us;
            const char *csr; /* base64url */
        } finalizing;
        const char *error;
        const char *serial;
        const struct certificate *certificate;
        struct {
            const char *serial;
            int64_t at_s;
            int reason;
        } revoke;
        struct {
            const char *jti;
            const struct acme_identifier *identifier;
            int64_t exp_s;
        } token;
        struct {
            unsigned kind; /* enum store_kind */
            const struct store_chunk *chunk;
            int64_t before_s;
            unsigned ret_removed;
        } sweep;
        struct {
            const char *serial;
            uint64_t at_us;
        } replace;
        const struct renewal_window *window;
    };
};

#define STORE_OPS_MAX 5
typedef void store_done(void *ctx, const struct err *err);
struct store_tx {
    unsigned count;
    struct store_op ops[STORE_OPS_MAX];
    store_done *done; /* by store_submit */
    void *ctx;
    bool promised;         /* the end of something accepted: taken however many wait */
    struct store_tx *next; /* the store's */
    struct err err;        /* the store's */
};

/* Room for one more operation of that kind, the rest zero. */
struct store_op *store_tx_add(struct store_tx *tx, enum store_op_kind kind);

/* Called on the writer's thread for every transaction that was committed, before its done; set
 * once, before anything is submitted. */
typedef void store_observer(void *ctx, const struct store_tx *tx);
void store_observe(struct store *store, store_observer *observer, void *ctx);

#define STORE_QUEUE_MAX 65536 /* transactions waiting */
#define STORE_BATCH_MAX 512   /* transactions in one commit */

/* Queue tx.  false: done will not be called; ERR_OVERLOAD: STORE_QUEUE_MAX are waiting. */
MUST_CHECK bool store_submit(struct store *store, struct store_tx *tx, store_done *done, void *ctx,
                             struct err *err);
/* Submit and wait; never on the writer's thread. */
MUST_CHECK bool store_write(struct store *store, struct store_tx *tx, struct err *err);

/*
 * Reading: copies, from any thread.  ERR_NOT_FOUND when there is none (orders and authorizations
 * are looked for among the account's own); ERR_STORE.
 */
MUST_CHECK bool store_account_get(struct store *store, const char *id, struct account *ret,
                                  struct err *err);
MUST_CHECK bool store_account_find(struct store *store, const char *thumbprint, struct account *ret,
                                   struct err *err);
/* Is there an account with that key?  Cheaper than finding it. */
MUST_CHECK bool store_key_known(struct store *store, const char *thumbprint, bool *ret,
                                struct err *err);
MUST_CHECK bool store_order_get(struct store *store, const char *account, const char *id,
                                struct order *ret, struct err *err);
MUST_CHECK bool store_authz_get(struct store *store, const char *account, const char *id,
                                struct authz *ret, struct err *err);
/* The same as SQLite has it: a record kept in memory may be older for a moment than another that
 * was read from SQLite just after its commit. */
MUST_CHECK bool store_authz_get_committed(struct store *store, const char *account, const char *id,
                                          struct authz *ret, struct err *err);
MUST_CHECK bool store_certificate_get(struct store *store, const char *serial,
                                      struct certificate *ret, struct err *err);
/* The revocation alone: when, 0 = not revoked, and why, -1 = none given. */
MUST_CHECK bool store_certificate_status(struct store *store, const char *serial,
                                         int64_t *ret_revoked_at_s, int *ret_reason,
                                         struct err *err);

/* Walks.  The sink copies what it needs; false and err stop the walk.  Sinks may not read or write
 * the store. */
typedef bool store_id_sink(void *ctx, const char *account, const char *id, unsigned type,
                           struct err *err);
/* Orders of an account after `after` ("" = from the first), invalid ones left out, at most max. */
MUST_CHECK bool store_orders_each(struct store *store, const char *account, const char *after,
                                  unsigned max, store_id_sink *sink, void *ctx, struct err *err);
/* Ids of the account's valid authorizations for an identifier. */
MUST_CHECK bool store_authz_valid_each(struct store *store, const char *account,
                                       const struct acme_identifier *identifier,
                                       store_id_sink *sink, void *ctx, struct err *err);
/* The same, of those made for no order (RFC 8555 7.4.1). */
MUST_CHECK bool store_authz_prepared_each(struct store *store, const char *account,
                                          const struct acme_identifier *identifier,
                                          store_id_sink *sink, void *ctx, struct err *err);
/* Orders that are processing, and when they are due. */
typedef bool store_due_sink(void *ctx, const char *account, const char *order, uint64_t due_us,
                            struct err *err);
MUST_CHECK bool store_finalizing_each(struct store *store, store_due_sink *sink, void *ctx,
                                      struct err *err);
/* The CSR of one, as it was inserted; caller owns, free(). */
MUST_CHECK bool store_finalizing_get(struct store *store, const char *account, const char *order,
                                     char **ret_csr, struct err *err);
/* Challenges whose validation was accepted and is not done: authorization id, challenge type. */
MUST_CHECK bool store_processing_each(struct store *store, store_id_sink *sink, void *ctx,
                                      struct err *err);
typedef bool store_revoked_sink(void *ctx, const char *serial, int64_t revoked_at_s, int reason,
                                struct err *err);
/* Revoked certificates whose notAfter is that time or later. */
MUST_CHECK bool store_revoked_each(struct store *store, int64_t expiring_after_s,
                                   store_revoked_sink *sink, void *ctx, struct err *err);

/* store_account.c */
typedef bool store_eab_sink(void *ctx, const struct eab_record *record, struct err *err);
MUST_CHECK bool store_eab_each(struct store *store, store_eab_sink *sink, void *ctx,
                               struct err *err);
/* Accounts that were bound: kid and account id; at most max. */
MUST_CHECK bool store_eab_accounts_each(struct store *store, unsigned max, store_id_sink *sink,
                                        void *ctx, struct err *err);
/* Keys of certificates revoked because their key was compromised, RFC 5280 5.3.1. */
typedef bool store_key_sink(void *ctx, const unsigned char spki_sha256[32], struct err *err);
MUST_CHECK bool store_compromised_each(struct store *store, store_key_sink *sink, void *ctx,
                                       struct err *err);
/* The value last put by STORE_SETTING; NULL when there is none.  Caller owns, free(). */
MUST_CHECK bool store_setting_get(struct store *store, const char *name, char **ret,
                                  struct err *err);

#define STORE_SIZES 10 /* the last: STORE_BATCH_MAX */

struct store_counts {
    uint64_t commits;            /* groups made durable */
    uint64_t transactions;       /* in them */
    uint64_t sizes[STORE_SIZES]; /* groups of up to 2^i transactions, and more than 2^(i-1) */
    uint64_t issued, revoked;    /* certificates, in what was made durable */
    uint64_t failed;             /* transactions refused or lost */
    unsigned queued;             /* waiting now */
    bool healthy;                /* the last commit succeeded */
};
struct store_counts store_counts(struct store *store);

/* Commits what is queued and calls its done, then writes no more; reading goes on. */
void store_stop(struct store *store);
/* store_stop, and frees; no one may be using the store. */
void store_close(struct store *store);
AUTO_DEFINE(struct store, store_close)
