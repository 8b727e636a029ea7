#include "common/nftypes.h"

#include <stdlib.h>
#include <string.h>

#include "common/der.h"

#define NAME_MAX_LEN (NFTYPES_NAME_SIZE - 1)

/* TS 29.510 table 6.1.6.3.3-1. */
/* clang-format off */
static const char *const known[] = {
    "NRF",       "UDM",      "AMF",      "SMF",     "AUSF",    "NEF",     "PCF",    "SMSF",
    "NSSF",      "UDR",      "LMF",      "GMLC",    "5G_EIR",  "SEPP",    "UPF",    "N3IWF",
    "AF",        "UDSF",     "BSF",      "CHF",     "NWDAF",   "PCSCF",   "CBCF",   "HSS",
    "UCMF",      "SOR_AF",   "SPAF",     "MME",     "SCSAS",   "SCEF",    "SCP",    "NSSAAF",
    "ICSCF",     "SCSCF",    "DRA",      "IMS_AS",  "AANF",    "5G_DDNMF", "NSACF", "MFAF",
    "EASDF",     "DCCF",     "MB_SMF",   "TSCTSF",  "ADRF",    "GBA_BSF", "CEF",    "MB_UPF",
    "NSWOF",     "PKMF",     "MNPF",     "SMS_GMSC", "SMS_IWMSC", "MBSF", "MBSTF",  "PANF",
    "DCSF",      "MRF",      "MRFP",     "MF",      "SLPKMF"};
/* clang-format on */

bool nftypes_known(const char *name) {
    for (unsigned i = 0; i < COUNT(known); i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool wellformed(const char *name, size_t len) {
    for (size_t i = 0; i < len; i++) {
        bool alnum = (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9');
        if (!alnum && (i == 0 || name[i] != '_')) {
            return false;
        }
    }
    return len >= 1 && len <= NAME_MAX_LEN;
}

bool nftypes_wellformed(const char *name) { return wellformed(name, strlen(name)); }

bool nftypes_has(const struct nftypes *types, const char *name) {
    for (unsigned i = 0; i < types->count; i++) {
        if (strcmp(types->name[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* nftypes_add of len characters. */
static bool add(struct nftypes *types, const char *name, size_t len) {
    char copy[NFTYPES_NAME_SIZE] = {0};

    if (!wellformed(name, len)) {
        return false;
    }
    memcpy(copy, name, len);
    if (nftypes_has(types, copy)) {
        return true;
    }
    if (types->count == NFTYPES_MAX) {
        return false;
    }
    memcpy(types->name[types->count++], copy, sizeof copy);
    return true;
}

bool nftypes_add(struct nftypes *types, const char *name) { return add(types, name, strlen(name)); }

bool nftypes_within(const struct nftypes *inner, const struct nftypes *outer) {
    for (unsigned i = 0; i < inner->count; i++) {
        if (!nftypes_has(outer, inner->name[i])) {
            return false;
        }
    }
    return true;
}

void nftypes_text(const struct nftypes *types, char *out, size_t size) {
    size_t at = 0;

    for (unsigned i = 0; i < types->count && size > 0; i++) {
        size_t comma = i == 0 ? 0 : 1, len = strlen(types->name[i]);
        if (at + comma + len >= size) {
            break;
        }
        memcpy(out + at, ",", comma);
        memcpy(out + at + comma, types->name[i], len);
        at += comma + len;
    }
    if (size > 0) {
        out[at] = '\0';
    }
}

bool nftypes_encode(const struct nftypes *types, unsigned char **ret_der, size_t *ret_len,
                    struct err *err) {
    unsigned char names[NFTYPES_MAX * (2 + NAME_MAX_LEN)], header[5];
    size_t len = 0;

    if (types->count == 0 || types->count > NFTYPES_MAX) {
        return err_set(err, ERR_MALFORMED, "NFTypes must name 1 to %d types", NFTYPES_MAX);
    }
    for (unsigned i = 0; i < types->count; i++) {
        size_t name_len = strnlen(types->name[i], NFTYPES_NAME_SIZE);
        if (!wellformed(types->name[i], name_len)) {
            return err_set(err, ERR_MALFORMED, "not an NF type");
        }
        len += der_header(names + len, DER_IA5, name_len);
        memcpy(names + len, types->name[i], name_len);
        len += name_len;
    }
    size_t header_len = der_header(header, DER_SEQUENCE, len);
    unsigned char *der = malloc(header_len + len);
    if (der == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    memcpy(der, header, header_len);
    memcpy(der + header_len, names, len);
    *ret_der = der;
    *ret_len = header_len + len;
    return true;
}

bool nftypes_decode(const unsigned char *der, size_t len, struct nftypes *ret, struct err *err) {
    struct der in = {der, len}, names = {0}, name = {0};
    struct nftypes types = {0};

    if (!der_take(&in, DER_SEQUENCE, &names) || in.len != 0 || names.len == 0) {
        return err_set(err, ERR_MALFORMED, "NFTypes is not a sequence of names");
    }
    while (names.len > 0) {
        if (!der_take(&names, DER_IA5, &name)) {
            return err_set(err, ERR_MALFORMED, "NFTypes holds what is not an IA5String");
        }
        if (!add(&types, (const char *)name.at, name.len)) {
            return err_set(err, ERR_MALFORMED, "NFTypes holds a name not well formed, or too many");
        }
    }
    *ret = types;
    return true;
}
