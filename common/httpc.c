#include "common/httpc.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/httpc_call.h"

#define HTTPC_SPARE_MAX 64 /* easy handles kept for reuse */

struct sock {
    struct httpc *httpc;
    int fd;
    struct sock *previous, *next;
};

struct httpc {
    struct httpc_shape shape;
    CURLM *multi;
    struct loop_timer timer;
    struct httpc_call *calls;
    struct sock *socks;
    CURL *spare[HTTPC_SPARE_MAX];
    unsigned spares;
    unsigned connections_made;
    bool draining; /* done callbacks are running: httpc_free waits for their return */
    bool freed;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void curl_start(void) { (void)curl_global_init(CURL_GLOBAL_DEFAULT); }

/* ---- calls ---- */

static void call_link(struct httpc_call *call) {
    struct httpc *httpc = call->httpc;

    call->next = httpc->calls;
    if (httpc->calls != NULL) {
        httpc->calls->previous = call;
    }
    httpc->calls = call;
}

/* Out of the list and out of curl; the easy handle is kept for another call. */
static void call_detach(struct httpc_call *call) {
    struct httpc *httpc = call->httpc;

    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        httpc->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    (void)curl_multi_remove_handle(httpc->multi, call->easy);
}

static void easy_release(struct httpc *httpc, CURL *easy) {
    if (httpc->freed || httpc->spares == HTTPC_SPARE_MAX) {
        curl_easy_cleanup(easy);
    } else {
        httpc->spare[httpc->spares++] = easy;
    }
}

void httpc_cancel(struct httpc_call *call) {
    if (call == NULL || call->finished) {
        return;
    }
    call_detach(call);
    easy_release(call->httpc, call->easy);
    httpc_call_free(call);
}

static void finish(struct httpc_call *call, CURLcode code) {
    struct httpc *httpc = call->httpc;
    struct err err = {0};
    struct httpc_answer answer = {.headers = call->easy, .times = httpc_call_times(call)};
    long status = 0;

    call->finished = true;
    httpc->connections_made += answer.times.reused ? 0 : 1;
    call_detach(call);
    if (code == CURLE_OK && !call->headed) {
        code = CURLE_WEIRD_SERVER_REPLY;
    }
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (unsigned)status;
        answer.body = call->body.data != NULL ? call->body.data : "";
        answer.body_len = call->body.len;
        call->done(call->ctx, &answer, &err);
    } else {
        httpc_call_failure(call, code, &err);
        call->done(call->ctx, NULL, &err);
    }
    easy_release(httpc, call->easy);
    httpc_call_free(call);
}

/* ---- curl on the loop ---- */

static void httpc_destroy(struct httpc *httpc);

static void drain(struct httpc *httpc) {
    int left;
    struct CURLMsg *message;

    if (httpc->draining) {
        return;
    }
    httpc->draining = true;
    while (!httpc->freed && (message = curl_multi_info_read(httpc->multi, &left)) != NULL) {
        struct httpc_call *call = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, code);
    }
    httpc->draining = false;
    if (httpc->freed) {
        httpc_destroy(httpc);
    }
}

