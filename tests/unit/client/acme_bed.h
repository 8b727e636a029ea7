/* An ACME server for tests: plain HTTP, no signatures, every answer from a script.
 *
 * A step answers one request of an operation (the path's first segment); when an operation has no
 * step left, what it answers by default is an order that goes well. */
#pragma once

#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/b64.h"
#include "common/httpd.h"
#include "common/json.h"
#include "common/ossl.h"

struct acme_step {
    const char *operation; /* "newOrder" */
    unsigned status;
    const char *body;        /* NULL: as by default */
    const char *retry_after; /* NULL: none */
};

#define ACME_STEPS_MAX 40
static struct {
    struct httpd *httpd;
    char base[64];
    pthread_mutex_t lock;
    struct acme_step steps[ACME_STEPS_MAX];
    unsigned steps_count;
    bool spent[ACME_STEPS_MAX];
    char log[4096]; /* operations in the order they came, "newAccount newOrder …" */
    unsigned nonces;
    bool nonces_used[4096];
    unsigned replays; /* a nonce seen twice, or never given out */
    const char *order_status;
    char last_payload[8192];
    char last_header[2048];
} acme = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define ACME_CHAIN "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"

static void acme_nonce(struct httpd_exchange *exchange) {
    char text[32];

    (void)snprintf(text, sizeof text, "nonce-%06u", ++acme.nonces);
    httpd_header_add(exchange, "Replay-Nonce", text);
}

/* Decode a member of the JWS; the nonce must be one of ours, used once. */
static void acme_read(struct httpd_exchange *exchange) {
    size_t len = 0, out = 0;
    struct err err = {0};
    const char *body = httpd_body(exchange, &len);
    AUTO(json_release) json_t *jws = json_read_object(body, len, &err);
    const char *header = json_string_value(json_object_get(jws, "protected"));
    const char *payload = json_string_value(json_object_get(jws, "payload"));
    unsigned number = 0;

    ck_assert(header != NULL && payload != NULL);
    ck_assert(b64_decode_into(header, strlen(header), acme.last_header, sizeof acme.last_header - 1,
                              &out, &err));
    acme.last_header[out] = '\0';
    ck_assert(b64_decode_into(payload, strlen(payload), acme.last_payload,
                              sizeof acme.last_payload - 1, &out, &err));
    acme.last_payload[out] = '\0';
    AUTO(json_release)
    json_t *parsed = json_read_object(acme.last_header, strlen(acme.last_header), &err);
    const char *nonce = json_string_value(json_object_get(parsed, "nonce"));
    if (nonce == NULL || sscanf(nonce, "nonce-%u", &number) != 1 || number > acme.nonces
        || number >= COUNT(acme.nonces_used) || acme.nonces_used[number]) {
        acme.replays++;
    } else {
        acme.nonces_used[number] = true;
    }
}

static char *acme_order(void) {
    AUTO(json_release)
    json_t *order = json_pack("{s:s,s:s,s:[s+],s:s+}", "status", acme.order_status, "expires",
                              "2036-01-01T00:00:00Z", "authorizations", acme.base, "/authz/1",
                              "finalize", acme.base, "/finalize/1");

    if (strcmp(acme.order_status, "valid") == 0) {
        json_object_set_new(order, "certificate", json_sprintf("%s/certificate/1", acme.base));
    }
    return json_text(order);
}

static char *acme_authz(void) {
    AUTO(json_release)
    json_t *authz = json_pack("{s:s,s:{s:s,s:s},s:[{s:s,s:s,s:s+,s:s}]}", "status", "pending",
                              "identifier", "type", "dns", "value", "a.example", "challenges",
                              "type", "http-01", "status", "pending", "url", acme.base,
                              "/challenge/1", "token", "abcdefghijklmnopqrstuvwxyz");

    return json_text(authz);
}

/* What an operation answers when all goes well. */
static char *acme_default(const char *operation, unsigned *status,
                          struct httpd_exchange *exchange) {
    char location[96];

    *status = 200;
    if (strcmp(operation, "newAccount") == 0 || strcmp(operation, "newOrder") == 0) {
        *status = 201;
        (void)snprintf(location, sizeof location, "%s/%s/1", acme.base,
                       operation[3] == 'A' ? "account" : "order");
        httpd_header_add(exchange, "Location", location);
    }
    if (strcmp(operation, "newAccount") == 0) {
        return strdup("{\"status\":\"valid\"}");
    }
    if (strcmp(operation, "newOrder") == 0) {
        acme.order_status = "pending";
    }
    if (strcmp(operation, "authz") == 0) {
        return acme_authz();
    }
    if (strcmp(operation, "challenge") == 0) {
        acme.order_status = "ready";
        return strdup("{\"type\":\"http-01\",\"status\":\"valid\",\"url\":\"x\"}");
    }
    if (strcmp(operation, "finalize") == 0) {
        acme.order_status = "valid";
    }
    return strcmp(operation, "certificate") == 0 ? strdup(ACME_CHAIN) : acme_order();
}

