/*
 * All wait equally long, so who came first is first in the queue: one timer, for the head.
 */
#include "common/httpd_door.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

#define BATCH 64        /* accepted in one turn */
#define PAUSE_US 100000 /* all are inside, or no descriptor is left: look again then */
#define RECORD_HEADER 5 /* RFC 8446 5.1: type, version, length */
#define RECORD_HANDSHAKE 22

struct waiting {
    struct httpd_door *door;
    int fd;
    bool sized; /* the length of its record is known */
    uint64_t due_us;
    struct waiting *previous, *next;
    struct sockaddr_storage address;
    socklen_t address_len;
};

struct httpd_door {
    struct httpd_door_options options;
    struct loop *loop;
    pthread_t thread;
    bool running;
    atomic_uint count; /* on the list */
    /* the loop's: */
    struct waiting *first, *last;
    struct loop_timer late, pause;
};

static void on_late(void *ctx);
static void on_arrival(void *ctx, uint32_t events);

static void timer_set(struct httpd_door *door) {
    if (door->first == NULL) {
        loop_timer_unset(door->loop, &door->late);
    } else if (door->late.place == 0) {
        loop_timer_set(door->loop, &door->late, door->first->due_us, on_late, door);
    }
}

static void append(struct httpd_door *door, struct waiting *waiting) {
    waiting->previous = door->last;
    *(door->last == NULL ? &door->first : &door->last->next) = waiting;
    door->last = waiting;
    atomic_fetch_add(&door->count, 1);
}

/* Off the list, forgotten by the loop; its descriptor is the caller's. */
static int take(struct waiting *waiting) {
    struct httpd_door *door = waiting->door;
    struct err err = {0};
    int fd = waiting->fd;

    bool forgotten = loop_watch(door->loop, fd, 0, NULL, NULL, &err);
    (void)forgotten;
    *(waiting->previous == NULL ? &door->first : &waiting->previous->next) = waiting->next;
    *(waiting->next == NULL ? &door->last : &waiting->next->previous) = waiting->previous;
    atomic_fetch_sub(&door->count, 1);
    free(waiting);
    return fd;
}

static void on_late(void *ctx) {
    struct httpd_door *door = ctx;

    while (door->first != NULL && door->first->due_us <= loop_now_us(door->loop)) {
        (void)close(take(door->first));
    }
    timer_set(door);
}

/* ---- who may go in ---- */

enum verdict { STAYS, ENTERS, LEAVES };

/* What has come of the first record?  Wakes us next when the rest of it is there. */
static enum verdict look(int fd, bool *sized) {
    unsigned char head[RECORD_HEADER];
    int there = 0;
    ssize_t got = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);

    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? STAYS : LEAVES;
    }
    if (head[0] != RECORD_HANDSHAKE || *sized) {
        return ENTERS; /* whole, or will never be */
    }
    if (got < RECORD_HEADER) {
        return STAYS;
    }
    int wanted = RECORD_HEADER + (head[3] << 8 | head[4]);
    wanted = wanted > HTTPD_DOOR_RECORD_MAX ? HTTPD_DOOR_RECORD_MAX : wanted;
    if (ioctl(fd, FIONREAD, &there) != 0 || there >= wanted) {
        return ENTERS;
    }
    *sized = setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted)) == 0;
    return *sized ? STAYS : ENTERS;
}

static void enter(struct httpd_door *door, int fd, const struct sockaddr *address, socklen_t len) {
    const int one = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    door->options.enter(door->options.ctx, fd, address, len);
}

static void on_ready(void *ctx, uint32_t events) {
    struct waiting *waiting = ctx;
    struct httpd_door *door = waiting->door;
    bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    enum verdict verdict = look(waiting->fd, &waiting->sized);

    if (verdict == STAYS && !ended) {
        return;
    }
    struct sockaddr_storage address = waiting->address;
    socklen_t len = waiting->address_len;
    int fd = take(waiting);
    if (verdict == ENTERS) {
        enter(door, fd, (const struct sockaddr *)&address, len);
    } else {
        (void)close(fd);
    }
    timer_set(door);
}

/* ---- arrivals ---- */

