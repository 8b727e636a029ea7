/* Admin calls about accounts, external account keys and terms of service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/rng.h"
#include "server/admin.h"

#define EAB_MADE_OCTETS 32
#define EAB_ACCOUNTS_LISTED 10000
#define USES_MAX 1000000000

static json_t *time_new(uint64_t us) {
    char text[CLOCK_TEXT_SIZE];
    clock_text(us, text);
    return json_string(text);
}

static json_t *account_json(const struct account *account) {
    json_t *contact = json_loads(account->contact, 0, NULL);

    return json_pack("{s:s, s:s, s:s, s:o?, s:o, s:s?, s:s?}", "id", account->id, "status",
                     account_status_name(account->status), "thumbprint", account->thumbprint,
                     "contact", contact, "created", time_new(account->created_us), "eabKid",
                     account->eab_kid, "termsOfService", account->terms);
}

void admin_account_show(const struct admin_call *call) {
    AUTO(account_done) struct account account = {0};
    struct err err = {0};

    if (!store_account_get(call->options->store, call->params.value[0], &account, &err)) {
        admin_fail(call, &err);
        return;
    }
    admin_answer(call, 200, account_json(&account));
}

/* RFC 8555 7.1.2 and 7.1.6: the server's own way to end an account; its orders end with it. */
static bool revoke(const struct admin_options *options, struct account *account, struct err *err) {
    struct store_tx tx = {0};
    enum account_status from = account->status;

    if (!account_next(from, ACCOUNT_REVOKE, &account->status, err)) {
        return false;
    }
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);
    op->account = account->id;
    op->from = from;
    op->to = account->status;
    store_tx_add(&tx, STORE_ORDERS_CANCEL)->account = account->id;
    if (!store_write(options->store, &tx, err)) {
        return false;
    }
    keyring_forget(options->keyring, account->id);
    return true;
}

void admin_account_revoke(const struct admin_call *call) {
    AUTO(account_done) struct account account = {0};
    struct err err = {0};

    if (!store_account_get(call->options->store, call->params.value[0], &account, &err)
        || !revoke(call->options, &account, &err)) {
        admin_fail(call, &err);
        return;
    }
    admin_answer(call, 200, account_json(&account));
}

/* ---- external account binding ---- */

static void list_option(void *ctx, const char *kid) {
    (void)json_object_set_new(
        ctx, kid,
        json_pack("{s:s, s:s, s:i, s:[]}", "kid", kid, "source", "option", "uses", 0, "accounts"));
}

static bool list_stored(void *ctx, const struct eab_record *record, struct err *err) {
    json_t *entry = json_pack("{s:s, s:s, s:i, s:i, s:o, s:[]}", "kid", record->kid, "source",
                              "stored", "uses", (int)record->uses, "used", (int)record->used,
                              "created", time_new(record->created_us), "accounts");

    if (json_object_get(ctx, record->kid) != NULL) { /* the option's key counts */
        json_decref(entry);
        return true;
    }
    return json_object_set_new(ctx, record->kid, entry) == 0
           || err_set(err, ERR_NO_MEMORY, "no memory");
}

static bool list_account(void *ctx, const char *kid, const char *account, unsigned type,
                         struct err *err) {
    json_t *accounts = json_object_get(json_object_get(ctx, kid), "accounts");

    (void)type;
    return accounts == NULL || json_array_append_new(accounts, json_string(account)) == 0
           || err_set(err, ERR_NO_MEMORY, "no memory");
}

void admin_eab_list(const struct admin_call *call) {
    AUTO(json_release) json_t *by_kid = json_object();
    AUTO(json_release) json_t *list = json_array();
    struct err err = {0};
    const char *kid = NULL;
    json_t *entry = NULL;

    eab_keys_options(call->options->eab, list_option, by_kid);
    if (!store_eab_each(call->options->store, list_stored, by_kid, &err)
        || !store_eab_accounts_each(call->options->store, EAB_ACCOUNTS_LISTED, list_account, by_kid,
                                    &err)) {
        admin_fail(call, &err);
        return;
    }
    json_object_foreach(by_kid, kid, entry) { (void)json_array_append(list, entry); }
    admin_answer(call, 200, json_pack("{s:O}", "keys", list));
}

/* A new random key, as base64url. */
static void make_key(char text[B64_LEN(EAB_MADE_OCTETS) + 1]) {
    unsigned char key[EAB_MADE_OCTETS];

    rng_secret(key, sizeof(key));
    b64_encode_into(key, sizeof(key), text, B64_LEN(EAB_MADE_OCTETS) + 1);
    OPENSSL_cleanse(key, sizeof(key));
}

void admin_eab_make(const struct admin_call *call) {
    const struct admin_options *options = call->options;
    static const char *const members[] = {"kid", "key", "uses", NULL};
    char made[B64_LEN(EAB_MADE_OCTETS) + 1];
    const char *kid = NULL, *key = made;
    int64_t uses = 0;
    struct err err = {0};

    make_key(made);
    if (!json_get_text(call->body, "kid", JSON_REQUIRED, EAB_KID_MAX, &kid, &err)
        || !json_get_text(call->body, "key", JSON_OPTIONAL, B64_LEN(EAB_KEY_MAX), &key, &err)
        || !json_get_int(call->body, "uses", JSON_OPTIONAL, 0, USES_MAX, &uses, &err)
        || !json_only(call->body, members, &err)
        || !eab_keys_make(options->eab, options->store, kid, key, (unsigned)uses,
                          clock_now_us(options->clock), &err)) {
        admin_fail(call, &err);
    } else {
        admin_answer(call, 201, json_pack("{s:s, s:s, s:I}", "kid", kid, "key", key, "uses", uses));
    }
    OPENSSL_cleanse(made, sizeof(made));
}

void admin_eab_remove(const struct admin_call *call) {
    const char *kid = call->params.value[0];
    struct err err = {0};

    if (!eab_keys_remove(call->options->eab, call->options->store, kid, &err)) {
        admin_fail(call, &err);
        return;
    }
    admin_answer(call, 200, json_pack("{s:s}", "kid", kid));
}

/* ---- terms of service ---- */

void admin_terms_show(const struct admin_call *call) {
    char url[TERMS_URL_SIZE];

    terms_get(call->options->terms, url);
    admin_answer(call, 200, json_pack("{s:s?}", "url", url[0] == '\0' ? NULL : url));
}

void admin_terms_change(const struct admin_call *call) {
    const json_t *value = json_object_get(call->body, "url");
    const char *url = json_is_null(value) ? "" : json_string_value(value);
    struct err err = {0};

    if (url == NULL) {
        (void)err_set(&err, ERR_INVALID, "\"url\" is a URL, or null for no terms");
    }
    if (err.kind != ERR_NONE || (*url != '\0' && !terms_url_check(url, &err))
        || !terms_change(call->options->terms, call->options->store, url, &err)) {
        admin_fail(call, &err);
        return;
    }
    admin_terms_show(call);
}
