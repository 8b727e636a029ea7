/* Requests and their answers. */
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "tests/conformance/spec_internal.h"

struct spec_answer *spec_no_answer(struct spec *spec, const char *method, const char *url,
                                   const char *error) {
    struct spec_answer *answer = spec_keep(spec, malloc(sizeof(*answer)), free);

    *answer = (struct spec_answer){.method = spec_text(spec, "%s", method),
                                   .url = spec_text(spec, "%s", url),
                                   .head = "",
                                   .body = "",
                                   .json = json_null(),
                                   .error = spec_text(spec, "%s", error)};
    return answer;
}

struct spec_answer *spec_received(struct spec *spec, const char *method, const char *url,
                                  struct wire_answer *came) {
    struct spec_answer *answer = spec_no_answer(spec, method, url, "");
    json_t *json = json_loadb(came->body, came->body_len, JSON_DECODE_ANY, NULL);

    answer->status = came->status;
    answer->head = spec_keep(spec, TAKE(came->head), free);
    answer->body = spec_keep(spec, TAKE(came->body), free);
    answer->body_len = came->body_len;
    answer->json = json == NULL ? json_null() : spec_json(spec, json);
    return answer;
}

/* The value of the header line `at` when it has this name, or NULL. */
static const char *value_at(const char *at, const char *name) {
    size_t len = strlen(name);

    if (strncasecmp(at, name, len) != 0 || at[len] != ':') {
        return NULL;
    }
    return at + len + 1 + strspn(at + len + 1, " \t");
}

