/* Signed requests, right in what the case does not state. */
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <string.h>

#include "common/b64.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "tests/conformance/spec_internal.h"

static bool omitted(const char *text) { return text != NULL && strcmp(text, SPEC_OMIT) == 0; }

static const char *natural_alg(EVP_PKEY *key) {
    enum jws_alg alg;
    return jws_alg_of_key(key, &alg) ? jws_alg_name(alg) : "ES256";
}

/* `wanted` when stated, else `otherwise`; nothing when omitted. */
static void set_text(json_t *header, const char *name, const char *wanted, const char *otherwise) {
    if (!omitted(wanted)) {
        (void)json_object_set_new(header, name, json_string(wanted != NULL ? wanted : otherwise));
    }
}

static char *protected_text(struct spec *spec, const struct spec_post *post, EVP_PKEY *key,
                            size_t *ret_len) {
    json_t *header = spec_json(spec, json_object());
    bool jwk = post->use_jwk || post->account == NULL || post->jwk != NULL;

    if (key != NULL || post->alg != NULL) {
        set_text(header, "alg", post->alg, key == NULL ? "" : natural_alg(key));
    }
    if (!omitted(post->nonce)) {
        (void)json_object_set_new(
            header, "nonce", json_string(post->nonce != NULL ? post->nonce : spec_nonce(spec)));
    }
    set_text(header, "url", post->header_url, post->url);
    if (jwk) {
        (void)json_object_set(header, "jwk",
                              (json_t *)(post->jwk != NULL ? post->jwk : spec_jwk(spec, key)));
    }
    if (!jwk || post->kid != NULL) {
        set_text(header, "kid", post->kid, post->account == NULL ? "" : post->account->url);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)post->extra, name, value) {
        (void)json_object_set(header, name, value);
    }
    char *text = spec_keep(spec, json_dumps(header, JSON_COMPACT), free);
    *ret_len = strlen(text);
    return text;
}

static char *with_nonce(struct spec *spec, const char *text) {
    const char *mark = strstr(text, "%NONCE%");
    return mark == NULL ? spec_text(spec, "%s", text)
                        : spec_text(spec, "%.*s%s%s", (int)(mark - text), text, spec_nonce(spec),
                                    mark + strlen("%NONCE%"));
}

/* SHA-256 and whatever the key is, for keys jws_sign_raw will not touch. */
static bool sign_any(EVP_PKEY *key, const char *text, size_t len, unsigned char *signature,
                     size_t *ret_len) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done =
        context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1
        && EVP_DigestSign(context, signature, ret_len, (const unsigned char *)text, len) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return done;
}

#define SIGNATURE_MAX 2048

static char *signature_of(struct spec *spec, const struct spec_post *post, EVP_PKEY *key,
                          const char *text) {
    unsigned char signature[SIGNATURE_MAX] = {0};
    size_t len = sizeof(signature), text_len = strlen(text);
    enum jws_alg alg;
    struct err err = {0};

    if (post->mac_key != NULL) {
        bool long_mac = post->alg != NULL && strcmp(post->alg, "HS512") == 0;
        bool mid_mac = post->alg != NULL && strcmp(post->alg, "HS384") == 0;
        unsigned mac_len = 0;
        (void)HMAC(long_mac  ? EVP_sha512()
                   : mid_mac ? EVP_sha384()
                             : EVP_sha256(),
                   post->mac_key, (int)post->mac_key_len, (const unsigned char *)text, text_len,
                   signature, &mac_len);
        return spec_b64(spec, signature, mac_len);
    }
    if (!jws_alg_of_key(key, &alg)
        || !jws_sign_raw(key, alg, text, text_len, signature, &len, &err)) {
        len = sizeof(signature);
        if (!sign_any(key, text, text_len, signature, &len)) {
            len = 64;
        }
    }
    return spec_b64(spec, signature, len);
}

