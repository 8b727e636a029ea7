/* Rows of the data that take more than one request: "do" names the way. */
#include <openssl/pem.h>
#include <string.h>

#include "tests/conformance/negative.h"
#include "tests/conformance/responder.h"

void negative_expect(struct negative *negative, const struct spec_answer *answer) {
    (void)spec_expect(negative->spec, answer, negative->status, negative->types);
}

const struct spec_order *negative_ready(struct negative *negative) {
    struct spec *spec = negative->spec;

    if (json_object_get(negative->how, "second") == NULL) {
        return spec_ready(spec, negative->account, negative->name);
    }
    const struct spec_order *order = spec_order_of(
        spec, negative->account,
        spec_identifiers(spec, negative->name, spec_text(spec, "second.%s", negative->name), NULL));
    for (unsigned i = 0; i < order->authz_count; i++) {
        (void)spec_prove(spec, negative->account, order->authz[i], "http-01");
    }
    return order;
}

/* The same request twice; the second is judged. */
static void do_replay(struct negative *negative, const struct spec_post *post) {
    struct spec_post again = *post;

    again.body = spec_jws(negative->spec, post);
    again.body_len = strlen(again.body);
    (void)spec_status(negative->spec, spec_post(negative->spec, &again), SPEC_2XX);
    negative_expect(negative, spec_post(negative->spec, &again));
}

static void do_deactivated(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;

    (void)spec_status(spec,
                      spec_post_json(spec, negative->account, negative->account->url,
                                     spec_pack(spec, "{s:s}", "status", "deactivated")),
                      200);
    negative_expect(negative, spec_post(spec, post));
}

/* Methods of how->methods on every kind of URL. */
static void do_methods(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const json_t *methods = json_object_get(negative->how, "methods"), *method;
    const struct spec_order *order = spec_order(spec, negative->account, NULL);
    const struct spec_answer *authz = spec_fetch(spec, order->account, order->authz[0]);
    const json_t *challenge = json_array_get(json_object_get(authz->json, "challenges"), 0);
    const char *urls[] = {order->url,
                          order->authz[0],
                          order->finalize,
                          order->account->url,
                          spec_member(challenge, "url"),
                          post->url};
    size_t i;

    json_array_foreach(methods, i, method) {
        for (unsigned u = 0; u < COUNT(urls) && !spec_over(spec); u++) {
            negative_expect(negative,
                            spec_request(spec, json_string_value(method), urls[u], NULL, NULL, 0));
        }
    }
}

/* Whatever comes, nobody fetched %LISTENER%. */
static void do_no_fetch(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const char *path = spec_text(spec, "/%s", negative->name);

    spec_http01_raw(spec, path, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0);
    negative_expect(negative, spec_post(spec, post));
    spec_wait_ms(spec, 300);
    (void)spec_check(spec, spec_http01_seen(spec, path).count == 0,
                     "the server fetched the URL of the header");
}

/* Refused, or taken without telling the private members. */
static void do_no_echo(struct negative *negative, const struct spec_post *post) {
    const struct spec_answer *answer = spec_post(negative->spec, post);

    negative_expect(negative, answer);
    (void)spec_check(negative->spec, strstr(answer->body, "\"d\"") == NULL,
                     "the private member is in the answer");
}

/* The account is made, and the same key in another spelling must not make a second. */
static void do_same_account(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_account *first = spec_account_try(spec, negative->key, NULL);
    const struct spec_answer *answer = spec_post(spec, post);

    (void)spec_check(spec, answer->status != 201, "one key made two accounts");
    if (answer->status == 200) {
        (void)spec_same(spec, "Location", spec_header(spec, answer, "Location"), first->url);
    } else {
        negative_expect(negative, answer);
    }
}

