#include "server/va_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "server/cidr.h"

#define DEFAULT_TIMEOUT_MS 5000

struct va_targets {
    struct resolver *resolver; /* NULL with resolve_to */
    char fixed[RESOLVER_ADDRESS_SIZE];
    struct search *searches;
    unsigned excluded_count;
    struct cidr excluded[VA_EXCLUDE_MAX];
};

/* A name being looked up. */
struct search {
    struct search *next, *previous;
    struct va_targets *targets;
    char host[256];
    resolver_done *done;
    void *ctx;
};

static struct search *search_new(struct va_targets *targets, const char *host, resolver_done *done,
                                 void *ctx) {
    struct search *search = calloc(1, sizeof *search);

    if (search == NULL) {
        return NULL;
    }
    *search =
        (struct search){.next = targets->searches, .targets = targets, .done = done, .ctx = ctx};
    (void)snprintf(search->host, sizeof search->host, "%s", host);
    if (search->next != NULL) {
        search->next->previous = search;
    }
    targets->searches = search;
    return search;
}

static void search_free(struct search *search) {
    *(search->previous != NULL ? &search->previous->next : &search->targets->searches) =
        search->next;
    if (search->next != NULL) {
        search->next->previous = search->previous;
    }
    free(search);
}

static bool read_excluded(struct va_targets *targets, const char *const *exclude, struct err *err) {
    for (; exclude != NULL && *exclude != NULL; exclude++) {
        if (targets->excluded_count == VA_EXCLUDE_MAX) {
            return err_set(err, ERR_CONFIG, "exclude: more than %d ranges", VA_EXCLUDE_MAX);
        }
        if (!cidr_parse(*exclude, &targets->excluded[targets->excluded_count])) {
            return err_set(err, ERR_CONFIG, "exclude %.60s: not an address or ADDR/BITS", *exclude);
        }
        targets->excluded_count++;
    }
    return true;
}

static bool names_open(struct va_targets *targets, const struct va_options *options,
                       struct loop *loop, struct err *err) {
    if (options->resolve_to == NULL) {
        unsigned ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
        targets->resolver = resolver_new(loop, options->resolver, ms, err);
        return targets->resolver != NULL;
    }
    return acme_ip_canonical(options->resolve_to, targets->fixed)
           || err_set(err, ERR_CONFIG, "resolve-to %.60s: not an address", options->resolve_to);
}

struct va_targets *va_targets_new(const struct va_options *options, struct loop *loop,
                                  struct err *err) {
    AUTO(va_targets_free) struct va_targets *targets = calloc(1, sizeof *targets);

    if (targets == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for names");
        return NULL;
    }
    if (!read_excluded(targets, options->exclude, err)
        || !names_open(targets, options, loop, err)) {
        return NULL;
    }
    return TAKE(targets);
}

void va_targets_free(struct va_targets *targets) {
    if (targets != NULL) {
        resolver_free(targets->resolver);
        while (targets->searches != NULL) {
            search_free(targets->searches);
        }
        free(targets);
    }
}

static bool is_excluded(const struct va_targets *targets, const char *address) {
    for (unsigned i = 0; i < targets->excluded_count; i++) {
        if (cidr_holds(&targets->excluded[i], address)) {
            return true;
        }
    }
    return false;
}

static void take(const struct va_targets *targets, const struct resolver_answer *found, bool ip6,
                 struct resolver_answer *ret) {
    for (unsigned i = 0; i < found->count; i++) {
        if ((strchr(found->address[i], ':') != NULL) == ip6
            && !is_excluded(targets, found->address[i])) {
            memcpy(ret->address[ret->count++], found->address[i], RESOLVER_ADDRESS_SIZE);
        }
    }
}

static void tell(const struct va_targets *targets, const char *host,
                 const struct resolver_answer *found, resolver_done *done, void *ctx) {
    struct resolver_answer answer = {0};
    struct err err = {0};

    take(targets, found, true, &answer);
    take(targets, found, false, &answer);
    if (answer.count > 0) {
        done(ctx, &answer, &err);
        return;
    }
    (void)err_set(&err, ERR_REJECTED_IDENTIFIER,
                  "%.90s is at %s, where this server does not connect to", host, found->address[0]);
    done(ctx, NULL, &err);
}

static void on_addresses(void *ctx, const struct resolver_answer *answer, const struct err *err) {
    const struct search search = *(struct search *)ctx;

    search_free(ctx);
    if (answer == NULL) {
        search.done(search.ctx, NULL, err);
    } else {
        tell(search.targets, search.host, answer, search.done, search.ctx);
    }
}

void va_targets_find(struct va_targets *targets, const char *host, resolver_done *done, void *ctx) {
    struct resolver_answer known = {.count = 1};

    if (acme_ip_canonical(host, known.address[0])) {
        tell(targets, host, &known, done, ctx);
        return;
    }
    if (targets->resolver == NULL) {
        memcpy(known.address[0], targets->fixed, sizeof known.address[0]);
        tell(targets, host, &known, done, ctx);
        return;
    }
    struct search *search = search_new(targets, host, done, ctx);
    if (search == NULL) {
        struct err err = {0};
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for a name");
        done(ctx, NULL, &err);
        return;
    }
    resolver_start(targets->resolver, host, on_addresses, search);
}
