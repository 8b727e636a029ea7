#include "nfsim/fleet.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"

/* Spread neighbouring numbers over all 64 bits, so that every NF has its own generator. */
#define GOLDEN 0x9e3779b97f4a7c15ull
#define EXTRA_STREAM 0x517cc1b727220a95ull

uint32_t fleet_total(const struct fleet *fleet) {
    uint32_t total = 0;

    for (unsigned i = 0; i < fleet->types_count; i++) {
        total += fleet->types[i].count;
    }
    return total;
}

/* The type standing at place of a block, and how many of that type come before it in the block. */
static unsigned type_at(const struct fleet *fleet, uint32_t place, uint32_t *ret_before) {
    for (uint32_t round = 0;; round++) {
        for (unsigned i = 0; i < fleet->types_count; i++) {
            if (fleet->types[i].count <= round) {
                continue;
            }
            if (place == 0) {
                *ret_before = round;
                return i;
            }
            place--;
        }
    }
}

void fleet_domain(const struct fleet *fleet, char text[FLEET_DOMAIN_SIZE]) {
    (void)snprintf(text, FLEET_DOMAIN_SIZE, "5gc.mnc%03u.mcc%03u.3gppnetwork.org",
                   fleet->mnc % 1000, fleet->mcc % 1000);
}

static void label_of(const char *type, char label[NFTYPES_NAME_SIZE]) {
    size_t len = strnlen(type, NFTYPES_NAME_SIZE - 1);

    for (size_t i = 0; i < len; i++) {
        label[i] = type[i] == '_' ? '-' : (char)tolower((unsigned char)type[i]);
    }
    label[len] = '\0';
}

static void nf_named(const struct fleet *fleet, const char *type, const char *name,
                     uint32_t ordinal, struct fleet_nf *ret) {
    char label[NFTYPES_NAME_SIZE], domain[FLEET_DOMAIN_SIZE];

    label_of(type, label);
    fleet_domain(fleet, domain);
    (void)snprintf(ret->type, sizeof ret->type, "%s", type);
    /* the form of RFC 9310's example: most types have no form of their own in TS 23.003 28.3 */
    (void)snprintf(ret->fqdn, sizeof ret->fqdn, "%s%u.cluster1.net1.%s.%s",
                   name == NULL ? label : name, ordinal, label, domain);
}

void fleet_nf(const struct fleet *fleet, uint32_t index, struct fleet_nf *ret) {
    const uint32_t total = fleet_total(fleet);
    uint32_t before = 0;
    const unsigned at = type_at(fleet, index % total, &before);
    const uint32_t ordinal = index / total * fleet->types[at].count + before + 1;
    struct rng rng = rng_seeded(fleet->seed ^ (index + 1) * GOLDEN);

    rng_uuid(&rng, ret->uuid);
    nf_named(fleet, fleet->types[at].type, NULL, ordinal, ret);
}

void fleet_extra(const struct fleet *fleet, const char *type, const char *name, uint32_t ordinal,
                 struct fleet_nf *ret) {
    struct rng rng = rng_seeded(fleet->seed ^ (ordinal + 1) * EXTRA_STREAM);

    rng_uuid(&rng, ret->uuid);
    nf_named(fleet, type, name, ordinal, ret);
}

void fleet_text(const struct fleet *fleet, char text[FLEET_TEXT_SIZE]) {
    size_t len = (size_t)snprintf(text, FLEET_TEXT_SIZE, "seed=%llu plmn=%03u-%03u",
                                  (unsigned long long)fleet->seed, fleet->mcc, fleet->mnc);

    for (unsigned i = 0; i < fleet->types_count && len < FLEET_TEXT_SIZE; i++) {
        len += (size_t)snprintf(text + len, FLEET_TEXT_SIZE - len, " %s:%u", fleet->types[i].type,
                                fleet->types[i].count);
    }
}

static bool digits(const char *text, size_t len, unsigned *ret) {
    unsigned value = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *ret = value;
    return true;
}

bool fleet_plmn(const char *text, struct fleet *fleet, struct err *err) {
    const size_t len = strlen(text);
    unsigned mcc = 0, mnc = 0;

    if ((len != 6 && len != 7) || text[3] != '-' || !digits(text, 3, &mcc)
        || !digits(text + 4, len - 4, &mnc)) {
        return err_set(err, ERR_CONFIG, "plmn \"%.32s\" is not MCC-MNC such as 001-01", text);
    }
    fleet->mcc = mcc;
    fleet->mnc = mnc;
    return true;
}
