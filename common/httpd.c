#include "common/httpd.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/httpd_door.h"
#include "common/httpd_exchange.h"
#include "common/httpd_park.h"
#include "common/httpd_pulse.h"
#include "common/later.h"
#include "common/log.h"
#include "common/loopback.h"

#define HTTPD_CONNECTION_MEMORY 16384       /* request line, headers and answer headers */
#define HTTPD_BACKLOG 4096                  /* connections the kernel holds for us */
#define HTTPD_DISCARD_MAX (8 * 1024 * 1024) /* of a body too large, before we hang up */
#define HTTPD_DRAIN_S 2                     /* httpd_stop lets its last answers leave for so long */

/* ---- libmicrohttpd's callbacks ---- */

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *fmt, va_list args) {
    char text[256];
    char quoted[300];

    (void)ctx;
    /* the one about a request libmicrohttpd itself refuses; nobody else hears of it */
    const bool refused = strncmp(fmt, "Error processing request", 24) == 0;
    const enum log_level level = refused ? LOG_WARNING : LOG_DEBUG;
    if (log_level_get() < level) {
        return;
    }
    (void)vsnprintf(text, sizeof(text), fmt, args);
    log_line(level, "httpd", "microhttpd", "text=%s", log_quote(text, quoted, sizeof(quoted)));
}

static void address_text(const struct sockaddr *address, char text[64]) {
    char host[46] = "?";
    char port[8] = "0";
    socklen_t len =
        address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    (void)getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(text, 64, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static void *session_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info != NULL ? info->tls_session : NULL;
}

static void on_starved(struct tls_peer *peer) { httpd_park_wait((struct httpd_connection *)peer); }

/* Its peer, the socket context; NULL: no memory. */
static struct tls_peer *connection_new(struct httpd *httpd, struct MHD_Connection *connection) {
    struct httpd_connection *made = calloc(1, sizeof(*made));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (made == NULL || info == NULL) {
        free(made);
        return NULL;
    }
    made->connection = connection;
    made->park = httpd->park;
    made->fd = info->connect_fd;
    made->pulse = httpd->pulse != NULL && httpd_pulse_is(httpd->pulse, made->fd);
    if (httpd->tls != NULL) {
        made->peer.listener = httpd->tls;
        tls_session_prepare(&made->peer, session_of(connection), made->fd);
    }
    if (httpd->park != NULL) {
        tls_session_watch(&made->peer, session_of(connection), made->fd, on_starved);
    }
    return &made->peer;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code) {
    struct httpd *httpd = ctx;
    struct tls_peer *peer = *place;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (peer == NULL || !((struct httpd_connection *)peer)->pulse) {
            atomic_fetch_sub(&httpd->connections, 1);
        }
        if (peer != NULL) {
            tls_peer_done(peer);
            free(peer);
        }
        return;
    }
    peer = connection_new(httpd, connection);
    *place = peer;
    if (peer != NULL && ((struct httpd_connection *)peer)->pulse) {
        return;
    }
    atomic_fetch_add(&httpd->connections, 1);
    if (peer == NULL) {
        return; /* on_request hangs up */
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL) {
        address_text(info->client_addr, peer->address);
    }
}

static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *connection) {
    return httpd_exchange_new(ctx, connection, uri);
}

/* The answer is complete, or the connection is about to be closed. */
static void answer_release(const struct httpd_exchange *exchange) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info != NULL && !tls_session_release(session_of(exchange->connection), info->connect_fd)) {
        (void)shutdown(info->connect_fd, SHUT_RDWR);
    }
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **place,
                         enum MHD_RequestTerminationCode code) {
    struct httpd *httpd = ctx;
    struct httpd_exchange *exchange = *place;

    (void)connection;
    (void)code;
    *place = NULL;
    if (exchange == NULL) {
        return;
    }
    if (exchange->held) {
        answer_release(exchange);
    }
    bool deferred = exchange->deferred;
    httpd_exchange_free(exchange);
    if (deferred) {
        (void)pthread_mutex_lock(&httpd->lock);
        httpd->unfinished--;
        if (httpd->stopping && httpd->unfinished == 0) {
            (void)pthread_cond_signal(&httpd->drained);
        }
        (void)pthread_mutex_unlock(&httpd->lock);
    }
}

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {{"GET", HTTP_GET},
               {"HEAD", HTTP_HEAD},
               {"POST", HTTP_POST},
               {"PUT", HTTP_PUT},
               {"DELETE", HTTP_DELETE}};

/* Headers are read.  false: hang up. */
static bool exchange_begin(struct httpd_exchange *exchange, const char *method) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    exchange->begun = true;
    exchange->peer = info != NULL ? info->socket_context : NULL;
    if (exchange->peer == NULL || exchange->path == NULL || !httpd_exchange_framed(exchange)) {
        return false;
    }
    (void)snprintf(exchange->method_text, sizeof(exchange->method_text), "%s", method);
    exchange->method = HTTP_OTHER;
    for (size_t i = 0; i < COUNT(methods); i++) {
        if (strcmp(method, methods[i].name) == 0) {
            exchange->method = methods[i].method;
        }
    }
    return exchange->httpd->tls == NULL
           || tls_session_accepted(exchange->peer, session_of(exchange->connection));
}

