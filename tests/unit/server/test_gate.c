/* The signed-request check, RFC 8555 6.2 to 6.5: each way to be refused, in the order of checks. */
#include "server/gate.h"

#include "common/b64.h"
#include "common/json.h"
#include "common/key.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

#define URL "https://localhost:14000/new-order"
#define PREFIX "https://localhost:14000/account/"
#define JOSE "application/jose+json"

static struct store *store;
static struct gate gate;
static EVP_PKEY *key, *stranger;
static struct err err;

static void add_account(const char *id, EVP_PKEY *of, enum account_status status) {
    AUTO(account_done) struct account account = {.status = status, .contact = strdup("[]")};
    struct store_tx tx = {0};
    json_t *jwk = jwk_write(of, &err);

    (void)snprintf(account.id, ID_SIZE, "%s", id);
    ck_assert(jwk_thumbprint(of, account.thumbprint, &err));
    account.jwk = json_text(jwk);
    json_decref(jwk);
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    ck_assert(store_write(store, &tx, &err));
}

static void set_up(void) {
    EVP_PKEY *gone;

    err = (struct err){0};
    store = store_memory_open(&err);
    gate.nonces = nonce_pool_new(1024, &err);
    gate.keyring = keyring_new(store, 8, &err);
    key = key_generate(KEY_P256, &err);
    stranger = key_generate(KEY_P256, &err);
    gone = key_generate(KEY_P256, &err);
    add_account("alice", key, ACCOUNT_VALID);
    add_account("gone", gone, ACCOUNT_DEACTIVATED);
    EVP_PKEY_free(gone);
}

static void tear_down(void) {
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger);
    keyring_free(gate.keyring);
    nonce_pool_free(gate.nonces);
    store_close(store);
}

/* ---- requests ---- */

static json_t *header_new(void) {
    char nonce[NONCE_SIZE];
    nonce_issue(gate.nonces, nonce);
    return json_pack("{s:s,s:s,s:s}", "nonce", nonce, "url", URL, "kid", PREFIX "alice");
}

static struct gate_input input_of(const char *body) {
    return (struct gate_input){.key = GATE_KID,
                               .payload = GATE_ANY,
                               .content_types = 1,
                               .content_type = JOSE,
                               .body = body,
                               .len = strlen(body),
                               .url = URL,
                               .account_prefix = PREFIX};
}

static enum err_kind check(const struct gate_input *input) {
    struct gate_pass pass = {0};
    struct err why = {0};
    bool deactivated = false;
    bool passed = gate_check(&gate, input, &pass, &deactivated, &why);

    ck_assert(passed == (why.kind == ERR_NONE));
    gate_pass_done(&pass);
    return why.kind;
}

/* Sign a payload under header (taken) with signer, and check it with an otherwise good input. */
static enum err_kind check_signed(EVP_PKEY *signer, json_t *header, const char *payload) {
    AUTO(free) char *text = jws_sign(signer, header, payload, strlen(payload), &err);
    ck_assert_ptr_nonnull(text);
    json_decref(header);
    struct gate_input input = input_of(text);
    return check(&input);
}

