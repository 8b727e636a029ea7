/* Payloads of signed requests, put to the handlers of the web front end: the first octet says to
 * which, the rest is the JSON.  The gate is passed already, and nothing is changed: no request is
 * committed, so each finds the same records.
 *
 * Promises: an answer comes at once, never a 5xx, and its body is JSON. */
#include <ftw.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/jwk.h"
#include "common/log.h"
#include "server/store_memory.h"
#include "server/va_tkauth01.h"
#include "server/wfe_request.h"
#include "tests/fuzz/target.h"

#define NOW_US 1795000000000000ULL /* 2026-11-18 */
#define DAY_US (24 * 3600 * 1000000ULL)
#define BASE "https://localhost:14000"
#define UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define EAB_KEY "operator:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

/* clang-format off */
static const struct kind {
    char mark;
    enum meter_operation operation;
    request_handler *handler;
    const char *path;
    const char *params[2];
    bool by_key; /* else by the account */
} kinds[] = {
    {'A', METER_NEW_ACCOUNT, wfe_new_account, "/new-account", {0}, true},
    {'a', METER_ACCOUNT,     wfe_account,     "/account/account", {"account"}, false},
    {'O', METER_NEW_ORDER,   wfe_new_order,   "/new-order", {0}, false},
    {'Z', METER_NEW_AUTHZ,   wfe_new_authz,   "/new-authz", {0}, false},
    {'z', METER_AUTHZ,       wfe_authz,       "/authz/nf", {"nf"}, false},
    {'C', METER_CHALLENGE,   wfe_challenge,   "/challenge/nf/tkauth-01", {"nf", "tkauth-01"}, false},
    {'F', METER_FINALIZE,    wfe_finalize,    "/order/ready/finalize", {"ready"}, false},
    {'K', METER_KEY_CHANGE,  wfe_key_change,  "/key-change", {0}, false}, /* the inner JWS */
    {'k', METER_KEY_CHANGE,  wfe_key_change,  "/key-change", {0}, false}, /* its payload */
    {'R', METER_REVOKE_CERT, wfe_revoke,      "/revoke-cert", {0}, false},
    {'r', METER_REVOKE_CERT, wfe_revoke,      "/revoke-cert", {0}, true},
};
/* clang-format on */

static struct bed {
    char folder[32];
    struct clock clock;
    struct wfe_options options;
    struct wfe *wfe;
    EVP_PKEY *key, *new_key;
    struct keyring_entry account;
    struct va_tkauth01 *tkauth01;
    unsigned status; /* of the answer */
    bool deferring;  /* it was to be committed */
} bed;

/* ---- the listener's part ---- */

bool httpd_defer(struct httpd_exchange *exchange) {
    (void)exchange;
    bed.deferring = true;
    return false;
}

void httpd_answer(struct httpd_exchange *exchange, unsigned status, const char *type, char *body,
                  size_t len) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(body, len, &err);

    (void)exchange;
    PROMISE(type != NULL && json != NULL);
    bed.status = status;
    free(body);
}

void httpd_answer_paced(struct httpd_exchange *exchange, unsigned status, const char *type,
                        char *body, size_t len, const struct httpd_pace *pace) {
    (void)pace;
    httpd_answer(exchange, status, type, body, len);
}

void httpd_abort(struct httpd_exchange *exchange) { (void)exchange; }

void httpd_header_add(struct httpd_exchange *exchange, const char *name, const char *value) {
    (void)exchange;
    PROMISE(strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL);
}

const char *httpd_header(const struct httpd_exchange *exchange, const char *name) {
    (void)exchange;
    (void)name;
    return NULL;
}

unsigned httpd_header_count(const struct httpd_exchange *exchange, const char *name) {
    (void)exchange;
    (void)name;
    return 0;
}

enum http_method httpd_method(const struct httpd_exchange *exchange) {
    (void)exchange;
    return HTTP_POST;
}

const char *httpd_method_text(const struct httpd_exchange *exchange) {
    (void)exchange;
    return "POST";
}

const char *httpd_path(const struct httpd_exchange *exchange) {
    (void)exchange;
    return "/";
}

bool httpd_has_query(const struct httpd_exchange *exchange) {
    (void)exchange;
    return false;
}

const char *httpd_body(const struct httpd_exchange *exchange, size_t *ret_len) {
    (void)exchange;
    *ret_len = 0;
    return "";
}

bool httpd_body_too_large(const struct httpd_exchange *exchange) {
    (void)exchange;
    return false;
}

uint64_t httpd_started_us(const struct httpd_exchange *exchange) {
    (void)exchange;
    return NOW_US;
}

const char *httpd_peer_address(const struct httpd_exchange *exchange) {
    (void)exchange;
    return "127.0.0.1:4711";
}

/* ---- what requests find ---- */

static EVP_PKEY *key_of(unsigned char octet) {
    unsigned char seed[32];

    memset(seed, octet, sizeof(seed));
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
}

