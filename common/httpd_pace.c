/* Answers that come late, drop by drop or not at all: httpd_answer_paced and httpd_abort. */
#include <string.h>

#include "common/httpd_exchange.h"
#include "common/later.h"

#define STEP_US 50000 /* a slow body moves on at most so often */
#define BLOCK 4096    /* what libmicrohttpd asks for at a time */
#define US_PER_S 1000000

/* ---- slow bodies ---- */

struct slow {
    struct httpd *httpd;
    struct MHD_Connection *connection;
    char *body;
    size_t len;
    unsigned octets_per_s;
    uint64_t start_us; /* of the first octet; 0 = not begun */
};

static void slow_free(void *ctx) {
    struct slow *slow = ctx;
    free(slow->body);
    free(slow);
}

static void go_on(void *ctx, bool stopped) {
    (void)stopped; /* then the reader hangs up */
    MHD_resume_connection(ctx);
}

/* What may be sent by now; nothing: the connection sleeps until more may be. */
static ssize_t slow_read(void *ctx, uint64_t at, char *out, size_t max) {
    struct slow *slow = ctx;
    uint64_t now_us = clock_wall_us();

    if (slow->start_us == 0) {
        slow->start_us = now_us;
    }
    uint64_t allowed = 1 + (now_us - slow->start_us) * slow->octets_per_s / US_PER_S;
    allowed = allowed > slow->len ? slow->len : allowed;
    if (at < allowed) {
        size_t len = (size_t)(allowed - at) > max ? max : (size_t)(allowed - at);
        memcpy(out, slow->body + at, len);
        return (ssize_t)len;
    }
    uint64_t due_us = slow->start_us + at * US_PER_S / slow->octets_per_s;
    uint64_t wait_us = due_us > now_us + STEP_US ? due_us - now_us : STEP_US;
    MHD_suspend_connection(slow->connection);
    if (!later_add(slow->httpd->later, wait_us, go_on, slow->connection)) {
        MHD_resume_connection(slow->connection);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return 0;
}

/* exchange->response with a body that trickles; whole when there is no memory for that. */
static void render_slow(struct httpd_exchange *exchange, unsigned status, const char *type,
                        char *body, size_t len, unsigned octets_per_s) {
    struct slow *slow = calloc(1, sizeof(*slow));
    struct MHD_Response *response = NULL;

    if (slow != NULL) {
        *slow = (struct slow){.httpd = exchange->httpd,
                              .connection = exchange->connection,
                              .len = len,
                              .octets_per_s = octets_per_s};
        response = MHD_create_response_from_callback(len, BLOCK, slow_read, slow, slow_free);
    }
    if (response == NULL) {
        free(slow);
        httpd_exchange_render(exchange, status, type, body, len);
        return;
    }
    slow->body = body;
    httpd_exchange_dress(exchange, response, type);
    exchange->status = status;
    exchange->response_len = SIZE_MAX; /* never held back as one record */
}

/* ---- late answers ---- */

static void on_due(void *ctx, bool stopped) {
    (void)stopped;
    httpd_exchange_send(ctx);
}

void httpd_answer_paced(struct httpd_exchange *exchange, unsigned status, const char *type,
                        char *body, size_t len, const struct httpd_pace *pace) {
    if (pace->octets_per_s != 0 && len > 0) {
        render_slow(exchange, status, type, body, len, pace->octets_per_s);
    } else {
        httpd_exchange_render(exchange, status, type, body, len);
    }
    if (pace->delay_us == 0 || (!exchange->deferred && !httpd_defer(exchange))
        || !later_add(exchange->httpd->later, pace->delay_us, on_due, exchange)) {
        httpd_exchange_send(exchange);
    }
}

void httpd_abort(struct httpd_exchange *exchange) {
    exchange->aborted = true;
    httpd_exchange_send(exchange);
}
