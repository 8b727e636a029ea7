/* The configuration's section `dns01`: by a name server's updates, or by a hook. */
#pragma once

#include "client/dns01_server.h"
#include "client/dns_message.h"
#include "client/endpoint.h"
#include "common/config.h"

/* Texts are borrowed from the configuration. */
struct options_dns01 {
    bool by_server, by_hook; /* at most one */
    struct endpoint server;
    const char *zone;
    struct dns_key key; /* its secret is owned, and cleansed */
    char *secret;
    uint32_t ttl_s;
    unsigned checks_count; /* 0: nobody looks */
    struct endpoint checks[DNS01_CHECKS_MAX];
    uint64_t wait_us;
    const char *hook;
    uint64_t hook_limit_us;
    unsigned hook_max;
};

/* ERR_CONFIG names file and key. */
MUST_CHECK bool options_dns01_read(const struct config *config, struct options_dns01 *ret,
                                   struct err *err);
void options_dns01_done(struct options_dns01 *options);
