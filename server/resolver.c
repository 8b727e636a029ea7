#include "server/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "common/clock.h"

#define TRIES 2 /* c-ares doubles its wait: T, then 2 T */

struct resolver {
    struct loop *loop;
    char server[100];
    unsigned timeout_ms;
    ares_channel channel;
    bool open;    /* channel is there to be destroyed */
    bool closing; /* c-ares calls back what it drops; we do not */
    struct loop_timer timer;
    struct watched *watched;
};

/* A socket of c-ares under watch. */
struct watched {
    struct watched *next;
    struct resolver *resolver;
    int fd;
};

struct query {
    struct resolver *resolver;
    char name[256];
    resolver_done *done;
    void *ctx;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void library_start(void) { library_status = ares_library_init(ARES_LIB_INIT_ALL); }

static void on_time(void *ctx);

/* c-ares wants to be called when its next timeout passes. */
static void arm(struct resolver *resolver) {
    struct timeval left;

    if (ares_timeout(resolver->channel, NULL, &left) == NULL) {
        loop_timer_unset(resolver->loop, &resolver->timer);
        return;
    }
    uint64_t left_us = (uint64_t)left.tv_sec * 1000000 + (uint64_t)left.tv_usec;
    loop_timer_set(resolver->loop, &resolver->timer, clock_wall_us() + left_us, on_time, resolver);
}

static void on_time(void *ctx) {
    struct resolver *resolver = ctx;

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm(resolver);
}

static void on_ready(void *ctx, uint32_t events) {
    const struct watched *watched = ctx;
    struct resolver *resolver = watched->resolver;
    int fd = watched->fd; /* c-ares may close it in the call */
    bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;

    ares_process_fd(resolver->channel, readable ? fd : ARES_SOCKET_BAD,
                    (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
    arm(resolver);
}

/* The place in the list of the socket's entry, or of the list's end. */
static struct watched **watched_find(struct resolver *resolver, int fd) {
    struct watched **place = &resolver->watched;
    while (*place != NULL && (*place)->fd != fd) {
        place = &(*place)->next;
    }
    return place;
}

/* c-ares tells what it wants of a socket; neither: it is about to close it. */
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable) {
    struct resolver *resolver = ctx;
    struct watched **place = watched_find(resolver, fd);
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);
    struct err err = {0};

    if (events != 0 && *place == NULL) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL) {
            return; /* the query times out */
        }
        **place = (struct watched){.resolver = resolver, .fd = fd};
    }
    if (*place == NULL) {
        return;
    }
    if (!loop_watch(resolver->loop, fd, events, on_ready, *place, &err) || events == 0) {
        struct watched *gone = *place;
        *place = gone->next;
        free(gone);
    }
}

static bool channel_open(struct resolver *resolver, const char *server, unsigned timeout_ms,
                         struct err *err) {
    char lookups[] = "b"; /* DNS only, no hosts file */
    struct ares_options options = {
        /* alone, its SERVFAIL or REFUSED is the answer; of several, another is asked */
        .flags = ARES_FLAG_NOSEARCH | (server != NULL ? ARES_FLAG_NOCHECKRESP : 0),
        .timeout = (int)(timeout_ms / 4),
        .tries = TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = resolver,
        .lookups = lookups,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
               | (server != NULL ? ARES_OPT_LOOKUPS : 0);

    (void)pthread_once(&library_once, library_start);
    if (library_status != ARES_SUCCESS
        || ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not start the resolver");
    }
    resolver->open = true;
    if (server != NULL && ares_set_servers_ports_csv(resolver->channel, server) != ARES_SUCCESS) {
        return err_set(err, ERR_CONFIG, "resolver %.100s: not ADDR:PORT", server);
    }
    return true;
}

struct resolver *resolver_new(struct loop *loop, const char *server, unsigned timeout_ms,
                              struct err *err) {
    AUTO(resolver_free) struct resolver *resolver = calloc(1, sizeof *resolver);

    if (resolver == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the resolver");
        return NULL;
    }
    resolver->loop = loop;
    resolver->timeout_ms = timeout_ms;
    (void)snprintf(resolver->server, sizeof resolver->server, "%s",
                   server != NULL ? server : "the system's name server");
    return channel_open(resolver, server, timeout_ms, err) ? TAKE(resolver) : NULL;
}

void resolver_free(struct resolver *resolver) {
    if (resolver == NULL) {
        return;
    }
    resolver->closing = true;
    if (resolver->open) {
        ares_destroy(resolver->channel);
    }
    loop_timer_unset(resolver->loop, &resolver->timer);
    while (resolver->watched != NULL) {
        on_socket(resolver, resolver->watched->fd, 0, 0);
    }
    free(resolver);
}

static void answer_fill(const struct ares_addrinfo *result, struct resolver_answer *ret) {
    unsigned ip6 = 0, ip4 = 0;

    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL;
         node = node->ai_next) {
        unsigned *count = node->ai_family == AF_INET6 ? &ip6 : &ip4;
        if (*count < RESOLVER_FAMILY_MAX
            && getnameinfo(node->ai_addr, node->ai_addrlen, ret->address[ret->count],
                           RESOLVER_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST)
                   == 0) {
            (*count)++;
            ret->count++;
        }
    }
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *result) {
    AUTO(free) struct query *query = ctx;
    struct resolver_answer answer = {0};
    struct err err = {0};

    (void)timeouts;
    if (status == ARES_SUCCESS && result != NULL) {
        answer_fill(result, &answer);
    }
    if (result != NULL) {
        ares_freeaddrinfo(result);
    }
    if (query->resolver->closing) {
        return;
    }
    if (answer.count > 0) {
        query->done(query->ctx, &answer, &err);
        return;
    }
    (void)err_set(&err, ERR_DNS, "no address of %.100s: %s", query->name,
                  status == ARES_SUCCESS ? "none was given" : ares_strerror(status));
    query->done(query->ctx, NULL, &err);
}

