#include "common/acme.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* RFC 8555 sections 7.1.6 and 9.7.7; TS 33.310 Annex J for NfInstanceId; RFC 9447 for tkauth-01. */
/* clang-format off */
static const char *const identifier_names[] = {
    [ACME_ID_DNS]         = "dns",
    [ACME_ID_NF_INSTANCE] = "NfInstanceId",
    [ACME_ID_IP]          = "ip",
};
static const char *const challenge_names[] = {
    [ACME_CHALLENGE_HTTP01]    = "http-01",
    [ACME_CHALLENGE_TKAUTH01]  = "tkauth-01",
    [ACME_CHALLENGE_TLSALPN01] = "tls-alpn-01",
    [ACME_CHALLENGE_DNS01]     = "dns-01",
};
static const char *const account_statuses[] = {
    [ACCOUNT_VALID]       = "valid",
    [ACCOUNT_DEACTIVATED] = "deactivated",
    [ACCOUNT_REVOKED]     = "revoked",
};
static const char *const order_statuses[] = {
    [ORDER_PENDING]    = "pending",
    [ORDER_READY]      = "ready",
    [ORDER_PROCESSING] = "processing",
    [ORDER_VALID]      = "valid",
    [ORDER_INVALID]    = "invalid",
};
static const char *const authz_statuses[] = {
    [AUTHZ_PENDING]     = "pending",
    [AUTHZ_VALID]       = "valid",
    [AUTHZ_INVALID]     = "invalid",
    [AUTHZ_DEACTIVATED] = "deactivated",
    [AUTHZ_EXPIRED]     = "expired",
    [AUTHZ_REVOKED]     = "revoked",
};
static const char *const challenge_statuses[] = {
    [CHALLENGE_PENDING]    = "pending",
    [CHALLENGE_PROCESSING] = "processing",
    [CHALLENGE_VALID]      = "valid",
    [CHALLENGE_INVALID]    = "invalid",
};
/* clang-format on */
static_assert(COUNT(identifier_names) == ACME_ID__COUNT, "every identifier type has a name");
static_assert(COUNT(challenge_names) == ACME_CHALLENGE__COUNT, "every challenge type has a name");
static_assert(COUNT(account_statuses) == ACCOUNT_STATUS__COUNT, "every status has a name");
static_assert(COUNT(order_statuses) == ORDER_STATUS__COUNT, "every status has a name");
static_assert(COUNT(authz_statuses) == AUTHZ_STATUS__COUNT, "every status has a name");
static_assert(COUNT(challenge_statuses) == CHALLENGE_STATUS__COUNT, "every status has a name");

/* The row of that name, or count. */
static unsigned find(const char *const *names, unsigned count, const char *name) {
    unsigned i = 0;
    while (i < count && (name == NULL || strcmp(names[i], name) != 0)) {
        i++;
    }
    return i;
}

const char *acme_identifier_name(enum acme_identifier_type type) {
    assert((unsigned)type < ACME_ID__COUNT);
    return identifier_names[type];
}

const char *acme_challenge_name(enum acme_challenge_type type) {
    assert((unsigned)type < ACME_CHALLENGE__COUNT);
    return challenge_names[type];
}

const char *account_status_name(enum account_status status) {
    assert((unsigned)status < ACCOUNT_STATUS__COUNT);
    return account_statuses[status];
}

const char *order_status_name(enum order_status status) {
    assert((unsigned)status < ORDER_STATUS__COUNT);
    return order_statuses[status];
}

const char *authz_status_name(enum authz_status status) {
    assert((unsigned)status < AUTHZ_STATUS__COUNT);
    return authz_statuses[status];
}

const char *challenge_status_name(enum challenge_status status) {
    assert((unsigned)status < CHALLENGE_STATUS__COUNT);
    return challenge_statuses[status];
}

bool acme_identifier_parse(const char *name, enum acme_identifier_type *ret) {
    unsigned i = find(identifier_names, ACME_ID__COUNT, name);
    if (i >= ACME_ID__COUNT) {
        return false;
    }
    *ret = (enum acme_identifier_type)i;
    return true;
}

bool acme_challenge_parse(const char *name, enum acme_challenge_type *ret) {
    unsigned i = find(challenge_names, ACME_CHALLENGE__COUNT, name);
    if (i >= ACME_CHALLENGE__COUNT) {
        return false;
    }
    *ret = (enum acme_challenge_type)i;
    return true;
}

