/* newAccount, account and orders: RFC 8555 sections 7.3, 7.3.2, 7.3.6 and 7.1.2.1. */
#include <stdio.h>
#include <string.h>

#include "common/jwk.h"
#include "server/policy.h"
#include "server/wfe_request.h"

#define ORDERS_PAGE 100

static json_t *account_json(const struct request *request, const struct account *account) {
    json_t *object = json_object();

    (void)json_object_set_new(object, "status", json_string(account_status_name(account->status)));
    (void)json_object_set_new(object, "contact", wfe_stored_new(account->contact));
    (void)json_object_set_new(object, "orders",
                              request_url_new(request, "/account/%s/orders", account->id));
    if (account->terms != NULL && terms_mark(request->wfe->options.terms) != 0
        && terms_mark_of(account->terms) == terms_mark(request->wfe->options.terms)) {
        (void)json_object_set_new(object, "termsOfServiceAgreed", json_true());
    }
    if (account->eab != NULL) { /* 7.3.4: the same value */
        (void)json_object_set_new(object, "externalAccountBinding", wfe_stored_new(account->eab));
    }
    return object;
}

bool wfe_answer_account(struct request *request, unsigned status) {
    return request_json(request, status, account_json(request, &request->account));
}

static void locate(struct request *request) {
    request_header_url(request, "Location", NULL, "/account/%s", request->account.id);
}

/* 7.3.1: the key has an account, and what else the request says is ignored. */
static bool answer_existing(struct request *request) {
    (void)snprintf(request->pass.account.id, ID_SIZE, "%s", request->account.id);
    if (request->account.status != ACCOUNT_VALID) { /* 7.3.6 */
        request->deactivated = true;
        (void)err_set(&request->err, ERR_UNAUTHORIZED, "the account is %s",
                      account_status_name(request->account.status));
        return true;
    }
    locate(request);
    return wfe_answer_account(request, 200);
}

static void note_account(const struct request *request, const char *from, const char *to) {
    wfe_event(request->wfe,
              &(struct trace_event){
                  .event = "account", .from = from, .to = to, .detail = request->account.id});
}

/* Answer with the account the key has; what stands when it has none: err. */
static bool find_existing(struct request *request) {
    struct err why = {0};

    account_done(&request->account);
    if (store_account_find(request->wfe->options.store, request->pass.account.thumbprint,
                           &request->account, &why)) {
        request->err = (struct err){0};
        return answer_existing(request);
    }
    if (why.kind != ERR_NOT_FOUND) {
        request->err = why;
    }
    return true;
}

static void account_inserted(struct request *request) {
    if (request->err.kind != ERR_NONE) {
        wfe_dismiss_account(request);
    }
    if (request->err.kind == ERR_CONFLICT) { /* the key has an account already */
        (void)find_existing(request);
    } else if (request->err.kind == ERR_NONE) {
        locate(request);
        keyring_put(request->wfe->options.gate.keyring, &request->pass.account);
        note_account(request, NULL, "valid");
    }
    request_finish(request);
}

/* 7.3.4.  Without keys there is nothing to bind to, and the member is ignored like an unknown. */
static bool bind_external(struct request *request, struct err *err) {
    const struct wfe_options *options = &request->wfe->options;
    const json_t *binding = json_object_get(request->pass.payload, "externalAccountBinding");
    struct eab_bound bound = {0};

    if (binding == NULL) {
        return !options->require_eab
               || err_set(err, ERR_EXTERNAL_ACCOUNT_REQUIRED,
                          "an external account binding is required");
    }
    if (!eab_keys_any(options->eab) && !options->require_eab) {
        return true;
    }
    if (!eab_check(options->eab, binding, request->pass.jws.url, request->pass.account.thumbprint,
                   &bound, err)) {
        return false;
    }
    request->account.eab = json_text(binding);
    request->account.eab_kid = strdup(bound.kid);
    request->bound_stored = bound.stored;
    return (request->account.eab != NULL && request->account.eab_kid != NULL)
           || err_set(err, ERR_NO_MEMORY, "no memory");
}

