#include "lint.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAYS_MAX (3 * 365 + 1) /* three years, one of them may be a leap year */

struct wanted {
    const char *profile;
    bool nf, dns_allowed, dns_needed, encrypts;
    const char *type;        /* NF type that must be there */
    const char *purposes[3]; /* dotted; NULL-ended */
};

#define NFTYPES "1.3.6.1.5.5.7.1.34" /* has a rule of its own */
#define SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define CLIENT_AUTH "1.3.6.1.5.5.7.3.2"
/* clang-format off */
static const struct wanted profiles[] = {
    {"nf-client",        true,  false, false, false, NULL,   {CLIENT_AUTH}},
    {"nf-server",        true,  true,  false, false, NULL,   {SERVER_AUTH}},
    {"nf-both",          true,  true,  false, false, NULL,   {CLIENT_AUTH, SERVER_AUTH}},
    {"scp",              true,  true,  true,  false, "SCP",  {CLIENT_AUTH, SERVER_AUTH}},
    {"sepp",             true,  true,  true,  false, "SEPP", {CLIENT_AUTH, SERVER_AUTH}},
    {"nf-jwt",           true,  false, false, false, NULL,   {"1.3.6.1.5.5.7.3.37"}},
    {"nf-http-encrypt",  true,  false, false, true,  "SEPP", {"1.3.6.1.5.5.7.3.38"}},
    {"nf-oauth-signing", true,  false, false, false, "NRF",  {"1.3.6.1.5.5.7.3.39"}},
    {"tls-server",       false, true,  false, false, NULL,   {SERVER_AUTH}},
};
/* clang-format on */

struct subject {
    const struct wanted *wanted;
    X509 *cert, *issuer;
};

/* The extension, alone of its kind; NULL: absent or twice there. */
static X509_EXTENSION *only(X509 *cert, const char *dotted) {
    ASN1_OBJECT *object = OBJ_txt2obj(dotted, 1);
    int at = X509_get_ext_by_OBJ(cert, object, -1);
    bool twice = at >= 0 && X509_get_ext_by_OBJ(cert, object, at) >= 0;

    ASN1_OBJECT_free(object);
    return at < 0 || twice ? NULL : X509_get_ext(cert, at);
}

static bool absent(X509 *cert, int nid) { return X509_get_ext_by_NID(cert, nid, -1) < 0; }

static bool is_version_3(const struct subject *s) { return X509_get_version(s->cert) == 2; }

static bool has_serial(const struct subject *s) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(s->cert);
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    bool good = !BN_is_negative(number) && !BN_is_zero(number) && BN_num_bits(number) <= 159;

    BN_free(number);
    return good;
}

static bool digits(const char *text, size_t count) { return strspn(text, "0123456789") >= count; }

static bool is_home_domain(const char *text, size_t len) {
    return len == strlen("5gc.mnc001.mcc001.3gppnetwork.org") && strncmp(text, "5gc.mnc", 7) == 0
           && digits(text + 7, 3) && strncmp(text + 10, ".mcc", 4) == 0 && digits(text + 14, 3)
           && strncmp(text + 17, ".3gppnetwork.org", 16) == 0;
}

/* C= and O=, nothing else. */
static bool has_subject(const struct subject *s) {
    const X509_NAME *name = X509_get_subject_name(s->cert);

    if (X509_NAME_entry_count(name) != 2) {
        return false;
    }
    const X509_NAME_ENTRY *first = X509_NAME_get_entry(name, 0);
    const X509_NAME_ENTRY *second = X509_NAME_get_entry(name, 1);
    const ASN1_STRING *country = X509_NAME_ENTRY_get_data(first);
    const ASN1_STRING *domain = X509_NAME_ENTRY_get_data(second);
    return OBJ_obj2nid(X509_NAME_ENTRY_get_object(first)) == NID_countryName
           && ASN1_STRING_length(country) == 2
           && OBJ_obj2nid(X509_NAME_ENTRY_get_object(second)) == NID_organizationName
           && is_home_domain((const char *)ASN1_STRING_get0_data(domain),
                             (size_t)ASN1_STRING_length(domain));
}

