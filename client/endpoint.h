/* ADDR:PORT as the sockets want it: "127.0.0.1:53", "[::1]:0".  Addresses, not names. */
#pragma once

#include <sys/socket.h>

#include "common/err.h"

struct endpoint {
    struct sockaddr_storage address;
    socklen_t len;
};

/* ERR_CONFIG.  Port 0 is refused unless any_port. */
MUST_CHECK bool endpoint_parse(const char *text, bool any_port, struct endpoint *ret,
                               struct err *err);
/* A non-blocking listening socket (TCP), its port in *ret_port; -1: ERR_CONFIG. */
int endpoint_listen(const struct endpoint *endpoint, unsigned *ret_port, struct err *err);
/* A non-blocking socket on its way there (TCP); -1: ERR_UNREACHABLE. */
int endpoint_connect(const struct endpoint *endpoint, struct err *err);
