/* What bodies and headers of the API may say. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/api.h"
#include "client/notify.h"
#include "common/acme.h"
#include "common/guard.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/nftypes.h"
#include "common/ossl.h"

#define WAIT_DIGITS_MAX 9
#define CRL_REASON_MAX 10 /* RFC 5280 5.3.1 */
#define CRL_REASON_UNUSED 7
#define MAX_RSP_DIGITS_MAX 9
#define PRIORITY_LEAST 31

/* Decimal digits, nothing else; false when there is none or more than most. */
static bool read_digits(const char *text, size_t len, unsigned most, uint64_t *ret) {
    uint64_t value = 0;

    if (len == 0 || len > most) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = value;
    return true;
}

/* The value of name=value in a list separated by any of `separators`; NULL when absent. */
static const char *list_value(const char *list, const char *separators, const char *name,
                              size_t *ret_len) {
    const size_t name_len = strlen(name);

    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t");
        size_t len = strcspn(list, separators);
        if (len > name_len && strncasecmp(list, name, name_len) == 0 && list[name_len] == '=') {
            const char *value = list + name_len + 1;
            len -= name_len + 1;
            while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
                len--;
            }
            if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
                value++;
                len -= 2;
            }
            *ret_len = len;
            return value;
        }
        list += len;
        list += *list == '\0' ? 0 : 1;
    }
    return NULL;
}

uint64_t api_prefer_wait_us(const char *prefer) {
    size_t len = 0;
    const char *value = list_value(prefer, ",;", "wait", &len);
    uint64_t wait_s = 0;

    if (value == NULL || !read_digits(value, len, WAIT_DIGITS_MAX, &wait_s)) {
        return 0;
    }
    return (wait_s < CALL_WAIT_MAX_S ? wait_s : CALL_WAIT_MAX_S) * 1000000;
}

bool api_max_rsp_us(const char *header, uint64_t *ret, struct err *err) {
    uint64_t ms = 0;

    if (header == NULL) {
        *ret = 0;
        return true;
    }
    if (!read_digits(header, strlen(header), MAX_RSP_DIGITS_MAX, &ms) || ms == 0) {
        return err_set_param(err, ERR_INVALID, "3gpp-Sbi-Max-Rsp-Time",
                             "3gpp-Sbi-Max-Rsp-Time is not a number of milliseconds");
    }
    *ret = ms * 1000;
    return true;
}

unsigned api_priority(const char *header) {
    uint64_t value = 0;

    return header != NULL && read_digits(header, strlen(header), 2, &value)
                   && value <= PRIORITY_LEAST
               ? (unsigned)value
               : PRIORITY_DEFAULT;
}

bool api_idempotency(const char *header, char out[ENROLMENT_IDEMPOTENCY_SIZE], struct err *err) {
    size_t len = 0;
    const char *value = list_value(header, ";", "idempotency-key", &len);

    out[0] = '\0';
    if (value == NULL) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] <= ' ' || value[i] > '~') {
            len = 0;
        }
    }
    if (len == 0 || len >= ENROLMENT_IDEMPOTENCY_SIZE) {
        return err_set_param(err, ERR_INVALID, "3gpp-Sbi-Request-Info",
                             "idempotency-key is not 1 to %d printable characters",
                             ENROLMENT_IDEMPOTENCY_SIZE - 1);
    }
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

static bool read_nf(const json_t *json, struct enrolment *ret, struct err *err) {
    const char *text = NULL;

    if (!json_get_text(json, "nfInstanceId", JSON_REQUIRED, 64, &text, err)) {
        return false;
    }
    if (!acme_uuid_canonical(text, ret->nf)) {
        return err_set_param(err, ERR_INVALID, "nfInstanceId",
                             "nfInstanceId is not a UUID of version 4 (TS 29.571)");
    }
    if (!json_get_text(json, "nfType", JSON_REQUIRED, 64, &text, err)) {
        return false;
    }
    if (!nftypes_wellformed(text)) {
        return err_set_param(err, ERR_INVALID, "nfType", "nfType is not a name of an NF type");
    }
    memcpy(ret->nf_type, text, strlen(text) + 1);
    return true;
}

