#include "server/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/problem.h"
#include "server/account.h"
#include "server/names.h"

#define MAILTO "mailto:"
#define CLOCK_SLACK_S 60 /* a client's clock may be that much behind */
#define US_PER_S 1000000

/* local@domain, printable ASCII without what separates addresses or starts header fields. */
static bool is_address(const char *text) {
    const char *at = strchr(text, '@');
    char domain[ACME_ID_VALUE_MAX + 1];

    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || strchr(",;?&<>\"()[]\\%", *c) != NULL) {
            return false;
        }
    }
    return at != NULL && at != text && strchr(at + 1, '@') == NULL
           && acme_dns_canonical(at + 1, domain);
}

static bool check_contact(const json_t *entry, struct err *err) {
    const char *text = json_string_value(entry);

    if (text == NULL || strlen(text) != json_string_length(entry)
        || strlen(text) > ACCOUNT_CONTACT_MAX) {
        return err_set(err, ERR_INVALID_CONTACT, "a contact must be a text of at most %d octets",
                       ACCOUNT_CONTACT_MAX);
    }
    size_t scheme =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    if (scheme == 0 || text[scheme] != ':') {
        return err_set(err, ERR_INVALID_CONTACT, "a contact must be a URL");
    }
    if (strncasecmp(text, MAILTO, strlen(MAILTO)) != 0) {
        return err_set(err, ERR_UNSUPPORTED_CONTACT, "only mailto contacts are supported");
    }
    return is_address(text + strlen(MAILTO))
           || err_set(err, ERR_INVALID_CONTACT,
                      "a mailto contact must hold one address and nothing else");
}

bool policy_contact(const json_t *contact, struct err *err) {
    size_t count = json_array_size(contact);

    if (!json_is_array(contact)) {
        return err_set(err, ERR_MALFORMED, "\"contact\" must be an array");
    }
    if (count > ACCOUNT_CONTACTS_MAX) {
        return err_set(err, ERR_INVALID_CONTACT, "more than %d contacts", ACCOUNT_CONTACTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!check_contact(json_array_get(contact, i), err)) {
            return false;
        }
    }
    return true;
}

static bool canonical(const char *text, struct acme_identifier *ret) {
    switch (ret->type) {
    case ACME_ID_DNS:
        return names_dns(text, ret->value);
    case ACME_ID_NF_INSTANCE:
        return acme_uuid_canonical(text, ret->value);
    case ACME_ID_IP:
        return acme_ip_canonical(text, ret->value);
    case ACME_ID__COUNT:
        break;
    }
    return false;
}

bool policy_identifier(const json_t *entry, struct acme_identifier *ret, struct err *err) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    const json_t *value = json_object_get(entry, "value");
    const char *text = json_string_value(value);

    if (type == NULL || text == NULL) {
        return err_set(err, ERR_MALFORMED, "an identifier must have a \"type\" and a \"value\"");
    }
    if (!acme_identifier_parse(type, &ret->type)) {
        return err_set(err, ERR_UNSUPPORTED_IDENTIFIER,
                       "identifiers of type %.40s are not supported", type);
    }
    bool good = strlen(text) == json_string_length(value) && canonical(text, ret);
    if (!good && ret->type == ACME_ID_IP) { /* RFC 8738 3: it is no address at all */
        return err_set(err, ERR_MALFORMED, "\"%.100s\" is no address in dotted decimal or RFC 5952",
                       text);
    }
    return good
           || err_set(err, ERR_REJECTED_IDENTIFIER, "\"%.100s\" is not acceptable as %s", text,
                      type);
}

static bool has_identifier(const struct order *order, const struct acme_identifier *identifier) {
    for (unsigned i = 0; i < order->count; i++) {
        const struct acme_identifier *other = &order->identifiers[i];
        if (other->type == identifier->type && strcmp(other->value, identifier->value) == 0) {
            return true;
        }
    }
    return false;
}

/* One more identifier that is refused.  false: it has no form to name it by, or no memory. */
static bool add_subproblem(const json_t *entry, const struct err *why, json_t **list,
                           struct err *err) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    const char *value = json_string_value(json_object_get(entry, "value"));

    if (type == NULL || value == NULL) {
        *err = *why;
        return false;
    }
    if (*list == NULL) {
        *list = json_array();
    }
    return json_array_append_new(*list, problem_sub_new(why, type, value)) == 0
           || err_set(err, ERR_NO_MEMORY, "no memory for a problem");
}