static char *flattened(struct spec *spec, const struct spec_post *post, const char *protected,
                       const char *payload, const char *signature, size_t *ret_len) {
    json_t *jws = spec_pack(spec, "{s:s, s:s, s:s}", "protected", protected, "payload", payload,
                            "signature", signature);
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)post->envelope, name, value) {
        if (omitted(json_string_value(value))) {
            (void)json_object_del(jws, name);
        } else {
            (void)json_object_set(jws, name, value);
        }
    }
    char *text = spec_keep(spec, json_dumps(jws, JSON_COMPACT), free);
    *ret_len = strlen(text);
    return text;
}

char *sign_jws(struct spec *spec, const struct spec_post *post, size_t *ret_len) {
    EVP_PKEY *key =
        post->key != NULL ? post->key : (post->account == NULL ? NULL : post->account->key);
    const char *protected = post->protected_b64, *payload = post->payload_b64;
    AUTO(free) char *json = NULL;
    size_t len = 0;

    *ret_len = 0;
    if (spec_over(spec)) {
        return spec_text(spec, "%s", "");
    }
    if (key == NULL && post->mac_key == NULL && post->signature_b64 == NULL) {
        spec_fail(spec, "the case signs without a key");
        return spec_text(spec, "%s", "");
    }
    if (protected == NULL && post->protected_text != NULL) {
        const char *text = with_nonce(spec, post->protected_text);
        protected = spec_b64(spec, text, strlen(text));
    } else if (protected == NULL) {
        const char *text = protected_text(spec, post, key, &len);
        protected = spec_b64(spec, text, len);
    }
    if (payload == NULL && post->bytes != NULL) {
        payload = spec_b64(spec, post->bytes, post->bytes_len);
    } else if (payload == NULL && post->payload != NULL) {
        json = json_dumps(post->payload, JSON_COMPACT | JSON_ENCODE_ANY);
        payload = json == NULL ? "" : spec_b64(spec, json, strlen(json));
    } else if (payload == NULL) {
        payload = "";
    }
    const char *signature =
        post->signature_b64 != NULL
            ? post->signature_b64
            : signature_of(spec, post, key, spec_text(spec, "%s.%s", protected, payload));
    return flattened(spec, post, protected, payload, signature, ret_len);
}

const char *spec_jws(struct spec *spec, const struct spec_post *post) {
    size_t len = 0;
    return sign_jws(spec, post, &len);
}

static const char *post_headers(struct spec *spec, const struct spec_post *post) {
    const char *type = post->content_type == NULL ? "application/jose+json" : post->content_type;
    const char *all = omitted(type) ? "" : spec_text(spec, "Content-Type: %s\r\n", type);

    for (const char *const *header = post->headers; header != NULL && *header != NULL; header++) {
        all = spec_text(spec, "%s%s\r\n", all, *header);
    }
    return all;
}

/* A JWK with private members is not for the transcript. */
static bool is_private(const struct spec_post *post) {
    return json_object_get(post->jwk, "d") != NULL || json_object_get(post->jwk, "k") != NULL;
}

static const struct spec_answer *post_once(struct spec *spec, const struct spec_post *post) {
    size_t len = post->body_len;
    const char *body = post->body != NULL ? post->body : sign_jws(spec, post, &len);

    if (spec_over(spec)) {
        return spec_no_answer(spec, "POST", post->url, "the case is over");
    }
    spec->private = is_private(post);
    spec->signed_post = post->body == NULL && post->method == NULL;
    const struct spec_answer *answer =
        spec_exchange(spec, post->method == NULL ? "POST" : post->method, post->url,
                      post_headers(spec, post), body, len);
    spec->private = spec->signed_post = false;
    return answer;
}

