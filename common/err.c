#include "common/err.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const char *const names[] = {
    [ERR_NONE]                    = "none",
    [ERR_ACCOUNT_DOES_NOT_EXIST]  = "accountDoesNotExist",
    [ERR_ALREADY_REVOKED]         = "alreadyRevoked",
    [ERR_BAD_CSR]                 = "badCSR",
    [ERR_BAD_NONCE]               = "badNonce",
    [ERR_BAD_PUBLIC_KEY]          = "badPublicKey",
    [ERR_BAD_REVOCATION_REASON]   = "badRevocationReason",
    [ERR_BAD_SIGNATURE_ALGORITHM] = "badSignatureAlgorithm",
    [ERR_CAA]                     = "caa",
    [ERR_COMPOUND]                = "compound",
    [ERR_CONNECTION]              = "connection",
    [ERR_DNS]                     = "dns",
    [ERR_EXTERNAL_ACCOUNT_REQUIRED] = "externalAccountRequired",
    [ERR_INCORRECT_RESPONSE]      = "incorrectResponse",
    [ERR_INVALID_CONTACT]         = "invalidContact",
    [ERR_MALFORMED]               = "malformed",
    [ERR_ORDER_NOT_READY]         = "orderNotReady",
    [ERR_RATE_LIMITED]            = "rateLimited",
    [ERR_REJECTED_IDENTIFIER]     = "rejectedIdentifier",
    [ERR_SERVER_INTERNAL]         = "serverInternal",
    [ERR_TLS]                     = "tls",
    [ERR_UNAUTHORIZED]            = "unauthorized",
    [ERR_UNSUPPORTED_CONTACT]     = "unsupportedContact",
    [ERR_UNSUPPORTED_IDENTIFIER]  = "unsupportedIdentifier",
    [ERR_USER_ACTION_REQUIRED]    = "userActionRequired",
    [ERR_INVALID_PROFILE]         = "invalidProfile",
    [ERR_ALREADY_REPLACED]        = "alreadyReplaced",
    [ERR_NOT_FOUND]               = "notFound",
    [ERR_METHOD_NOT_ALLOWED]      = "methodNotAllowed",
    [ERR_CONFLICT]                = "conflict",
    [ERR_TOO_LARGE]               = "tooLarge",
    [ERR_MEDIA_TYPE]              = "mediaType",
    [ERR_FORBIDDEN]               = "forbidden",
    [ERR_CCA]                     = "cca",
    [ERR_MISSING]                 = "missing",
    [ERR_INVALID]                 = "invalid",
    [ERR_NOT_IMPLEMENTED]         = "notImplemented",
    [ERR_OVERLOAD]                = "overload",
    [ERR_UNREACHABLE]             = "unreachable",
    [ERR_UPSTREAM]                = "upstream",
    [ERR_TIMEOUT]                 = "timeout",
    [ERR_NO_MEMORY]               = "noMemory",
    [ERR_STORE]                   = "store",
    [ERR_CONFIG]                  = "config",
};
/* clang-format on */
static_assert(COUNT(names) == ERR__COUNT, "every kind has a name");

/* A text cut at its member's size must not end inside a UTF-8 sequence. */
static void cut_whole(char *text, size_t size, int wanted) {
    if (wanted < 0 || (size_t)wanted < size) {
        return;
    }
    size_t end = size - 1;
    size_t start = end;
    while (start > 0 && end - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (end - (start - 1) < whole) {
            text[start - 1] = '\0';
        }
    }
}

__attribute__((format(printf, 4, 0))) static bool
set(struct err *err, enum err_kind kind, const char *param, const char *fmt, va_list args) {
    assert(kind > ERR_NONE && kind < ERR__COUNT);
    if (err->kind != ERR_NONE) {
        return false;
    }
    err->kind = kind;
    int wanted = vsnprintf(err->detail, sizeof(err->detail), fmt, args);
    cut_whole(err->detail, sizeof(err->detail), wanted);
    wanted = snprintf(err->param, sizeof(err->param), "%s", param);
    cut_whole(err->param, sizeof(err->param), wanted);
    return false;
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)set(err, kind, "", fmt, args);
    va_end(args);
    return false;
}

bool err_set_param(struct err *err, enum err_kind kind, const char *param, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)set(err, kind, param, fmt, args);
    va_end(args);
    return false;
}

bool err_cause(struct err *err, const char *fmt, ...) {
    if (err->cause[0] != '\0') {
        return false;
    }
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(err->cause, sizeof(err->cause), fmt, args);
    va_end(args);
    cut_whole(err->cause, sizeof(err->cause), wanted);
    return false;
}

bool err_cause_openssl(struct err *err) {
    char text[sizeof(err->cause)] = "";
    size_t used = 0;

    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        char one[128];
        ERR_error_string_n(code, one, sizeof(one));
        int wrote = snprintf(text + used, sizeof(text) - used, "%s%s", used == 0 ? "" : "; ", one);
        used = wrote < 0 || used + (size_t)wrote >= sizeof(text) ? sizeof(text) - 1
                                                                 : used + (size_t)wrote;
    }
    return err_cause(err, "%s", used == 0 ? "openssl: no reason given" : text);
}

const char *err_name(enum err_kind kind) {
    assert(kind >= ERR_NONE && kind < ERR__COUNT);
    return names[kind];
}