/* RFC 8555 6.7.1: one problem about them all, of their own type when they agree. */
static bool refuse_all(const json_t *subproblems, enum err_kind kind, struct err *err) {
    return err_set(err, kind, "%zu of the identifiers are not acceptable",
                   json_array_size(subproblems));
}

bool policy_identifiers(const json_t *identifiers, struct order *order, json_t **ret_subproblems,
                        struct err *err) {
    enum err_kind kind = ERR_NONE;
    size_t count = json_array_size(identifiers);

    if (count == 0 || count > ORDER_IDENTIFIERS_MAX) {
        return err_set(err, ERR_MALFORMED, "\"identifiers\" must be an array of 1 to %d",
                       ORDER_IDENTIFIERS_MAX);
    }
    order->identifiers = calloc(count, sizeof(*order->identifiers));
    order->authzs = calloc(count, sizeof(*order->authzs));
    if (order->identifiers == NULL || order->authzs == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an order");
    }
    for (size_t i = 0; i < count; i++) {
        struct acme_identifier identifier = {0};
        const json_t *entry = json_array_get(identifiers, i);
        struct err why = {0};
        if (policy_identifier(entry, &identifier, count == 1 ? err : &why)) {
            if (!has_identifier(order, &identifier)) {
                order->identifiers[order->count++] = identifier;
            }
        } else if (count == 1 || !add_subproblem(entry, &why, ret_subproblems, err)) {
            return false;
        } else {
            kind = kind == ERR_NONE || kind == why.kind ? why.kind : ERR_COMPOUND;
        }
    }
    return kind == ERR_NONE || refuse_all(*ret_subproblems, kind, err);
}

/* An optional instant; *ret_s stays 0 when absent. */
static bool read_instant(const json_t *object, const char *name, int64_t *ret_s, struct err *err) {
    const json_t *value = json_object_get(object, name);
    uint64_t us = 0;

    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value) || !clock_parse(json_string_value(value), &us) || us < US_PER_S) {
        return err_set(err, ERR_MALFORMED, "\"%s\" is not an RFC 3339 time", name);
    }
    if (us % US_PER_S != 0) { /* 7.4: as asked or not at all; RFC 5280 4.1.2.5: no fractions */
        return err_set(err, ERR_MALFORMED, "\"%s\" must be in whole seconds", name);
    }
    *ret_s = (int64_t)(us / US_PER_S);
    return true;
}

bool policy_validity(const json_t *new_order, const struct profile *profile, int64_t now_s,
                     struct order *order, struct err *err) {
    if (!read_instant(new_order, "notBefore", &order->not_before_s, err)
        || !read_instant(new_order, "notAfter", &order->not_after_s, err)) {
        return false;
    }
    int64_t from_s = order->not_before_s != 0 ? order->not_before_s : now_s;
    int64_t latest_s = now_s + profile->lifetime_s;
    if (order->not_before_s != 0
        && (order->not_before_s < now_s - CLOCK_SLACK_S || order->not_before_s > latest_s)) {
        return err_set(err, ERR_MALFORMED, "\"notBefore\" is in the past or too far ahead");
    }
    if (order->not_after_s != 0 && order->not_after_s <= from_s) {
        return err_set(err, ERR_MALFORMED, "\"notAfter\" is not after the beginning");
    }
    if (order->not_after_s - from_s > profile->lifetime_s) {
        return err_set(err, ERR_MALFORMED, "\"notAfter\" is beyond what profile %s allows",
                       profile->name);
    }
    return true;
}

bool policy_reason(const json_t *revocation, int *ret_reason, struct err *err) {
    static const unsigned allowed =
        1U << 0 | 1U << 1 | 1U << 2 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 9 | 1U << 10;
    const json_t *reason = json_object_get(revocation, "reason");
    json_int_t code = json_integer_value(reason);

    if (reason == NULL) {
        *ret_reason = -1;
        return true;
    }
    if (!json_is_integer(reason) || code < 0 || code > 10 || (allowed >> code & 1) == 0) {
        return err_set(err, ERR_BAD_REVOCATION_REASON, "\"reason\" must be one of 0-5, 9, 10");
    }
    *ret_reason = (int)code;
    return true;
}
