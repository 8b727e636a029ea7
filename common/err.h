/* The one failure channel: what can fail returns bool (or a pointer) and fills a struct err.
 * Kinds up to ERR_USER_ACTION_REQUIRED are RFC 8555 section 6.7's 24 problem types. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"

enum err_kind {
    ERR_NONE = 0,
    /* RFC 8555 section 6.7, in its order */
    ERR_ACCOUNT_DOES_NOT_EXIST,
    ERR_ALREADY_REVOKED,
    ERR_BAD_CSR,
    ERR_BAD_NONCE,
    ERR_BAD_PUBLIC_KEY,
    ERR_BAD_REVOCATION_REASON,
    ERR_BAD_SIGNATURE_ALGORITHM,
    ERR_CAA,
    ERR_COMPOUND,
    ERR_CONNECTION,
    ERR_DNS,
    ERR_EXTERNAL_ACCOUNT_REQUIRED,
    ERR_INCORRECT_RESPONSE,
    ERR_INVALID_CONTACT,
    ERR_MALFORMED,
    ERR_ORDER_NOT_READY,
    ERR_RATE_LIMITED,
    ERR_REJECTED_IDENTIFIER,
    ERR_SERVER_INTERNAL,
    ERR_TLS,
    ERR_UNAUTHORIZED,
    ERR_UNSUPPORTED_CONTACT,
    ERR_UNSUPPORTED_IDENTIFIER,
    ERR_USER_ACTION_REQUIRED,
    /* extensions: profiles draft, RFC 9773 */
    ERR_INVALID_PROFILE,
    ERR_ALREADY_REPLACED,
    /* malformed under another HTTP status */
    ERR_NOT_FOUND,          /* 404 */
    ERR_METHOD_NOT_ALLOWED, /* 405 */
    ERR_CONFLICT,           /* 409: the record was not in the state the change starts from */
    ERR_TOO_LARGE,          /* 413 */
    ERR_MEDIA_TYPE,         /* 415 */
    /* the NF-facing API and our own */
    ERR_FORBIDDEN, /* the TLS peer may not ask for this */
    ERR_CCA, /* a client credentials assertion was refused, TS 29.500 CCA_VERIFICATION_FAILURE */
    ERR_MISSING,         /* a mandatory member is absent; err.param names it */
    ERR_INVALID,         /* a member has a wrong value; err.param names it */
    ERR_NOT_IMPLEMENTED, /* 501 */
    ERR_OVERLOAD,        /* 503, a stated limit is reached */
    ERR_UNREACHABLE,     /* a peer could not be reached or broke off */
    ERR_UPSTREAM,        /* a peer answered what its protocol forbids */
    ERR_TIMEOUT,
    ERR_NO_MEMORY,
    ERR_STORE,
    ERR_CONFIG, /* detail names file, line and key */
    ERR__COUNT
};

/* {0} = no error; lives on the caller's stack; owns nothing. */
struct err {
    enum err_kind kind;
    uint32_t retry_after_s; /* 0 = not stated */
    char param[64];         /* the member, header or option at fault; "" = not one */
    char detail[192];       /* for the peer */
    char cause[192];        /* for our log only: errno, OpenSSL queue, paths */
};

/*
 * Fill err and return false.  The first error wins: a filled err is left as it is.
 * fmt   the detail, for the peer; printf-checked; cut at the member's size.
 */
__attribute__((format(printf, 3, 4))) bool err_set(struct err *err, enum err_kind kind,
                                                   const char *fmt, ...);

/* As err_set, naming the member, header or option at fault (ProblemDetails invalidParams). */
__attribute__((format(printf, 4, 5))) bool err_set_param(struct err *err, enum err_kind kind,
                                                         const char *param, const char *fmt, ...);

/* Note the private cause of an error already set (kept if there is one); returns false. */
__attribute__((format(printf, 2, 3))) bool err_cause(struct err *err, const char *fmt, ...);

/* err_cause with OpenSSL's error queue, which is emptied; returns false. */
bool err_cause_openssl(struct err *err);

/* A short lower-case name of the kind for logs, metrics and results ("badNonce", "timeout"). */
const char *err_name(enum err_kind kind);
