#include "client/engine_verify.h"

#include "common/key.h"
#include "common/ossl.h"
#include "common/x509.h"
#include "tests/unit/common/suite.h"

#define NF "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"
#define OTHER_NF "0f4f2a5e-3bc8-4d55-8a64-1f2e3d4c5b6a"
#define NOW_S 1800000000
#define DAY_S 86400

/* A CA that signs what it is told to, and another one of the same name. */
static struct {
    EVP_PKEY *ca_key, *twin_key, *key, *other_key;
    X509 *ca, *twin, *stranger;
    unsigned char *csr;
    size_t csr_len;
    struct clock clock;
    struct engine_issuers issuers; /* kept throughout: no row may spoil it for the next */
} bed;

static X509 *ca_make(EVP_PKEY *key, const char *name) {
    struct err err = {0};
    X509 *ca = x509_make(&(struct x509_spec){.common_name = name,
                                             .not_before_s = NOW_S - DAY_S,
                                             .not_after_s = NOW_S + DAY_S,
                                             .ca = true,
                                             .path_len = -1,
                                             .key = key},
                         NULL, key, &err);

    ck_assert_msg(ca != NULL, "%s", err.detail);
    return ca;
}

static void bed_begin(void) {
    struct err err = {0};

    bed.clock = clock_real();
    bed.clock.manual_us = (uint64_t)NOW_S * 1000000;
    bed.ca_key = key_generate(KEY_P256, &err);
    bed.twin_key = key_generate(KEY_P256, &err);
    bed.key = key_generate(KEY_P256, &err);
    bed.other_key = key_generate(KEY_P256, &err);
    bed.ca = ca_make(bed.ca_key, "CA");
    bed.twin = ca_make(bed.twin_key, "CA");
    bed.stranger = ca_make(bed.twin_key, "another CA");
    ck_assert(x509_csr_make(bed.key, NULL, NULL, &bed.csr, &bed.csr_len, &err));
}

static void bed_end(void) {
    EVP_PKEY_free(bed.ca_key);
    EVP_PKEY_free(bed.twin_key);
    EVP_PKEY_free(bed.key);
    EVP_PKEY_free(bed.other_key);
    X509_free(bed.ca);
    X509_free(bed.twin);
    X509_free(bed.stranger);
    free(bed.csr);
    engine_issuers_done(&bed.issuers);
}

static struct x509_names names_of(const char *uuid, const char *dns) {
    struct x509_names names = {.dns_count = dns == NULL ? 0 : 1};

    (void)snprintf(names.uuid, sizeof names.uuid, "%s", uuid);
    (void)snprintf(names.dns[0], sizeof names.dns[0], "%s", dns == NULL ? "" : dns);
    return names;
}

enum issuer { BY_CA, BY_TWIN, BY_STRANGER, ALONE };

/* clang-format off */
static const struct {
    const char *name, *uuid, *dns, *type;
    bool other_key, ca;
    int from_s, till_s;
    enum issuer shown; /* the chain's second certificate; the first is the CA's work */
    const char *wrong; /* NULL: it is good */
} rows[] = {
    {"as ordered",            NF, "amf.example", "AMF", false, false, -60, DAY_S, BY_CA, NULL},
    {"without the issuer",    NF, "amf.example", "AMF", false, false, -60, DAY_S, ALONE, NULL},
    {"without types",         NF, "amf.example", NULL,  false, false, -60, DAY_S, BY_CA, NULL},
    {"a clock a bit ahead",   NF, "amf.example", "AMF", false, false, 200, DAY_S, BY_CA, NULL},
    {"another key",           NF, "amf.example", "AMF", true,  false, -60, DAY_S, BY_CA, "another key"},
    {"another NF",            OTHER_NF, "amf.example", "AMF", false, false, -60, DAY_S, BY_CA, "other names"},
    {"no NF",                 "", "amf.example", "AMF", false, false, -60, DAY_S, BY_CA, "other names"},
    {"another DNS name",      NF, "smf.example", "AMF", false, false, -60, DAY_S, BY_CA, "other names"},
    {"a name missing",        NF, NULL,          "AMF", false, false, -60, DAY_S, BY_CA, "other names"},
    {"another NF type",       NF, "amf.example", "SMF", false, false, -60, DAY_S, BY_CA, "another NF type"},
    {"a CA",                  NF, "amf.example", "AMF", false, true,  -60, DAY_S, BY_CA, "one of a CA"},
    {"not valid yet",         NF, "amf.example", "AMF", false, false, 900, DAY_S, BY_CA, "not valid yet"},
    {"expired",               NF, "amf.example", "AMF", false, false, -DAY_S, -1, BY_CA, "expired already"},
    {"a CA of that name",     NF, "amf.example", "AMF", false, false, -60, DAY_S, BY_TWIN, "does not link up"},
    {"a CA of another name",  NF, "amf.example", "AMF", false, false, -60, DAY_S, BY_STRANGER, "does not link up"},
};
/* clang-format on */

