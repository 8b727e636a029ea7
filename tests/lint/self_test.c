/* One certificate per rule that breaks it and no other. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "lint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UUID "URI:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define NFTYPES "1.3.6.1.5.5.7.1.34"

enum part { USAGE, PURPOSES, NAMES, CRL, ACCESS, AKI, SKI, TYPES, MORE, PARTS };
static const char *const part_names[PARTS] = {
    [USAGE] = "keyUsage",
    [PURPOSES] = "extendedKeyUsage",
    [NAMES] = "subjectAltName",
    [CRL] = "crlDistributionPoints",
    [ACCESS] = "authorityInfoAccess",
    [AKI] = "authorityKeyIdentifier",
    [SKI] = "subjectKeyIdentifier",
    [TYPES] = NFTYPES,
    [MORE] = NULL,
};

struct recipe {
    const char *rule; /* broken; NULL: none */
    const char *profile;
    enum part part;   /* PARTS: something else, below */
    const char *text; /* instead; NULL: left out */
    const char *more; /* name of the part MORE */
};

#define BOTH "clientAuth,serverAuth"
/* clang-format off */
static const struct recipe recipes[] = {
    {NULL,        "nf-client",  PARTS, NULL, NULL},
    {"version",   "nf-client",  PARTS, NULL, NULL},
    {"serial",    "nf-client",  PARTS, NULL, NULL},
    {"subject",   "nf-client",  PARTS, NULL, NULL},
    {"validity",  "nf-client",  PARTS, NULL, NULL},
    {"signature", "nf-client",  PARTS, NULL, NULL},
    {"issuer",    "nf-client",  PARTS, NULL, NULL},
    {"key",       "nf-client",  PARTS, NULL, NULL},
    {"usage",     "nf-client",  USAGE, "digitalSignature", NULL},
    {"usage",     "nf-client",  USAGE, "critical,digitalSignature,keyEncipherment", NULL},
    {"usage",     "nf-client",  USAGE, NULL, NULL},
    {"purposes",  "nf-client",  PURPOSES, BOTH, NULL},
    {"purposes",  "nf-client",  PURPOSES, "critical,clientAuth", NULL},
    {"purposes",  "nf-client",  PURPOSES, "serverAuth", NULL},
    {"purposes",  "nf-client",  PURPOSES, NULL, NULL},
    {"aki",       "nf-client",  AKI, NULL, NULL},
    {"ski",       "nf-client",  SKI, "0102030405", NULL},
    {"crldp",     "nf-client",  CRL, NULL, NULL},
    {"crldp",     "nf-client",  CRL, "URI:ftp://a.example/list", NULL},
    {"names",     "nf-client",  NAMES, "critical," UUID ",DNS:a.example", NULL},
    {"names",     "nf-client",  NAMES, "critical,URI:urn:uuid:not-one", NULL},
    {"names",     "nf-client",  NAMES, "critical,URI:urn:uuid:4ace9d34-2c69-1f99-92d5-a73a3fe8e23b", NULL},
    {"names",     "nf-client",  NAMES, "critical," UUID ",email:a@a.example", NULL},
    {"critical",  "nf-client",  NAMES, UUID, NULL},
    {"types",     "nf-client",  TYPES, NULL, NULL},
    {"types",     "nf-client",  TYPES, "critical,DER:30:05:16:03:41:4D:46", NULL},
    {"types",     "nf-client",  TYPES, "DER:30:05:0C:03:41:4D:46", NULL},
    {"access",    "nf-client",  ACCESS, "caIssuers;URI:ldap://a.example/ca", NULL},
    {"ca",        "nf-client",  MORE, "critical,CA:TRUE", "basicConstraints"},
    {"unknown",   "nf-client",  MORE, "critical,DER:05:00", "1.3.6.1.4.1.55555.1"},
    {"host",      "scp",        NAMES, "critical," UUID, NULL},
    {"type",      "sepp",       TYPES, "DER:30:05:16:03:53:43:50", NULL},
    {"purposes",  "scp",        PURPOSES, "serverAuth", NULL},
    {"usage",     "nf-http-encrypt", USAGE, "critical,digitalSignature", NULL},
    {"purposes",  "nf-jwt",     PURPOSES, "1.3.6.1.5.5.7.3.39", NULL},
    {"type",      "nf-oauth-signing", TYPES, "DER:30:05:16:03:41:4D:46", NULL},
    {"types",     "tls-server", TYPES, "DER:30:05:16:03:41:4D:46", NULL},
    {"names",     "tls-server", NAMES, "DNS:a.example," UUID, NULL},
    {NULL,        "nf-both",    PARTS, NULL, NULL},
    {NULL,        "nf-server",  PARTS, NULL, NULL},
    {NULL,        "scp",        PARTS, NULL, NULL},
    {NULL,        "sepp",       PARTS, NULL, NULL},
    {NULL,        "nf-jwt",     PARTS, NULL, NULL},
    {NULL,        "nf-http-encrypt", PARTS, NULL, NULL},
    {NULL,        "nf-oauth-signing", PARTS, NULL, NULL},
    {NULL,        "tls-server", PARTS, NULL, NULL},
};