static void on_pause_over(void *ctx) {
    struct httpd_door *door = ctx;
    struct err err = {0};

    if (!loop_watch(door->loop, door->options.listen_fd, EPOLLIN, on_arrival, door, &err)) {
        loop_timer_set(door->loop, &door->pause, loop_now_us(door->loop) + PAUSE_US, on_pause_over,
                       door);
    }
}

/* Nobody is let in for a moment. */
static void rest(struct httpd_door *door) {
    struct err err = {0};

    bool forgotten = loop_watch(door->loop, door->options.listen_fd, 0, NULL, NULL, &err);
    (void)forgotten;
    loop_timer_set(door->loop, &door->pause, loop_now_us(door->loop) + PAUSE_US, on_pause_over,
                   door);
}

static bool full(const struct httpd_door *door) {
    return atomic_load(&door->count) + door->options.inside(door->options.ctx) >= door->options.max;
}

/* The one that has waited longest; false: nobody waits. */
static bool turn_away(struct httpd_door *door) {
    if (door->first == NULL) {
        return false;
    }
    (void)close(take(door->first));
    return true;
}

static void arrive(struct httpd_door *door, int fd, const struct sockaddr_storage *address,
                   socklen_t len) {
    const int header = RECORD_HEADER;
    struct err err = {0};
    bool sized = false;
    enum verdict verdict = look(fd, &sized);

    if (verdict == ENTERS) {
        enter(door, fd, (const struct sockaddr *)address, len);
        return;
    }
    struct waiting *waiting = verdict == STAYS ? malloc(sizeof(*waiting)) : NULL;
    if (waiting == NULL
        || (!sized && setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &header, sizeof(header)) != 0)
        || !loop_watch(door->loop, fd, EPOLLIN | EPOLLRDHUP, on_ready, waiting, &err)) {
        free(waiting);
        (void)close(fd);
        return;
    }
    *waiting =
        (struct waiting){.door = door,
                         .fd = fd,
                         .sized = sized,
                         .due_us = loop_now_us(door->loop) + door->options.first_s * 1000000ULL,
                         .address = *address,
                         .address_len = len};
    append(door, waiting);
}

static void on_arrival(void *ctx, uint32_t events) {
    struct httpd_door *door = ctx;

    (void)events;
    for (unsigned i = 0; i < BATCH; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        if (door->first == NULL && full(door)) {
            rest(door);
            break;
        }
        int fd = accept4(door->options.listen_fd, (struct sockaddr *)&address, &len,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            if (full(door)) {
                (void)turn_away(door);
            }
            arrive(door, fd, &address, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!turn_away(door)) {
                rest(door);
                break;
            }
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break; /* none is left */
        }
    }
    timer_set(door);
}

/* ---- its life ---- */

static void *run(void *ctx) {
    struct httpd_door *door = ctx;
    loop_run(door->loop);
    return NULL;
}

struct httpd_door *httpd_door_open(const struct httpd_door_options *options, struct err *err) {
    AUTO(httpd_door_free) struct httpd_door *door = calloc(1, sizeof(*door));

    if (door == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a door");
        return NULL;
    }
    door->options = *options;
    door->loop = loop_new(err);
    if (door->loop == NULL
        || !loop_watch(door->loop, options->listen_fd, EPOLLIN, on_arrival, door, err)) {
        return NULL;
    }
    door->running = pthread_create(&door->thread, NULL, run, door) == 0;
    if (!door->running) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start the thread of the door");
        return NULL;
    }
    return TAKE(door);
}

void httpd_door_close(struct httpd_door *door) {
    if (door == NULL || !door->running) {
        return;
    }
    loop_stop(door->loop);
    (void)pthread_join(door->thread, NULL);
    door->running = false;
    while (door->first != NULL) {
        (void)close(take(door->first));
    }
    timer_set(door);
}

void httpd_door_free(struct httpd_door *door) {
    if (door != NULL) {
        httpd_door_close(door);
        loop_free(door->loop);
        free(door);
    }
}

unsigned httpd_door_waiting(const struct httpd_door *door) { return atomic_load(&door->count); }
