/* External account binding: every way it can be wrong, RFC 8555 7.3.4. */
#include "server/eab.h"

#include "common/json.h"
#include "common/jws.h"
#include "common/key.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

#define URL "https://localhost/new-account"
#define KEY_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
static const unsigned char mac_key[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                          11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                          22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static struct eab_keys *keys;
static EVP_PKEY *account;
static char thumbprint[JWK_THUMBPRINT_SIZE];
static struct err err;
static struct eab_bound bound; /* of the last check */

static void set_up(void) {
    err = (struct err){0};
    keys = eab_keys_new(&err);
    ck_assert(eab_keys_add(keys, "operator:" KEY_TEXT, &err));
    account = key_generate(KEY_P256, &err);
    ck_assert(jwk_thumbprint(account, thumbprint, &err));
}

static void tear_down(void) {
    eab_keys_free(keys);
    EVP_PKEY_free(account);
}

/* A good binding's header, and one signed over a payload. */
static json_t *header_new(void) { return json_pack("{s:s,s:s}", "kid", "operator", "url", URL); }

static enum err_kind check_text(char *text) {
    struct err why = {0};
    ck_assert_ptr_nonnull(text);
    json_t *binding = json_loads(text, 0, NULL);
    bool good = eab_check(keys, binding, URL, thumbprint, &bound, &why);
    ck_assert(good == (why.kind == ERR_NONE));
    json_decref(binding);
    free(text);
    return why.kind;
}

static enum err_kind check_mac(const void *key, size_t len, json_t *header, EVP_PKEY *inner) {
    json_t *jwk = jwk_write(inner, &err);
    AUTO(free) char *payload = json_text(jwk);
    char *text = jws_sign_mac(key, len, header, payload, strlen(payload), &err);
    json_decref(jwk);
    json_decref(header);
    return check_text(text);
}

START_TEST(a_good_binding_passes) {
    set_up();
    ck_assert(eab_keys_any(keys));
    ck_assert_int_eq(check_mac(mac_key, 32, header_new(), account), ERR_NONE);
    ck_assert_int_eq(check_mac(mac_key, 32, header_new(), account), ERR_NONE); /* and again */
    tear_down();
}
END_TEST

START_TEST(the_jwk_may_have_other_members_in_another_order) {
    set_up();
    json_t *jwk = jwk_write(account, &err), *turned = json_object();
    (void)json_object_set_new(turned, "use", json_string("sig"));
    (void)json_object_set(turned, "y", json_object_get(jwk, "y"));
    (void)json_object_set(turned, "x", json_object_get(jwk, "x"));
    (void)json_object_set(turned, "crv", json_object_get(jwk, "crv"));
    (void)json_object_set(turned, "kty", json_object_get(jwk, "kty"));
    AUTO(free) char *payload = json_text(turned);
    AUTO(json_release) json_t *header = header_new();
    ck_assert_int_eq(check_text(jws_sign_mac(mac_key, 32, header, payload, strlen(payload), &err)),
                     ERR_NONE);
    json_decref(jwk);
    json_decref(turned);
    tear_down();
}
END_TEST

START_TEST(another_mac_key_is_refused) {
    set_up();
    ck_assert_int_eq(check_mac("0123456789abcdef", 16, header_new(), account), ERR_UNAUTHORIZED);
    ck_assert_int_eq(check_mac(mac_key, 31, header_new(), account), ERR_UNAUTHORIZED);
    tear_down();
}
END_TEST

START_TEST(the_header_is_checked) {
    static const struct {
        const char *name, *member, *value; /* NULL: taken away */
        enum err_kind kind;
    } rows[] = {
        {"nonce", "nonce", "AAAA", ERR_MALFORMED},
        {"url missing", "url", NULL, ERR_MALFORMED},
        {"url of newOrder", "url", "https://localhost/new-order", ERR_MALFORMED},
        {"kid missing", "kid", NULL, ERR_MALFORMED},
        {"kid unknown", "kid", "nobody", ERR_UNAUTHORIZED},
        {"kid empty", "kid", "", ERR_UNAUTHORIZED},
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        json_t *header = header_new();
        if (rows[i].value == NULL) {
            (void)json_object_del(header, rows[i].member);
        } else {
            (void)json_object_set_new(header, rows[i].member, json_string(rows[i].value));
        }
        enum err_kind kind = check_mac(mac_key, 32, header, account);
        ck_assert_msg(kind == rows[i].kind, "%s: %s", rows[i].name, err_name(kind));
    }
    tear_down();
}
END_TEST

START_TEST(another_key_inside_is_refused) {
    set_up();
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);
    ck_assert_int_eq(check_mac(mac_key, 32, header_new(), other), ERR_MALFORMED);
    AUTO(json_release) json_t *header = header_new();
    ck_assert_int_eq(check_text(jws_sign_mac(mac_key, 32, header, "{}", 2, &err)),
                     ERR_BAD_PUBLIC_KEY);
    ck_assert_int_eq(check_text(jws_sign_mac(mac_key, 32, header, "x", 1, &err)), ERR_MALFORMED);
    tear_down();
}
END_TEST

