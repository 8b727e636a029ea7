#include "client/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/directory.h"
#include "common/guard.h"
#include "common/httpc.h"
#include "common/x509.h"

#define HEADER_SIZE 120

struct notify_call {
    struct httpc *httpc; /* of this call alone: it is bound to the NF's id */
    X509_STORE *trust;   /* held for it: the client may get others meanwhile */
    X509_CHAIN *chain;
    EVP_PKEY *key;
    char nf[37];
    notify_done *done;
    void *ctx;
};

void notify_cancel(struct notify_call *call) {
    if (call != NULL) {
        httpc_free(call->httpc);
        X509_STORE_free(call->trust);
        chain_free(call->chain);
        EVP_PKEY_free(call->key);
        free(call);
    }
}

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct notify_call *call = ctx;
    struct err failure = err == NULL ? (struct err){0} : *err;

    if (answer != NULL && (answer->status < 200 || answer->status > 299)) {
        (void)err_set(&failure, ERR_UPSTREAM, "the NF answered %u", answer->status);
    }
    call->done(call->ctx, failure.kind == ERR_NONE ? NULL : &failure);
    notify_cancel(call);
}

static bool hold(struct notify_call *call, const struct notify_options *options) {
    if (X509_STORE_up_ref(options->trust) == 1) {
        call->trust = options->trust;
    }
    call->chain = options->chain == NULL ? NULL : X509_chain_up_ref(options->chain);
    if (options->key != NULL && EVP_PKEY_up_ref(options->key) == 1) {
        call->key = options->key;
    }
    return call->trust != NULL && (call->chain != NULL) == (options->chain != NULL);
}

struct notify_call *notify_send(const struct notify_options *options,
                                const struct notify_message *message, notify_done *done, void *ctx,
                                struct err *err) {
    struct notify_call *call = calloc(1, sizeof *call);
    char callback[HEADER_SIZE];
    const char *const headers[] = {"Content-Type: application/json", callback, NULL};

    if (call == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    call->done = done;
    call->ctx = ctx;
    (void)snprintf(call->nf, sizeof call->nf, "%s", message->nf);
    (void)snprintf(callback, sizeof callback, "3gpp-Sbi-Callback: %s", message->callback);
    if (!hold(call, options)) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        notify_cancel(call);
        return NULL;
    }
    call->httpc = httpc_new(&(struct httpc_options){.loop = options->loop,
                                                    .trust = call->trust,
                                                    .chain = call->chain,
                                                    .key = call->key,
                                                    .connections_max = 1,
                                                    .peer_uuid = call->nf,
                                                    .clock = options->clock,
                                                    .user_agent = "nfacme-client/" NFACME_VERSION},
                            err);
    if (call->httpc == NULL
        || httpc_start(call->httpc,
                       &(struct httpc_request){.method = "POST",
                                               .url = message->uri,
                                               .headers = headers,
                                               .body = message->body,
                                               .body_len = strlen(message->body),
                                               .timeout_ms = NOTIFY_TIMEOUT_MS,
                                               .answer_max = 4096,
                                               .fresh = true},
                       answered, call, err)
               == NULL) {
        notify_cancel(call);
        return NULL;
    }
    return call;
}

/* The host of an authority or of "address:port", brackets off. */
static bool host_of(const char *authority, size_t len, char *out, size_t size) {
    const char *end = authority + len;

    if (len > 0 && authority[0] == '[') {
        authority++;
        end = memchr(authority, ']', len - 1);
        if (end == NULL) {
            return false;
        }
    } else {
        const char *colon = memchr(authority, ':', len);
        end = colon == NULL ? end : colon;
    }
    if (end == authority || (size_t)(end - authority) >= size) {
        return false;
    }
    memcpy(out, authority, (size_t)(end - authority));
    out[end - authority] = '\0';
    return true;
}

bool notify_allows(const char *uri, const struct x509_cert *peer, const char *peer_address,
                   struct err *err) {
    const char *after = strstr(uri, "://");
    const char *authority = after == NULL ? uri : after + 3;
    char host[256], from[64];

    if (!GUARD("callback-scheme", strncmp(uri, "https://", 8) == 0) || strlen(uri) > NOTIFY_URI_MAX
        || !GUARD("callback-form", directory_url(uri) && strchr(uri, '#') == NULL)
        || !host_of(authority, strcspn(authority, "/?#"), host, sizeof host)) {
        return err_set_param(err, ERR_INVALID, "notificationUri",
                             "notificationUri is not an https URI");
    }
    for (unsigned i = 0; i < peer->names.dns_count; i++) {
        if (strcasecmp(host, peer->names.dns[i]) == 0) {
            return true;
        }
    }
    return GUARD("callback-host",
                 peer_address != NULL
                     && host_of(peer_address, strlen(peer_address), from, sizeof from)
                     && strcmp(host, from) == 0)
           || err_set_param(err, ERR_INVALID, "notificationUri",
                            "notificationUri names neither the certificate's FQDN nor the "
                            "address the request comes from");
}
