/* keyChange: RFC 8555 section 7.3.5. */
#include <stdio.h>
#include <string.h>

#include "common/jwk.h"
#include "server/key_policy.h"
#include "server/wfe_request.h"

/* Steps 1 to 4 of what the server checks, and 11: the inner JWS is signed by the new key, names it,
 * and is for this resource.  jws is filled as far as it was read. */
static bool read_inner(const struct request *request, struct jws *jws, EVP_PKEY **ret_key,
                       struct err *err) {
    const struct jws *outer = &request->pass.jws;

    if (!jws_read((const char *)outer->payload, outer->payload_len, jws, err)) {
        return false;
    }
    if (jws->jwk == NULL) {
        return err_set(err, ERR_MALFORMED, "the inner JWS has no \"jwk\"");
    }
    if (jws->nonce != NULL) {
        return err_set(err, ERR_MALFORMED, "the inner JWS has a nonce");
    }
    if (jws->url == NULL || strcmp(jws->url, outer->url) != 0) {
        return err_set(err, ERR_MALFORMED, "the inner JWS is for another url");
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jws->jwk, err);
    if (key == NULL || !jws_verify(jws, key, err)
        || !key_policy_check(request->wfe->options.keys, key, KEY_USE_ACCOUNT, err)) {
        return false;
    }
    *ret_key = TAKE(key);
    return true;
}

/* Steps 5 to 8: the payload names the account that asks and the key it has. */
static bool check_payload(const struct request *request, const struct jws *jws, struct err *err) {
    AUTO(json_release)
    json_t *change = json_read_object((const char *)jws->payload, jws->payload_len, err);
    const json_t *old_jwk = json_object_get(change, "oldKey");
    const char *account = json_string_value(json_object_get(change, "account"));
    char old[JWK_THUMBPRINT_SIZE];
    struct err why = {0};

    if (change == NULL) {
        return false;
    }
    if (account == NULL || !json_is_object(old_jwk)) {
        return err_set(err, ERR_MALFORMED, "a key change has \"account\" and \"oldKey\"");
    }
    if (strcmp(account, request->pass.jws.kid) != 0) {
        return err_set(err, ERR_MALFORMED, "\"account\" is not the account that asks");
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(old_jwk, &why);
    return (key != NULL && jwk_thumbprint(key, old, &why)
            && strcmp(old, request->pass.account.thumbprint) == 0)
           || err_set(err, ERR_MALFORMED, "\"oldKey\" is not the account's key");
}

/* A conflict: with an account that has the new key, whose URL is then told, or with a change that
 * came first. */
static bool explain_conflict(struct request *request, const char *thumbprint) {
    AUTO(account_done) struct account other = {0};
    struct err why = {0};

    if (store_account_find(request->wfe->options.store, thumbprint, &other, &why)) {
        request_header_url(request, "Location", NULL, "/account/%s", other.id);
        request->err = (struct err){0};
        return request_fail(request, ERR_CONFLICT, "the new key is an account's key already");
    }
    return true;
}

static void key_changed(struct request *request) {
    if (request->err.kind == ERR_CONFLICT) {
        (void)explain_conflict(request, request->account.thumbprint);
    } else if (request->err.kind == ERR_NONE) {
        keyring_forget(request->wfe->options.gate.keyring, request_account(request));
        wfe_event(request->wfe,
                  &(struct trace_event){.event = "key-change", .detail = request_account(request)});
    }
    request_finish(request);
}

/* request->account is as the store has it now; give it the new key. */
static bool change_key(struct request *request, EVP_PKEY *key) {
    struct account *account = &request->account;
    AUTO(json_release) json_t *jwk = jwk_write(key, &request->err);

    if (jwk == NULL || !jwk_thumbprint(key, account->thumbprint, &request->err)) {
        return true;
    }
    if (strcmp(account->thumbprint, request->pass.account.thumbprint) == 0) {
        (void)request_fail(request, ERR_CONFLICT, "the new key is the old key");
        request_header_url(request, "Location", NULL, "/account/%s", account->id);
        return true;
    }
    request->text = json_text(jwk);
    if (request->text == NULL) {
        return request_fail(request, ERR_NO_MEMORY, "no memory for a key");
    }
    struct store_op *op = store_tx_add(&request->tx, STORE_ACCOUNT_KEY);
    op->account = account->id;
    op->key.thumbprint_from = request->pass.account.thumbprint;
    op->key.thumbprint = account->thumbprint;
    op->key.jwk = request->text;
    (void)wfe_answer_account(request, 200);
    return request_commit(request, key_changed);
}

bool wfe_key_change(struct request *request) {
    AUTO(jws_done) struct jws inner = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;

    if (!read_inner(request, &inner, &key, &request->err)
        || !check_payload(request, &inner, &request->err)
        || !store_account_get(request->wfe->options.store, request_account(request),
                              &request->account, &request->err)) {
        return true;
    }
    return change_key(request, key);
}