START_TEST(only_a_mac_binds) {
    set_up();
    AUTO(json_release) json_t *header = header_new();
    json_t *jwk = jwk_write(account, &err);
    AUTO(free) char *payload = json_text(jwk);
    json_decref(jwk);
    ck_assert_int_eq(check_text(jws_sign(account, header, payload, strlen(payload), &err)),
                     ERR_BAD_SIGNATURE_ALGORITHM);
    ck_assert_int_eq(check_text(strdup("{\"a\":1}")), ERR_MALFORMED);
    ck_assert_int_eq(check_text(strdup("[]")), ERR_MALFORMED);
    tear_down();
}
END_TEST

START_TEST(an_unprotected_header_is_refused) {
    set_up();
    AUTO(json_release) json_t *header = header_new();
    json_t *jwk = jwk_write(account, &err);
    AUTO(free) char *payload = json_text(jwk);
    AUTO(free) char *text = jws_sign_mac(mac_key, 32, header, payload, strlen(payload), &err);
    json_t *binding = json_loads(text, 0, NULL);
    (void)json_object_set_new(binding, "header", json_object());
    ck_assert_int_eq(check_text(json_text(binding)), ERR_MALFORMED);
    json_decref(binding);
    json_decref(jwk);
    tear_down();
}
END_TEST

START_TEST(keys_are_given_as_kid_and_base64url) {
    static const char *const rows[] = {
        "nocolon",         ":" KEY_TEXT,         "k:", "k:AAAA", "k:not base64",
        "k:" KEY_TEXT "=", "operator:" KEY_TEXT,
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct err why = {0};
        ck_assert_msg(!eab_keys_add(keys, rows[i], &why) && why.kind == ERR_CONFIG, "%s", rows[i]);
    }
    ck_assert(eab_keys_add(keys, "with:colon:" KEY_TEXT, &err));
    tear_down();
}
END_TEST

START_TEST(keys_made_at_run_time_are_in_the_store_until_they_are_removed) {
    set_up();
    AUTO(store_close) struct store *store = store_memory_open(&err);

    ck_assert(eab_keys_make(keys, store, "made", KEY_TEXT, 1, 5, &err));
    ck_assert(!eab_keys_make(keys, store, "made", KEY_TEXT, 0, 5, &err)
              && err.kind == ERR_CONFLICT);
    err = (struct err){0};
    ck_assert(!eab_keys_make(keys, store, "a b", KEY_TEXT, 0, 5, &err) && err.kind == ERR_INVALID);
    err = (struct err){0};
    ck_assert(!eab_keys_make(keys, store, "short", "AAAA", 0, 5, &err) && err.kind == ERR_INVALID);
    err = (struct err){0};
    eab_keys_free(keys);
    keys = eab_keys_new(&err);
    ck_assert(!eab_keys_any(keys) && eab_keys_load(keys, store, &err) && eab_keys_any(keys));
    json_t *header = json_pack("{s:s,s:s}", "kid", "made", "url", URL);
    ck_assert_int_eq(check_mac(mac_key, 32, header, account), ERR_NONE);
    ck_assert_str_eq(bound.kid, "made");
    ck_assert(bound.stored);
    ck_assert(eab_keys_remove(keys, store, "made", &err) && !eab_keys_any(keys));
    ck_assert(!eab_keys_remove(keys, store, "made", &err) && err.kind == ERR_NOT_FOUND);
    err = (struct err){0};
    ck_assert(eab_keys_load(keys, store, &err) && !eab_keys_any(keys));
    tear_down();
}
END_TEST

START_TEST(an_options_key_is_not_removed_and_not_counted) {
    set_up();
    AUTO(store_close) struct store *store = store_memory_open(&err);

    ck_assert(!eab_keys_remove(keys, store, "operator", &err) && err.kind == ERR_CONFLICT);
    err = (struct err){0};
    ck_assert_int_eq(check_mac(mac_key, 32, header_new(), account), ERR_NONE);
    ck_assert(!bound.stored);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_good_binding_passes,
                                  the_jwk_may_have_other_members_in_another_order,
                                  another_mac_key_is_refused,
                                  the_header_is_checked,
                                  another_key_inside_is_refused,
                                  only_a_mac_binds,
                                  an_unprotected_header_is_refused,
                                  keys_are_given_as_kid_and_base64url,
                                  keys_made_at_run_time_are_in_the_store_until_they_are_removed,
                                  an_options_key_is_not_removed_and_not_counted};
    return suite_run("server/eab", tests, COUNT(tests));
}
