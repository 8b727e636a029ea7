/* Account records and the arrows of RFC 8555 section 7.1.6's account figure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/acme.h"
#include "common/err.h"
#include "common/jwk.h"
#include "server/id.h"

#define ACCOUNT_CONTACTS_MAX 16
#define ACCOUNT_CONTACT_MAX 320 /* octets of one contact URL */

/* A copy, owned by who asked for it: account_done. */
struct account {
    char id[ID_SIZE];
    enum account_status status;
    char thumbprint[JWK_THUMBPRINT_SIZE]; /* of jwk, RFC 7638; one key is one account */
    uint64_t created_us;
    char *jwk;     /* JSON text */
    char *contact; /* JSON text of an array */
    char *eab;     /* the external account binding as the client sent it, JSON text; or NULL */
    bool prepared; /* it made authorizations for no order, RFC 8555 7.4.1 */
    char *eab_kid; /* whose key bound it; or NULL */
    char *terms;   /* URL of the terms of service last agreed to; or NULL */
};
void account_done(struct account *account);
void account_done_auto(struct account *account);

enum account_event { ACCOUNT_DEACTIVATE, ACCOUNT_REVOKE, ACCOUNT_EVENT__COUNT };

/* The state an event leads to.  ERR_CONFLICT: the figure has no such arrow.  Pure. */
MUST_CHECK bool account_next(enum account_status status, enum account_event event,
                             enum account_status *ret_next, struct err *err);
