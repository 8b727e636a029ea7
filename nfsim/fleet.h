/* Who is in a fleet: types, names and instance ids, as a pure function of place and seed.
 *
 * NF i stands in block i / total of the fleet's list, where total is the sum of its counts.  Within
 * a block every type comes once, then the types with a second NF once more, and so on.  So a longer
 * fleet begins with the shorter one, any prefix holds each type as long as there is room for all,
 * and whole blocks keep the proportions exactly. */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/nftypes.h"

#define FLEET_TYPES_MAX 64
#define FLEET_MAX 1000000
#define FLEET_FQDN_SIZE 254

struct fleet_type {
    char type[NFTYPES_NAME_SIZE]; /* "AMF" */
    uint32_t count;               /* in one block, > 0 */
};

struct fleet {
    uint64_t seed;
    unsigned mcc, mnc; /* 001, 01; TS 23.003 writes both with three digits */
    unsigned types_count;
    struct fleet_type types[FLEET_TYPES_MAX];
};

struct fleet_nf {
    char uuid[37]; /* nfInstanceId, version 4 */
    char type[NFTYPES_NAME_SIZE];
    char fqdn[FLEET_FQDN_SIZE];
};

/* The sum of the counts: how many NFs the fleet has unless asked otherwise. */
uint32_t fleet_total(const struct fleet *fleet);

/* NF index of the fleet; index < FLEET_MAX, at least one type. */
void fleet_nf(const struct fleet *fleet, uint32_t index, struct fleet_nf *ret);

/* An NF outside the list (the producer): `name` is its first label, ordinal tells several apart. */
void fleet_extra(const struct fleet *fleet, const char *type, const char *name, uint32_t ordinal,
                 struct fleet_nf *ret);

/* "5gc.mnc001.mcc001.3gppnetwork.org", TS 23.003 28.2. */
#define FLEET_DOMAIN_SIZE 40
void fleet_domain(const struct fleet *fleet, char text[FLEET_DOMAIN_SIZE]);

/* Everything that decides who is in it, on one line: two fleets are the same when this is. */
#define FLEET_TEXT_SIZE 3072
void fleet_text(const struct fleet *fleet, char text[FLEET_TEXT_SIZE]);

/* "001-01" or "001-001"; ERR_CONFIG. */
MUST_CHECK bool fleet_plmn(const char *text, struct fleet *fleet, struct err *err);