static bool has_validity(const struct subject *s) {
    int days = 0, seconds = 0;

    return ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(s->cert),
                          X509_get0_notAfter(s->cert))
               == 1
           && (days > 0 || seconds > 0) && days <= DAYS_MAX && !(days == DAYS_MAX && seconds > 0);
}

static bool has_signature(const struct subject *s) {
    static const int good[] = {NID_ecdsa_with_SHA256,
                               NID_ecdsa_with_SHA384,
                               NID_ecdsa_with_SHA512,
                               NID_sha256WithRSAEncryption,
                               NID_sha384WithRSAEncryption,
                               NID_sha512WithRSAEncryption,
                               NID_ED25519};
    int nid = X509_get_signature_nid(s->cert);

    for (size_t i = 0; i < COUNT(good); i++) {
        if (nid == good[i]) {
            return true;
        }
    }
    return false;
}

static bool is_signed_by_issuer(const struct subject *s) {
    return X509_NAME_cmp(X509_get_issuer_name(s->cert), X509_get_subject_name(s->issuer)) == 0
           && X509_verify(s->cert, X509_get0_pubkey(s->issuer)) == 1;
}

static bool has_key(const struct subject *s) {
    EVP_PKEY *key = X509_get0_pubkey(s->cert);
    int bits = key == NULL ? 0 : EVP_PKEY_get_bits(key);

    switch (key == NULL ? 0 : EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return bits >= 2048 && bits <= 4096;
    case EVP_PKEY_EC:
        return bits == 256 || bits == 384;
    case EVP_PKEY_ED25519:
        return true;
    default:
        return false;
    }
}

static bool has_key_usage(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.15");
    bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(s->cert)) == EVP_PKEY_RSA;
    uint32_t wanted = !s->wanted->encrypts ? KU_DIGITAL_SIGNATURE
                      : rsa                ? KU_KEY_ENCIPHERMENT
                                           : KU_KEY_AGREEMENT;

    return extension != NULL && X509_EXTENSION_get_critical(extension)
           && X509_get_key_usage(s->cert) == wanted;
}

static bool has_purposes(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.37");
    EXTENDED_KEY_USAGE *purposes = X509_get_ext_d2i(s->cert, NID_ext_key_usage, NULL, NULL);
    int wanted = 0, found = 0;

    for (; wanted < 3 && s->wanted->purposes[wanted] != NULL; wanted++) {
        for (int i = 0; i < sk_ASN1_OBJECT_num(purposes); i++) {
            char text[64];
            (void)OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(purposes, i), 1);
            found += strcmp(text, s->wanted->purposes[wanted]) == 0;
        }
    }
    bool exact = found == wanted && sk_ASN1_OBJECT_num(purposes) == wanted;
    sk_ASN1_OBJECT_pop_free(purposes, ASN1_OBJECT_free);
    return extension != NULL && !X509_EXTENSION_get_critical(extension) && exact;
}

static bool has_authority_key(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.35");
    const ASN1_OCTET_STRING *own = X509_get0_authority_key_id(s->cert);
    const ASN1_OCTET_STRING *above = X509_get0_subject_key_id(s->issuer);

    return extension != NULL && !X509_EXTENSION_get_critical(extension) && own != NULL
           && above != NULL && ASN1_OCTET_STRING_cmp(own, above) == 0;
}

/* RFC 5280 4.2.1.2 method 1, when it is there at all. */
static bool has_subject_key(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.14");
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(s->cert);
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(s->cert);
    unsigned char hash[SHA_DIGEST_LENGTH];

    if (absent(s->cert, NID_subject_key_identifier)) {
        return true;
    }
    (void)SHA1(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), hash);
    return extension != NULL && !X509_EXTENSION_get_critical(extension) && id != NULL
           && ASN1_STRING_length(id) == SHA_DIGEST_LENGTH
           && memcmp(ASN1_STRING_get0_data(id), hash, sizeof hash) == 0;
}

