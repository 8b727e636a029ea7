#include "server/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/acme.h"

static_assert(URL_HOST_SIZE == ACME_ID_VALUE_MAX + 1, "a host is a dns identifier");

static unsigned default_port(bool https) { return https ? 443 : 80; }

static bool bad(struct err *err, const char *what) {
    return err_set(err, ERR_INCORRECT_RESPONSE, "redirected to a URL that %s", what);
}

/* Copy up to a fragment; only visible ASCII may stand in a URL. */
static bool target_set(struct url *url, const char *prefix, size_t prefix_len, const char *text,
                       struct err *err) {
    size_t len = strcspn(text, "#");

    if (prefix_len + len >= sizeof url->target) {
        return bad(err, "is too long");
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f) {
            return bad(err, "holds foreign characters");
        }
    }
    char joined[URL_TARGET_SIZE];
    memcpy(joined, prefix, prefix_len);
    memcpy(joined + prefix_len, text, len);
    joined[prefix_len + len] = '\0';
    memcpy(url->target, joined, prefix_len + len + 1);
    return true;
}

static bool port_read(const char *text, size_t len, unsigned *ret) {
    unsigned port = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || port > 6553) {
            return false;
        }
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    *ret = port;
    return len > 0 && port > 0 && port <= 65535;
}

/* A name; or an address, where the validation is of one.  Whatever host was before is the base's.
 */
static bool host_set(struct url *url, const char *host, size_t len) {
    char text[URL_HOST_SIZE + 1], address[ACME_IP_SIZE];
    bool bracketed = len > 1 && host[0] == '[' && host[len - 1] == ']';

    memcpy(text, host + bracketed, len - 2 * (size_t)bracketed);
    text[len - 2 * (size_t)bracketed] = '\0';
    if (acme_ip_canonical(text, address) && (strchr(address, ':') != NULL) == bracketed) {
        if (acme_ip_canonical(url->host, text)) {
            memcpy(url->host, address, strlen(address) + 1);
            return true;
        }
        return false;
    }
    /* A last label of digits is an IPv4 address (WHATWG URL; RFC 1123 2.1). */
    const char *last = strrchr(text, '.');
    return !bracketed && acme_dns_canonical(text, url->host) && last != NULL
           && strspn(last + 1, "0123456789") != strlen(last + 1);
}

/* "host:port" of len characters. */
static bool authority_set(struct url *url, const char *text, size_t len, struct err *err) {
    const char *bracket = *text == '[' ? memchr(text, ']', len) : NULL; /* RFC 3986 3.2.2 */
    size_t name_len = bracket == NULL ? 0 : (size_t)(bracket + 1 - text);
    const char *colon = memchr(text + name_len, ':', len - name_len);
    size_t host_len = colon == NULL ? len : (size_t)(colon - text);

    if (memchr(text, '@', len) != NULL) {
        return bad(err, "holds user information");
    }
    if (host_len == 0 || host_len > URL_HOST_SIZE) {
        return bad(err, "names no host");
    }
    if (!host_set(url, text, host_len)) {
        return bad(err, "names no host, or an address");
    }
    url->port = default_port(url->https);
    if (colon != NULL && !port_read(colon + 1, len - host_len - 1, &url->port)) {
        return bad(err, "has no valid port");
    }
    return true;
}

/* "//host:port/target" */
static bool network_path(struct url *url, const char *text, struct err *err) {
    const char *authority = text + 2;
    size_t len = strcspn(authority, "/?#");
    const char *rest = authority + len;

    if (!authority_set(url, authority, len, err)) {
        return false;
    }
    return *rest == '/' ? target_set(url, "", 0, rest, err) : target_set(url, "/", 1, rest, err);
}

bool url_follow(const struct url *base, const char *reference, struct url *ret, struct err *err) {
    struct url url = *base;
    size_t scheme_len = strcspn(reference, ":/?#");
    bool good = false;

    if (reference[scheme_len] == ':') {
        url.https = scheme_len == 5 && strncasecmp(reference, "https", 5) == 0;
        if (!url.https && !(scheme_len == 4 && strncasecmp(reference, "http", 4) == 0)) {
            return bad(err, "is neither http nor https");
        }
        reference += scheme_len + 1;
        if (strncmp(reference, "//", 2) != 0) {
            return bad(err, "names no host");
        }
    }
    if (strncmp(reference, "//", 2) == 0) {
        good = network_path(&url, reference, err);
    } else if (*reference == '/') {
        good = target_set(&url, "", 0, reference, err);
    } else {
        size_t path_len = strcspn(base->target, "?");
        size_t folder_len = path_len;
        while (folder_len > 0 && base->target[folder_len - 1] != '/') {
            folder_len--;
        }
        good = target_set(&url, base->target, *reference == '?' ? path_len : folder_len, reference,
                          err);
    }
    if (good) {
        *ret = url;
    }
    return good;
}

void url_text(const struct url *url, char text[URL_TEXT_SIZE]) {
    const char *scheme = url->https ? "https" : "http";
    const bool ip6 = strchr(url->host, ':') != NULL; /* in brackets, RFC 3986 3.2.2 */
    char port[8] = "";

    if (url->port != default_port(url->https)) {
        (void)snprintf(port, sizeof port, ":%u", url->port);
    }
    (void)snprintf(text, URL_TEXT_SIZE, "%s://%s%s%s%s%s", scheme, ip6 ? "[" : "", url->host,
                   ip6 ? "]" : "", port, url->target);
}
