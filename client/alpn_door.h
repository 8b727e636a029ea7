/* A TLS listener for acme-tls/1 alone, RFC 8737: on the loop's thread, one handshake and nothing
 * after it.  Who offers another protocol, or names what nobody asked for, is refused. */
#pragma once

#include <openssl/ssl.h>

#include "common/err.h"
#include "common/loop.h"

#define ALPN_DOOR_MAX 512 /* handshakes at a time; beyond it connections are closed */
#define ALPN_DOOR_PATIENCE_US 10000000

struct alpn_door;

/* The certificate to show for a server name in lower case; NULL: none. */
typedef X509 *alpn_door_pick(void *ctx, const char *name);

struct alpn_door_options {
    struct loop *loop;
    const char *listen; /* ADDR:PORT */
    EVP_PKEY *key;      /* of all its certificates; borrowed for the life */
    alpn_door_pick *pick;
    void *ctx;
};
/* Before the loop runs, or on its thread.  ERR_CONFIG.  Caller owns. */
struct alpn_door *alpn_door_open(const struct alpn_door_options *options, struct err *err);
void alpn_door_close(struct alpn_door *door);
AUTO_DEFINE(struct alpn_door, alpn_door_close)
unsigned alpn_door_port(const struct alpn_door *door);
