/* What can be made of an answer. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "tests/hostile_ca/hostile.h"

/* The text with the port's URL for $BASE; caller owns. */
static char *text_of(const struct exchange *exchange, const char *text) {
    AUTO(buf_done) struct buf out = buf_new(MESSAGE_MAX);
    const char *at = NULL;

    while ((at = strstr(text, "$BASE")) != NULL) {
        (void)buf_add(&out, text, (size_t)(at - text));
        (void)buf_printf(&out, "https://127.0.0.1:%u", exchange->place->port);
        text = at + 5;
    }
    (void)buf_text(&out, text);
    return buf_take(&out);
}

static void body_set(struct exchange *exchange, const char *text, size_t len) {
    struct buf *body = &exchange->answer.body;

    body->len = 0;
    (void)buf_add(body, text, len);
}

void bend_members(struct exchange *exchange, const char *text) {
    AUTO(free) char *wanted = text_of(exchange, text);
    const struct buf *body = &exchange->answer.body;
    json_error_t error;
    AUTO(json_release) json_t *json = json_loadb(body->data, body->len, 0, &error);
    AUTO(json_release) json_t *members = json_loads(wanted, 0, NULL);
    const char *name = NULL;
    json_t *value = NULL;

    if (json == NULL || members == NULL) {
        abort(); /* of the table */
    }
    json_object_foreach(members, name, value) {
        if (json_is_null(value)) {
            (void)json_object_del(json, name);
        } else {
            (void)json_object_set(json, name, value);
        }
    }
    AUTO(free) char *bent = json_text(json);
    body_set(exchange, bent, strlen(bent));
}

static void header_drop(struct buf *headers, const char *name, size_t len) {
    char *at = headers->data;

    while (at != NULL && *at != '\0') {
        char *next = strchr(at, '\n') + 1;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            headers->len -= (size_t)(next - at);
            memmove(at, next, strlen(next) + 1);
        } else {
            at = next;
        }
    }
}

void bend_header(struct exchange *exchange, const char *text) {
    AUTO(free) char *line = text_of(exchange, text);
    const size_t len = strcspn(line, ":");

    header_drop(&exchange->answer.headers, line, len);
    if (line[len + 1] != '\0') {
        (void)buf_printf(&exchange->answer.headers, "%s\r\n", line);
    }
}

void bend_status(struct exchange *exchange, const char *text) {
    AUTO(free) char *words = text_of(exchange, text);
    char *end = NULL;
    AUTO(free) char *line = NULL;

    exchange->answer.status = (unsigned)strtoul(words, &end, 10);
    if (*end == ' ' && asprintf(&line, "Location: %s", end + 1) > 0) {
        bend_header(exchange, line);
    }
}

void bend_body(struct exchange *exchange, const char *text) {
    AUTO(free) char *body = text_of(exchange, text);

    body_set(exchange, body, strlen(body));
}

void bend_links(struct exchange *exchange, const char *text) {
    for (unsigned long left = strtoul(text, NULL, 10); left > 0; left--) {
        (void)buf_printf(&exchange->answer.headers, "Link: <https://127.0.0.1/%lu>;rel=\"up\"\r\n",
                         left);
    }
}

void bend_ending(struct exchange *exchange, const char *text) {
    static const char *const names[] = {
        [ENDING_WHOLE] = "whole",     [ENDING_CLOSE] = "close",     [ENDING_SILENT] = "silent",
        [ENDING_HALF] = "half",       [ENDING_LONG] = "long",       [ENDING_CHUNKS] = "chunks",
        [ENDING_ENDLESS] = "endless", [ENDING_HEADERS] = "headers", [ENDING_CONTINUE] = "continue",
        [ENDING_GARBAGE] = "garbage",
    };

    _Static_assert(COUNT(names) == ENDING__COUNT, "a name for each");
    for (unsigned i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i], text) == 0) {
            exchange->answer.ending = (enum ending)i;
        }
    }
}

void bend_crowd(struct exchange *exchange, const char *text) {
    AUTO(buf_done) struct buf out = buf_new(MESSAGE_MAX);

    (void)buf_text(&out, "{\"authorizations\": [");
    for (unsigned long left = strtoul(text, NULL, 10); left > 0; left--) {
        (void)buf_printf(&out, "\"$BASE/authz/%lu\"%s", left, left == 1 ? "" : ",");
    }
    (void)buf_text(&out, "]}");
    bend_members(exchange, out.data);
}

void bend_deep(struct exchange *exchange, const char *text) {
    const size_t depth = strtoul(text, NULL, 10);
    AUTO(free) char *body = malloc(depth);

    if (body != NULL) {
        memset(body, '[', depth);
        body_set(exchange, body, depth);
    }
}
