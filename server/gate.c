#include "server/gate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/acme.h"
#include "common/json.h"
#include "common/jwk.h"

void gate_pass_done(struct gate_pass *pass) {
    jws_done(&pass->jws);
    keyring_entry_done(&pass->account);
    json_decref(pass->payload);
    *pass = (struct gate_pass){0};
}

/* The media type alone counts, in any case and with any parameters (RFC 9110 8.3.1). */
static bool is_jose(const char *content_type) {
    size_t len = strcspn(content_type, "; \t");
    return len == strlen(ACME_JOSE_TYPE) && strncasecmp(content_type, ACME_JOSE_TYPE, len) == 0;
}

static bool check_http(const struct gate_input *input, struct err *err) {
    if (input->content_types != 1 || !is_jose(input->content_type)) {
        return err_set(err, ERR_MEDIA_TYPE, "the content type must be " ACME_JOSE_TYPE);
    }
    if (input->content_encoding != NULL && strcasecmp(input->content_encoding, "identity") != 0) {
        return err_set(err, ERR_MEDIA_TYPE, "the content encoding is not supported");
    }
    return !input->too_large
           || err_set(err, ERR_TOO_LARGE, "the body is longer than %d octets", GATE_BODY_MAX);
}

/* 6.2: exactly one of jwk and kid (jws_read refuses both), and the one the resource takes. */
static bool check_reference(enum gate_key key, const struct jws *jws, struct err *err) {
    if (jws->jwk == NULL && jws->kid == NULL) {
        return err_set(err, ERR_MALFORMED, "the protected header has neither \"jwk\" nor \"kid\"");
    }
    if (key == GATE_JWK && jws->jwk == NULL) {
        return err_set(err, ERR_MALFORMED, "this resource takes \"jwk\", not \"kid\"");
    }
    if (key == GATE_KID && jws->kid == NULL) {
        return err_set(err, ERR_MALFORMED, "this resource takes \"kid\", not \"jwk\"");
    }
    if (jws->alg == JWS_HS256 || jws->alg == JWS_HS384 || jws->alg == JWS_HS512) {
        return err_set(err, ERR_BAD_SIGNATURE_ALGORITHM, "a MAC cannot sign a request");
    }
    return true;
}

static bool find_account(const struct gate *gate, const struct gate_input *input,
                         const struct jws *jws, struct keyring_entry *ret, struct err *err) {
    size_t len = strlen(input->account_prefix);

    if (strncmp(jws->kid, input->account_prefix, len) != 0 || strlen(jws->kid + len) >= ID_SIZE) {
        return err_set(err, ERR_ACCOUNT_DOES_NOT_EXIST, "\"kid\" is no account URL of this server");
    }
    return keyring_get(gate->keyring, jws->kid + len, ret, err);
}

static bool find_key(const struct gate *gate, const struct gate_input *input,
                     struct gate_pass *pass, struct err *err) {
    pass->by_account = pass->jws.kid != NULL;
    if (pass->by_account) {
        return find_account(gate, input, &pass->jws, &pass->account, err);
    }
    pass->account.key = jwk_read(pass->jws.jwk, err);
    return pass->account.key != NULL
           && jwk_thumbprint(pass->account.key, pass->account.thumbprint, err);
}

/* 6.4: string equality. */
static bool check_url(const char *want, const struct jws *jws, struct err *err) {
    if (jws->url == NULL) {
        return err_set(err, ERR_MALFORMED, "the protected header has no \"url\"");
    }
    return strcmp(jws->url, want) == 0
           || err_set(err, ERR_UNAUTHORIZED, "\"url\" is not the URL this request came to");
}

static bool spend(const struct gate *gate, const struct jws *jws, struct err *err) {
    if (jws->nonce == NULL) {
        return err_set(err, ERR_BAD_NONCE, "the protected header has no \"nonce\"");
    }
    return nonce_spend(gate->nonces, jws->nonce, err);
}

static bool read_payload(enum gate_payload want, struct gate_pass *pass, struct err *err) {
    if (pass->jws.payload_len == 0) {
        return want != GATE_OBJECT || err_set(err, ERR_MALFORMED, "the payload is empty");
    }
    if (want == GATE_EMPTY) {
        return err_set(err, ERR_MALFORMED, "this resource is read with an empty payload");
    }
    pass->payload = json_read_object((const char *)pass->jws.payload, pass->jws.payload_len, err);
    return pass->payload != NULL;
}

bool gate_check(const struct gate *gate, const struct gate_input *input, struct gate_pass *ret,
                bool *ret_deactivated, struct err *err) {
    *ret = (struct gate_pass){0};
    *ret_deactivated = false;
    if (!check_http(input, err) || !jws_read(input->body, input->len, &ret->jws, err)
        || !check_reference(input->key, &ret->jws, err) || !find_key(gate, input, ret, err)
        || !jws_verify(&ret->jws, ret->account.key, err) || !check_url(input->url, &ret->jws, err)
        || !spend(gate, &ret->jws, err)) {
        return false;
    }
    if (ret->by_account && ret->account.status != ACCOUNT_VALID) {
        *ret_deactivated = true;
        return err_set(err, ERR_UNAUTHORIZED, "the account is %s",
                       account_status_name(ret->account.status));
    }
    return read_payload(input->payload, ret, err);
}