/* 7.3: without agreement there is no account, when there are terms. */
static bool agree(struct request *request, bool agreed) {
    const struct terms *terms = request->wfe->options.terms;
    char url[TERMS_URL_SIZE];

    if (terms_mark(terms) == 0) {
        return true;
    }
    if (!agreed) {
        return wfe_demand_terms(request);
    }
    terms_get(request->wfe->options.terms, url);
    request->account.terms = strdup(url);
    request->pass.account.terms = terms_mark_of(url);
    return request->account.terms != NULL
           || err_set(&request->err, ERR_NO_MEMORY, "no memory for an account");
}

/* Fill request->account from the payload. */
static bool read_new_account(struct request *request, struct err *err) {
    struct account *account = &request->account;
    const json_t *contact = json_object_get(request->pass.payload, "contact");
    AUTO(json_release) json_t *none = json_array();

    if ((contact != NULL && !policy_contact(contact, err))
        || !key_policy_check(request->wfe->options.keys, request->pass.account.key, KEY_USE_ACCOUNT,
                             err)) {
        return false;
    }
    AUTO(json_release) json_t *jwk = jwk_write(request->pass.account.key, err);
    if (jwk == NULL || !bind_external(request, err)) {
        return false;
    }
    account->created_us = request_now_us(request);
    id_new(account->created_us, account->id);
    account->status = ACCOUNT_VALID;
    (void)snprintf(account->thumbprint, sizeof(account->thumbprint), "%s",
                   request->pass.account.thumbprint);
    account->jwk = json_text(jwk);
    account->contact = json_text(contact == NULL ? none : contact);
    return (account->jwk != NULL && account->contact != NULL)
           || err_set(err, ERR_NO_MEMORY, "no memory");
}

/* Most keys are new, so the store is asked first only when it would not be asked at last: the
 * insert itself finds out whether the key is known. */
bool wfe_new_account(struct request *request) {
    bool only_existing = false, agreed = false;
    struct err *err = &request->err;

    if (!json_get_bool(request->pass.payload, "onlyReturnExisting", JSON_OPTIONAL, &only_existing,
                       err)
        || !json_get_bool(request->pass.payload, "termsOfServiceAgreed", JSON_OPTIONAL, &agreed,
                          err)) {
        return true;
    }
    if (only_existing) {
        (void)request_fail(request, ERR_ACCOUNT_DOES_NOT_EXIST, "this key has no account");
        return find_existing(request);
    }
    if (!read_new_account(request, err) || !agree(request, agreed)
        || !wfe_admit_account(request)) { /* 7.3.1: ignored when the key is known */
        return find_existing(request);
    }
    (void)snprintf(request->pass.account.id, ID_SIZE, "%s", request->account.id);
    request->pass.account.status = ACCOUNT_VALID;
    (void)wfe_answer_account(request, 201);
    store_tx_add(&request->tx, STORE_ACCOUNT_INSERT)->new_account = &request->account;
    if (request->bound_stored) {
        store_tx_add(&request->tx, STORE_EAB_USE)->eab_kid = request->account.eab_kid;
    }
    return request_commit(request, account_inserted);
}

static void account_changed(struct request *request) {
    if (request->err.kind == ERR_NONE) {
        keyring_forget(request->wfe->options.gate.keyring, request->account.id);
        if (request->account.status != ACCOUNT_VALID) {
            note_account(request, "valid", account_status_name(request->account.status));
        }
    }
    request_finish(request);
}

