/* From the client to the real server and back, bent on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/b64.h"
#include "common/json.h"
#include "tests/hostile_ca/hostile.h"

const char *relay_operation(const char *head) {
    /* clang-format off */
    static const struct { const char *prefix, *name; } paths[] = {
        {"/directory",   "directory"},  {"/new-nonce", "newNonce"},  {"/new-account", "newAccount"},
        {"/new-order",   "newOrder"},   {"/authz/",    "authz"},     {"/challenge/",  "challenge"},
        {"/order/",      "order"},      {"/cert/",     "certificate"}, {"/account/",  "account"},
    };
    /* clang-format on */
    const char *path = strchr(head, ' ');
    const char *end = path == NULL ? NULL : strchr(path + 1, ' ');

    if (end == NULL) {
        return "other";
    }
    path++;
    if (end - path > 9 && memcmp(end - 9, "/finalize", 9) == 0) {
        return "finalize";
    }
    for (size_t i = 0; i < COUNT(paths); i++) {
        if (strncmp(path, paths[i].prefix, strlen(paths[i].prefix)) == 0) {
            return paths[i].name;
        }
    }
    return "other";
}

/* The status and the headers without those about the length and the connection. */
static void take_head(const char *head, struct answer *answer) {
    static const char *const ours[] = {"Content-Length:", "Connection:", "Transfer-Encoding:"};
    const char *at = strchr(head, '\n') + 1;

    answer->status = (unsigned)strtoul(strchr(head, ' ') + 1, NULL, 10);
    while (*at != '\r') {
        const char *next = strchr(at, '\n') + 1;
        bool skip = false;
        for (size_t i = 0; i < COUNT(ours); i++) {
            skip = skip || strncasecmp(at, ours[i], strlen(ours[i])) == 0;
        }
        (void)(skip || buf_add(&answer->headers, at, (size_t)(next - at)));
        at = next;
    }
}

/* bend_chain signs for the key of the CSR. */
static void note_csr(struct exchange *exchange) {
    struct place *place = exchange->place;
    struct err err = {0};
    AUTO(json_release)
    json_t *jws = json_read(exchange->request_body.data, exchange->request_body.len, &err);
    const char *payload = json_string_value(json_object_get(jws, "payload"));
    AUTO(free) unsigned char *text = NULL;
    size_t len = 0;

    if (payload == NULL || !b64_decode(payload, strlen(payload), &text, &len, &err)) {
        return;
    }
    AUTO(json_release) json_t *object = json_read((const char *)text, len, &err);
    const char *csr = json_string_value(json_object_get(object, "csr"));
    (void)pthread_mutex_lock(&place->lock);
    free(place->csr);
    place->csr = NULL;
    (void)(csr != NULL && b64_decode(csr, strlen(csr), &place->csr, &place->csr_len, &err));
    (void)pthread_mutex_unlock(&place->lock);
}

/* Is the word one of the list's? */
static bool listed(const char *list, const char *word) {
    const size_t len = strlen(word);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0')) {
            return true;
        }
    }
    return strcmp(list, "any") == 0;
}

/* Is this exchange one of those the row is about? */
static bool applies(struct exchange *exchange) {
    struct place *place = exchange->place;
    const struct row *row = place->row;

    if (row->at == NULL || !listed(row->at, exchange->operation)) {
        return false;
    }
    (void)pthread_mutex_lock(&place->lock);
    const bool hit = row->first == 0 || place->seen < row->first;
    place->seen++;
    (void)pthread_mutex_unlock(&place->lock);
    return hit;
}

bool relay_turn(struct exchange *exchange, struct wire *server) {
    AUTO(buf_done) struct buf head = buf_new(MESSAGE_MAX);
    const struct row *row = exchange->place->row;

    exchange->operation = relay_operation(exchange->request_head.data);
    exchange->head = strncmp(exchange->request_head.data, "HEAD ", 5) == 0;
    if (strcmp(exchange->operation, "finalize") == 0) {
        note_csr(exchange);
    }
    if (!wire_write(server, exchange->request_head.data, exchange->request_head.len)
        || (exchange->request_body.len > 0
            && !wire_write(server, exchange->request_body.data, exchange->request_body.len))
        || !wire_read(server, exchange->head, &head, &exchange->answer.body)) {
        return false;
    }
    take_head(head.data, &exchange->answer);
    if (applies(exchange)) {
        row->bend(exchange, row->text);
    }
    return true;
}