static const char *header_next(const char *head, const char *name) {
    for (const char *at = strstr(head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (value_at(at, name) != NULL) {
            return at;
        }
    }
    return NULL;
}

const char *spec_header(struct spec *spec, const struct spec_answer *answer, const char *name) {
    const char *at = header_next(answer->head, name);

    if (at == NULL) {
        return "";
    }
    const char *value = value_at(at, name);
    return spec_text(spec, "%.*s", (int)strcspn(value, "\r\n"), value);
}

unsigned spec_headers(const struct spec_answer *answer, const char *name) {
    unsigned count = 0;

    for (const char *at = header_next(answer->head, name); at != NULL; at = header_next(at, name)) {
        count++;
    }
    return count;
}

/* Has the link-params text (after ">") a rel of this word? */
static bool link_has(const char *params, size_t len, const char *rel) {
    const char *found = memmem(params, len, "rel=", 4);

    if (found == NULL) {
        return false;
    }
    const char *word = found + 4 + (found[4] == '"' ? 1 : 0);
    size_t rel_len = strlen(rel);
    return (size_t)(params + len - word) >= rel_len && strncmp(word, rel, rel_len) == 0
           && strchr("\"; ,\r\n", word[rel_len]) != NULL;
}

const char *spec_link(struct spec *spec, const struct spec_answer *answer, const char *rel,
                      const char *after) {
    bool passed = after == NULL;

    for (const char *at = header_next(answer->head, "Link"); at != NULL;
         at = header_next(at, "Link")) {
        const char *end = at + strcspn(at, "\r\n");
        for (const char *open = strchr(at, '<'); open != NULL && open < end;
             open = strchr(open, '<')) {
            const char *close = strchr(open, '>');
            const char *next = close == NULL ? NULL : strchr(close, '<');
            if (close == NULL || close > end) {
                break;
            }
            const char *stop = next != NULL && next < end ? next : end;
            const char *target = spec_text(spec, "%.*s", (int)(close - open - 1), open + 1);
            open = close;
            if (!link_has(close, (size_t)(stop - close), rel)) {
                continue;
            }
            if (passed) {
                return target;
            }
            passed = strcmp(target, after) == 0;
        }
    }
    return "";
}

bool spec_split(const char *url, struct wire_target *ret, const char **ret_path, SSL_CTX *tls) {
    bool secure = strncmp(url, "https://", 8) == 0;

    if (!secure && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (secure ? 8 : 7);
    size_t all = strcspn(host, "/?#"), len = all;
    const char *port = memrchr(host, ':', all);
    bool bracket = host[0] == '[';
    if (bracket) {
        const char *close = memchr(host, ']', all);
        if (close == NULL) {
            return false;
        }
        port = close[1] == ':' ? close + 1 : NULL;
        host++;
        len = (size_t)(close - host);
    } else if (port != NULL) {
        len = (size_t)(port - host);
    }
    *ret = (struct wire_target){.tls = secure ? tls : NULL};
    *ret_path = host + all - (bracket ? 1 : 0);
    (void)snprintf(ret->host, sizeof(ret->host), "%.*s", (int)len, host);
    (void)snprintf(ret->port, sizeof(ret->port), "%.*s",
                   port == NULL ? 3 : (int)strspn(port + 1, "0123456789"),
                   port == NULL ? (secure ? "443" : "80 ") : port + 1);
    ret->port[strspn(ret->port, "0123456789")] = '\0';
    return true;
}

/* The connection for host: the idle one, or new. */
static struct wire *connection(struct spec *spec, const struct wire_target *host, const char *to,
                               struct err *err) {
    if (spec->idle != NULL && strcmp(spec->idle_to, to) == 0 && !wire_stale(spec->idle)) {
        return TAKE(spec->idle);
    }
    return wire_open(host, spec->deadline_us, err);
}

static char *request_head(struct spec *spec, const char *method, const char *url, const char *path,
                          const char *headers, const void *body, size_t len) {
    const char *host = strstr(url, "://") + 3;
    bool sized = body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    bool agent = strcasestr(headers, "User-Agent:") == NULL;
    bool own_host = strncasecmp(headers, "Host:", 5) == 0 || strstr(headers, "\r\nHost:") != NULL;

    return spec_text(spec, "%s %s%.*s HTTP/1.1\r\n%s%.*s%s%s%s%s\r\n", method,
                     path[0] == '/' ? "" : "/", (int)strcspn(path, "#"), path,
                     own_host ? "" : "Host: ", own_host ? 0 : (int)strcspn(host, "/?#"), host,
                     own_host ? "" : "\r\n",
                     agent ? "User-Agent: acmespec/" NFACME_VERSION "\r\n" : "", headers,
                     sized ? spec_text(spec, "Content-Length: %zu\r\n", len) : "");
}

struct spec_answer *spec_exchange(struct spec *spec, const char *method, const char *url,
                                  const char *headers, const void *body, size_t len) {
    struct wire_target host;
    struct wire_answer came = {0};
    struct err err = {0}, broken = {0};
    const char *path = NULL;

    if (spec_over(spec)) {
        return spec_no_answer(spec, method, url, "the case is over");
    }
    if (!spec_split(url, &host, &path, spec->target->tls)) {
        spec_fail(spec, "\"%.200s\" is no URL to ask", url);
        return spec_no_answer(spec, method, url, "no URL");
    }
    const char *to =
        spec_text(spec, "%s %s:%s", host.tls == NULL ? "tcp" : "tls", host.host, host.port);
    const char *head = request_head(spec, method, url, path, headers, body, len);
    transcript_request(spec, url, head, body, len);
    AUTO(wire_close) struct wire *wire = connection(spec, &host, to, &err);
    /* a server may refuse before it has read all: what it says counts, not the broken write */
    bool sent = wire != NULL && wire_send(wire, head, strlen(head), spec->deadline_us, &broken)
                && (len == 0 || wire_send(wire, body, len, spec->deadline_us, &broken));
    if (wire == NULL
        || !wire_receive(wire, strcmp(method, "HEAD") == 0, spec->deadline_us, &came, &err)) {
        spec_fail(spec, "%s %s: %s", method, url, err.detail);
        return spec_no_answer(spec, method, url, err.detail);
    }
    struct spec_answer *answer = spec_received(spec, method, url, &came);
    if (sent && !came.closes) {
        wire_close(spec->idle);
        spec->idle = TAKE(wire);
        (void)snprintf(spec->idle_to, sizeof(spec->idle_to), "%s", to);
    }
    transcript_answer(spec, answer);
    watch_answer(spec, answer);
    return answer;
}

static char *join(struct spec *spec, const char *const *headers) {
    char *all = spec_text(spec, "%s", "");

    for (; headers != NULL && *headers != NULL; headers++) {
        all = spec_text(spec, "%s%s\r\n", all, *headers);
    }
    return all;
}

const struct spec_answer *spec_request(struct spec *spec, const char *method, const char *url,
                                       const char *const *headers, const void *body, size_t len) {
    spec->signed_post = false;
    return spec_exchange(spec, method, url, join(spec, headers), body, len);
}

const struct spec_answer *spec_get(struct spec *spec, const char *url) {
    return spec_request(spec, "GET", url, NULL, NULL, 0);
}

/* spec_raw, with protocol NULL, and spec_raw_alpn: no connection is no failure there. */
static const struct spec_answer *raw(struct spec *spec, const char *url, const char *protocol,
                                     const void *octets, size_t len, unsigned wait_ms) {
    struct wire_target host;
    unsigned char offer[256] = {0};
    struct wire_answer came = {0};
    struct err err = {0}, broken = {0};
    const char *path = NULL;
    uint64_t until = wait_ms == 0 ? spec->deadline_us : clock_wall_us() + wait_ms * 1000ull;

    if (spec_over(spec) || !spec_split(url, &host, &path, spec->target->tls)) {
        return spec_no_answer(spec, "raw", url, "not asked");
    }
    if (protocol != NULL) {
        (void)snprintf((char *)offer + 1, sizeof(offer) - 1, "%s", protocol);
        offer[0] = (unsigned char)strlen(protocol);
        host.alpn = offer;
        host.alpn_len = offer[0] + 1u;
    }
    transcript_request(spec, url, "", octets, len);
    AUTO(wire_close) struct wire *wire = wire_open(&host, until, &err);
    if (wire == NULL) {
        if (protocol == NULL) {
            spec_fail(spec, "no connection to %s: %s", url, err.detail);
        }
        return spec_no_answer(spec, "raw", url, err.detail);
    }
    bool sent = wire_send(wire, octets, len, until, &broken);
    (void)sent; /* refused half-way: what came back counts */
    if (!wire_receive(wire, false, until, &came, &err)) {
        return spec_no_answer(spec, "raw", url, err.detail);
    }
    struct spec_answer *answer = spec_received(spec, "raw", url, &came);
    transcript_answer(spec, answer);
    return answer;
}

const struct spec_answer *spec_raw(struct spec *spec, const char *url, const void *octets,
                                   size_t len, unsigned wait_ms) {
    return raw(spec, url, NULL, octets, len, wait_ms);
}

const struct spec_answer *spec_raw_alpn(struct spec *spec, const char *url, const char *protocol,
                                        const void *octets, size_t len, unsigned wait_ms) {
    return raw(spec, url, protocol, octets, len, wait_ms);
}

const char *spec_directory_url(const struct spec *spec) { return spec->target->directory_url; }

const json_t *spec_directory(struct spec *spec) { return spec->target->directory; }

const char *spec_url(struct spec *spec, const char *resource) {
    const char *url = spec_member(spec->target->directory, resource);

    (void)spec_check(spec, url[0] != '\0', "the directory has no \"%s\"", resource);
    return url;
}

const char *spec_nonce(struct spec *spec) {
    const char *url = spec_url(spec, "newNonce");
    const struct spec_answer *answer = spec_exchange(spec, "HEAD", url, "", NULL, 0);
    const char *nonce = spec_header(spec, answer, "Replay-Nonce");

    (void)spec_check(spec, nonce[0] != '\0', "HEAD newNonce: no Replay-Nonce (status %u)",
                     answer->status);
    return nonce;
}

const struct spec_answer *spec_admin(struct spec *spec, const char *method, const char *path,
                                     const json_t *body) {
    AUTO(free) char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    const char *base = spec->target->admin;

    if (base == NULL) {
        spec_skip(spec, "no --admin");
        return spec_no_answer(spec, method, path, "no --admin");
    }
    size_t len = strlen(base) - (base[strlen(base) - 1] == '/' ? 1 : 0);
    spec->unwatched = spec->private = true;
    spec->signed_post = false;
    const struct spec_answer *answer =
        spec_exchange(spec, method, spec_text(spec, "%.*s%s", (int)len, base, path),
                      text == NULL ? "" : "Content-Type: application/json\r\n", text,
                      text == NULL ? 0 : strlen(text));
    spec->unwatched = spec->private = false;
    return answer;
}
