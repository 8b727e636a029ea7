/* An answer of a name server (RFC 1035), read: what records of one type a name has, its aliases
 * followed as far as the answer goes.  Pure; any octets. */
#pragma once

#include <stddef.h>

#include "common/err.h"

#define DNS_TYPE_CNAME 5
#define DNS_TYPE_TXT 16
#define DNS_TYPE_CAA 257 /* RFC 8659 */

#define DNS_RCODE_NOERROR 0
#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_NXDOMAIN 3

#define DNS_NAME_SIZE 256
#define DNS_RECORDS_MAX 64 /* of the wanted type */
#define DNS_ALIASES_MAX 8  /* CNAMEs one after the other */

/* The data of one record; points into the answer. */
struct dns_record {
    const unsigned char *data;
    size_t len;
};

struct dns_answer {
    unsigned rcode;
    unsigned aliases;         /* followed */
    char name[DNS_NAME_SIZE]; /* where they lead to; the records are of this name */
    unsigned count;
    struct dns_record record[DNS_RECORDS_MAX];
};

/*
 * octets   borrowed, also by *ret.   name: as asked, without a dot at its end.   type: wanted.
 * err      ERR_DNS: it is cut short or not an answer at all; more than DNS_ALIASES_MAX aliases
 * (they may lead in a circle), or one to what is no host name; more than DNS_RECORDS_MAX records.
 */
MUST_CHECK bool dns_answer_read(const void *octets, size_t len, const char *name, unsigned type,
                                struct dns_answer *ret, struct err *err);

/* The strings of a TXT record joined (RFC 8555 8.4); false: malformed, or more than size octets. */
MUST_CHECK bool dns_text(const struct dns_record *record, char *ret, size_t size, size_t *ret_len);

/* A CAA record, RFC 8659 4.1; tag and value point into it. */
struct dns_caa {
    unsigned flags;
    const char *tag, *value;
    size_t tag_len, value_len;
};
MUST_CHECK bool dns_caa(const struct dns_record *record, struct dns_caa *ret);

/* "NOERROR", "SERVFAIL" …; "an error" when it has no name. */
const char *dns_rcode_name(unsigned rcode);
