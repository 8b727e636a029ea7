/* http and https URLs as http-01 redirects use them (RFC 3986, RFC 8555 section 8.3). */
#pragma once

#include "common/err.h"

#define URL_HOST_SIZE 254
#define URL_TARGET_SIZE 1024
#define URL_TEXT_SIZE (URL_HOST_SIZE + URL_TARGET_SIZE + 16)

struct url {
    bool https;
    char host[URL_HOST_SIZE];     /* a DNS name, lower case; or an address, without brackets */
    unsigned port;                /* the scheme's default filled in */
    char target[URL_TARGET_SIZE]; /* "/path?query" */
};

/*
 * Read a Location header's value.  reference is absolute, or relative to base (RFC 3986 5.2: "//…",
 * "/…", "?…", a bare path; ".." is left for the peer).  A fragment is dropped.
 * ERR_INCORRECT_RESPONSE: another scheme, user information, no name as host (an address only where
 * base has one, RFC 8738 5), a port out of range, white space or control characters, too long.
 */
MUST_CHECK bool url_follow(const struct url *base, const char *reference, struct url *ret,
                           struct err *err);

/* "http://host/target"; the port is left out when it is the scheme's default. */
void url_text(const struct url *url, char text[URL_TEXT_SIZE]);