static void on_ready(void *ctx, uint32_t events) {
    const struct sock *sock = ctx;
    struct httpc *httpc = sock->httpc;
    int running;
    int action = 0;

    action |= (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? CURL_CSELECT_IN : 0;
    action |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 ? CURL_CSELECT_OUT : 0;
    (void)curl_multi_socket_action(httpc->multi, sock->fd, action, &running);
    drain(httpc);
}

static void on_due(void *ctx) {
    struct httpc *httpc = ctx;
    int running;

    (void)curl_multi_socket_action(httpc->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(httpc);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx) {
    struct httpc *httpc = ctx;

    (void)multi;
    if (timeout_ms < 0) {
        loop_timer_unset(httpc->shape.options.loop, &httpc->timer);
    } else {
        uint64_t now = timeout_ms == 0 ? 0 : clock_wall_us();
        loop_timer_set(httpc->shape.options.loop, &httpc->timer, now + (uint64_t)timeout_ms * 1000,
                       on_due, httpc);
    }
    return 0;
}

static void sock_free(struct sock *sock) {
    struct httpc *httpc = sock->httpc;
    struct err err = {0};

    if (!loop_watch(httpc->shape.options.loop, sock->fd, 0, NULL, NULL, &err)) {
        abort(); /* it was watched, so it can be left */
    }
    if (sock->previous != NULL) {
        sock->previous->next = sock->next;
    } else {
        httpc->socks = sock->next;
    }
    if (sock->next != NULL) {
        sock->next->previous = sock->previous;
    }
    free(sock);
}

static struct sock *sock_new(struct httpc *httpc, int fd) {
    struct sock *sock = calloc(1, sizeof(*sock));

    if (sock != NULL) {
        sock->httpc = httpc;
        sock->fd = fd;
        sock->next = httpc->socks;
        if (httpc->socks != NULL) {
            httpc->socks->previous = sock;
        }
        httpc->socks = sock;
    }
    return sock;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock_ctx) {
    struct httpc *httpc = ctx;
    struct sock *sock = sock_ctx;
    struct err err = {0};
    uint32_t events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (sock != NULL) {
            sock_free(sock);
        }
        return 0;
    }
    if (sock == NULL) {
        sock = sock_new(httpc, fd);
        if (sock == NULL) {
            return -1;
        }
        (void)curl_multi_assign(httpc->multi, fd, sock);
    }
    events |= (what & CURL_POLL_IN) != 0 ? EPOLLIN : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0;
    return loop_watch(httpc->shape.options.loop, fd, events, on_ready, sock, &err) ? 0 : -1;
}

/* ---- the client's life ---- */

static bool set_up_multi(struct httpc *httpc) {
    long connections = httpc->shape.options.connections_max;

    httpc->multi = curl_multi_init();
    if (httpc->multi == NULL) {
        return false;
    }
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_SOCKETDATA, httpc);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_TIMERDATA, httpc);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
    (void)curl_multi_setopt(httpc->multi, CURLMOPT_MAXCONNECTS, connections * 4);
    if (httpc->shape.options.keep_session) {
        httpc->shape.share = curl_share_init();
        return httpc->shape.share != NULL
               && curl_share_setopt(httpc->shape.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION)
                      == CURLSHE_OK;
    }
    return true;
}

struct httpc *httpc_new(const struct httpc_options *options, struct err *err) {
    struct httpc *httpc = calloc(1, sizeof(*httpc));

    (void)pthread_once(&once, curl_start);
    if (httpc != NULL) {
        httpc->shape.options = *options;
        if (options->connections_max == 0) {
            httpc->shape.options.connections_max = 1;
        }
        httpc->shape.tls = (struct tls_client){options->trust, options->chain, options->key,
                                               options->clock, options->peer_uuid};
        if (set_up_multi(httpc)) {
            return httpc;
        }
        httpc_destroy(httpc);
    }
    (void)err_set(err, ERR_NO_MEMORY, "no memory for an HTTP client");
    return NULL;
}

void httpc_identify(struct httpc *httpc, X509_STORE *trust, X509_CHAIN *chain, EVP_PKEY *key) {
    httpc->shape.tls.trust = trust;
    httpc->shape.tls.chain = chain;
    httpc->shape.tls.key = key;
}

static void httpc_destroy(struct httpc *httpc) {
    for (unsigned i = 0; i < httpc->spares; i++) {
        curl_easy_cleanup(httpc->spare[i]);
    }
    (void)curl_multi_cleanup(httpc->multi);
    while (httpc->socks != NULL) {
        sock_free(httpc->socks);
    }
    (void)curl_share_cleanup(httpc->shape.share);
    loop_timer_unset(httpc->shape.options.loop, &httpc->timer);
    free(httpc);
}

void httpc_free(struct httpc *httpc) {
    if (httpc == NULL) {
        return;
    }
    while (httpc->calls != NULL) {
        httpc_cancel(httpc->calls);
    }
    httpc->freed = true;
    if (!httpc->draining) {
        httpc_destroy(httpc);
    }
}

unsigned httpc_connections_made(const struct httpc *httpc) { return httpc->connections_made; }

/* ---- requests ---- */

struct httpc_call *httpc_start(struct httpc *httpc, const struct httpc_request *request,
                               httpc_done *done, void *ctx, struct err *err) {
    if (strncasecmp(request->url, "https://", 8) != 0
        && strncasecmp(request->url, "http://", 7) != 0) {
        (void)err_set(err, ERR_INVALID, "not an http or https URL");
        return NULL;
    }
    struct httpc_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    *call = (struct httpc_call){.httpc = httpc, .done = done, .ctx = ctx};
    call->start_us = clock_wall_us();
    call->easy = httpc->spares > 0 ? httpc->spare[--httpc->spares] : httpc_easy_new(&httpc->shape);
    bool ready = call->easy != NULL && httpc_call_set(call, request);
    if (!ready || curl_multi_add_handle(httpc->multi, call->easy) != CURLM_OK) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start a request");
        curl_easy_cleanup(call->easy);
        httpc_call_free(call);
        return NULL;
    }
    call_link(call);
    return call;
}
