/* Which authorization a name of an order needs, and which ones cover it: exact names, wildcards
 * (RFC 8555 7.1.3) and whole subtrees (RFC 9444). */
#pragma once

#include <jansson.h>

#include "server/authz.h"
#include "server/order.h"

struct cover_need {
    struct acme_identifier identifier; /* without "*." */
    unsigned flags;                    /* AUTHZ_WILDCARD, AUTHZ_SUBDOMAINS */
};

/* What a name needs when nothing else is said: itself. */
struct cover_need cover_need(const struct acme_identifier *identifier);

/*
 * The needs of a newOrder's names, whose ancestorDomain (RFC 9444 4.3) is taken instead when
 * subdomains is set, and ignored when it is not.
 * identifiers  as they came, read by policy_identifiers.   needs  order->count of them.
 * ERR_MALFORMED: an ancestorDomain that is no name above the identifier.
 */
MUST_CHECK bool cover_needs(const json_t *identifiers, const struct order *order, bool subdomains,
                            struct cover_need *needs, struct err *err);

bool cover_same(const struct cover_need *one, const struct cover_need *other);

/* Is an authorization, valid at now_us, enough for a name of an order? */
bool cover_by(const struct authz *authz, const struct acme_identifier *identifier, uint64_t now_us);
