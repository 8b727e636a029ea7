/* hostile_ca --server ADDR:PORT --dir DIR [NAME...]: a port for each row, and one that is honest
 * for each NAME (the real server may misbehave there).  DIR gets root.pem, ports (a name and its
 * port a line) and log (name, operation, status of each request); then it says ready. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/run.h"
#include "tests/hostile_ca/place.h"

/* "127.0.0.1:14000" */
static bool address_read(const char *text, struct sockaddr_in *ret) {
    const char *colon = strrchr(text, ':');
    char host[32] = "";

    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        return false;
    }
    memcpy(host, text, (size_t)(colon - text));
    ret->sin_family = AF_INET;
    ret->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static FILE *open_in(const char *dir, const char *name) {
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return fopen(path, "w");
}

static bool place_add(struct ca *ca, const struct row *row, FILE *ports, struct err *err) {
    const struct place *place = place_start(ca, row, err);

    return place != NULL && fprintf(ports, "%s %u\n", row->name, place->port) > 0;
}

static bool places_start(struct ca *ca, const char *dir, char **names, struct err *err) {
    FILE *ports = open_in(dir, "ports");
    bool good = ports != NULL;

    for (const struct row *row = rows; good && row->name != NULL; row++) {
        good = place_add(ca, row, ports, err);
    }
    for (; good && *names != NULL; names++) {
        struct row *row = calloc(1, sizeof *row); /* for good */
        good = row != NULL;
        if (good) {
            row->name = *names;
            good = place_add(ca, row, ports, err);
        }
    }
    return ports != NULL && fclose(ports) == 0 && err->kind == ERR_NONE;
}

int main(int argc, char **argv) {
    struct ca ca = {.client = NULL};
    struct err err = {0};
    char path[4096];

    run_signals_block();
    if (argc < 5 || strcmp(argv[1], "--server") != 0 || strcmp(argv[3], "--dir") != 0
        || !address_read(argv[2], &ca.server)) {
        (void)fputs("usage: hostile_ca --server ADDR:PORT --dir DIR [NAME...]\n", stderr);
        return RUN_USAGE;
    }
    (void)snprintf(path, sizeof path, "%s/root.pem", argv[4]);
    ca.client = SSL_CTX_new(TLS_client_method());
    ca.log = open_in(argv[4], "log");
    if (ca.client == NULL || ca.log == NULL || !forge_begin(path, &err)
        || !places_start(&ca, argv[4], argv + 5, &err)) {
        run_complain("hostile_ca", &err);
        return RUN_SETUP;
    }
    run_ready("ready root=%s", path);
    (void)run_signals_wait();
    (void)fclose(ca.log);
    _exit(RUN_OK); /* threads are at work on connections without an end */
}
