#include "server/cover.h"

#include <stdio.h>
#include <string.h>

#include "server/names.h"
#include "server/policy.h"

struct cover_need cover_need(const struct acme_identifier *identifier) {
    struct cover_need need = {.identifier = *identifier};

    if (identifier->type == ACME_ID_DNS && names_wildcard(identifier->value)) {
        need.flags = AUTHZ_WILDCARD;
        (void)snprintf(need.identifier.value, sizeof(need.identifier.value), "%s",
                       names_base(identifier->value));
    }
    return need;
}

bool cover_same(const struct cover_need *one, const struct cover_need *other) {
    return one->identifier.type == other->identifier.type && one->flags == other->flags
           && strcmp(one->identifier.value, other->identifier.value) == 0;
}

static unsigned place_of(const struct order *order, const struct acme_identifier *identifier) {
    unsigned i = 0;

    while (i < order->count
           && (order->identifiers[i].type != identifier->type
               || strcmp(order->identifiers[i].value, identifier->value) != 0)) {
        i++;
    }
    return i;
}

static bool read_ancestor(const json_t *entry, const json_t *ancestor, const struct order *order,
                          struct cover_need *needs, struct err *err) {
    struct acme_identifier identifier = {0};
    char upper[ACME_ID_VALUE_MAX + 1] = "";

    if (!policy_identifier(entry, &identifier, err)) {
        return false;
    }
    unsigned place = place_of(order, &identifier);
    if (identifier.type != ACME_ID_DNS || !json_is_string(ancestor)
        || !names_dns(json_string_value(ancestor), upper) || names_wildcard(upper)
        || !names_below(identifier.value, upper) || place == order->count) {
        return err_set(err, ERR_MALFORMED, "\"ancestorDomain\" is no name above %.100s",
                       identifier.value);
    }
    needs[place].flags |= AUTHZ_SUBDOMAINS;
    memcpy(needs[place].identifier.value, upper, sizeof(upper));
    return true;
}

bool cover_needs(const json_t *identifiers, const struct order *order, bool subdomains,
                 struct cover_need *needs, struct err *err) {
    for (unsigned i = 0; i < order->count; i++) {
        needs[i] = cover_need(&order->identifiers[i]);
    }
    for (size_t i = 0; subdomains && i < json_array_size(identifiers); i++) {
        const json_t *entry = json_array_get(identifiers, i);
        const json_t *ancestor = json_object_get(entry, "ancestorDomain");
        if (ancestor != NULL && !read_ancestor(entry, ancestor, order, needs, err)) {
            return false;
        }
    }
    return true;
}

bool cover_by(const struct authz *authz, const struct acme_identifier *identifier,
              uint64_t now_us) {
    struct cover_need need = cover_need(identifier);
    const char *name = need.identifier.value, *authorised = authz->identifier.value;
    bool wanted = (need.flags & AUTHZ_WILDCARD) != 0;
    bool wildcard = (authz->flags & AUTHZ_WILDCARD) != 0;
    bool subdomains = (authz->flags & AUTHZ_SUBDOMAINS) != 0;

    if (authz_status_at(authz, now_us) != AUTHZ_VALID || authz->identifier.type != identifier->type
        || (wanted && !wildcard)) {
        return false;
    }
    if (subdomains && names_below(name, authorised)) {
        return true; /* RFC 9444 7: never upwards or sideways */
    }
    return strcmp(authorised, name) == 0 && (wanted == wildcard || subdomains);
}
