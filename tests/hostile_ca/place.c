#include "tests/hostile_ca/place.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK (256 * 1024)

struct post {
    struct ca *ca;
    struct place place;
    SSL_CTX *tls;
};

struct visit {
    struct post *post;
    struct wire client, server;
};

static bool server_connect(struct visit *visit) {
    const struct ca *ca = visit->post->ca;

    visit->server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    visit->server.ssl = SSL_new(ca->client);
    return visit->server.fd >= 0 && visit->server.ssl != NULL
           && connect(visit->server.fd, (const struct sockaddr *)&ca->server, sizeof ca->server)
                  == 0
           && SSL_set_fd(visit->server.ssl, visit->server.fd) == 1
           && SSL_connect(visit->server.ssl) == 1;
}

/* One request of a connection and its answer; false: it is over. */
static bool turn(struct visit *visit) {
    struct post *post = visit->post;
    struct exchange exchange = {
        .place = &post->place,
        .request_head = buf_new(MESSAGE_MAX),
        .request_body = buf_new(MESSAGE_MAX),
        .answer = {.headers = buf_new(MESSAGE_MAX), .body = buf_new(MESSAGE_MAX)}};
    bool good = wire_read(&visit->client, false, &exchange.request_head, &exchange.request_body);

    if (good) {
        bool answered = relay_turn(&exchange, &visit->server);
        (void)fprintf(post->ca->log, "%s %s %u\n", post->place.row->name, exchange.operation,
                      answered ? exchange.answer.status : 0);
        (void)fflush(post->ca->log);
        good = answered && wire_send(&visit->client, &exchange);
    }
    buf_done(&exchange.request_head);
    buf_done(&exchange.request_body);
    buf_done(&exchange.answer.headers);
    buf_done(&exchange.answer.body);
    return good;
}

static void *visit_run(void *arg) {
    struct visit *visit = arg;
    struct post *post = visit->post;

    if (post->place.row->face == FACE_DUMB) {
        wire_drain(&visit->client);
    } else if (post->tls != NULL) {
        visit->client.ssl = SSL_new(post->tls);
        if (visit->client.ssl != NULL && SSL_set_fd(visit->client.ssl, visit->client.fd) == 1
            && SSL_accept(visit->client.ssl) == 1 && server_connect(visit)) {
            while (turn(visit)) {
            }
        }
    } else {
        (void)!wire_write(&visit->client, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    }
    wire_close(&visit->server);
    wire_close(&visit->client);
    free(visit);
    return NULL;
}

static bool thread_start(void *(*run)(void *), void *arg) {
    pthread_attr_t attributes;
    pthread_t thread;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK);
    bool good = pthread_create(&thread, &attributes, run, arg) == 0;
    (void)pthread_attr_destroy(&attributes);
    return good;
}

static void *post_run(void *arg) {
    struct post *post = arg;

    while (true) {
        struct visit *visit = calloc(1, sizeof *visit);
        if (visit == NULL) {
            return NULL;
        }
        *visit = (struct visit){.post = post, .server.fd = -1};
        visit->client.fd = accept4(post->place.listener, NULL, NULL, SOCK_CLOEXEC);
        (void)fprintf(post->ca->log, "%s connection 0\n", post->place.row->name);
        (void)fflush(post->ca->log);
        if (visit->client.fd < 0 || !thread_start(visit_run, visit)) {
            wire_close(&visit->client);
            free(visit);
        }
    }
}

static bool port_open(struct place *place) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    place->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (place->listener < 0 || bind(place->listener, (struct sockaddr *)&address, len) != 0
        || listen(place->listener, 64) != 0
        || getsockname(place->listener, (struct sockaddr *)&address, &len) != 0) {
        return false;
    }
    place->port = ntohs(address.sin_port);
    return true;
}

struct place *place_start(struct ca *ca, const struct row *row, struct err *err) {
    struct post *post = calloc(1, sizeof *post);

    if (post == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    post->ca = ca;
    post->place = (struct place){.row = row, .lock = PTHREAD_MUTEX_INITIALIZER};
    post->tls = forge_face(row->face, err);
    if (err->kind == ERR_NONE && port_open(&post->place) && thread_start(post_run, post)) {
        return &post->place; /* the process frees it */
    }
    (void)err_set(err, ERR_CONFIG, "%s: no listener", row->name);
    return NULL;
}
