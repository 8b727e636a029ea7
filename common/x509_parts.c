#include "common/x509_parts.h"

#include <arpa/inet.h>
#include <openssl/objects.h>
#include <pthread.h>
#include <string.h>

#include "common/acme.h"

#define UUID_LEN 36

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ASN1_OBJECT *nftypes_object;

static void make_objects(void) { nftypes_object = OBJ_txt2obj("1.3.6.1.5.5.7.1.34", 1); }

const ASN1_OBJECT *x509_nftypes_object(void) {
    (void)pthread_once(&once, make_objects);
    return nftypes_object;
}

static char lower(unsigned char octet) {
    return (char)(octet >= 'A' && octet <= 'Z' ? octet + ('a' - 'A') : octet);
}

/* Letters, digits, '-', '_', '*' in labels parted by single dots. */
static bool dns_add(struct x509_names *names, struct der text) {
    char copy[sizeof names->dns[0]];
    bool label = false;

    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char letter = lower(text.at[i]);
        bool dot = letter == '.';
        if ((dot && !label)
            || (!dot
                && (letter == '\0'
                    || strchr("abcdefghijklmnopqrstuvwxyz0123456789-_*", letter) == NULL))) {
            return false;
        }
        label = !dot;
        copy[i] = letter;
    }
    copy[text.len] = '\0';
    if (!label) {
        return false;
    }
    if (names->dns_count == X509_DNS_MAX) {
        names->others++;
        return true;
    }
    memcpy(names->dns[names->dns_count++], copy, text.len + 1);
    return true;
}

static bool uuid_text(const unsigned char *text, char ret[UUID_LEN + 1]) {
    for (unsigned i = 0; i < UUID_LEN; i++) {
        ret[i] = lower(text[i]);
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? ret[i] != '-' : ret[i] == '\0' || strchr("0123456789abcdef", ret[i]) == NULL) {
            return false;
        }
    }
    ret[UUID_LEN] = '\0';
    return true;
}

/* A URI is the NF instance's UUID (RFC 9562 section 4) or another name. */
static bool uri_add(struct x509_names *names, struct der text) {
    static const char prefix[] = "urn:uuid:";
    const size_t prefix_len = sizeof prefix - 1;
    char uuid[UUID_LEN + 1];
    bool is_uuid = text.len == prefix_len + UUID_LEN;

    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F) {
            return false;
        }
        is_uuid = is_uuid && (i >= prefix_len || lower(text.at[i]) == prefix[i]);
    }
    if (is_uuid && uuid_text(text.at + prefix_len, uuid) && names->uuid[0] == '\0') {
        memcpy(names->uuid, uuid, sizeof uuid);
    } else {
        names->others++;
    }
    return text.len > 0;
}

/* An iPAddress is 4 or 16 octets; of other lengths it names nothing we know. */
static void ip_add(struct x509_names *names, struct der octets) {
    char text[INET6_ADDRSTRLEN];
    int family = octets.len == 4 ? AF_INET : octets.len == 16 ? AF_INET6 : AF_UNSPEC;

    if (names->ip_count == X509_IP_MAX || inet_ntop(family, octets.at, text, sizeof text) == NULL
        || !acme_ip_canonical(text, names->ip[names->ip_count])) {
        names->others++;
    } else {
        names->ip_count++;
    }
}

/* GeneralNames, RFC 5280 section 4.2.1.6. */
static bool read_names(struct x509_parts *parts, struct der value) {
    struct der list = {0}, name = {0};
    unsigned tag = 0;

    if (!der_take(&value, DER_SEQUENCE, &list) || value.len != 0 || list.len == 0) {
        return false;
    }
    while (list.len > 0) {
        if (!der_next(&list, &tag, &name, NULL)) {
            return false;
        }
        if (tag == 0x82) {
            if (!dns_add(&parts->names, name)) {
                return false;
            }
        } else if (tag == 0x86) {
            if (!uri_add(&parts->names, name)) {
                return false;
            }
        } else if (tag == 0x87) {
            ip_add(&parts->names, name);
        } else if ((tag & 0xC0) == 0x80 && (tag & 0x1F) <= 8) {
            parts->names.others++;
        } else {
            return false;
        }
    }
    return true;
}

static bool read_types(struct x509_parts *parts, struct der value) {
    struct err err = {0};

    return nftypes_decode(value.at, value.len, &parts->types, &err);
}

/* BasicConstraints, RFC 5280 section 4.2.1.9. */
static bool read_ca(struct x509_parts *parts, struct der value) {
    struct der list = {0}, part = {0};

    if (!der_take(&value, DER_SEQUENCE, &list) || value.len != 0) {
        return false;
    }
    if (der_take(&list, DER_BOOLEAN, &part)) {
        if (part.len != 1 || (part.at[0] != 0x00 && part.at[0] != 0xFF)) {
            return false;
        }
        parts->ca = part.at[0] != 0;
    }
    if (der_take(&list, DER_INTEGER, &part) && part.len == 0) {
        return false;
    }
    return list.len == 0;
}

/* ExtKeyUsageSyntax, RFC 5280 section 4.2.1.12. */
static bool read_eku(struct x509_parts *parts, struct der value) {
    static const unsigned char server[] = {0x2B, 6, 1, 5, 5, 7, 3, 1};
    static const unsigned char client[] = {0x2B, 6, 1, 5, 5, 7, 3, 2};
    struct der list = {0}, oid = {0};

    if (!der_take(&value, DER_SEQUENCE, &list) || value.len != 0 || list.len == 0) {
        return false;
    }
    while (list.len > 0) {
        if (!der_take(&list, DER_OID, &oid) || oid.len == 0) {
            return false;
        }
        parts->eku |= der_is(oid, server, sizeof server)   ? X509_EKU_SERVER
                      : der_is(oid, client, sizeof client) ? X509_EKU_CLIENT
                                                           : X509_EKU_OTHER;
    }
    return true;
}

bool x509_parts_add(struct x509_parts *parts, struct der oid, bool critical, struct der value,
                    enum err_kind kind, struct err *err) {
    /* clang-format off */
    static const struct {
        const char *name;
        unsigned char oid[8];
        size_t oid_len;
        bool (*read)(struct x509_parts *, struct der);
    } rows[] = {
        {"subjectAltName",   {0x55, 0x1D, 0x11}, 3, read_names},
        {"basicConstraints", {0x55, 0x1D, 0x13}, 3, read_ca},
        {"extKeyUsage",      {0x55, 0x1D, 0x25}, 3, read_eku},
        {"nfTypes",          {0x2B, 6, 1, 5, 5, 7, 1, 0x22}, 8, read_types},
    };
    /* clang-format on */

    for (unsigned i = 0; i < COUNT(rows); i++) {
        if (!der_is(oid, rows[i].oid, rows[i].oid_len)) {
            continue;
        }
        if ((parts->seen & 1U << i) != 0) {
            return err_set(err, kind, "%s is there twice", rows[i].name);
        }
        parts->seen |= 1U << i;
        if (!der_wellformed(value) || !rows[i].read(parts, value)) {
            return err_set(err, kind, "%s is not well-formed", rows[i].name);
        }
        if (rows[i].read == read_names) {
            parts->names_critical = critical;
        }
    }
    return true;
}