static bool read_fqdn(const json_t *json, struct enrolment *ret, struct err *err) {
    char fqdn[ACME_ID_VALUE_MAX + 1];
    const char *text = NULL;

    if (!json_get_text(json, "fqdn", JSON_OPTIONAL, ACME_ID_VALUE_MAX, &text, err)) {
        return false;
    }
    if (text == NULL) {
        return true;
    }
    if (!acme_dns_canonical(text, fqdn)) {
        return err_set_param(err, ERR_INVALID, "fqdn", "fqdn is not a host name");
    }
    ret->fqdn = strdup(fqdn);
    return ret->fqdn != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

static bool read_profile(const json_t *json, struct enrolment *ret, struct err *err) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *text = NULL;

    if (!json_get_text(json, "profile", JSON_OPTIONAL, ENROLMENT_PROFILE_SIZE - 1, &text, err)) {
        return false;
    }
    if (text == NULL) {
        return true;
    }
    if (text[0] == '\0' || strspn(text, letters) != strlen(text)) {
        return err_set_param(err, ERR_INVALID, "profile", "profile is not a name of a profile");
    }
    ret->profile = strdup(text);
    return ret->profile != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* Its host is judged where the peer is known (notify_allows). */
static bool read_notification(const json_t *json, struct enrolment *ret, struct err *err) {
    const char *text = NULL;

    if (!json_get_text(json, "notificationUri", JSON_OPTIONAL, NOTIFY_URI_MAX, &text, err)) {
        return false;
    }
    ret->notification_uri = text == NULL ? NULL : strdup(text);
    return text == NULL || ret->notification_uri != NULL
           || err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* Which names the order will hold (design: --identifiers). */
static bool choose_identifiers(const struct api_policy *policy, struct enrolment *ret,
                               struct err *err) {
    const bool has_fqdn = ret->fqdn != NULL;

    switch (policy->identifiers) {
    case API_IDENTIFIERS_AUTO:
        ret->with_nf_instance = solver_for(policy->solvers, ACME_ID_NF_INSTANCE);
        ret->with_dns = has_fqdn && solver_for(policy->solvers, ACME_ID_DNS);
        break;
    case API_IDENTIFIERS_NF:
        ret->with_nf_instance = true;
        break;
    case API_IDENTIFIERS_DNS:
        ret->with_dns = has_fqdn;
        break;
    case API_IDENTIFIERS_BOTH:
        ret->with_nf_instance = has_fqdn;
        ret->with_dns = has_fqdn;
        break;
    }
    return ret->with_nf_instance || ret->with_dns
           || err_set_param(err, ERR_MISSING, "fqdn",
                            "this client orders certificates by fqdn: the member is needed");
}

bool api_enrol_read(const struct api_policy *policy, const char *body, size_t len,
                    const char *content_type, struct enrolment *ret, struct err *err) {
    static const char *const members[] = {"nfInstanceId", "nfType",          "fqdn",
                                          "profile",      "notificationUri", NULL};
    AUTO(enrolment_done) struct enrolment read = {0};

    if (!GUARD("media-type", api_media_type(content_type, "application/json"))) {
        return err_set_param(err, ERR_MEDIA_TYPE, "Content-Type", "the body must be JSON");
    }
    AUTO(json_release) json_t *json = json_read_object(body, len, err);
    if (json == NULL) {
        return false;
    }
    if (!json_only(json, members, err) || !read_nf(json, &read, err) || !read_fqdn(json, &read, err)
        || !read_profile(json, &read, err) || !read_notification(json, &read, err)) {
        return false;
    }
    if (!choose_identifiers(policy, &read, err)) {
        return false;
    }
    *ret = read;
    read = (struct enrolment){0};
    return true;
}

/* Three parts of base64url. */
static bool compact_shape(const char *text) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (unsigned part = 0; part < 3; part++) {
        size_t len = strspn(text, letters);
        if (len == 0 || text[len] != (part < 2 ? '.' : '\0')) {
            return false;
        }
        text += len + 1;
    }
    return true;
}

bool api_cca_read(const struct api_policy *policy, const char *header, struct enrolment *ret,
                  struct err *err) {
    static const char name[] = "3gpp-Sbi-Client-Credentials";

    if (!ret->with_nf_instance || policy->solvers->tkauth01 == NULL) {
        return true;
    }
    if (header == NULL && (policy->solvers->none || policy->solvers->nf_tokens)) {
        return true; /* the name may be authorised beforehand, or the token will be brought */
    }
    if (header == NULL) {
        return err_set_param(err, ERR_CCA, name,
                             "the request needs a client credentials assertion for the OAM");
    }
    if (strlen(header) > JWT_MAX || !compact_shape(header)) {
        return err_set_param(err, ERR_CCA, name,
                             "the client credentials assertion is not a compact JWT");
    }
    ret->cca = strdup(header);
    return ret->cca != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

bool api_cca_subject(const char *cca, const char *nf, struct err *err) {
    AUTO(json_release) json_t *claims = jwt_claims(cca);
    const char *subject = json_string_value(json_object_get(claims, "sub"));

    return GUARD("assertion-subject", subject != NULL && strcasecmp(subject, nf) == 0)
           || err_set_param(err, ERR_CCA, "3gpp-Sbi-Client-Credentials",
                            "the client credentials assertion is another NF's");
}

bool api_token_read(const char *body, size_t len, const char *content_type, char **ret,
                    struct err *err) {
    if (!api_media_type(content_type, "application/jwt")) {
        return err_set_param(err, ERR_MEDIA_TYPE, "Content-Type", "a token is application/jwt");
    }
    if (len == 0 || len > JWT_MAX || strlen(body) != len || !compact_shape(body)) {
        return err_set_param(err, ERR_INVALID, "body", "the body is not a compact JWT");
    }
    *ret = strdup(body);
    return *ret != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

bool api_revoke_read(const char *body, size_t len, const char *content_type, int *ret_reason,
                     struct err *err) {
    static const char *const members[] = {"reason", NULL};
    const json_t *reason = NULL;

    *ret_reason = 0;
    if (len == 0) {
        return true;
    }
    if (!api_media_type(content_type, "application/json")) {
        return err_set_param(err, ERR_MEDIA_TYPE, "Content-Type", "the body must be JSON");
    }
    AUTO(json_release) json_t *json = json_read_object(body, len, err);
    if (json == NULL || !json_only(json, members, err)) {
        return false;
    }
    reason = json_object_get(json, "reason");
    if (reason != NULL
        && (!json_is_integer(reason) || json_integer_value(reason) < 0
            || json_integer_value(reason) > CRL_REASON_MAX
            || json_integer_value(reason) == CRL_REASON_UNUSED)) {
        return err_set_param(err, ERR_INVALID, "reason", "reason is not a CRLReason of RFC 5280");
    }
    *ret_reason = (int)json_integer_value(reason);
    return true;
}