/* false: hang up. */
static bool exchange_body(struct httpd_exchange *exchange, const char *data, size_t len) {
    if (!exchange->too_large && buf_add(&exchange->body, data, len)) {
        return true;
    }
    exchange->too_large = true;
    exchange->discarded += len;
    buf_done(&exchange->body);
    return exchange->discarded <= HTTPD_DISCARD_MAX;
}

static void exchange_handle(struct httpd_exchange *exchange) {
    struct httpd *httpd = exchange->httpd;

    exchange->handled = true;
    httpd->options.handler(httpd->options.ctx, exchange);
    /* a deferred exchange belongs to whoever answers it: only `deferred` may still be read */
    if (!exchange->deferred && exchange->response == NULL && !exchange->aborted) {
        log_line(LOG_ERROR, "httpd", "unanswered", "path=%s", exchange->path);
        httpd_exchange_render(exchange, 500, NULL, NULL, 0);
    }
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **place) {
    struct httpd_exchange *exchange = *place;

    (void)ctx;
    (void)url;
    (void)version;
    if (exchange == NULL) {
        return MHD_NO;
    }
    if (!exchange->begun) { /* an answer queued in this call would close the connection */
        return exchange_begin(exchange, method) ? MHD_YES : MHD_NO;
    }
    if (*upload_len > 0) {
        bool going_on = exchange_body(exchange, upload, *upload_len);
        *upload_len = 0;
        return going_on ? MHD_YES : MHD_NO;
    }
    if (!exchange->handled) {
        exchange_handle(exchange);
        if (exchange->deferred) {
            return MHD_YES; /* suspended; called again when resumed */
        }
    }
    if (exchange->response == NULL) {
        return MHD_NO;
    }
    struct MHD_Response *response = TAKE(exchange->response);
    if (exchange->httpd->tls != NULL && exchange->response_len <= TLS_HOLD_MAX) {
        tls_session_hold(session_of(connection));
        exchange->held = true;
    }
    enum MHD_Result result = MHD_queue_response(connection, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the listener's life ---- */

static unsigned inside(void *ctx) {
    const struct httpd *httpd = ctx;
    return atomic_load(&httpd->connections);
}

static void enter(void *ctx, int fd, const struct sockaddr *address, socklen_t len) {
    const struct httpd *httpd = ctx;

    bool taken = MHD_add_connection(httpd->daemon, fd, address, len) == MHD_YES;
    (void)taken; /* else it has closed fd */
}

static bool listen_on(struct httpd *httpd, const char *text, struct err *err) {
    char host[256];
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(host)) {
        return err_set(err, ERR_CONFIG, "not an address and port: \"%s\"", text);
    }
    bool brackets = text[0] == '[' && colon[-1] == ']';
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - (brackets ? 2 : 0),
                   text + (brackets ? 1 : 0));
    int code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code != 0) {
        return err_set(err, ERR_CONFIG, "cannot listen on %s: %s", text, gai_strerror(code));
    }
    int on = 1;
    struct sockaddr_in6 bound = {0};
    socklen_t len = sizeof(bound);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    loopback_tune(fd, found->ai_addr);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
              && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, HTTPD_BACKLOG) == 0
              && getsockname(fd, (struct sockaddr *)&bound, &len) == 0;
    if (!ok) {
        (void)err_set(err, ERR_CONFIG, "cannot listen on %s: %s", text, strerror(errno));
    }
    freeaddrinfo(found);
    httpd->listen_fd = fd;
    httpd->port = ntohs(bound.sin6_port); /* at the same place in sockaddr_in */
    return ok;
}

static void options_complete(struct httpd_options *options) {
    struct rlimit limit = {.rlim_cur = 1024};

    if (options->connections_max == 0) {
        /* half of the files: another listener, the store and our own connections need some */
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        rlim_t files = limit.rlim_cur > 1000000 ? 1000000 : limit.rlim_cur;
        options->connections_max = (unsigned)(files / 2);
    }
    options->threads = options->threads == 0 ? 1 : options->threads;
    if (options->deferred_max == 0) {
        options->deferred_max = options->connections_max;
    }
    if (options->idle_timeout_s == 0) {
        options->idle_timeout_s = 60;
    }
}