static bool is_uri(const GENERAL_NAME *name, const char *scheme) {
    return name->type == GEN_URI
           && strncmp((const char *)ASN1_STRING_get0_data(name->d.ia5), scheme, strlen(scheme))
                  == 0;
}

static bool has_crl_point(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.31");
    CRL_DIST_POINTS *points = X509_get_ext_d2i(s->cert, NID_crl_distribution_points, NULL, NULL);
    bool good = sk_DIST_POINT_num(points) > 0;

    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT_NAME *name = sk_DIST_POINT_value(points, i)->distpoint;
        good = good && name != NULL && name->type == 0
               && sk_GENERAL_NAME_num(name->name.fullname) > 0
               && (is_uri(sk_GENERAL_NAME_value(name->name.fullname, 0), "http://")
                   || is_uri(sk_GENERAL_NAME_value(name->name.fullname, 0), "ldap://"));
    }
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return extension != NULL && !X509_EXTENSION_get_critical(extension) && good;
}

/* "urn:uuid:" and a UUID of version 4 in lower case. */
static bool is_nf_instance(const GENERAL_NAME *name) {
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

    if (!is_uri(name, "urn:uuid:") || ASN1_STRING_length(name->d.ia5) != 9 + 36) {
        return false;
    }
    const char *text = (const char *)ASN1_STRING_get0_data(name->d.ia5) + 9;
    for (size_t i = 0; i < 36; i++) {
        const char *set = form[i] == 'x'   ? "0123456789abcdef"
                          : form[i] == 'y' ? "89ab"
                          : form[i] == '4' ? "4"
                                           : "-";
        if (strchr(set, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

struct tally {
    int instances, hosts, others;
};

static struct tally names_count(X509 *cert) {
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct tally tally = {0};

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_IPADD) {
            tally.hosts++;
        } else if (is_nf_instance(name)) {
            tally.instances++;
        } else {
            tally.others++;
        }
    }
    GENERAL_NAMES_free(names);
    return tally;
}

static bool has_names(const struct subject *s) {
    struct tally tally = names_count(s->cert);

    return tally.others == 0 && tally.instances == (s->wanted->nf ? 1 : 0)
           && (s->wanted->dns_allowed || tally.hosts == 0) && (s->wanted->nf || tally.hosts > 0);
}

static bool has_host(const struct subject *s) {
    return !s->wanted->dns_needed || names_count(s->cert).hosts > 0;
}

static bool has_critical_names(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "2.5.29.17");
    return extension != NULL && (!s->wanted->nf || X509_EXTENSION_get_critical(extension));
}

/* RFC 9310: SEQUENCE SIZE (1..MAX) OF IA5String (SIZE (1..32)); read by hand. */
static bool types_read(const struct subject *s, bool *ret_wanted) {
    X509_EXTENSION *extension = only(s->cert, NFTYPES);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    const unsigned char *at = extension == NULL ? NULL : ASN1_STRING_get0_data(value);
    size_t len = extension == NULL ? 0 : (size_t)ASN1_STRING_length(value);

    *ret_wanted = s->wanted->type == NULL;
    if (extension == NULL || X509_EXTENSION_get_critical(extension) || len < 5 || at[0] != 0x30
        || at[1] >= 0x80 || at[1] != len - 2) {
        return false;
    }
    for (size_t i = 2; i < len; i += 2U + at[i + 1]) {
        if (i + 2 > len || at[i] != 0x16 || at[i + 1] < 1 || at[i + 1] > 32
            || i + 2 + at[i + 1] > len) {
            return false;
        }
        *ret_wanted = *ret_wanted
                      || (strlen(s->wanted->type) == at[i + 1]
                          && memcmp(at + i + 2, s->wanted->type, at[i + 1]) == 0);
    }
    return true;
}

static bool has_types(const struct subject *s) {
    bool wanted = false;

    if (!s->wanted->nf) {
        return only(s->cert, NFTYPES) == NULL;
    }
    return types_read(s, &wanted);
}

static bool has_own_type(const struct subject *s) {
    bool wanted = false;
    return !s->wanted->nf || !types_read(s, &wanted) || wanted;
}

static bool has_access(const struct subject *s) {
    X509_EXTENSION *extension = only(s->cert, "1.3.6.1.5.5.7.1.1");
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(s->cert, NID_info_access, NULL, NULL);
    bool good = sk_ACCESS_DESCRIPTION_num(access) > 0;

    if (absent(s->cert, NID_info_access)) {
        return true;
    }
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++) {
        const ACCESS_DESCRIPTION *one = sk_ACCESS_DESCRIPTION_value(access, i);
        int method = OBJ_obj2nid(one->method);
        good = good && (method == NID_ad_ca_issuers || method == NID_ad_OCSP)
               && is_uri(one->location, "http://");
    }
    AUTHORITY_INFO_ACCESS_free(access);
    return extension != NULL && !X509_EXTENSION_get_critical(extension) && good;
}