/* 7.3.3: agreement to terms that changed.  true also when there is nothing to agree to. */
static bool agree_anew(struct request *request, bool *ret_anew) {
    struct terms *terms = request->wfe->options.terms;
    char url[TERMS_URL_SIZE];

    *ret_anew = json_is_true(json_object_get(request->pass.payload, "termsOfServiceAgreed"))
                && terms_mark(terms) != 0 && terms_mark(terms) != request->pass.account.terms;
    if (!*ret_anew) {
        return true;
    }
    terms_get(terms, url);
    free(request->account.terms);
    request->account.terms = strdup(url);
    return request->account.terms != NULL
           || err_set(&request->err, ERR_NO_MEMORY, "no memory for an account");
}

/* 7.3.6, with what 7.3.2 lets a client change; the rest is ignored. */
static bool change_account(struct request *request) {
    const json_t *status = json_object_get(request->pass.payload, "status");
    const json_t *contact = json_object_get(request->pass.payload, "contact");
    struct account *account = &request->account;
    const char *wanted = json_string_value(status);
    enum account_status from = account->status;
    bool anew = false;

    if (status != NULL && wanted == NULL) {
        return request_fail(request, ERR_MALFORMED, "\"status\" must be a text");
    }
    bool deactivate = wanted != NULL && strcmp(wanted, "deactivated") == 0;
    if (!agree_anew(request, &anew)) {
        return true;
    }
    if (contact == NULL && !deactivate && !anew) {
        return wfe_answer_account(request, 200);
    }
    struct store_op *op = store_tx_add(&request->tx, STORE_ACCOUNT_CHANGE);
    op->terms = anew ? account->terms : NULL;
    if (contact != NULL) {
        if (!policy_contact(contact, &request->err)) {
            return true;
        }
        free(account->contact);
        op->contact = account->contact = json_text(contact);
    }
    if (deactivate) {
        if (!account_next(from, ACCOUNT_DEACTIVATE, &account->status, &request->err)) {
            return true;
        }
        struct store_op *cancel = store_tx_add(&request->tx, STORE_ORDERS_CANCEL);
        cancel->account = account->id;
    }
    op->account = account->id;
    op->from = from;
    op->to = account->status;
    (void)wfe_answer_account(request, 200);
    return request_commit(request, account_changed);
}

bool wfe_account(struct request *request) {
    if (strcmp(request->params.value[0], request_account(request)) != 0) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    if (!store_account_get(request->wfe->options.store, request_account(request), &request->account,
                           &request->err)) {
        return true;
    }
    return request->pass.payload == NULL ? wfe_answer_account(request, 200)
                                         : change_account(request);
}

struct orders {
    struct request *request;
    json_t *list;
    char last[ID_SIZE];
};

static bool add_order(void *ctx, const char *account, const char *id, unsigned type,
                      struct err *err) {
    struct orders *orders = ctx;

    (void)account;
    (void)type;
    if (json_array_size(orders->list) < ORDERS_PAGE) {
        (void)snprintf(orders->last, ID_SIZE, "%s", id);
    }
    return json_array_append_new(orders->list, request_url_new(orders->request, "/order/%s", id))
               == 0
           || err_set(err, ERR_NO_MEMORY, "no memory");
}

/* 7.1.2.1: pages of ORDERS_PAGE, in order of their making; the one order too many tells that there
 * is a next page. */
bool wfe_orders(struct request *request) {
    const char *id = request_account(request);
    const char *after = request->params.count > 1 ? request->params.value[1] : "";
    AUTO(json_release) json_t *object = json_object();
    struct orders orders = {.request = request, .list = json_array()};

    (void)json_object_set_new(object, "orders", orders.list);
    if (strcmp(request->params.value[0], id) != 0) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    if (!store_orders_each(request->wfe->options.store, id, after, ORDERS_PAGE + 1, add_order,
                           &orders, &request->err)) {
        return true;
    }
    if (json_array_size(orders.list) > ORDERS_PAGE) {
        (void)json_array_remove(orders.list, ORDERS_PAGE);
        request_header_url(request, "Link", "next", "/account/%s/orders/%s", id, orders.last);
    }
    return request_json(request, 200, TAKE(object));
}