static bool daemon_start(struct httpd *httpd, struct err *err) {
    const struct httpd_options *options = &httpd->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG
                     | (options->many_idle ? MHD_USE_EPOLL : MHD_USE_POLL)
                     | (httpd->park != NULL ? MHD_USE_NO_LISTEN_SOCKET : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_certificate_callback()},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem listener[] = {
        {MHD_OPTION_LISTEN_SOCKET, httpd->listen_fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, options->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    if (httpd->tls == NULL) {
        tls[0].option = MHD_OPTION_END;
    } else {
        flags |= MHD_USE_TLS;
    }
    if (httpd->park != NULL) { /* the door listens */
        listener[0].option = MHD_OPTION_END;
    }
    if (options->threads == 1) {
        pool[0].option = MHD_OPTION_END;
    }
    httpd->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, httpd, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, httpd, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        httpd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_LIMIT, options->connections_max + options->threads,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTPD_CONNECTION_MEMORY, MHD_OPTION_ARRAY, listener, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    if (httpd->daemon == NULL) {
        return err_set(err, ERR_CONFIG, "cannot serve on %s", options->listen);
    }
    return true;
}

static void httpd_free(struct httpd *httpd) {
    if (httpd->listen_fd >= 0) {
        (void)close(httpd->listen_fd);
    }
    httpd_door_free(httpd->door);
    httpd_park_free(httpd->park);
    httpd_pulse_free(httpd->pulse);
    tls_listener_free(httpd->tls);
    later_free(httpd->later);
    (void)pthread_cond_destroy(&httpd->drained);
    (void)pthread_mutex_destroy(&httpd->lock);
    free(httpd);
}
AUTO_DEFINE(struct httpd, httpd_free)

static bool door_start(struct httpd *httpd, struct err *err) {
    const struct httpd_door_options options = {.listen_fd = httpd->listen_fd,
                                               .max = httpd->options.connections_max,
                                               .first_s = HTTPD_HANDSHAKE_S,
                                               .inside = inside,
                                               .enter = enter,
                                               .ctx = httpd};

    if (!httpd_pulse_start(httpd->pulse, httpd->daemon, httpd->options.threads, err)) {
        return false;
    }
    httpd->door = httpd_door_open(&options, err);
    return httpd->door != NULL;
}

struct httpd *httpd_start(const struct httpd_options *options, struct err *err) {
    AUTO(httpd_free) struct httpd *httpd = calloc(1, sizeof(*httpd));

    if (httpd == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a listener");
        return NULL;
    }
    httpd->listen_fd = -1;
    httpd->options = *options;
    options_complete(&httpd->options);
    (void)pthread_mutex_init(&httpd->lock, NULL);
    (void)pthread_cond_init(&httpd->drained, NULL);
    if (options->cert_pem != NULL) {
        httpd->tls =
            tls_listener_new(options->cert_pem, options->key_pem, options->client_trust_pem,
                             options->client_crl_pem, options->clock, err);
        if (httpd->tls == NULL) {
            return NULL;
        }
    }
    if (httpd->tls != NULL && options->many_idle && options->client_trust_pem == NULL) {
        httpd->park = httpd_park_start(err);
        httpd->pulse = httpd_pulse_new(err);
        if (httpd->park == NULL || httpd->pulse == NULL) {
            return NULL;
        }
    }
    httpd->later = later_new(err);
    if (httpd->later == NULL || !listen_on(httpd, options->listen, err)
        || !daemon_start(httpd, err)) {
        return NULL;
    }
    if (httpd->park != NULL && !door_start(httpd, err)) {
        httpd_park_stop(httpd->park);
        MHD_stop_daemon(httpd->daemon);
        return NULL;
    }
    return TAKE(httpd);
}

/* Let the last answers leave; a peer that does not read them is not waited for. */
static void drain(struct httpd *httpd) {
    struct timespec deadline;

    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += HTTPD_DRAIN_S;
    (void)pthread_mutex_lock(&httpd->lock);
    while (httpd->unfinished > 0
           && pthread_cond_timedwait(&httpd->drained, &httpd->lock, &deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&httpd->lock);
}

void httpd_stop(struct httpd *httpd) {
    if (httpd == NULL) {
        return;
    }
    if (httpd->door != NULL) {
        httpd_door_close(httpd->door);
    } else {
        (void)MHD_quiesce_daemon(httpd->daemon);
    }
    later_stop(httpd->later);
    httpd_exchange_refuse_all(httpd);
    drain(httpd);
    httpd_park_stop(httpd->park);
    MHD_stop_daemon(httpd->daemon);
    httpd_free(httpd);
}

bool httpd_crls(struct httpd *httpd, const char *client_crl_pem, struct err *err) {
    return tls_listener_crls(httpd->tls, client_crl_pem, err);
}

bool httpd_reload(struct httpd *httpd, const char *cert_pem, const char *key_pem,
                  const char *client_trust_pem, const char *client_crl_pem, struct err *err) {
    return tls_listener_reload(httpd->tls, cert_pem, key_pem, client_trust_pem, client_crl_pem,
                               err);
}

unsigned httpd_port(const struct httpd *httpd) { return httpd->port; }

unsigned httpd_connections(const struct httpd *httpd) {
    return atomic_load(&httpd->connections)
           + (httpd->door != NULL ? httpd_door_waiting(httpd->door) : 0);
}

unsigned httpd_deferred(const struct httpd *httpd) {
    struct httpd *locked = (struct httpd *)httpd;

    (void)pthread_mutex_lock(&locked->lock);
    unsigned deferred = locked->deferred;
    (void)pthread_mutex_unlock(&locked->lock);
    return deferred;
}

uint64_t httpd_handshakes_refused(const struct httpd *httpd) {
    return httpd->tls != NULL ? tls_listener_refused(httpd->tls) : 0;
}