static void write_tx(struct store_tx *tx) {
    struct err err = {0};
    PROMISE(store_write(bed.options.store, tx, &err));
}

static void add_account(void) {
    AUTO(account_done)
    struct account account = {.id = "account",
                              .status = ACCOUNT_VALID,
                              .created_us = NOW_US,
                              .jwk = strdup("{}"),
                              .contact = strdup("[]")};
    struct err err = {0};
    struct store_tx tx = {0};

    bed.account = (struct keyring_entry){.id = "account", .status = ACCOUNT_VALID, .key = bed.key};
    PROMISE(jwk_thumbprint(bed.key, bed.account.thumbprint, &err));
    memcpy(account.thumbprint, bed.account.thumbprint, sizeof(account.thumbprint));
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &account;
    write_tx(&tx);
}

/* An order for one name, and its authorization of the same id. */
static void add_order(const char *id, enum acme_identifier_type type, const char *name,
                      const char *profile, const char *authz_id) {
    AUTO(order_done)
    struct order order = {.account = "account",
                          .status = ORDER_PENDING,
                          .created_us = NOW_US,
                          .expires_us = NOW_US + DAY_US,
                          .count = 1,
                          .identifiers = calloc(1, sizeof(struct acme_identifier)),
                          .authzs = calloc(1, ID_SIZE)};
    AUTO(authz_done) struct authz authz = {0};
    struct store_tx tx = {0};

    PROMISE(order.identifiers != NULL && order.authzs != NULL);
    (void)snprintf(order.id, sizeof(order.id), "%s", id);
    (void)snprintf(order.profile, sizeof(order.profile), "%s", profile);
    order.identifiers[0].type = type;
    (void)snprintf(order.identifiers[0].value, sizeof(order.identifiers[0].value), "%s", name);
    authz_init(&authz, &order.identifiers[0], 0, "account", id, NOW_US, NOW_US + DAY_US);
    (void)snprintf(authz.id, sizeof(authz.id), "%s", authz_id);
    memcpy(order.authzs[0], authz.id, ID_SIZE);
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_INSERT);
    op->new_order.order = &order;
    op->new_order.authzs = &authz;
    op->new_order.authz_count = 1;
    write_tx(&tx);
}

static void make_ready(const char *order, const char *authz) {
    struct nftypes types = {0};
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);

    op->account = "account";
    op->authz = authz;
    op->from = AUTHZ_PENDING;
    op->to = AUTHZ_VALID;
    op->granted.expires_us = NOW_US + DAY_US;
    op->granted.types = &types;
    op = store_tx_add(&tx, STORE_ORDER_AUTHORISED);
    op->account = "account";
    op->order = order;
    write_tx(&tx);
}

/* Of another account, so that one who wants it revoked must hold its names. */
static void add_certificate(void) {
    struct err err = {0};
    size_t len = 0;
    AUTO(certificate_done)
    struct certificate certificate = {.account = "another",
                                      .order = "gone",
                                      .reason = -1,
                                      .chain_pem = file_read(FUZZ_FOLDER "/body.pem", &len, &err)};
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct store_tx tx = {0};

    PROMISE(certificate.chain_pem != NULL);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(certificate.chain_pem, len, &err);
    PROMISE(chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err));
    memcpy(certificate.serial, cert.serial, sizeof(certificate.serial));
    certificate.not_after_s = cert.not_after_s;
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    write_tx(&tx);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

