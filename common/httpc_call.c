#include "common/httpc_call.h"

#include <stdio.h>
#include <string.h>

#include "common/loopback.h"

#define HTTPC_TIMEOUT_MS 30000
#define HTTPC_CONNECT_TIMEOUT_MS 10000
#define HTTPC_ANSWER_MAX (1024 * 1024)
#define HTTPC_HEADERS_MAX (256 * 1024) /* octets of all header lines, 1xx answers included */

/* ---- requests ---- */

void httpc_call_free(struct httpc_call *call) {
    buf_done(&call->body);
    free(call->request_body);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    free(call);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct httpc_call *call = ctx;

    if (!buf_add(&call->body, data, size * count)) {
        call->too_large = true;
        return 0;
    }
    return size * count;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx) {
    struct httpc_call *call = ctx;

    call->headers_len += size * count;
    if (call->headers_len > HTTPC_HEADERS_MAX) {
        call->too_large = true;
        return 0;
    }
    if (size * count > 5 && memcmp(line, "HTTP/", 5) == 0) {
        call->headed = false; /* again after a 1xx answer */
    } else if (line[0] == '\r' || line[0] == '\n') {
        call->headed = true;
    }
    return size * count;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address) {
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)ctx;
    (void)purpose;
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    loopback_tune(fd, &address->addr);
    return fd;
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *ctx) {
    const struct httpc_shape *shape = ctx;

    (void)easy;
    return tls_client_prepare(&shape->tls, ssl_ctx) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* What all requests of this client have in common. */
CURL *httpc_easy_new(const struct httpc_shape *shape) {
    CURL *easy = curl_easy_init();

    if (easy == NULL) {
        return NULL;
    }
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the environment's is not ours */
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, shape->options.user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, tls_cipher_list);
    (void)curl_easy_setopt(easy, CURLOPT_TLS13_CIPHERS, tls_cipher_suites);
    /* trust is installed by on_ssl_ctx; curl itself reads no file */
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, shape->options.no_verify ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
                           shape->options.no_verify || shape->options.peer_uuid != NULL ? 0L : 2L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, shape);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE,
                           shape->options.keep_session ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SHARE, shape->share);
    return easy;
}

static bool header_add(struct curl_slist **list, const char *text) {
    struct curl_slist *longer = curl_slist_append(*list, text);

    if (longer != NULL) {
        *list = longer;
    }
    return longer != NULL;
}

/* The headers curl would invent are switched off by naming them without a value. */
static bool set_headers(struct httpc_call *call, const struct httpc_request *request) {
    bool typed = false;

    for (const char *const *header = request->headers; header != NULL && *header != NULL;
         header++) {
        typed = typed || strncasecmp(*header, "Content-Type:", 13) == 0;
        if (!header_add(&call->headers, *header)) {
            return false;
        }
    }
    return header_add(&call->headers, "Expect:")
           && (typed || header_add(&call->headers, "Content-Type:"));
}

static bool set_address(struct httpc_call *call, const char *address) {
    char text[300];

    if (address != NULL) {
        bool bare = strchr(address, ':') != NULL && address[0] != '[';
        (void)snprintf(text, sizeof(text), bare ? "::[%s]:" : "::%s:", address);
        call->connect_to = curl_slist_append(NULL, text);
    }
    return address == NULL || call->connect_to != NULL;
}

