#include "nfsim/producer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/httpd.h"
#include "common/json.h"

#define BODY_MAX 4096
#define IDLE_S 5 /* an NF uses its certificate once and goes */

struct producer {
    struct nf_world world; /* a copy: another profile, no producer to use */
    struct inventory_nf id;
    struct nf *nf;
    struct nf_outcome outcome;
    char *chain_pem;
    struct httpd *httpd;
    char url[64];
    _Atomic uint64_t served;
};

/* The NF profile it publishes about itself, TS 29.510, reduced to who it is. */
static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct producer *producer = ctx;
    AUTO(json_release)
    json_t *json = json_pack("{s:s, s:s}", "nfInstanceId", producer->id.id.uuid, "nfType",
                             producer->id.id.type);
    char *body = json == NULL ? NULL : json_text(json);

    (void)atomic_fetch_add(&producer->served, 1);
    httpd_answer(exchange, 200, "application/json", body, body == NULL ? 0 : strlen(body));
}

static void enrolled(void *ctx, struct nf *nf, const struct nf_outcome *outcome) {
    struct producer *producer = ctx;

    (void)nf;
    producer->outcome = *outcome;
    producer->chain_pem = outcome->chain_pem == NULL ? NULL : strdup(outcome->chain_pem);
    loop_stop(producer->world.loop);
}

static bool enrol(struct producer *producer, struct err *err) {
    const struct nf_order order = {.id = &producer->id,
                                   .due_us = clock_wall_us(),
                                   .keep = true,
                                   .done = enrolled,
                                   .ctx = producer};

    producer->nf = nf_start(&producer->world, &order, err);
    if (producer->nf == NULL) {
        return false;
    }
    loop_run(producer->world.loop);
    if (producer->outcome.end != NF_ENROLLED || producer->chain_pem == NULL) {
        return err_set(err, ERR_UPSTREAM, "the producer could not enrol: %s",
                       producer->outcome.detail[0] == '\0' ? nf_state_name(nf_state(producer->nf))
                                                           : producer->outcome.detail);
    }
    return true;
}

/* PKCS #8 PEM in memory: the listener wants text. */
static char *key_pem(EVP_PKEY *key, size_t *ret_len) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL, *text = NULL;

    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        return NULL;
    }
    const long len = BIO_get_mem_data(bio, &data);
    text = len > 0 ? strndup(data, (size_t)len) : NULL;
    *ret_len = (size_t)len;
    return text;
}

static bool serve(struct producer *producer, const char *trust_pem, struct err *err) {
    size_t key_len = 0;
    AUTO(free) char *key = key_pem(nf_key(producer->nf), &key_len);
    const struct httpd_options options = {.listen = "127.0.0.1:0",
                                          .cert_pem = producer->chain_pem,
                                          .key_pem = key,
                                          .client_trust_pem = trust_pem,
                                          .body_max = BODY_MAX,
                                          .idle_timeout_s = IDLE_S,
                                          .handler = handle,
                                          .ctx = producer};

    if (key == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the producer's key");
    }
    producer->httpd = httpd_start(&options, err);
    OPENSSL_cleanse(key, key_len);
    if (producer->httpd == NULL) {
        return false;
    }
    (void)snprintf(producer->url, sizeof producer->url,
                   "https://127.0.0.1:%u/nnrf-nfm/v1/nf-instances", httpd_port(producer->httpd));
    return true;
}

struct producer *producer_start(const struct producer_options *options, struct err *err) {
    AUTO(producer_stop) struct producer *producer = calloc(1, sizeof *producer);
    AUTO(inventory_close)
    struct inventory *inventory = inventory_open(options->state, false, err);

    if (producer == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the producer");
        return NULL;
    }
    if (inventory == NULL || !inventory_get(inventory, INVENTORY_EXTRA, &producer->id, err)) {
        return NULL;
    }
    producer->world = *options->world;
    /* a producer serves; it has a DNS name in its certificate when the fleet can prove names */
    producer->world.profile = producer->world.fqdn ? "nf-both" : "nf-server";
    producer->world.producer_url = NULL;
    if (!enrol(producer, err) || !serve(producer, options->operator_root_pem, err)) {
        return NULL;
    }
    return TAKE(producer);
}

void producer_stop(struct producer *producer) {
    if (producer->httpd != NULL) {
        httpd_stop(producer->httpd);
    }
    if (producer->nf != NULL) {
        nf_free(producer->nf);
    }
    inventory_nf_done(&producer->id);
    free(producer->chain_pem);
    free(producer);
}

const char *producer_url(const struct producer *producer) { return producer->url; }

const char *producer_uuid(const struct producer *producer) { return producer->id.id.uuid; }

uint64_t producer_served(const struct producer *producer) { return atomic_load(&producer->served); }

uint64_t producer_refused(const struct producer *producer) {
    return httpd_handshakes_refused(producer->httpd);
}