/* What a good certificate of each profile has. */
static const struct { const char *profile, *usage, *purposes, *names, *types; } goods[] = {
    {"nf-client", "critical,digitalSignature", "clientAuth", "critical," UUID, "DER:30:05:16:03:41:4D:46"},
    {"nf-server", "critical,digitalSignature", "serverAuth", "critical,DNS:a.example," UUID, "DER:30:05:16:03:41:4D:46"},
    {"nf-both",   "critical,digitalSignature", BOTH, "critical,DNS:a.example," UUID, "DER:30:05:16:03:41:4D:46"},
    {"scp",       "critical,digitalSignature", BOTH, "critical,DNS:a.example," UUID, "DER:30:05:16:03:53:43:50"},
    {"sepp",      "critical,digitalSignature", BOTH, "critical,DNS:a.example," UUID, "DER:30:06:16:04:53:45:50:50"},
    {"nf-jwt",    "critical,digitalSignature", "1.3.6.1.5.5.7.3.37", "critical," UUID, "DER:30:05:16:03:41:4D:46"},
    {"nf-http-encrypt", "critical,keyAgreement", "1.3.6.1.5.5.7.3.38", "critical," UUID, "DER:30:06:16:04:53:45:50:50"},
    {"nf-oauth-signing", "critical,digitalSignature", "1.3.6.1.5.5.7.3.39", "critical," UUID, "DER:30:05:16:03:4E:52:46"},
    {"tls-server", "critical,digitalSignature", "serverAuth", "DNS:a.example", NULL},
};
/* clang-format on */

static const char *good_text(const char *profile, enum part part) {
    size_t row = 0;

    while (strcmp(goods[row].profile, profile) != 0) {
        row++;
    }
    switch (part) {
    case USAGE:
        return goods[row].usage;
    case PURPOSES:
        return goods[row].purposes;
    case NAMES:
        return goods[row].names;
    case TYPES:
        return goods[row].types;
    case CRL:
        return "URI:http://a.example/list";
    case ACCESS:
        return "caIssuers;URI:http://a.example/ca,OCSP;URI:http://a.example/ocsp";
    case AKI:
        return "keyid:always";
    case SKI:
        return "hash";
    case MORE:
    case PARTS:
        break;
    }
    return NULL;
}

static bool add(X509 *cert, X509 *issuer, const char *name, const char *text) {
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, &ctx, name, text);
    bool added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    if (!added) {
        ERR_print_errors_fp(stderr);
    }
    return added;
}

static void name_set(X509_NAME *name, const char *domain, const char *common_name) {
    (void)X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const unsigned char *)"XX", -1, -1,
                                     0);
    (void)X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)domain, -1, -1,
                                     0);
    if (common_name != NULL) {
        (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)common_name, -1, -1, 0);
    }
}

#define DOMAIN "5gc.mnc001.mcc001.3gppnetwork.org"
static X509 *make(const struct recipe *recipe, X509 *issuer, EVP_PKEY *issuer_key,
                  EVP_PKEY *stranger) {
    const char *broken = recipe->rule == NULL || recipe->part != PARTS ? "" : recipe->rule;
    EVP_PKEY *key = strcmp(broken, "key") == 0 ? EVP_EC_gen("P-521") : EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    (void)X509_set_version(cert, strcmp(broken, "version") == 0 ? 1 : 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), strcmp(broken, "serial") == 0 ? -5 : 4711);
    name_set(X509_get_subject_name(cert), DOMAIN, strcmp(broken, "subject") == 0 ? "an NF" : NULL);
    (void)X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_time_adj_ex(X509_getm_notAfter(cert), strcmp(broken, "validity") == 0 ? 1200 : 365,
                           0, NULL);
    (void)X509_set_pubkey(cert, key);
    EVP_PKEY_free(key);
    for (enum part part = 0; part < PARTS; part++) {
        const char *text = part == recipe->part ? recipe->text : good_text(recipe->profile, part);
        if (text != NULL
            && !add(cert, issuer, part == MORE ? recipe->more : part_names[part], text)) {
            X509_free(cert);
            return NULL;
        }
    }
    (void)X509_sign(cert, strcmp(broken, "issuer") == 0 ? stranger : issuer_key,
                    strcmp(broken, "signature") == 0 ? EVP_sha1() : EVP_sha256());
    return cert;
}

struct found {
    int count;
    char first[32];
};

static void note(void *ctx, const char *rule, const char *what) {
    struct found *found = ctx;
    (void)what;
    if (found->count++ == 0) {
        (void)snprintf(found->first, sizeof found->first, "%s", rule);
    }
}

static X509 *issuer_make(EVP_PKEY *key) {
    X509 *issuer = X509_new();

    (void)X509_set_version(issuer, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(issuer), 1);
    name_set(X509_get_subject_name(issuer), DOMAIN, "CA");
    name_set(X509_get_issuer_name(issuer), DOMAIN, "CA");
    (void)X509_gmtime_adj(X509_getm_notBefore(issuer), 0);
    (void)X509_time_adj_ex(X509_getm_notAfter(issuer), 3650, 0, NULL);
    (void)X509_set_pubkey(issuer, key);
    (void)add(issuer, issuer, "basicConstraints", "critical,CA:TRUE");
    (void)add(issuer, issuer, "subjectKeyIdentifier", "hash");
    (void)X509_sign(issuer, key, EVP_sha256());
    return issuer;
}

bool lint_self_test(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256"), *stranger = EVP_EC_gen("P-256");
    X509 *issuer = issuer_make(key);
    bool all = true;

    for (size_t i = 0; i < COUNT(recipes); i++) {
        const char *rule = recipes[i].rule == NULL ? "" : recipes[i].rule;
        X509 *cert = make(&recipes[i], issuer, key, stranger);
        struct found found = {0};
        if (cert == NULL || lint(recipes[i].profile, cert, issuer, note, &found) < 0
            || found.count != (recipes[i].rule != NULL) || strcmp(found.first, rule) != 0) {
            (void)printf("row %zu, %s: \"%s\" was to be broken, found %d, first \"%s\"\n", i,
                         recipes[i].profile, rule, found.count, found.first);
            all = false;
        }
        X509_free(cert);
    }
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger);
    (void)printf("%zu certificates, each rule found broken: %s\n", COUNT(recipes),
                 all ? "yes" : "NO");
    return all;
}