static void set_method(const struct httpc_call *call, const struct httpc_request *request) {
    CURL *easy = call->easy;
    bool post = strcmp(request->method, "POST") == 0;
    bool put = strcmp(request->method, "PUT") == 0;

    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL); /* makes it a POST, even so */
    (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (strcmp(request->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (post || put || request->body_len > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                               call->request_body != NULL ? call->request_body : "");
    }
    if (!post) {
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

bool httpc_call_set(struct httpc_call *call, const struct httpc_request *request) {
    CURL *easy = call->easy;
    long timeout = request->timeout_ms != 0 ? request->timeout_ms : HTTPC_TIMEOUT_MS;
    long connect = request->connect_timeout_ms;

    call->body = buf_new(request->answer_max != 0 ? request->answer_max : HTTPC_ANSWER_MAX);
    if (request->body_len > 0) {
        call->request_body = malloc(request->body_len);
        if (call->request_body == NULL) {
            return false;
        }
        memcpy(call->request_body, request->body, request->body_len);
    }
    set_method(call, request);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           connect != 0 ? connect : HTTPC_CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->fresh ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->fresh ? 1L : 0L);
    return set_headers(call, request) && set_address(call, request->address)
           && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK
           && curl_easy_setopt(easy, CURLOPT_CONNECT_TO, call->connect_to) == CURLE_OK
           && curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

/* ---- answers ---- */

const char *httpc_header_next(const struct httpc_answer *answer, const char *name,
                              const char *after) {
    CURL *easy = (CURL *)answer->headers;
    struct curl_header *header;

    for (size_t i = 0; curl_easy_header(easy, name, i, CURLH_HEADER, -1, &header) == CURLHE_OK;
         i++) {
        if (after == NULL) {
            return header->value;
        }
        if (header->value == after) {
            after = NULL;
        }
    }
    return NULL;
}

const char *httpc_header(const struct httpc_answer *answer, const char *name) {
    return httpc_header_next(answer, name, NULL);
}

uint32_t httpc_retry_after_s(const struct httpc_answer *answer, int64_t now_s) {
    const char *value = httpc_header(answer, "Retry-After");
    uint64_t seconds = 0;

    if (value == NULL) {
        return 0;
    }
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && value[digits] == '\0') {
        for (size_t i = 0; i < digits && seconds <= UINT32_MAX; i++) {
            seconds = seconds * 10 + (uint64_t)(value[i] - '0');
        }
    } else {
        int64_t date_s = curl_getdate(value, NULL);
        seconds = date_s > now_s ? (uint64_t)(date_s - now_s) : 0;
    }
    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

static enum err_kind failure_kind(const struct httpc_call *call, CURLcode code) {
    /* a refused client certificate comes as an alert after our side of the handshake is done */
    bool tls_text = strstr(call->error, "SSL routines") != NULL;

    if (call->too_large) {
        return ERR_TOO_LARGE;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return ERR_TIMEOUT;
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        return ERR_NO_MEMORY;
    }
    if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION
        || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER || tls_text) {
        return ERR_TLS;
    }
    return ERR_UNREACHABLE;
}

void httpc_call_failure(const struct httpc_call *call, CURLcode code, struct err *err) {
    (void)err_set(err, failure_kind(call, code), "%s",
                  call->too_large ? "the answer is too large" : curl_easy_strerror(code));
    (void)err_cause(err, "%s", call->error);
}

static uint64_t time_of(CURL *easy, CURLINFO info) {
    curl_off_t value = 0;

    (void)curl_easy_getinfo(easy, info, &value);
    return value > 0 ? (uint64_t)value : 0;
}

/* curl's times count from its own start; they are hung up from the end. */
struct httpc_times httpc_call_times(const struct httpc_call *call) {
    CURL *easy = call->easy;
    struct httpc_times times = {.start_us = call->start_us, .done_us = clock_wall_us()};
    uint64_t total = time_of(easy, CURLINFO_TOTAL_TIME_T);
    uint64_t begin = times.done_us > total ? times.done_us - total : 0;
    uint64_t app = time_of(easy, CURLINFO_APPCONNECT_TIME_T);
    uint64_t tcp = time_of(easy, CURLINFO_CONNECT_TIME_T);
    long made = 0;

    begin = begin < call->start_us ? call->start_us : begin;
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
    times.reused = made == 0;
    times.connected_us = times.reused ? call->start_us : begin + (app > tcp ? app : tcp);
    times.sent_us = begin + time_of(easy, CURLINFO_PRETRANSFER_TIME_T);
    times.sent_us = times.sent_us > times.done_us ? times.done_us : times.sent_us;
    return times;
}