const struct spec_answer *spec_post(struct spec *spec, const struct spec_post *post) {
    const struct spec_answer *answer = post_once(spec, post);
    bool own_nonce = post->nonce == NULL && post->body == NULL && post->protected_text == NULL
                     && post->protected_b64 == NULL
                     && json_object_get(post->extra, "nonce") == NULL;

    return own_nonce && spec_is(answer, "badNonce") ? post_once(spec, post) : answer;
}

const struct spec_answer *spec_post_json(struct spec *spec, const struct spec_account *account,
                                         const char *url, const json_t *payload) {
    return spec_post(spec, &(struct spec_post){.url = url, .account = account, .payload = payload});
}

const struct spec_answer *spec_fetch(struct spec *spec, const struct spec_account *account,
                                     const char *url) {
    const struct spec_answer *answer = spec_post_json(spec, account, url, NULL);

    (void)spec_status(spec, answer, 200);
    return answer;
}

/* What was written on its own connection, and not yet read. */
static struct wire *launch(struct spec *spec, const struct spec_post *post, const char *body,
                           size_t len, struct err *err) {
    struct wire_target host;
    const char *path = NULL;

    if (!spec_split(post->url, &host, &path, spec->target->tls)) {
        (void)err_set(err, ERR_INVALID, "no URL");
        return NULL;
    }
    AUTO(wire_close) struct wire *wire = wire_open(&host, spec->deadline_us, err);
    const char *at = strstr(post->url, "://") + 3;
    const char *head = spec_text(spec,
                                 "POST %s HTTP/1.1\r\nHost: %.*s\r\n"
                                 "User-Agent: acmespec/" NFACME_VERSION "\r\n"
                                 "%sContent-Length: %zu\r\n\r\n",
                                 path, (int)strcspn(at, "/"), at, post_headers(spec, post), len);
    transcript_request(spec, post->url, head, body, len);
    /* all but the last octet: the rest of every request leaves at the same moment */
    if (wire == NULL || !wire_send(wire, head, strlen(head), spec->deadline_us, err)
        || (len > 1 && !wire_send(wire, body, len - 1, spec->deadline_us, err))) {
        return NULL;
    }
    return TAKE(wire);
}

void spec_together(struct spec *spec, const struct spec_post *posts, unsigned count,
                   const struct spec_answer *ret[]) {
    struct wire *wires[SPEC_TOGETHER_MAX] = {0};
    const char *bodies[SPEC_TOGETHER_MAX] = {0};
    size_t lens[SPEC_TOGETHER_MAX] = {0};
    struct err err = {0};

    for (unsigned i = 0; i < count && i < SPEC_TOGETHER_MAX; i++) {
        lens[i] = posts[i].body_len;
        bodies[i] = posts[i].body != NULL ? posts[i].body : sign_jws(spec, &posts[i], &lens[i]);
        ret[i] = spec_no_answer(spec, "POST", posts[i].url, "not sent");
    }
    for (unsigned i = 0; i < count && i < SPEC_TOGETHER_MAX && !spec_over(spec); i++) {
        wires[i] = launch(spec, &posts[i], bodies[i], lens[i], &err);
        (void)spec_check(spec, wires[i] != NULL, "%s: %s", posts[i].url, err.detail);
    }
    for (unsigned i = 0; i < count && i < SPEC_TOGETHER_MAX && !spec_over(spec); i++) {
        (void)(lens[i] == 0
               || wire_send(wires[i], bodies[i] + lens[i] - 1, 1, spec->deadline_us, &err));
    }
    for (unsigned i = 0; i < count && i < SPEC_TOGETHER_MAX; i++) {
        struct wire_answer came = {0};
        err = (struct err){0};
        if (!spec_over(spec) && wire_receive(wires[i], false, spec->deadline_us, &came, &err)) {
            struct spec_answer *answer = spec_received(spec, "POST", posts[i].url, &came);
            transcript_answer(spec, answer);
            ret[i] = answer;
        } else {
            spec_fail(spec, "%s: %s", posts[i].url, err.detail);
        }
        wire_close(wires[i]);
    }
}
