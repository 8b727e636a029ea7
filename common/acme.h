/* The vocabulary of RFC 8555 and its extensions: names on the wire, statuses, nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ACME_ERROR_URN "urn:ietf:params:acme:error:"
#define ACME_JOSE_TYPE "application/jose+json"
#define ACME_PROBLEM_TYPE "application/problem+json"
#define ACME_CHAIN_TYPE "application/pem-certificate-chain"

/* Stored as numbers: new ones at the end. */
enum acme_identifier_type {
    ACME_ID_DNS,
    ACME_ID_NF_INSTANCE, /* TS 33.310 Annex J */
    ACME_ID_IP,          /* RFC 8738 */
    ACME_ID__COUNT
};
#define ACME_ID_VALUE_MAX 253
/* One identifier, in canonical form: dns lower case, NfInstanceId lower-case UUID version 4, ip
 * dotted decimal or RFC 5952. */
struct acme_identifier {
    enum acme_identifier_type type;
    char value[ACME_ID_VALUE_MAX + 1];
};

enum acme_challenge_type {
    ACME_CHALLENGE_HTTP01,
    ACME_CHALLENGE_TKAUTH01,  /* RFC 9447, tkauth-type atc */
    ACME_CHALLENGE_TLSALPN01, /* RFC 8737 */
    ACME_CHALLENGE_DNS01,     /* RFC 8555 8.4 */
    ACME_CHALLENGE__COUNT
};

/* RFC 8555 section 7.1.6; one enum per object, wire names by the functions below. */
enum account_status { ACCOUNT_VALID, ACCOUNT_DEACTIVATED, ACCOUNT_REVOKED, ACCOUNT_STATUS__COUNT };
enum order_status {
    ORDER_PENDING,
    ORDER_READY,
    ORDER_PROCESSING,
    ORDER_VALID,
    ORDER_INVALID,
    ORDER_STATUS__COUNT
};
enum authz_status {
    AUTHZ_PENDING,
    AUTHZ_VALID,
    AUTHZ_INVALID,
    AUTHZ_DEACTIVATED,
    AUTHZ_EXPIRED,
    AUTHZ_REVOKED,
    AUTHZ_STATUS__COUNT
};
enum challenge_status {
    CHALLENGE_PENDING,
    CHALLENGE_PROCESSING,
    CHALLENGE_VALID,
    CHALLENGE_INVALID,
    CHALLENGE_STATUS__COUNT
};

/* Wire names; value in range. */
const char *acme_identifier_name(enum acme_identifier_type type); /* "dns", "NfInstanceId", "ip" */
const char *acme_challenge_name(enum acme_challenge_type type);   /* "http-01", "tkauth-01" */
const char *account_status_name(enum account_status status);
const char *order_status_name(enum order_status status);
const char *authz_status_name(enum authz_status status);
const char *challenge_status_name(enum challenge_status status);

/* From the wire; false when unknown, *ret untouched. */
bool acme_identifier_parse(const char *name, enum acme_identifier_type *ret);
bool acme_challenge_parse(const char *name, enum acme_challenge_type *ret);
bool account_status_parse(const char *name, enum account_status *ret);
bool order_status_parse(const char *name, enum order_status *ret);
bool authz_status_parse(const char *name, enum authz_status *ret);
bool challenge_status_parse(const char *name, enum challenge_status *ret);

/* Canonical copies into ret; false when text is not one. */
bool acme_uuid_canonical(const char *text, char ret[37]); /* UUID version 4, any case, TS 29.571 */
bool acme_dns_canonical(const char *text,
                        char ret[ACME_ID_VALUE_MAX + 1]); /* LDH labels, 2+, no wildcard */
/* Dotted decimal without leading zeros (RFC 1123 2.1), or IPv6 in any spelling, without a zone. */
#define ACME_IP_SIZE 46
bool acme_ip_canonical(const char *text, char ret[ACME_IP_SIZE]);