static char *good_request(void) {
    AUTO(json_release) json_t *header = header_new();
    char *text = jws_sign(key, header, "{}", 2, &err);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* ---- what passes ---- */

START_TEST(a_request_of_an_account_passes) {
    struct gate_pass pass = {0};
    bool deactivated = true;

    set_up();
    AUTO(free) char *text = good_request();
    struct gate_input input = input_of(text);
    ck_assert(gate_check(&gate, &input, &pass, &deactivated, &err));
    ck_assert(pass.by_account && !deactivated);
    ck_assert_str_eq(pass.account.id, "alice");
    ck_assert_ptr_nonnull(pass.payload);
    gate_pass_done(&pass);
    ck_assert_int_eq(check(&input), ERR_BAD_NONCE); /* N-123: a replay */
    tear_down();
}
END_TEST

START_TEST(a_request_by_its_own_key_passes_where_that_is_taken) {
    static const enum gate_key modes[] = {GATE_JWK, GATE_EITHER};
    struct gate_pass pass = {0};
    bool deactivated = true;
    char thumbprint[JWK_THUMBPRINT_SIZE];

    set_up();
    ck_assert(jwk_thumbprint(stranger, thumbprint, &err));
    for (unsigned i = 0; i < COUNT(modes); i++) {
        AUTO(json_release) json_t *header = header_new();
        (void)json_object_del(header, "kid");
        (void)json_object_set_new(header, "jwk", jwk_write(stranger, &err));
        AUTO(free) char *text = jws_sign(stranger, header, "{}", 2, &err);
        struct gate_input input = input_of(text);
        input.key = modes[i];
        ck_assert(gate_check(&gate, &input, &pass, &deactivated, &err));
        ck_assert(!pass.by_account);
        ck_assert_str_eq(pass.account.thumbprint, thumbprint);
        gate_pass_done(&pass);
    }
    tear_down();
}
END_TEST

START_TEST(post_as_get_has_no_payload) {
    struct gate_pass pass = {0};
    bool deactivated = true;

    set_up();
    AUTO(json_release) json_t *header = header_new();
    AUTO(free) char *text = jws_sign(key, header, NULL, 0, &err);
    struct gate_input input = input_of(text);
    input.payload = GATE_EMPTY;
    ck_assert(gate_check(&gate, &input, &pass, &deactivated, &err));
    ck_assert_ptr_null(pass.payload);
    gate_pass_done(&pass);
    tear_down();
}
END_TEST

START_TEST(the_media_type_is_compared_as_rfc9110_says) {
    static const struct {
        const char *type;
        unsigned count;
        const char *encoding;
        bool passes;
    } rows[] = {
        {JOSE, 1, NULL, true},
        {JOSE, 1, "identity", true},
        {"Application/JOSE+JSON", 1, NULL, true},              /* N-044 */
        {JOSE "; charset=utf-8", 1, NULL, true},               /* N-045 */
        {"application/json", 1, NULL, false},                  /* N-040 */
        {NULL, 0, NULL, false},                                /* N-041 */
        {"application/x-www-form-urlencoded", 1, NULL, false}, /* N-042 */
        {"application/jose", 1, NULL, false},                  /* N-043 */
        {"application/jose-json", 1, NULL, false},
        {JOSE "x", 1, NULL, false},
        {"", 1, NULL, false},
        {JOSE, 2, NULL, false},   /* N-046 */
        {JOSE, 1, "gzip", false}, /* N-059 */
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(free) char *text = good_request();
        struct gate_input input = input_of(text);
        input.content_type = rows[i].type;
        input.content_types = rows[i].count;
        input.content_encoding = rows[i].encoding;
        enum err_kind kind = check(&input);
        ck_assert_msg(kind == (rows[i].passes ? ERR_NONE : ERR_MEDIA_TYPE), "row %u: %s", i,
                      err_name(kind));
    }
    tear_down();
}
END_TEST

START_TEST(a_body_beyond_the_limit_is_refused) {
    set_up();
    AUTO(free) char *text = good_request();
    struct gate_input input = input_of(text);
    input.too_large = true;
    ck_assert_int_eq(check(&input), ERR_TOO_LARGE);
    tear_down();
}
END_TEST

/* ---- what is not a JWS of 6.2 ---- */

START_TEST(only_a_flattened_jws_is_read) {
    static const char *const bodies[] = {
        "",                                                              /* N-030 */
        "[]",                                                            /* N-019 */
        "null",                                                          /* N-020 */
        "{\"protected\":",                                               /* N-021 */
        "{\"termsOfServiceAgreed\":true}",                               /* N-031 */
        "e30.e30.AA",                                                    /* N-001 */
        "{\"payload\":\"e30\",\"signatures\":[]}",                       /* N-002 */
        "{\"protected\":\"\",\"payload\":\"\",\"signature\":\"AA\"}",    /* N-016 */
        "{\"protected\":\"W10\",\"payload\":\"\",\"signature\":\"AA\"}", /* N-090: [] */
    };

    set_up();
    for (unsigned i = 0; i < COUNT(bodies); i++) {
        struct gate_input input = input_of(bodies[i]);
        enum err_kind kind = check(&input);
        ck_assert_msg(kind == ERR_MALFORMED, "%s: %s", bodies[i], err_name(kind));
    }
    tear_down();
}
END_TEST

/* A change of the envelope of a good request. */
static enum err_kind check_envelope(const char *member, json_t *value) {
    AUTO(free) char *text = good_request();
    AUTO(json_release) json_t *envelope = json_loads(text, 0, NULL);

    if (value == NULL) {
        (void)json_object_del(envelope, member);
    } else {
        (void)json_object_set_new(envelope, member, value);
    }
    AUTO(free) char *changed = json_text(envelope);
    struct gate_input input = input_of(changed);
    return check(&input);
}

START_TEST(a_changed_envelope_is_refused) {
    set_up();
    ck_assert_int_eq(check_envelope("header", json_pack("{s:i}", "x", 1)), ERR_MALFORMED);
    ck_assert_int_eq(check_envelope("header", json_object()), ERR_MALFORMED); /* N-011 */
    ck_assert_int_eq(check_envelope("signatures", json_array()), ERR_MALFORMED);
    ck_assert_int_eq(check_envelope("payload", NULL), ERR_MALFORMED);               /* N-012 */
    ck_assert_int_eq(check_envelope("payload", json_string("e31")), ERR_MALFORMED); /* N-193 */
    ck_assert_int_eq(check_envelope("payload", json_string("e30=")), ERR_MALFORMED);
    ck_assert_int_eq(check_envelope("signature", json_string("")), ERR_MALFORMED);
    ck_assert_int_eq(check_envelope("signature", json_string("AAAA")), ERR_MALFORMED);
    ck_assert_int_eq(check_envelope("signature", NULL), ERR_MALFORMED);
    tear_down();
}
END_TEST

/* ---- the protected header ---- */

START_TEST(the_protected_header_is_judged) {
    static const struct {
        const char *row, *member, *value; /* value: JSON; NULL: taken away */
        enum err_kind kind;
    } rows[] = {
        {"N-113", "crit", "[\"b64\"]", ERR_MALFORMED},
        {"N-114", "b64", "false", ERR_MALFORMED},
        {"N-117", "crit", "[]", ERR_MALFORMED},
        {"N-121", "nonce", NULL, ERR_BAD_NONCE},
        {"N-122", "nonce", "\"AAAAAAAAAAAAAAAAAAAAAA\"", ERR_BAD_NONCE},
        {"N-124", "nonce", "\"a b\"", ERR_MALFORMED},
        {"N-125", "nonce", "5", ERR_MALFORMED},
        {"N-125 empty", "nonce", "\"\"", ERR_MALFORMED},
        {"N-128", "url", NULL, ERR_MALFORMED},
        {"N-129", "url", "\"https://localhost:14000/new-account\"", ERR_UNAUTHORIZED},
        {"N-130 scheme", "url", "\"http://localhost:14000/new-order\"", ERR_UNAUTHORIZED},
        {"N-130 case", "url", "\"https://LOCALHOST:14000/new-order\"", ERR_UNAUTHORIZED},
        {"N-130 port", "url", "\"https://localhost/new-order\"", ERR_UNAUTHORIZED},
        {"N-130 slash", "url", "\"https://localhost:14000/new-order/\"", ERR_UNAUTHORIZED},
        {"N-130 query", "url", "\"https://localhost:14000/new-order?x=1\"", ERR_UNAUTHORIZED},
        {"N-131", "url", "5", ERR_MALFORMED},
        {"N-134", "kid", NULL, ERR_MALFORMED},
        {"N-137", "kid", "\"" PREFIX "nobody\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-138 id", "kid", "\"alice\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-138 host", "kid", "\"https://other:14000/account/alice\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-138 slash", "kid", "\"" PREFIX "alice/\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-138 empty", "kid", "\"" PREFIX "\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-140", "kid", "5", ERR_MALFORMED},
        {"N-140 sql", "kid", "\"" PREFIX "' OR 1=1 --\"", ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-140 long", "kid", "\"" PREFIX "0123456789012345678901234567890123456789\"",
         ERR_ACCOUNT_DOES_NOT_EXIST},
        {"N-141", "kid", "\"" PREFIX "gone\"", ERR_MALFORMED}, /* not its key */
        {"N-142", "x5u", "\"https://127.0.0.1/x\"", ERR_NONE},
        {"N-143", "typ", "\"JOSE\"", ERR_NONE},
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        json_t *header = header_new();
        if (rows[i].value == NULL) {
            (void)json_object_del(header, rows[i].member);
        } else {
            (void)json_object_set_new(header, rows[i].member,
                                      json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        }
        enum err_kind kind = check_signed(key, header, "{}");
        ck_assert_msg(kind == rows[i].kind, "%s: %s", rows[i].row, err_name(kind));
    }
    tear_down();
}
END_TEST

START_TEST(kid_and_jwk_go_where_they_belong) {
    static const struct {
        const char *row;
        enum gate_key mode;
        bool jwk, kid;
        enum err_kind kind;
    } rows[] = {
        {"N-132", GATE_KID, true, true, ERR_MALFORMED},
        {"N-133", GATE_JWK, true, true, ERR_MALFORMED},
        {"N-289", GATE_EITHER, true, true, ERR_MALFORMED},
        {"N-135", GATE_JWK, false, true, ERR_MALFORMED},
        {"N-136", GATE_KID, true, false, ERR_MALFORMED},
        {"neither", GATE_EITHER, false, false, ERR_MALFORMED},
        {"by account", GATE_EITHER, false, true, ERR_NONE},
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *header = header_new();
        if (!rows[i].kid) {
            (void)json_object_del(header, "kid");
        }
        if (rows[i].jwk) {
            (void)json_object_set_new(header, "jwk", jwk_write(key, &err));
        }
        AUTO(free) char *text = jws_sign(key, header, "{}", 2, &err);
        struct gate_input input = input_of(text);
        input.key = rows[i].mode;
        enum err_kind kind = check(&input);
        ck_assert_msg(kind == rows[i].kind, "%s: %s", rows[i].row, err_name(kind));
    }
    tear_down();
}
END_TEST

/* A request signed under any alg text, by hand. */
static enum err_kind check_alg(const char *alg, enum gate_key mode, json_t *jwk) {
    AUTO(json_release) json_t *header = header_new();
    char protected[2048], body[4096];

    (void)json_object_set_new(header, "alg", json_string(alg));
    if (jwk != NULL) {
        (void)json_object_del(header, "kid");
        (void)json_object_set_new(header, "jwk", jwk);
    }
    AUTO(free) char *text = json_text(header);
    b64_encode_into(text, strlen(text), protected, sizeof(protected));
    (void)snprintf(body, sizeof(body),
                   "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"AAAA\"}", protected);
    struct gate_input input = input_of(body);
    input.key = mode;
    return check(&input);
}

START_TEST(only_signatures_of_the_keys_algorithm_are_taken) {
    static const char *const unsupported[] = {"none",  "None",   "HS256", "HS384",   "HS512",
                                              "XX999", "RSA1_5", "es256", "ECDH-ES", ""};

    set_up();
    for (unsigned i = 0; i < COUNT(unsupported); i++) { /* N-103 to N-110 */
        enum err_kind kind = check_alg(unsupported[i], GATE_KID, NULL);
        ck_assert_msg(kind == ERR_BAD_SIGNATURE_ALGORITHM, "%s: %s", unsupported[i],
                      err_name(kind));
    }
    ck_assert_int_eq(check_alg("ES384", GATE_KID, NULL), ERR_BAD_PUBLIC_KEY); /* N-111 */
    ck_assert_int_eq(check_alg("RS256", GATE_KID, NULL), ERR_BAD_PUBLIC_KEY); /* N-112 */
    json_t *oct = json_pack("{s:s,s:s}", "kty", "oct", "k", "AAAA");
    ck_assert_int_eq(check_alg("ES256", GATE_JWK, oct), ERR_BAD_PUBLIC_KEY); /* N-170 */
    json_t *off = json_pack("{s:s,s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "x",
                            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "y",
                            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    ck_assert_int_eq(check_alg("ES256", GATE_JWK, off), ERR_BAD_PUBLIC_KEY); /* N-153 */
    tear_down();
}
END_TEST

START_TEST(another_keys_signature_is_refused) {
    set_up();
    ck_assert_int_eq(check_signed(stranger, header_new(), "{}"), ERR_MALFORMED); /* N-139 */
    tear_down();
}
END_TEST

START_TEST(a_deactivated_account_is_told_so_only_under_its_key) {
    struct gate_pass pass = {0};
    bool deactivated = false;
    struct store_tx tx = {0};

    set_up();
    ck_assert_int_eq(check_signed(key, header_new(), "{}"), ERR_NONE);
    struct store_op *op = store_tx_add(&tx, STORE_ACCOUNT_CHANGE);
    op->account = "alice";
    op->from = ACCOUNT_VALID;
    op->to = ACCOUNT_DEACTIVATED;
    ck_assert(store_write(store, &tx, &err));
    keyring_forget(gate.keyring, "alice");
    AUTO(free) char *text = good_request();
    struct gate_input input = input_of(text);
    ck_assert(!gate_check(&gate, &input, &pass, &deactivated, &err));
    ck_assert(deactivated);
    ck_assert_int_eq(err.kind, ERR_UNAUTHORIZED);
    gate_pass_done(&pass);
    tear_down();
}
END_TEST

/* ---- the payload ---- */

START_TEST(the_payload_is_what_the_resource_takes) {
    static const struct {
        const char *payload;
        enum gate_payload want;
        enum err_kind kind;
    } rows[] = {
        {"", GATE_EMPTY, ERR_NONE},         {"", GATE_ANY, ERR_NONE},
        {"", GATE_OBJECT, ERR_MALFORMED}, /* N-201 */
        {"{}", GATE_EMPTY, ERR_MALFORMED},  {"{}", GATE_ANY, ERR_NONE},
        {"{}", GATE_OBJECT, ERR_NONE},      {"[]", GATE_OBJECT, ERR_MALFORMED}, /* N-200 */
        {"\"x\"", GATE_ANY, ERR_MALFORMED}, {"{\"a\":1,\"a\":2}", GATE_ANY, ERR_MALFORMED},
        {"{", GATE_ANY, ERR_MALFORMED},
    };

    set_up();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *header = header_new();
        AUTO(free)
        char *text = jws_sign(key, header, rows[i].payload, strlen(rows[i].payload), &err);
        struct gate_input input = input_of(text);
        input.payload = rows[i].want;
        enum err_kind kind = check(&input);
        ck_assert_msg(kind == rows[i].kind, "%u: %s", i, err_name(kind));
        enum err_kind again = check(&input); /* 6.5: spent whatever became of it */
        ck_assert_msg(again == ERR_BAD_NONCE, "%u: %s", i, err_name(again));
    }
    tear_down();
}
END_TEST

START_TEST(a_nonce_is_not_spent_by_a_request_that_is_not_authentic) {
    char nonce[NONCE_SIZE];

    set_up();
    nonce_issue(gate.nonces, nonce);
    for (unsigned i = 0; i < 3; i++) {
        json_t *header = header_new();
        (void)json_object_set_new(header, "nonce", json_string(nonce));
        if (i == 1) {
            (void)json_object_set_new(header, "url", json_string("https://localhost:14000/x"));
        }
        static const enum err_kind kinds[] = {ERR_MALFORMED, ERR_UNAUTHORIZED, ERR_NONE};
        ck_assert_int_eq(check_signed(i == 0 ? stranger : key, header, "{}"), kinds[i]);
    }
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_request_of_an_account_passes,
                                  a_request_by_its_own_key_passes_where_that_is_taken,
                                  post_as_get_has_no_payload,
                                  the_media_type_is_compared_as_rfc9110_says,
                                  a_body_beyond_the_limit_is_refused,
                                  only_a_flattened_jws_is_read,
                                  a_changed_envelope_is_refused,
                                  the_protected_header_is_judged,
                                  kid_and_jwk_go_where_they_belong,
                                  only_signatures_of_the_keys_algorithm_are_taken,
                                  another_keys_signature_is_refused,
                                  a_deactivated_account_is_told_so_only_under_its_key,
                                  the_payload_is_what_the_resource_takes,
                                  a_nonce_is_not_spent_by_a_request_that_is_not_authentic};
    return suite_run("server/gate", tests, COUNT(tests));
}
