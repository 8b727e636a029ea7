/* Whose ACME account an enrolment uses, and making it: one for each NF, for each NF type, or for
 * all.  Of those who share one, a single enrolment asks the server; the others wait for its URL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/engine_inner.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/key.h"
#include "common/ossl.h"

#define NAME_SIZE (ENROLMENT_ACCOUNT_SIZE + 16)

/* An account that is shared, while it is being made and after. */
struct engine_account {
    char name[NAME_SIZE];
    struct store_account saved; /* sealed key, to be inserted with any of its enrolments */
    EVP_PKEY *key;
    char *url;            /* NULL until one has it on disk */
    struct live *asks;    /* who asks the server; NULL: nobody */
    struct live *waiting; /* the others, by account_next */
};

void engine_account_name(enum account_model model, struct enrolment *record) {
    switch (model) {
    case ACCOUNT_PER_NF:
        (void)snprintf(record->account, sizeof record->account, "%s", record->nf);
        return;
    case ACCOUNT_PER_TYPE:
        (void)snprintf(record->account, sizeof record->account, "type:%s", record->nf_type);
        return;
    case ACCOUNT_SHARED:
        (void)snprintf(record->account, sizeof record->account, "shared");
        return;
    }
}

static void account_free(struct engine_account *account) {
    store_account_done(&account->saved);
    EVP_PKEY_free(account->key);
    free(account->url);
    free(account);
}

static void free_one(void *ctx, void *value) {
    (void)ctx;
    account_free(value);
}

void engine_accounts_free(struct engine *engine) {
    if (engine->accounts != NULL) {
        map_each(engine->accounts, free_one, NULL);
    }
    map_free(engine->accounts);
}

/* Accounts of one name at two CAs are two. */
static void name_at(const struct engine *engine, const char *name, const struct ca *ca,
                    char ret[NAME_SIZE]) {
    (void)snprintf(ret, NAME_SIZE, "%u %.*s", (unsigned)(ca - engine->options.cas->list),
                   ENROLMENT_ACCOUNT_SIZE - 1, name);
}

void engine_account_forget(struct engine *engine, const char *name_alone, const char *directory) {
    char name[NAME_SIZE];

    name_at(engine, name_alone, cas_of(engine->options.cas, directory), name);
    struct engine_account *account = map_get(engine->accounts, name);

    if (account != NULL && account->asks == NULL && account->waiting == NULL) {
        (void)map_take(engine->accounts, name);
        account_free(account);
    }
}

static bool sealed_copy(const struct store_account *from, struct store_account *ret) {
    *ret = *from;
    ret->url = NULL;
    ret->next_sealed = NULL;
    ret->directory = strdup(from->directory);
    ret->sealed = malloc(from->sealed_len);
    if (ret->directory == NULL || ret->sealed == NULL) {
        store_account_done(ret);
        return false;
    }
    memcpy(ret->sealed, from->sealed, from->sealed_len);
    return true;
}

static bool key_new(struct live *live, struct err *err) {
    struct enrolment *record = &live->record;
    struct store_account *account = &live->account;

    account->directory = strdup(record->directory);
    account->made_us = engine_now_us();
    live->key = account->directory == NULL ? NULL : key_generate(KEY_P256, err);
    if (live->key == NULL || !jwk_thumbprint(live->key, record->thumbprint, err)
        || !vault_seal(live->engine->options.vault, record->account, live->key, &account->sealed,
                       &account->sealed_len, err)) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    memcpy(account->name, record->account, sizeof account->name);
    memcpy(account->thumbprint, record->thumbprint, sizeof account->thumbprint);
    return true;
}

static bool shares(const struct live *live) {
    return strcmp(live->record.account, live->record.nf) != 0;
}

static struct engine_account *shared_of(const struct live *live) {
    char name[NAME_SIZE];

    if (!shares(live)) {
        return NULL;
    }
    name_at(live->engine, live->record.account, live->ca, name);
    return map_get(live->engine->accounts, name);
}