bool account_status_parse(const char *name, enum account_status *ret) {
    unsigned i = find(account_statuses, ACCOUNT_STATUS__COUNT, name);
    if (i >= ACCOUNT_STATUS__COUNT) {
        return false;
    }
    *ret = (enum account_status)i;
    return true;
}

bool order_status_parse(const char *name, enum order_status *ret) {
    unsigned i = find(order_statuses, ORDER_STATUS__COUNT, name);
    if (i >= ORDER_STATUS__COUNT) {
        return false;
    }
    *ret = (enum order_status)i;
    return true;
}

bool authz_status_parse(const char *name, enum authz_status *ret) {
    unsigned i = find(authz_statuses, AUTHZ_STATUS__COUNT, name);
    if (i >= AUTHZ_STATUS__COUNT) {
        return false;
    }
    *ret = (enum authz_status)i;
    return true;
}

bool challenge_status_parse(const char *name, enum challenge_status *ret) {
    unsigned i = find(challenge_statuses, CHALLENGE_STATUS__COUNT, name);
    if (i >= CHALLENGE_STATUS__COUNT) {
        return false;
    }
    *ret = (enum challenge_status)i;
    return true;
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

bool acme_uuid_canonical(const char *text, char ret[37]) {
    static const char shape[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx"; /* RFC 9562 section 5.4 */
    char copy[sizeof(shape)];

    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        char c = lower(text[i]);
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        bool fits = shape[i] == 'x'   ? hex
                    : shape[i] == 'v' ? c == '8' || c == '9' || c == 'a' || c == 'b'
                                      : c == shape[i];
        if (!fits) {
            return false; /* a NUL fits nowhere, so nothing is read beyond the end */
        }
        copy[i] = c;
    }
    if (text[sizeof(shape) - 1] != '\0') {
        return false;
    }
    copy[sizeof(shape) - 1] = '\0';
    memcpy(ret, copy, sizeof(copy));
    return true;
}

/* One label, RFC 1123 section 2.1: its length, or 0 when it is not one. */
static size_t label_len(const char *text, bool *ret_numeric) {
    size_t len = 0;

    *ret_numeric = true;
    while (is_alnum(text[len]) || text[len] == '-') {
        *ret_numeric = *ret_numeric && text[len] >= '0' && text[len] <= '9';
        if (++len > 63) {
            return 0;
        }
    }
    return len > 0 && text[0] != '-' && text[len - 1] != '-' ? len : 0;
}

bool acme_dns_canonical(const char *text, char ret[ACME_ID_VALUE_MAX + 1]) {
    size_t at = 0;
    unsigned labels = 0;
    bool numeric;

    for (;;) {
        size_t len = label_len(text + at, &numeric);
        at += len;
        labels++;
        if (len == 0 || at > ACME_ID_VALUE_MAX || (text[at] != '.' && text[at] != '\0')) {
            return false;
        }
        if (text[at] == '\0') {
            break;
        }
        at++;
    }
    if (labels < 2 || numeric) { /* a numeric last label reads as an address, RFC 1123 2.1 */
        return false;
    }
    for (size_t i = 0; i <= at; i++) {
        ret[i] = lower(text[i]);
    }
    return true;
}

/* glibc's inet_ntop writes RFC 5952, save that it shows ::a.b.c.d for the deprecated
 * IPv4-compatible addresses, whose last 32 bits are hexadecimal there. */
static void ip6_text(const unsigned char octets[16], char ret[ACME_IP_SIZE]) {
    static const unsigned char zero[12] = {0};
    const unsigned high = (unsigned)octets[12] << 8 | octets[13];
    const unsigned low = (unsigned)octets[14] << 8 | octets[15];

    if (memcmp(octets, zero, sizeof(zero)) == 0 && high != 0) {
        (void)snprintf(ret, ACME_IP_SIZE, "::%x:%x", high, low);
    } else {
        (void)inet_ntop(AF_INET6, octets, ret, ACME_IP_SIZE);
    }
}

bool acme_ip_canonical(const char *text, char ret[ACME_IP_SIZE]) {
    unsigned char octets[16];

    if (inet_pton(AF_INET, text, octets) == 1) { /* takes no leading zeros, no missing parts */
        return inet_ntop(AF_INET, octets, ret, ACME_IP_SIZE) != NULL;
    }
    if (inet_pton(AF_INET6, text, octets) != 1) { /* takes no zone, no brackets */
        return false;
    }
    ip6_text(octets, ret);
    return true;
}