static bool is_no_ca(const struct subject *s) {
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(s->cert, NID_basic_constraints, NULL, NULL);
    bool ca = basic != NULL && basic->ca != 0;

    BASIC_CONSTRAINTS_free(basic);
    return !ca;
}

static bool has_known_critical(const struct subject *s) {
    for (int i = 0; i < X509_get_ext_count(s->cert); i++) {
        X509_EXTENSION *extension = X509_get_ext(s->cert, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        char text[64] = "";
        (void)OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(extension), 1);
        if (X509_EXTENSION_get_critical(extension) && strcmp(text, NFTYPES) != 0
            && nid != NID_key_usage && nid != NID_subject_alt_name && nid != NID_basic_constraints
            && nid != NID_ext_key_usage) {
            return false;
        }
    }
    return true;
}

/* clang-format off */
static const struct { const char *id, *what; bool (*holds)(const struct subject *s); } rules[] = {
    {"version",   "version 3", is_version_3},
    {"serial",    "a positive serial number of at most 20 octets", has_serial},
    {"subject",   "C= and O= the home network domain, no CN", has_subject},
    {"validity",  "at most three years", has_validity},
    {"signature", "SHA-256 or better, or Ed25519", has_signature},
    {"issuer",    "directly signed by the issuer", is_signed_by_issuer},
    {"key",       "P-256, P-384, RSA 2048 to 4096, or Ed25519", has_key},
    {"usage",     "critical keyUsage of exactly the profile's bit", has_key_usage},
    {"purposes",  "non-critical extKeyUsage of exactly the profile's purposes", has_purposes},
    {"aki",       "non-critical authorityKeyIdentifier, the issuer's", has_authority_key},
    {"ski",       "non-critical subjectKeyIdentifier by method 1", has_subject_key},
    {"crldp",     "non-critical cRLDistributionPoints with an HTTP or LDAP URI", has_crl_point},
    {"names",     "exactly the profile's kinds of subjectAltName", has_names},
    {"host",      "a host name", has_host},
    {"critical",  "critical subjectAltName", has_critical_names},
    {"types",     "non-critical, well-formed NFTypes on NF certificates alone", has_types},
    {"type",      "the profile's own NF type", has_own_type},
    {"access",    "non-critical authorityInfoAccess of HTTP URIs", has_access},
    {"ca",        "not a CA's", is_no_ca},
    {"unknown",   "no other critical extension", has_known_critical},
};
/* clang-format on */

int lint(const char *profile, X509 *cert, X509 *issuer, lint_sink *sink, void *ctx) {
    struct subject subject = {.cert = cert, .issuer = issuer};
    int broken = 0;

    for (size_t i = 0; i < COUNT(profiles); i++) {
        if (strcmp(profiles[i].profile, profile) == 0) {
            subject.wanted = &profiles[i];
        }
    }
    if (subject.wanted == NULL) {
        return -1;
    }
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (!rules[i].holds(&subject)) {
            sink(ctx, rules[i].id, rules[i].what);
            broken++;
        }
    }
    return broken;
}