/* A shared one whose first enrolment may not be on disk yet: its key, not another. */
static bool join(struct live *live, const struct engine_account *account, struct err *err) {
    if (EVP_PKEY_up_ref(account->key) != 1) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    live->key = account->key;
    memcpy(live->record.thumbprint, account->saved.thumbprint, sizeof live->record.thumbprint);
    live->record.account_url = account->url == NULL ? NULL : strdup(account->url);
    return account->saved.sealed == NULL || sealed_copy(&account->saved, &live->account)
           || err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* Known by its name from now on; without memory it is merely not shared in memory. */
static struct engine_account *share(struct live *live) {
    struct engine_account *account = calloc(1, sizeof *account);

    if (account == NULL) {
        return NULL;
    }
    name_at(live->engine, live->record.account, live->ca, account->name);
    memcpy(account->saved.thumbprint, live->record.thumbprint, sizeof account->saved.thumbprint);
    if ((live->account.sealed != NULL && !sealed_copy(&live->account, &account->saved))
        || EVP_PKEY_up_ref(live->key) != 1) {
        account_free(account);
        return NULL;
    }
    account->key = live->key;
    if (!map_put(live->engine->accounts, account->name, account)) {
        account_free(account);
        return NULL;
    }
    return account;
}

bool engine_account_take(struct live *live, struct store_found *found, struct err *err) {
    struct engine *engine = live->engine;
    struct enrolment *record = &live->record;
    const struct engine_account *account = shared_of(live);

    if (account != NULL) {
        return join(live, account, err);
    }
    if (!found->found_account) {
        return key_new(live, err) && (!shares(live) || share(live) != NULL);
    }
    engine_account_aged(engine, &found->account);
    memcpy(record->thumbprint, found->account.thumbprint, sizeof record->thumbprint);
    record->account_url = TAKE(found->account.url);
    live->key = vault_open_key(engine->options.vault, record->account, found->account.sealed,
                               found->account.sealed_len, err);
    return live->key != NULL;
}

static void step_again(void *ctx) { engine_step(ctx); }

/* RFC 8555 7.3.4: the account key's JWK, signed with the key the CA gave us. */
static json_t *binding_new(struct live *live, const struct eab_key *key, const char *url,
                           struct err *err) {
    AUTO(json_release) json_t *header = json_pack("{s:s,s:s}", "kid", key->kid, "url", url);
    AUTO(json_release) json_t *jwk = jwk_write(live->key, err);
    AUTO(free) char *text = jwk == NULL ? NULL : json_text(jwk);

    if (header == NULL || text == NULL) {
        return NULL;
    }
    AUTO(free) char *jws = jws_sign_mac(key->key, key->len, header, text, strlen(text), err);
    return jws == NULL ? NULL : json_read_object(jws, strlen(jws), err);
}

static void account_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    const char *status = NULL;

    live->request = NULL;
    if (err != NULL) {
        engine_fail(live, err);
        return;
    }
    status = json_string_value(json_object_get(answer->json, "status"));
    if (status == NULL || strcmp(status, "valid") != 0) {
        engine_fail(live, &(struct err){.kind = ERR_UPSTREAM,
                                        .detail = "the NF's ACME account is not valid"});
        return;
    }
    metric_add(stats_count(STATS_ACCOUNTS), answer->status == 201 ? 1 : 0);
    free(live->record.account_url);
    live->record.account_url = strdup(answer->location);
    engine_move(live, ENROLMENT_ON_ACCOUNT);
}

static void ask(struct live *live) {
    const struct engine_options *options = &live->engine->options;
    const struct directory *directory = upstream_directory(live->ca->upstream);
    const struct eab_key *key = eab_keys_of(options->eab, live->record.account);
    AUTO(json_release) json_t *payload = json_pack("{s:b}", "termsOfServiceAgreed", 1);
    struct err err = {0};

    if (key != NULL && directory == NULL) {
        /* the binding names newAccount's URL: ask again when the directory is there */
        upstream_wait(live->ca->upstream, &live->waiter,
                      &(struct upstream_turn){true, live->record.nf, live->priority}, step_again,
                      live);
        return;
    }
    if (key != NULL
        && json_object_set_new(payload, "externalAccountBinding",
                               binding_new(live, key, directory->new_account, &err))
               != 0) {
        (void)err_set(&err, ERR_NO_MEMORY, "out of memory");
        engine_fail(live, &err);
        return;
    }
    (void)engine_request(live, STATS_NEW_ACCOUNT, NULL, json_text(payload), account_done);
}

void engine_step_account(struct live *live) {
    struct engine_account *account = shared_of(live);

    if (live->record.account_url != NULL) { /* known from before, at the CA it has come to */
        engine_move(live, ENROLMENT_ON_ACCOUNT);
        return;
    }
    if (account == NULL && shares(live)) { /* after a restart, or when the server has lost it */
        account = share(live);
    }
    if (account == NULL || account->asks == live) {
        ask(live);
    } else if (account->url != NULL) {
        free(live->record.account_url);
        live->record.account_url = strdup(account->url);
        engine_move(live, ENROLMENT_ON_ACCOUNT);
    } else if (account->asks == NULL) {
        account->asks = live;
        ask(live);
    } else if (!live->account_waits) {
        live->account_waits = true;
        live->account_next = account->waiting;
        account->waiting = live;
    }
}

/* Out of those who wait. */
static void unwait(struct engine_account *account, struct live *live) {
    struct live **place = &account->waiting;

    while (*place != live) {
        place = &(*place)->account_next;
    }
    *place = live->account_next;
    live->account_waits = false;
    live->account_next = NULL;
}

void engine_account_known(struct live *live) {
    struct engine_account *account = shared_of(live);

    if (account == NULL || live->record.account_url == NULL) {
        return;
    }
    if (account->url == NULL) {
        account->url = strdup(live->record.account_url);
    }
    account->asks = account->asks == live ? NULL : account->asks;
    while (account->waiting != NULL && account->url != NULL) {
        struct live *next = account->waiting;
        unwait(account, next);
        engine_step_account(next);
    }
}

void engine_account_left(struct live *live) {
    struct engine_account *account = live->engine->accounts == NULL ? NULL : shared_of(live);

    if (account == NULL) {
        return;
    }
    if (live->account_waits) {
        unwait(account, live);
    }
    if (account->asks == live) {
        account->asks = NULL;
        if (account->waiting != NULL && !live->engine->stopping) { /* the next one tries */
            struct live *next = account->waiting;
            unwait(account, next);
            engine_step_account(next);
        }
    }
}

void engine_account_lost(struct live *live) {
    struct engine_account *account = shared_of(live);

    if (account != NULL && account->url != NULL && live->record.account_url != NULL
        && strcmp(account->url, live->record.account_url) == 0) {
        free(account->url);
        account->url = NULL;
    }
    free(live->record.account_url);
    live->record.account_url = NULL;
}
