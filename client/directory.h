/* The ACME server's directory, RFC 8555 section 7.1.1. */
#pragma once

#include <jansson.h>

#include "common/err.h"

struct directory {
    char *new_nonce, *new_account, *new_order; /* required */
    char *revoke_cert;                         /* NULL = not offered */
    char *key_change;                          /* NULL = not offered */
    char *renewal_info;                        /* RFC 9773; NULL = not offered, or no URL */
    bool profiles;                             /* meta.profiles is there, and not empty */
    bool eab_required;                         /* meta.externalAccountRequired */
};
void directory_done(struct directory *directory);
void directory_done_auto(struct directory *directory);

/* ERR_UPSTREAM names the member that is absent or not a URL.  *ret owns copies. */
MUST_CHECK bool directory_parse(const json_t *json, struct directory *ret, struct err *err);

/* An absolute http or https URL without user information, of at most 1 KiB. */
bool directory_url(const char *text);
/* A URL that a server whose directory is at base may hand out: https stays https (6.1). */
bool directory_keeps(const char *base, const char *url);
/* All of them may; ERR_UPSTREAM names the first that may not. */
MUST_CHECK bool directory_fits(const struct directory *directory, const char *base,
                               struct err *err);
