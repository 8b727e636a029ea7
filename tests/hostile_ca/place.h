/* The listeners: a thread each, and one for each connection. */
#pragma once

#include <netinet/in.h>
#include <stdio.h>

#include "tests/hostile_ca/hostile.h"

struct ca {
    struct sockaddr_in server; /* the real one */
    SSL_CTX *client;           /* towards it; both are on this host, and nothing is verified */
    FILE *log;
};

/* Listening when it returns, until the process ends.  ca is borrowed for good. */
struct place *place_start(struct ca *ca, const struct row *row, struct err *err);
