/* What this CA accepts: contacts, identifiers, validity periods, revocation reasons. */
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "server/order.h"
#include "server/profile.h"

/* Contact URLs, RFC 8555 7.3: mailto with one address and no header fields.
 * ERR_UNSUPPORTED_CONTACT: another scheme.  ERR_INVALID_CONTACT: not a contact. */
MUST_CHECK bool policy_contact(const json_t *contact, struct err *err);

/* One identifier, canonical; dns ones may be wildcards.  ERR_MALFORMED: its form;
 * ERR_UNSUPPORTED_IDENTIFIER names the type; ERR_REJECTED_IDENTIFIER names the value. */
MUST_CHECK bool policy_identifier(const json_t *entry, struct acme_identifier *ret,
                                  struct err *err);

/*
 * The identifiers of a newOrder, duplicates collapsed, into order->identifiers; order->authzs is
 * made too (both the caller's).  ERR_MALFORMED: form or number.  When some of several are refused:
 * their kind, ERR_COMPOUND when there is more than one, and *ret_subproblems (caller owns) has one
 * for each.
 */
MUST_CHECK bool policy_identifiers(const json_t *identifiers, struct order *order,
                                   json_t **ret_subproblems, struct err *err);

/* notBefore and notAfter, 7.1.3: RFC 3339, in order, not in the past, within the profile. */
MUST_CHECK bool policy_validity(const json_t *new_order, const struct profile *profile,
                                int64_t now_s, struct order *order, struct err *err);

/* Reason codes of RFC 5280 5.3.1 a subscriber may give: 7 is unused, 6 (hold) and 8 (its end) are
 * not for complete lists of an online CA.  ERR_BAD_REVOCATION_REASON lists what is allowed. */
MUST_CHECK bool policy_reason(const json_t *revocation, int *ret_reason, struct err *err);
