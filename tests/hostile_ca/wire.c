/* HTTP/1.1 over TLS by hand: a library would not send what is sent here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile_ca/hostile.h"

#define PIECE 4096

static int take(struct wire *wire, char *data, size_t len) {
    return wire->ssl != NULL ? SSL_read(wire->ssl, data, (int)len)
                             : (int)recv(wire->fd, data, len, 0);
}

bool wire_write(struct wire *wire, const char *data, size_t len) {
    while (len > 0) {
        int sent = wire->ssl != NULL ? SSL_write(wire->ssl, data, (int)len)
                                     : (int)send(wire->fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

void wire_drain(struct wire *wire) {
    char rest[PIECE];

    while (take(wire, rest, sizeof rest) > 0) {
    }
}

void wire_close(struct wire *wire) {
    SSL_free(wire->ssl);
    if (wire->fd >= 0) {
        (void)close(wire->fd);
    }
    *wire = (struct wire){.fd = -1};
}

static size_t length_of(const char *head) {
    static const char name[] = "\r\nContent-Length:";
    const char *at = strcasestr(head, name);
    size_t len = 0;

    for (at = at == NULL ? "" : at + sizeof name - 1; *at == ' '; at++) {
    }
    for (; *at >= '0' && *at <= '9' && len < MESSAGE_MAX; at++) {
        len = len * 10 + (size_t)(*at - '0');
    }
    return len;
}

bool wire_read(struct wire *wire, bool bodyless, struct buf *head, struct buf *body) {
    char piece[PIECE];
    const char *end = NULL;

    while (end == NULL) {
        int got = take(wire, piece, sizeof piece);
        if (got <= 0 || !buf_add(head, piece, (size_t)got)) {
            return false;
        }
        end = strstr(head->data, "\r\n\r\n");
    }
    const size_t head_len = (size_t)(end - head->data) + 4;
    if (!buf_add(body, head->data + head_len, head->len - head_len)) {
        return false;
    }
    head->len = head_len;
    head->data[head_len] = '\0';
    for (size_t wanted = bodyless ? 0 : length_of(head->data); body->len < wanted;) {
        int got = take(wire, piece, sizeof piece);
        if (got <= 0 || !buf_add(body, piece, (size_t)got)) {
            return false;
        }
    }
    return true;
}

/* The same again until the other end has had enough. */
static void pour(struct wire *wire, const char *text) {
    while (wire_write(wire, text, strlen(text))) {
    }
}

static bool send_head(struct wire *wire, const struct answer *answer, const char *length) {
    AUTO(buf_done) struct buf out = buf_new(MESSAGE_MAX);

    return buf_printf(&out, "HTTP/1.1 %u Bent\r\n%s%s\r\n", answer->status,
                      answer->headers.data == NULL ? "" : answer->headers.data, length)
           && wire_write(wire, out.data, out.len);
}

static bool send_body(struct wire *wire, const struct answer *answer, size_t stated, size_t sent) {
    char length[64];

    (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", stated);
    return send_head(wire, answer, length)
           && wire_write(wire, answer->body.data == NULL ? "" : answer->body.data, sent);
}

bool wire_send(struct wire *wire, const struct exchange *exchange) {
    const struct answer *answer = &exchange->answer;
    const size_t len = answer->body.len;

    switch (answer->ending) {
    case ENDING_WHOLE:
        return send_body(wire, answer, len, exchange->head ? 0 : len);
    case ENDING_CLOSE:
        return false;
    case ENDING_SILENT:
        break;
    case ENDING_HALF:
        (void)!send_body(wire, answer, len, len / 2);
        return false;
    case ENDING_LONG:
        (void)!send_body(wire, answer, (size_t)1 << 40, len);
        break;
    case ENDING_CHUNKS:
        (void)(send_head(wire, answer, "Transfer-Encoding: chunked\r\n")
               && wire_write(wire, "4\r\n{\"a\"\r\n", 9));
        break;
    case ENDING_ENDLESS:
        (void)!send_head(wire, answer, "Connection: close\r\n");
        pour(wire, "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n");
        return false;
    case ENDING_HEADERS:
        (void)!wire_write(wire, "HTTP/1.1 200 Bent\r\n", 19);
        pour(wire, "Link: <https://127.0.0.1/terms>;rel=\"terms-of-service\"\r\n");
        return false;
    case ENDING_CONTINUE:
        pour(wire, "HTTP/1.1 100 Continue\r\nLink: <https://127.0.0.1/>;rel=\"x\"\r\n\r\n");
        return false;
    case ENDING_GARBAGE:
        (void)!wire_write(wire, "SSH-2.0-OpenSSH_9.2\r\n\r\n", 23);
        return false;
    case ENDING__COUNT:
        return false;
    }
    wire_drain(wire);
    return false;
}
