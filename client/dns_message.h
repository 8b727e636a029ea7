/* The DNS messages of dns-01: signed updates (RFC 2136, RFC 8945) and TXT queries, made by ldns,
 * and what their answers mean.  No sockets; one thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define DNS_VALUE_MAX 255 /* octets of a TXT string */
#define DNS_FUDGE_S 300   /* RFC 8945 10: how far the clocks may be apart */

/* A TSIG key; all borrowed. */
struct dns_key {
    const char *name;
    const char *algorithm; /* "hmac-sha256", "hmac-sha512", "hmac-sha1" */
    const char *secret;    /* base64 */
};

enum dns_verdict {
    DNS_DONE,
    DNS_REFUSED, /* signed: nothing was changed */
    DNS_DENIED,  /* refused, but nobody signed that */
    DNS_UNSURE   /* no verdict: ask again */
};

struct ldns_struct_rdf;

/* A message to send. */
struct dns_message {
    uint8_t *wire; /* owned */
    size_t len;
    uint16_t id;
    struct ldns_struct_rdf *mac; /* of its signature; owned; NULL = not signed */
};
void dns_message_done(struct dns_message *message);
void dns_message_done_auto(struct dns_message *message);

struct dns_change {
    const char *zone, *name;
    const char *value; /* of the TXT record, one string */
    uint32_t ttl_s;
    bool add; /* else remove: this record alone, its neighbours stay */
};
/* ERR_CONFIG: the key cannot sign; ERR_DNS: the name cannot be, or is outside of the zone. */
MUST_CHECK bool dns_update_make(const struct dns_change *change, const struct dns_key *key,
                                struct dns_message *ret, struct err *err);
/*
 * What the answer to a signed update means.
 * wire    any octets.
 * now_s   real time; the signature's may be DNS_FUDGE_S away.
 * err     filled unless DNS_DONE.
 */
enum dns_verdict dns_update_read(const struct dns_message *asked, const struct dns_key *key,
                                 const uint8_t *wire, size_t len, uint64_t now_s, struct err *err);

/* A query for the TXT records of a name, not signed.  ERR_DNS. */
MUST_CHECK bool dns_query_make(const char *name, struct dns_message *ret, struct err *err);
/* DNS_DONE: value is among the records.  Else DNS_UNSURE, and err says what was there. */
enum dns_verdict dns_query_read(const struct dns_message *asked, const char *value,
                                const uint8_t *wire, size_t len, struct err *err);