/* The CA is in memory once it is open. */
static struct ca *make_ca(struct err *err) {
    (void)snprintf(bed.folder, sizeof(bed.folder), "/tmp/nfacme-fuzz-XXXXXX");
    PROMISE(mkdtemp(bed.folder) != NULL);
    struct ca *ca = ca_open(&(struct ca_options){.state_dir = bed.folder,
                                                 .depth = 1,
                                                 .key_type = KEY_P256,
                                                 .country = "XX",
                                                 .domain = "5gc.mnc001.mcc001.3gppnetwork.org",
                                                 .clock = &bed.clock},
                            err);
    (void)nftw(bed.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    PROMISE(ca != NULL);
    ca_pki_url_set(ca, "http://127.0.0.1:14080");
    return ca;
}

static void start(void) {
    static const char *const none[] = {NULL};
    static const struct throttle_options no_limits;
    struct err err = {0};

    bed.clock = (struct clock){.scale = 1, .manual_us = NOW_US};
    log_level_set(LOG_ERROR);
    bed.key = key_of(1);
    bed.new_key = key_of(2);
    struct store *store = store_memory_open(&err);
    PROMISE(bed.key != NULL && bed.new_key != NULL && store != NULL);
    bed.options = (struct wfe_options){
        .clock = &bed.clock,
        .store = store,
        .gate = {.nonces = nonce_pool_new(64, &err), .keyring = keyring_new(store, 16, &err)},
        .ca = make_ca(&err),
        .va = va_new(&(struct va_options){.clock = &bed.clock}, &err),
        .eab = eab_keys_new(&err),
        .keys = key_policy_new(&err),
        .terms = terms_new(&err),
        .throttle = throttle_new(&no_limits, &err),
        .caa_identities = none,
        .names = none,
        .meter = meter_new(&err),
        .faults = faults_new(1, &err),
        .order_lifetime_us = DAY_US,
        .authz_lifetime_us = DAY_US,
        .ari = true,
        .ari_retry_us = DAY_US,
        .subdomains = true,
    };
    PROMISE(eab_keys_add(bed.options.eab, EAB_KEY, &err));
    bed.wfe = wfe_new(&bed.options, &err);
    bed.tkauth01 = va_tkauth01_new(NULL, false, &err);
    PROMISE(err.kind == ERR_NONE && bed.wfe != NULL && bed.tkauth01 != NULL);
    add_account();
    add_order("ready", ACME_ID_DNS, "ready.example", "tls-server", "dns");
    make_ready("ready", "dns");
    add_order("pending", ACME_ID_NF_INSTANCE, UUID, "nf-client", "nf");
    add_certificate();
}

/* ---- one request ---- */

/* What the outer JWS would hold: the JSON itself, or for 'k' a JWS of it by the new key. */
static bool wrap(const struct kind *kind, const char *text, size_t len, struct jws *outer) {
    struct err err = {0};
    char url[64];

    (void)snprintf(url, sizeof(url), BASE "%s", kind->path);
    outer->header = json_pack("{s:s,s:s}", "url", url, "kid", BASE "/account/account");
    outer->url = json_string_value(json_object_get(outer->header, "url"));
    outer->kid = json_string_value(json_object_get(outer->header, "kid"));
    if (kind->mark != 'k') {
        outer->payload = (unsigned char *)strndup(text, len);
        outer->payload_len = strnlen(text, len);
    } else {
        AUTO(json_release) json_t *header = json_object();
        (void)json_object_set_new(header, "jwk", jwk_write(bed.new_key, &err));
        (void)json_object_set_new(header, "url", json_string(url));
        outer->payload = (unsigned char *)jws_sign(bed.new_key, header, text, len, &err);
        outer->payload_len = outer->payload == NULL ? 0 : strlen((char *)outer->payload);
    }
    return outer->payload != NULL;
}

static void check_token(const char *text) {
    struct va_task task = {.type = ACME_CHALLENGE_TKAUTH01,
                           .identifier = {.type = ACME_ID_NF_INSTANCE, .value = UUID},
                           .token = "token",
                           .response = text};
    struct va_result result = {0};

    memcpy(task.account_thumbprint, bed.account.thumbprint, sizeof(task.account_thumbprint));
    va_tkauth01_check(bed.tkauth01, &task, (int64_t)(NOW_US / 1000000), &result);
    PROMISE(!result.valid && result.err.kind != ERR_NONE);
}

static void try_payload(const struct kind *kind, const char *text, size_t len) {
    struct err err = {0};
    struct request *request = request_new(bed.wfe, NULL);

    PROMISE(request != NULL);
    request->operation = kind->operation;
    (void)snprintf(request->base, sizeof(request->base), BASE);
    for (; request->params.count < 2 && kind->params[request->params.count] != NULL;
         request->params.count++) {
        (void)snprintf(request->params.value[request->params.count], ROUTE_PARAM_SIZE, "%s",
                       kind->params[request->params.count]);
    }
    struct gate_pass *pass = &request->pass;
    pass->by_account = !kind->by_key;
    pass->account = bed.account;
    (void)EVP_PKEY_up_ref(bed.key);
    if (kind->by_key) {
        pass->account.id[0] = '\0';
    }
    if (wrap(kind, text, len, &pass->jws)) {
        pass->payload =
            json_read_object((const char *)pass->jws.payload, pass->jws.payload_len, &err);
    }
    bed.status = 0;
    bed.deferring = false;
    if (pass->payload == NULL) { /* the gate lets no such one pass */
        (void)request_fail(request, ERR_MALFORMED, "no object");
        request_finish(request);
        return;
    }
    PROMISE(kind->handler(request));
    if (bed.deferring) { /* as if it had been committed */
        request->err = (struct err){0};
        PROMISE(request->body != NULL || request_json(request, 200, json_object()));
    }
    request_finish(request);
    PROMISE(bed.status >= 200 && bed.status < 500);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct kind *kind = NULL;

    if (bed.wfe == NULL) {
        start();
    }
    for (unsigned i = 0; size > 0 && i < COUNT(kinds); i++) {
        kind = kinds[i].mark == (char)data[0] ? &kinds[i] : kind;
    }
    if (kind == NULL) {
        return 0;
    }
    try_payload(kind, (const char *)data + 1, size - 1);
    if (kind->mark == 'C') {
        AUTO(free) char *text = strndup((const char *)data + 1, size - 1);
        check_token(text);
    }
    ERR_clear_error();
    return 0;
}