/* A good CSR on an order in how->state. */
static void do_order_state(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const char *state = spec_member(negative->how, "state");
    const struct spec_order *order = NULL;

    (void)post;
    if (strcmp(state, "valid") == 0) {
        order = spec_issue(spec, negative->account, negative->name)->order;
    } else {
        order = spec_order(spec, negative->account, negative->name);
    }
    if (strcmp(state, "invalid") == 0) {
        (void)spec_status(spec,
                          spec_post_json(spec, negative->account, order->authz[0],
                                         spec_pack(spec, "{s:s}", "status", "deactivated")),
                          200);
    }
    negative_expect(negative,
                    spec_finalize(spec, order, spec_csr(spec, NULL, negative->name, NULL)));
}

static void do_foreign_order(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_order *order = negative_ready(negative);

    (void)post;
    negative_expect(negative,
                    spec_post_json(spec, negative_other(negative), order->finalize,
                                   spec_pack(spec, "{s:s}", "csr",
                                             spec_csr(spec, NULL, negative->name, NULL))));
}

/* Two at once: at most one is taken, or both give one certificate. */
static void do_race_finalize(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_order *order = negative_ready(negative);
    const struct spec_answer *answers[SPEC_TOGETHER_MAX];
    struct spec_post posts[2];

    (void)post;
    for (unsigned i = 0; i < COUNT(posts); i++) {
        posts[i] = (struct spec_post){
            .url = order->finalize,
            .account = order->account,
            .payload = spec_pack(spec, "{s:s}", "csr", spec_csr(spec, NULL, order->name, NULL))};
    }
    spec_together(spec, posts, COUNT(posts), answers);
    unsigned taken = 0;
    for (unsigned i = 0; i < COUNT(posts) && !spec_over(spec); i++) {
        taken += answers[i]->status == 200;
        if (answers[i]->status != 200) {
            (void)spec_problem(spec, answers[i], 403, "orderNotReady");
        }
    }
    const char *urls[2] = {spec_member(answers[0]->json, "certificate"),
                           spec_member(answers[1]->json, "certificate")};
    (void)spec_check(spec, taken == 1 || (taken == 2 && strcmp(urls[0], urls[1]) == 0),
                     "%u of two finalizes were taken", taken);
    (void)spec_poll(spec, order->account, order->url, "valid");
}

/* Many lengths of one CSR, cut; the order stays ready and takes the whole one. */
static void do_cut_each(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_order *order = negative_ready(negative);
    const char *whole = spec_csr(spec, NULL, order->name, NULL);
    size_t len = strlen(whole);

    (void)post;
    for (size_t cut = 0; cut < len && !spec_over(spec); cut += 4) {
        negative_expect(negative,
                        spec_finalize(spec, order, spec_text(spec, "%.*s", (int)cut, whole)));
    }
    (void)spec_status(spec, spec_finalize(spec, order, whole), 200);
}

/* A name at how->address is not validated. */
static void do_address(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_order *order = NULL;

    (void)post;
    spec_dns(spec, negative->name, "A", spec_member(negative->how, "address"));
    order = spec_order(spec, negative->account, negative->name);
    const struct spec_answer *authz =
        spec_answer_challenge(spec, negative->account, order->authz[0], "http-01");
    (void)spec_same(spec, "status", spec_member(authz->json, "status"), "invalid");
    const char *type =
        spec_member(json_object_get(spec_challenge(authz->json, "http-01"), "error"), "type");
    (void)spec_check(spec,
                     strstr(type, ":connection") != NULL || strstr(type, ":dns") != NULL
                         || strstr(type, ":rejectedIdentifier") != NULL
                         || strstr(type, ":unauthorized") != NULL,
                     "the challenge's error is \"%s\"", type);
}