void resolver_start(struct resolver *resolver, const char *name, resolver_done *done, void *ctx) {
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct query *query = calloc(1, sizeof *query);

    if (query == NULL || strlen(name) >= sizeof query->name) {
        struct err err = {0};
        free(query);
        (void)err_set(&err, ERR_DNS, "%.100s cannot be looked up", name);
        done(ctx, NULL, &err);
        return;
    }
    *query = (struct query){.resolver = resolver, .done = done, .ctx = ctx};
    memcpy(query->name, name, strlen(name) + 1);
    ares_getaddrinfo(resolver->channel, name, NULL, &hints, on_answer, query);
    arm(resolver);
}

/* ---- other records ---- */

struct ask {
    struct resolver *resolver;
    char asked[DNS_NAME_SIZE]; /* at first */
    char name[DNS_NAME_SIZE];  /* now: where its aliases led */
    unsigned type, aliases;
    uint64_t deadline_us; /* no further alias is followed */
    resolver_asked *done;
    void *ctx;
};

const char *resolver_server(const struct resolver *resolver) { return resolver->server; }

static const char *type_name(unsigned type) {
    return type == DNS_TYPE_TXT ? "TXT" : type == DNS_TYPE_CAA ? "CAA" : "CNAME";
}

static unsigned rcode_of(int status) {
    switch (status) {
    case ARES_EFORMERR:
        return 1;
    case ARES_ESERVFAIL:
        return DNS_RCODE_SERVFAIL;
    case ARES_ENOTIMP:
        return 4;
    case ARES_EREFUSED:
        return 5;
    default:
        return 0;
    }
}

/* Takes ask. */
static void ask_fail(struct ask *ask, unsigned rcode, const char *why) {
    struct err err = {0};

    (void)err_set(&err, ERR_DNS, "%.40s gave no %s of %.80s: %.40s", ask->resolver->server,
                  type_name(ask->type), ask->asked, rcode != 0 ? dns_rcode_name(rcode) : why);
    resolver_asked *done = ask->done;
    void *ctx = ask->ctx;
    free(ask);
    done(ctx, NULL, rcode, &err);
}

static void ask_now(struct ask *ask);

/* An alias whose target's records are not in the answer: ask for them. */
static bool ask_again(struct ask *ask, const struct dns_answer *answer) {
    if (answer->rcode != DNS_RCODE_NOERROR || answer->count > 0 || answer->aliases == 0) {
        return false;
    }
    memcpy(ask->name, answer->name, sizeof ask->name);
    if (ask->aliases > DNS_ALIASES_MAX) {
        ask_fail(ask, 0, "too many aliases, or a circle");
    } else if (clock_wall_us() > ask->deadline_us) {
        ask_fail(ask, 0, "too slow");
    } else {
        ask_now(ask);
    }
    return true;
}

static void on_records(void *ctx, int status, int timeouts, unsigned char *octets, int len) {
    struct ask *ask = ctx;
    struct dns_answer answer;
    struct err err = {0};

    (void)timeouts;
    if (ask->resolver->closing) {
        free(ask);
        return;
    }
    if (octets == NULL || len <= 0) {
        ask_fail(ask, rcode_of(status), ares_strerror(status));
        return;
    }
    if (!dns_answer_read(octets, (size_t)len, ask->name, ask->type, &answer, &err)) {
        ask_fail(ask, 0, err.detail);
        return;
    }
    ask->aliases += answer.aliases;
    if (answer.rcode != DNS_RCODE_NOERROR && answer.rcode != DNS_RCODE_NXDOMAIN) {
        ask_fail(ask, answer.rcode, "");
    } else if (!ask_again(ask, &answer)) {
        resolver_asked *done = ask->done;
        void *done_ctx = ask->ctx;
        free(ask);
        done(done_ctx, &answer, answer.rcode, &err);
    }
}

static void ask_now(struct ask *ask) {
    struct resolver *resolver = ask->resolver;

    ares_query(resolver->channel, ask->name, ns_c_in, (int)ask->type, on_records, ask);
    arm(resolver);
}

void resolver_ask(struct resolver *resolver, const char *name, unsigned type, resolver_asked *asked,
                  void *ctx) {
    struct ask *ask = calloc(1, sizeof *ask);

    if (ask == NULL || strlen(name) >= sizeof ask->name) {
        struct err err = {0};
        free(ask);
        (void)err_set(&err, ERR_DNS, "%.100s cannot be looked up", name);
        asked(ctx, NULL, 0, &err);
        return;
    }
    *ask = (struct ask){.resolver = resolver,
                        .type = type,
                        .deadline_us = clock_wall_us() + (uint64_t)resolver->timeout_ms * 1000,
                        .done = asked,
                        .ctx = ctx};
    memcpy(ask->asked, name, strlen(name) + 1);
    memcpy(ask->name, name, strlen(name) + 1);
    ask_now(ask);
}
