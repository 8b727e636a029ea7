#include "common/problem.h"

#include <assert.h>
#include <string.h>

#include "common/acme.h"
#include "common/json.h"
#include "common/utf8.h"

#define OWN_URN "urn:nfacme:error:" /* NF-facing types: OWN_URN and err_name */
#define BODY_MAX (64 * 1024)

const char *const problem_algorithms[] = {"ES256", "ES384", "ES512", "RS256", "EdDSA", NULL};

/*
 * Where RFC 8555 names no status, 400 is used when the request can be mended by its sender and 403
 * when it cannot.  Towards NFs, what an NF can mend is a 4xx; what stands between the shared client
 * and the ACME server is 502 (TS 29.500 table 5.2.7.2-1 has one cause for that).  The table has no
 * cause for 405, 409, 413, 415 and 501: the nearest one is used.
 */
/* clang-format off */
static const struct problem_type types[] = {
    [ERR_NONE]                    = {NULL,                    500, RETRY_NEVER,     500, "UNSPECIFIED_NF_FAILURE"},
    [ERR_ACCOUNT_DOES_NOT_EXIST]  = {"accountDoesNotExist",   400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 7.3.1 */
    [ERR_ALREADY_REVOKED]         = {"alreadyRevoked",        400, RETRY_NEVER,     409, "MODIFICATION_NOT_ALLOWED"}, /* 7.6 */
    [ERR_BAD_CSR]                 = {"badCSR",                400, RETRY_NEVER,     400, "MANDATORY_IE_INCORRECT"},   /* 7.4 */
    [ERR_BAD_NONCE]               = {"badNonce",              400, RETRY_NEW_NONCE, 502, "INBOUND_SERVER_ERROR"},     /* 6.5 */
    [ERR_BAD_PUBLIC_KEY]          = {"badPublicKey",          400, RETRY_NEVER,     400, "MANDATORY_IE_INCORRECT"},   /* 6.2, 7.4: of an account or a CSR */
    [ERR_BAD_REVOCATION_REASON]   = {"badRevocationReason",   400, RETRY_NEVER,     400, "OPTIONAL_IE_INCORRECT"},    /* 7.6 */
    [ERR_BAD_SIGNATURE_ALGORITHM] = {"badSignatureAlgorithm", 400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 6.2 */
    [ERR_CAA]                     = {"caa",                   403, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 6.7 */
    [ERR_COMPOUND]                = {"compound",              400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 6.7.1 */
    [ERR_CONNECTION]              = {"connection",            400, RETRY_LATER,     502, "INBOUND_SERVER_ERROR"},     /* 8.2: a new order may succeed */
    [ERR_DNS]                     = {"dns",                   400, RETRY_LATER,     502, "INBOUND_SERVER_ERROR"},     /* 8.2 */
    [ERR_EXTERNAL_ACCOUNT_REQUIRED] = {"externalAccountRequired", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},     /* 7.3.4 */
    [ERR_INCORRECT_RESPONSE]      = {"incorrectResponse",     403, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 8.2 */
    [ERR_INVALID_CONTACT]         = {"invalidContact",        400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 7.3 */
    [ERR_MALFORMED]               = {"malformed",             400, RETRY_NEVER,     400, "INVALID_MSG_FORMAT"},       /* 6.7 */
    [ERR_ORDER_NOT_READY]         = {"orderNotReady",         403, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 7.4 */
    [ERR_RATE_LIMITED]            = {"rateLimited",           429, RETRY_LATER,     429, "NF_CONGESTION_RISK"},       /* 6.6, RFC 6585 4 */
    [ERR_REJECTED_IDENTIFIER]     = {"rejectedIdentifier",    403, RETRY_NEVER,     403, "MODIFICATION_NOT_ALLOWED"}, /* 7.4.1 */
    [ERR_SERVER_INTERNAL]         = {"serverInternal",        500, RETRY_LATER,     502, "INBOUND_SERVER_ERROR"},     /* 6.7 */
    [ERR_TLS]                     = {"tls",                   400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 8.2 */
    [ERR_UNAUTHORIZED]            = {"unauthorized",          403, RETRY_NEVER,     403, "MODIFICATION_NOT_ALLOWED"}, /* 7.6, 8.2; the 401 of 7.3.6 is the front end's */
    [ERR_UNSUPPORTED_CONTACT]     = {"unsupportedContact",    400, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 7.3 */
    [ERR_UNSUPPORTED_IDENTIFIER]  = {"unsupportedIdentifier", 400, RETRY_NEVER,     400, "MANDATORY_IE_INCORRECT"},   /* 7.4 */
    [ERR_USER_ACTION_REQUIRED]    = {"userActionRequired",    403, RETRY_NEVER,     502, "INBOUND_SERVER_ERROR"},     /* 7.3.3 */
    [ERR_INVALID_PROFILE]         = {"invalidProfile",        400, RETRY_NEVER,     400, "OPTIONAL_IE_INCORRECT"},    /* profiles draft 4 */
    [ERR_ALREADY_REPLACED]        = {"alreadyReplaced",       409, RETRY_NEVER,     409, "MODIFICATION_NOT_ALLOWED"}, /* RFC 9773 5 */
    [ERR_NOT_FOUND]               = {"malformed",             404, RETRY_NEVER,     404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"},
    [ERR_METHOD_NOT_ALLOWED]      = {"malformed",             405, RETRY_NEVER,     405, "UNSPECIFIED_MSG_FAILURE"},
    [ERR_CONFLICT]                = {"malformed",             409, RETRY_NEVER,     409, "MODIFICATION_NOT_ALLOWED"},
    [ERR_TOO_LARGE]               = {"malformed",             413, RETRY_NEVER,     413, "INCORRECT_LENGTH"},
    [ERR_MEDIA_TYPE]              = {"malformed",             415, RETRY_NEVER,     415, "INVALID_MSG_FORMAT"},       /* 6.2 */
    [ERR_FORBIDDEN]               = {"unauthorized",          403, RETRY_NEVER,     403, "MODIFICATION_NOT_ALLOWED"},
    [ERR_CCA]                     = {"unauthorized",          403, RETRY_NEVER,     403, "CCA_VERIFICATION_FAILURE"},
    [ERR_MISSING]                 = {"malformed",             400, RETRY_NEVER,     400, "MANDATORY_IE_MISSING"},
    [ERR_INVALID]                 = {"malformed",             400, RETRY_NEVER,     400, "MANDATORY_IE_INCORRECT"},
    [ERR_NOT_IMPLEMENTED]         = {"serverInternal",        501, RETRY_NEVER,     501, "UNSPECIFIED_NF_FAILURE"},
    [ERR_OVERLOAD]                = {"serverInternal",        503, RETRY_LATER,     503, "NF_CONGESTION"},
    [ERR_UNREACHABLE]             = {NULL,                    500, RETRY_LATER,     504, "TARGET_NF_NOT_REACHABLE"},
    [ERR_UPSTREAM]                = {NULL,                    500, RETRY_LATER,     502, "INBOUND_SERVER_ERROR"},
    [ERR_TIMEOUT]                 = {NULL,                    500, RETRY_LATER,     504, "TIMED_OUT_REQUEST"},
    [ERR_NO_MEMORY]               = {NULL,                    500, RETRY_LATER,     500, "INSUFFICIENT_RESOURCES"},
    [ERR_STORE]                   = {NULL,                    500, RETRY_LATER,     500, "SYSTEM_FAILURE"},
    [ERR_CONFIG]                  = {NULL,                    500, RETRY_NEVER,     500, "SYSTEM_FAILURE"},
};
/* clang-format on */
static_assert(COUNT(types) == ERR__COUNT, "every kind has a row");

/* RFC 9110 section 15 phrases of the statuses above. */
/* clang-format off */
static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    {400, "Bad Request"},  {403, "Forbidden"},          {404, "Not Found"},
    {405, "Method Not Allowed"}, {409, "Conflict"},     {413, "Content Too Large"},
    {415, "Unsupported Media Type"}, {429, "Too Many Requests"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"},
};
/* clang-format on */

const struct problem_type *problem_type(enum err_kind kind) {
    assert(kind >= ERR_NONE && kind < ERR__COUNT);
    return &types[kind];
}

/* Copy text, which may hold a peer's octets, with all that is not printable UTF-8 as "?". */
static void text_copy(const char *text, char *out, size_t size) {
    size_t used = 0;

    while (*text != '\0') {
        size_t len = utf8_len(text);
        size_t step = len == 0 ? 1 : len;
        if (used + step + 1 > size) {
            break;
        }
        memcpy(out + used, len == 0 ? "?" : text, step);
        used += step;
        text += step;
    }
    out[used] = '\0';
}

static json_t *text_new(const char *text) {
    char clean[sizeof(((struct err *)NULL)->detail)];
    text_copy(text, clean, sizeof(clean));
    return json_string(clean);
}

static json_t *urn_new(const char *prefix, const char *name) {
    return json_sprintf("%s%s", prefix, name);
}

static json_t *algorithms_new(void) {
    json_t *list = json_array();
    for (const char *const *name = problem_algorithms; *name != NULL; name++) {
        (void)json_array_append_new(list, json_string(*name));
    }
    return list;
}

/* Members are added until one fails: then the document is not whole and NULL is returned. */
static char *finish(json_t *object, bool whole) { return whole ? json_text(object) : NULL; }

/* type and detail, which every problem has (6.7); what went wrong inside is for the log alone. */
static bool add_type(json_t *object, const struct err *err) {
    const struct problem_type *type = problem_type(err->kind);
    const char *name = type->name == NULL ? "serverInternal" : type->name;
    const char *detail = type->name == NULL ? "an internal error of the server" : err->detail;

    return json_object_set_new(object, "type", urn_new(ACME_ERROR_URN, name)) == 0
           && (detail[0] == '\0' || json_object_set_new(object, "detail", text_new(detail)) == 0);
}

json_t *problem_sub_new(const struct err *err, const char *type, const char *value) {
    AUTO(json_release) json_t *object = json_object();
    json_t *identifier = json_pack("{s:s, s:s}", "type", type, "value", value);

    if (!add_type(object, err) || json_object_set_new(object, "identifier", identifier) != 0) {
        return NULL;
    }
    return TAKE(object);
}

char *problem_render(const struct err *err) { return problem_render_with(err, NULL); }

char *problem_render_with(const struct err *err, json_t *subproblems) {
    AUTO(json_release) json_t *object = json_object();
    unsigned status = problem_type(err->kind)->status;

    bool whole =
        add_type(object, err) && json_object_set_new(object, "status", json_integer(status)) == 0
        && (subproblems == NULL || json_object_set(object, "subproblems", subproblems) == 0);
    if (err->kind == ERR_BAD_SIGNATURE_ALGORITHM) { /* 6.2: the algorithms we do take */
        whole = whole && json_object_set_new(object, "algorithms", algorithms_new()) == 0;
    }
    return finish(object, whole);
}

static const char *phrase_of(unsigned status) {
    for (unsigned i = 0; i < COUNT(phrases); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Internal Server Error";
}

static bool is_acme(enum err_kind kind) { return kind > ERR_NONE && kind <= ERR_ALREADY_REPLACED; }

/* invalidParams, TS 29.571 InvalidParam: param and reason. */
static json_t *params_new(const struct err *err) {
    json_t *one = json_object();
    json_t *list = json_array();

    (void)json_object_set_new(one, "param", text_new(err->param));
    (void)json_object_set_new(one, "reason", text_new(err->detail));
    (void)json_array_append_new(list, one);
    return list;
}

char *problem_render_sbi(const struct err *err) {
    const struct problem_type *type = problem_type(err->kind);
    AUTO(json_release) json_t *object = json_object();
    bool ours = err->kind == ERR_NONE || err->kind == ERR_NO_MEMORY || err->kind == ERR_STORE
                || err->kind == ERR_CONFIG;

    bool whole =
        json_object_set_new(object, "type", urn_new(OWN_URN, err_name(err->kind))) == 0
        && json_object_set_new(object, "title", json_string(phrase_of(type->sbi_status))) == 0
        && json_object_set_new(object, "status", json_integer(type->sbi_status)) == 0
        && json_object_set_new(object, "cause", json_string(type->sbi_cause)) == 0;
    if (!ours && err->detail[0] != '\0') {
        whole = whole && json_object_set_new(object, "detail", text_new(err->detail)) == 0;
    }
    if (!ours && err->param[0] != '\0') {
        whole = whole && json_object_set_new(object, "invalidParams", params_new(err)) == 0;
    }
    if (is_acme(err->kind)) {
        whole =
            whole
            && json_object_set_new(object, "acmeProblem", urn_new(ACME_ERROR_URN, type->name)) == 0;
    }
    return finish(object, whole);
}

/* The kind an ACME URN's last part stands for: the row of the same status if there is one, since
 * several kinds share a name; else the first of that name; ERR_NONE when unknown. */
static enum err_kind kind_of(const char *name, unsigned status) {
    enum err_kind first = ERR_NONE;

    for (int kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
        if (types[kind].name != NULL && strcmp(types[kind].name, name) == 0) {
            if (types[kind].status == status) {
                return (enum err_kind)kind;
            }
            first = first == ERR_NONE ? (enum err_kind)kind : first;
        }
    }
    return first;
}

static enum err_kind kind_read(const char *type, unsigned status) {
    if (strncmp(type, ACME_ERROR_URN, strlen(ACME_ERROR_URN)) == 0) {
        return kind_of(type + strlen(ACME_ERROR_URN), status);
    }
    if (strncmp(type, OWN_URN, strlen(OWN_URN)) == 0) {
        for (int kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
            if (strcmp(err_name((enum err_kind)kind), type + strlen(OWN_URN)) == 0) {
                return (enum err_kind)kind;
            }
        }
    }
    return ERR_NONE;
}

void problem_read(struct err *err, unsigned status, const char *body, size_t len,
                  uint32_t retry_after_s) {
    struct err ignored = {0};
    AUTO(json_release)
    json_t *object = len <= BODY_MAX ? json_read_object(body, len, &ignored) : NULL;
    const json_t *param =
        json_object_get(json_array_get(json_object_get(object, "invalidParams"), 0), "param");
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *detail = json_string_value(json_object_get(object, "detail"));
    enum err_kind kind = type == NULL ? ERR_NONE : kind_read(type, status);

    if (kind == ERR_NONE) {
        kind = status == 429 ? ERR_RATE_LIMITED : status == 503 ? ERR_OVERLOAD : ERR_UPSTREAM;
    }
    if (err->kind != ERR_NONE) {
        return;
    }
    char text[sizeof(err->detail)];
    char name[sizeof(err->param)];
    text_copy(detail == NULL ? "" : detail, text, sizeof(text));
    text_copy(json_is_string(param) ? json_string_value(param) : "", name, sizeof(name));
    if (detail == NULL) {
        (void)err_set_param(err, kind, name, "the peer answered %u", status);
    } else {
        (void)err_set_param(err, kind, name, "%s", text);
    }
    err->retry_after_s = retry_after_s;
}
