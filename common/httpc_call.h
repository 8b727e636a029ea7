/* One request of httpc on a curl easy handle: set up, and read off when it is done. */
#pragma once

#include <curl/curl.h>

#include "common/buf.h"
#include "common/httpc.h"
#include "common/tls.h"

/* What all easy handles of one httpc have in common. */
struct httpc_shape {
    struct httpc_options options;
    struct tls_client tls;
    CURLSH *share; /* TLS sessions, with keep_session; else NULL */
};

struct httpc_call {
    struct httpc *httpc;
    CURL *easy;
    httpc_done *done;
    void *ctx;
    struct buf body;    /* of the answer */
    char *request_body; /* copied */
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    uint64_t start_us;
    bool headed; /* the answer's headers are whole: curl takes a connection closed in them for an
                    end of the answer */
    size_t headers_len;
    bool too_large;
    bool finished; /* its done is running */
    char error[CURL_ERROR_SIZE];
    struct httpc_call *previous, *next;
};

/* A handle for any request of that shape, which must outlive it; NULL: no memory. */
CURL *httpc_easy_new(const struct httpc_shape *shape);

/* Bring the call's easy handle, new or used, to this request; false: no memory. */
MUST_CHECK bool httpc_call_set(struct httpc_call *call, const struct httpc_request *request);
/* Not the easy handle. */
void httpc_call_free(struct httpc_call *call);

/* When it is done. */
struct httpc_times httpc_call_times(const struct httpc_call *call);
void httpc_call_failure(const struct httpc_call *call, CURLcode code, struct err *err);
