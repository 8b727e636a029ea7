/* Certification Authority Authorization: what CAA records allow this CA, RFC 8659 and RFC 8657.
 * Pure. */
#pragma once

#include "common/acme.h"
#include "server/dns_answer.h"
#include "server/id.h"

#define CAA_CRITICAL 0x80U /* RFC 8659 4.1 */

/* Who we are; NULL-terminated lists, borrowed. */
struct caa_policy {
    const char *const *identities; /* issuer domain names, as the directory tells them */
    const char *const *hosts;      /* of this server: in the URLs of its accounts; lower case */
};

/* What is to be issued to whom, and how it was proved. */
struct caa_question {
    char name[ACME_ID_VALUE_MAX + 1]; /* without "*." */
    bool wildcard;
    enum acme_challenge_type method;
    char account[ID_SIZE];
};

/*
 * Do the CAA records found at `at` (the name or one above it) permit it?
 * No record at all permits.  A record that is none, a critical property with an unknown tag, and a
 * value outside the grammar of RFC 8659 4.2 or the rules of RFC 8657 permit nothing.
 * err   ERR_CAA, with the name that has the records.
 */
MUST_CHECK bool caa_permits(const struct caa_policy *policy, const struct caa_question *question,
                            const char *at, const struct dns_record *records, unsigned count,
                            struct err *err);