/* keyChange to two keys at once. */
static void do_race_keys(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    const struct spec_answer *answers[SPEC_TOGETHER_MAX];
    struct spec_post posts[2] = {*post, *post};
    const char *inner[2];
    unsigned taken = 0;

    for (unsigned i = 0; i < COUNT(posts); i++) {
        const struct spec_post change = {
            .url = post->url,
            .key = spec_key(spec, KEY_P256),
            .use_jwk = true,
            .nonce = SPEC_OMIT,
            .payload = spec_pack(spec, "{s:s, s:O}", "account", negative->account->url, "oldKey",
                                 spec_jwk(spec, negative->account->key))};
        inner[i] = spec_jws(spec, &change);
        posts[i].bytes = inner[i];
        posts[i].bytes_len = strlen(inner[i]);
        posts[i].payload = NULL;
    }
    spec_together(spec, posts, COUNT(posts), answers);
    for (unsigned i = 0; i < COUNT(posts) && !spec_over(spec); i++) {
        taken += answers[i]->status == 200;
        if (answers[i]->status != 200) {
            (void)spec_problem(spec, answers[i], SPEC_4XX, "*");
        }
    }
    (void)spec_check(spec, taken == 1, "%u of two key changes were taken", taken);
}

/* The nonce with its last character's spare bits changed, so that it may decode alike. */
static void do_nonce_alias(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    struct spec_post aliased = *post;
    char *nonce = spec_text(spec, "%s", spec_nonce(spec));
    size_t len = strlen(nonce);
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    const char *at = len == 0 ? NULL : strchr(alphabet, nonce[len - 1]);
    if (spec_check(spec, at != NULL, "no nonce to change")) {
        nonce[len - 1] = alphabet[(size_t)(at - alphabet) ^ 1u];
        aliased.nonce = nonce;
        negative_expect(negative, spec_post(spec, &aliased));
    }
}

/* A certificate is revoked, then the row's request. */
static void do_revoked(struct negative *negative, const struct spec_post *post) {
    (void)spec_status(negative->spec, spec_post(negative->spec, post), 200);
    negative_expect(negative, spec_post(negative->spec, post));
}

/* A certificate this key signed for itself, with issuer and serial of a real one. */
static void do_forged(struct negative *negative, const struct spec_post *post) {
    struct spec *spec = negative->spec;
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(negative->certificate->pem, -1);
    AUTO(X509_free) X509 *real = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    AUTO(X509_free) X509 *forged = real == NULL ? NULL : X509_dup(real);
    AUTO(ossl_free) unsigned char *der = NULL;
    struct spec_post revoke = {.url = post->url};

    if (forged == NULL || X509_set_pubkey(forged, negative->key) != 1
        || X509_sign(forged, negative->key, EVP_sha256()) <= 0) {
        spec_fail(spec, "no forged certificate");
        return;
    }
    int len = i2d_X509(forged, &der);
    revoke.payload = spec_pack(spec, "{s:s}", "certificate", spec_b64(spec, der, (size_t)len));
    if (json_object_get(negative->how, "by_account") != NULL) {
        revoke.account = negative->account;
    } else {
        revoke.key = negative->key;
    }
    negative_expect(negative, spec_post(spec, &revoke));
}

/* clang-format off */
static const struct { const char *word; void (*run)(struct negative *, const struct spec_post *); } ways[] = {
    {"replay", do_replay}, {"deactivated", do_deactivated}, {"methods", do_methods},
    {"no-fetch", do_no_fetch}, {"no-echo", do_no_echo}, {"same-account", do_same_account},
    {"order-state", do_order_state}, {"foreign-order", do_foreign_order},
    {"race-finalize", do_race_finalize}, {"cut-each", do_cut_each}, {"address", do_address},
    {"race-keys", do_race_keys}, {"nonce-alias", do_nonce_alias}, {"revoked", do_revoked},
    {"forged", do_forged},
};
/* clang-format on */

bool negative_special(struct negative *negative, const struct spec_post *post) {
    const char *word = spec_member(negative->how, "do");

    for (unsigned i = 0; i < COUNT(ways); i++) {
        if (strcmp(ways[i].word, word) == 0) {
            ways[i].run(negative, post);
            return true;
        }
    }
    (void)spec_check(negative->spec, word[0] == '\0', "the data has an unknown do %s", word);
    return word[0] != '\0';
}