static void acme_directory(struct httpd_exchange *exchange) {
    char *text = NULL;
    AUTO(json_release)
    json_t *json =
        json_pack("{s:s+,s:s+,s:s+,s:s+,s:s+}", "newNonce", acme.base, "/newNonce", "newAccount",
                  acme.base, "/newAccount", "newOrder", acme.base, "/newOrder", "revokeCert",
                  acme.base, "/revokeCert", "keyChange", acme.base, "/keyChange");

    text = json_text(json);
    httpd_answer(exchange, 200, "application/json", text, strlen(text));
}

static const struct acme_step *acme_step_take(const char *operation) {
    for (unsigned i = 0; i < acme.steps_count; i++) {
        if (!acme.spent[i] && strcmp(acme.steps[i].operation, operation) == 0) {
            acme.spent[i] = true;
            return &acme.steps[i];
        }
    }
    return NULL;
}

static void acme_note(const char *operation) {
    size_t len = strlen(acme.log);

    (void)snprintf(acme.log + len, sizeof acme.log - len, "%s%s", len == 0 ? "" : " ", operation);
}

static void acme_answer(struct httpd_exchange *exchange, const char *operation) {
    const struct acme_step *step = acme_step_take(operation);
    unsigned status = 0;
    char *body = NULL;
    const char *type = "application/json";

    acme_read(exchange);
    acme_nonce(exchange);
    if (step != NULL && step->retry_after != NULL) {
        httpd_header_add(exchange, "Retry-After", step->retry_after);
    }
    if (step != NULL && step->status == 0) { /* a status of the order only */
        acme.order_status = step->body;
        body = acme_order();
        status = 200;
    } else if (step != NULL && step->body != NULL) {
        body = strdup(step->body);
        status = step->status;
        type = strncmp(body, "-----BEGIN", 10) == 0 ? ACME_CHAIN_TYPE : type;
        type = status >= 400 ? "application/problem+json" : type;
    } else {
        body = acme_default(operation, &status, exchange);
        type = strcmp(operation, "certificate") == 0 ? ACME_CHAIN_TYPE : type;
    }
    httpd_answer(exchange, status, type, body, strlen(body));
}

static void acme_handle(void *ctx, struct httpd_exchange *exchange) {
    char operation[32] = "";

    (void)ctx;
    (void)sscanf(httpd_path(exchange), "/%31[a-zA-Z]", operation);
    (void)pthread_mutex_lock(&acme.lock);
    acme_note(operation);
    if (strcmp(operation, "directory") == 0) {
        acme_directory(exchange);
    } else if (strcmp(operation, "newNonce") == 0) {
        acme_nonce(exchange);
        httpd_answer(exchange, 200, NULL, NULL, 0);
    } else {
        acme_answer(exchange, operation);
    }
    (void)pthread_mutex_unlock(&acme.lock);
}

/* listen "127.0.0.1:0", or an address used before. */
__attribute__((unused)) static void acme_begin(const char *listen) {
    struct err err = {0};

    acme.order_status = "pending";
    acme.httpd = httpd_start(
        &(struct httpd_options){
            .listen = listen, .threads = 1, .body_max = 65536, .handler = acme_handle},
        &err);
    ck_assert_msg(acme.httpd != NULL, "%s", err.detail);
    (void)snprintf(acme.base, sizeof acme.base, "http://127.0.0.1:%u", httpd_port(acme.httpd));
}

__attribute__((unused)) static void acme_end(void) {
    httpd_stop(acme.httpd);
    acme.httpd = NULL;
}

/* One more step of the script. */
__attribute__((unused)) static void acme_expect(const char *operation, unsigned status,
                                                const char *body, const char *retry_after) {
    (void)pthread_mutex_lock(&acme.lock);
    ck_assert_uint_lt(acme.steps_count, ACME_STEPS_MAX);
    acme.steps[acme.steps_count++] = (struct acme_step){operation, status, body, retry_after};
    (void)pthread_mutex_unlock(&acme.lock);
}

/* A copy of what came so far. */
__attribute__((unused)) static const char *acme_log(void) {
    static char copy[sizeof acme.log];

    (void)pthread_mutex_lock(&acme.lock);
    memcpy(copy, acme.log, sizeof copy);
    (void)pthread_mutex_unlock(&acme.lock);
    return copy;
}

#define ACME_PROBLEM(type, detail)                                                                 \
    "{\"type\":\"urn:ietf:params:acme:error:" type "\",\"detail\":\"" detail "\"}"