/* The chain of a row; caller owns, free(). */
static char *chain_of(size_t i, struct err *err) {
    X509 *const issuers[] = {bed.ca, bed.twin, bed.stranger, NULL};
    const struct x509_names names = names_of(rows[i].uuid, rows[i].dns);
    struct nftypes types = {0};

    ck_assert(rows[i].type == NULL || nftypes_add(&types, rows[i].type));
    const struct x509_spec spec = {.names = &names,
                                   .types = &types,
                                   .not_before_s = NOW_S + rows[i].from_s,
                                   .not_after_s = NOW_S + rows[i].till_s,
                                   .ca = rows[i].ca,
                                   .path_len = -1,
                                   .key = rows[i].other_key ? bed.other_key : bed.key};
    AUTO(X509_free) X509 *leaf = x509_make(&spec, bed.ca, bed.ca_key, err);
    ck_assert_msg(leaf != NULL, "%s: %s", rows[i].name, err->detail);
    AUTO(free) char *first = x509_pem(leaf, err);
    X509 *issuer = issuers[rows[i].shown];
    AUTO(free) char *second = issuer == NULL ? strdup("") : x509_pem(issuer, err);
    char *chain = NULL;
    ck_assert_int_gt(asprintf(&chain, "%s%s", first, second), 0);
    return chain;
}

static struct enrolment record_of(void) {
    struct enrolment record = {.nf = NF,
                               .nf_type = "AMF",
                               .fqdn = (char *)"amf.example",
                               .with_nf_instance = true,
                               .with_dns = true,
                               .csr = bed.csr,
                               .csr_len = bed.csr_len};

    return record;
}

START_TEST(the_leaf_is_for_the_key_and_the_names_in_time_and_the_chain_links_up_7_4_2) {
    bed_begin();
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct enrolment record = record_of();
        struct enrolment ret = {0};
        struct err err = {0};
        AUTO(free) char *chain = chain_of(i, &err);
        bool good =
            engine_verify(&bed.issuers, &record, chain, strlen(chain), &bed.clock, &ret, &err);

        ck_assert_msg(good == (rows[i].wrong == NULL), "%s: %s", rows[i].name, err.detail);
        ck_assert_msg(good || strstr(err.detail, rows[i].wrong) != NULL, "%s: %s", rows[i].name,
                      err.detail);
        ck_assert_msg(good || err.kind == ERR_UPSTREAM, "%s", rows[i].name);
        ck_assert_msg(!good || ret.not_after_us == ((uint64_t)NOW_S + DAY_S) * 1000000, "%s",
                      rows[i].name);
    }
    bed_end();
}
END_TEST

/* clang-format off */
static const struct { const char *name, *before, *after; bool good; } texts[] = {
    {"nothing else",       "",     "",     true},
    {"an empty line",      "\n",   "\r\n", true},
    {"text before",        "Subject: CN=x\n", "", false},
    {"text after",         "",     "that was it\n", false},
    {"a private key",      "",     "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n", false},
    {"a CRL",              "-----BEGIN X509 CRL-----\nQUJD\n-----END X509 CRL-----\n", "", false},
    {"half a certificate", "",     "-----BEGIN CERTIFICATE-----\nQUJD\n", false},
    {"an empty one",       "",     "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", false},
    {"not base64",         "",     "-----BEGIN CERTIFICATE-----\nQ-_D\n-----END CERTIFICATE-----\n", false},
    {"no DER",             "",     "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", false},
    {"a header",           "",     "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\nQUJD\n-----END CERTIFICATE-----\n", false},
};
/* clang-format on */

START_TEST(a_chain_is_certificates_and_nothing_else_9_1) {
    bed_begin();
    for (size_t i = 0; i < COUNT(texts); i++) {
        const struct enrolment record = record_of();
        struct enrolment ret = {0};
        struct err err = {0};
        AUTO(free) char *chain = chain_of(0, &err);
        AUTO(free) char *text = NULL;

        ck_assert_int_gt(asprintf(&text, "%s%s%s", texts[i].before, chain, texts[i].after), 0);
        bool good =
            engine_verify(&bed.issuers, &record, text, strlen(text), &bed.clock, &ret, &err);
        ck_assert_msg(good == texts[i].good, "%s: %s", texts[i].name, err.detail);
        err = (struct err){0};
        ck_assert_msg(
            !engine_verify(&bed.issuers, &record, text, strlen(text) - 1, &bed.clock, &ret, &err),
            "%s and another length", texts[i].name);
    }
    bed_end();
}
END_TEST

START_TEST(every_cut_of_a_chain_is_refused_or_whole) {
    struct err err = {0};

    bed_begin();
    AUTO(free) char *chain = chain_of(0, &err);
    const size_t first = (size_t)(strstr(chain + 1, "-----BEGIN") - chain);
    for (size_t len = 0; len + 1 < strlen(chain); len++) {
        const struct enrolment record = record_of();
        struct enrolment ret = {0};
        AUTO(free) char *cut = strndup(chain, len);
        err = (struct err){0};
        bool good = engine_verify(&bed.issuers, &record, cut, len, &bed.clock, &ret, &err);
        ck_assert_msg(!good || len == first || len + 1 == first, "cut at %zu of %zu", len,
                      strlen(chain));
    }
    bed_end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_leaf_is_for_the_key_and_the_names_in_time_and_the_chain_links_up_7_4_2,
        a_chain_is_certificates_and_nothing_else_9_1,
        every_cut_of_a_chain_is_refused_or_whole,
    };
    return suite_run("engine_verify", tests, COUNT(tests));
}
