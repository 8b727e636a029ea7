#include "client/api.h"

#include "common/b64.h"
#include "tests/unit/common/suite.h"

static char solver_there; /* only its address is looked at */
static const struct solvers both = {
    .count = 2,
    .order = {ACME_CHALLENGE_TKAUTH01, ACME_CHALLENGE_HTTP01},
    .http01 = (struct solver_http01 *)&solver_there,
    .tkauth01 = (struct solver_tkauth01 *)&solver_there,
};
static const struct solvers http_only = {
    .count = 1,
    .order = {ACME_CHALLENGE_HTTP01},
    .http01 = (struct solver_http01 *)&solver_there,
};
static const struct api_policy policy = {API_IDENTIFIERS_AUTO, &both};

#define UUID "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"
#define NF "\"nfInstanceId\":\"" UUID "\",\"nfType\":\"AMF\""

static bool read_enrol(const struct api_policy *with, const char *body, const char *type,
                       struct enrolment *ret, struct err *err) {
    return api_enrol_read(with, body, strlen(body), type, ret, err);
}

START_TEST(a_request_is_read_in_canonical_form) {
    static const char body[] =
        "{\"nfInstanceId\":\"B5ED1D8E-2D2C-4B7E-9A3F-0C5F6E3A7D11\",\"nfType\":\"AMF\","
        "\"fqdn\":\"AMF1.example.ORG\",\"profile\":\"nf-both\"}";
    struct enrolment read = {0};
    struct err err = {0};

    ck_assert(read_enrol(&policy, body, "application/json; charset=utf-8", &read, &err));
    ck_assert_str_eq(read.nf, UUID);
    ck_assert_str_eq(read.nf_type, "AMF");
    ck_assert_str_eq(read.fqdn, "amf1.example.org");
    ck_assert_str_eq(read.profile, "nf-both");
    ck_assert(read.with_nf_instance && read.with_dns);
    enrolment_done(&read);
}
END_TEST

/* clang-format off */
static const struct {
    const char *name, *type, *body;
    enum err_kind kind;
    const char *param;
} refused[] = {
    {"no media type",      NULL,               "{" NF "}",                         ERR_MEDIA_TYPE, "Content-Type"},
    {"another media type", "text/plain",       "{" NF "}",                         ERR_MEDIA_TYPE, "Content-Type"},
    {"longer media type",  "application/jsonx", "{" NF "}",                        ERR_MEDIA_TYPE, "Content-Type"},
    {"no body",            "application/json", "",                                 ERR_MALFORMED,  ""},
    {"cut off",            "application/json", "{\"nfInstanceId\":",               ERR_MALFORMED,  ""},
    {"an array",           "application/json", "[]",                               ERR_MALFORMED,  ""},
    {"two values",         "application/json", "{" NF "}{}",                       ERR_MALFORMED,  ""},
    {"a name twice",       "application/json", "{" NF ",\"nfType\":\"AMF\"}",      ERR_MALFORMED,  ""},
    {"an unknown member",  "application/json", "{" NF ",\"colour\":\"red\"}",      ERR_INVALID,    "colour"},
    {"no nfInstanceId",    "application/json", "{\"nfType\":\"AMF\"}",             ERR_MISSING,    "nfInstanceId"},
    {"no nfType",          "application/json", "{\"nfInstanceId\":\"" UUID "\"}",  ERR_MISSING,    "nfType"},
    {"nfType a number",    "application/json", "{\"nfInstanceId\":\"" UUID "\",\"nfType\":5}", ERR_INVALID, "nfType"},
    {"nfType lower case",  "application/json", "{\"nfInstanceId\":\"" UUID "\",\"nfType\":\"amf\"}", ERR_INVALID, "nfType"},
    {"not a UUID",         "application/json", "{\"nfInstanceId\":\"x\",\"nfType\":\"AMF\"}", ERR_INVALID, "nfInstanceId"},
    {"a UUID of version 1", "application/json", "{\"nfInstanceId\":\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\",\"nfType\":\"AMF\"}", ERR_INVALID, "nfInstanceId"},
    {"fqdn a number",      "application/json", "{" NF ",\"fqdn\":1}",              ERR_INVALID,    "fqdn"},
    {"fqdn a wildcard",    "application/json", "{" NF ",\"fqdn\":\"*.example.org\"}", ERR_INVALID, "fqdn"},
    {"profile with a space", "application/json", "{" NF ",\"profile\":\"a b\"}",   ERR_INVALID,    "profile"},
    {"profile empty",      "application/json", "{" NF ",\"profile\":\"\"}",        ERR_INVALID,    "profile"},
    {"a number to notify",  "application/json", "{" NF ",\"notificationUri\":7}", ERR_INVALID, "notificationUri"},
};
/* clang-format on */

START_TEST(what_is_not_a_request_is_refused_by_name) {
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct enrolment read = {0};
        struct err err = {0};

        ck_assert_msg(!read_enrol(&policy, refused[i].body, refused[i].type, &read, &err), "%s",
                      refused[i].name);
        ck_assert_msg(err.kind == refused[i].kind, "%s: %s", refused[i].name, err_name(err.kind));
        ck_assert_msg(strcmp(err.param, refused[i].param) == 0, "%s: %s", refused[i].name,
                      err.param);
        ck_assert_msg(read.fqdn == NULL && read.profile == NULL, "%s", refused[i].name);
    }
}
END_TEST

/* mode × fqdn given × OAM there → NfInstanceId ordered, dns ordered; -1: refused */
/* clang-format off */
static const struct {
    enum api_identifiers mode;
    bool fqdn;
    const struct solvers *solvers;
    int nf, dns;
} choices[] = {
    {API_IDENTIFIERS_AUTO, false, &both,      1, 0},
    {API_IDENTIFIERS_AUTO, true,  &both,      1, 1},
    {API_IDENTIFIERS_AUTO, true,  &http_only, 0, 1},
    {API_IDENTIFIERS_AUTO, false, &http_only, -1, -1},
    {API_IDENTIFIERS_NF,   true,  &both,      1, 0},
    {API_IDENTIFIERS_DNS,  true,  &both,      0, 1},
    {API_IDENTIFIERS_DNS,  false, &both,      -1, -1},
    {API_IDENTIFIERS_BOTH, true,  &both,      1, 1},
    {API_IDENTIFIERS_BOTH, false, &both,      -1, -1},
};
/* clang-format on */

START_TEST(the_names_of_the_order_follow_the_switch) {
    for (size_t i = 0; i < COUNT(choices); i++) {
        const struct api_policy with = {choices[i].mode, choices[i].solvers};
        const char *body = choices[i].fqdn ? "{" NF ",\"fqdn\":\"a.example\"}" : "{" NF "}";
        struct enrolment read = {0};
        struct err err = {0};
        bool good = read_enrol(&with, body, "application/json", &read, &err);

        ck_assert_msg(good == (choices[i].nf >= 0), "row %zu", i);
        if (good) {
            ck_assert_msg((int)read.with_nf_instance == choices[i].nf
                              && (int)read.with_dns == choices[i].dns,
                          "row %zu", i);
        } else {
            ck_assert_msg(err.kind == ERR_MISSING && strcmp(err.param, "fqdn") == 0, "row %zu", i);
        }
        enrolment_done(&read);
    }
}
END_TEST

START_TEST(an_assertion_is_needed_for_an_nf_instance_and_must_look_like_one) {
    static const char *const bad[] = {"", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a b.c.d", ".b.c"};
    struct enrolment read = {.with_nf_instance = true};
    struct err err = {0};

    ck_assert(!api_cca_read(&policy, NULL, &read, &err));
    ck_assert_int_eq(err.kind, ERR_CCA);
    for (size_t i = 0; i < COUNT(bad); i++) {
        err = (struct err){0};
        ck_assert_msg(!api_cca_read(&policy, bad[i], &read, &err) && err.kind == ERR_CCA, "%s",
                      bad[i]);
        ck_assert_str_eq(err.param, "3gpp-Sbi-Client-Credentials");
    }
    err = (struct err){0};
    ck_assert(api_cca_read(&policy, "eyJ.eyJ.c2ln", &read, &err));
    ck_assert_str_eq(read.cca, "eyJ.eyJ.c2ln");
    enrolment_done(&read);

    struct enrolment dns = {.with_dns = true};
    ck_assert(api_cca_read(&policy, NULL, &dns, &err));
    ck_assert_ptr_null(dns.cca);
}
END_TEST

START_TEST(an_assertion_is_about_the_nf_that_shows_it) {
    static const struct {
        const char *claims;
        bool good;
    } rows[] = {
        {"{\"sub\":\"" UUID "\"}", true},
        {"{\"sub\":\"B5ED1D8E-2D2C-4B7E-9A3F-0C5F6E3A7D11\"}", true},
        {"{\"sub\":\"b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d12\"}", false},
        {"{\"sub\":1}", false},
        {"{\"sub\":\"" UUID "\",\"sub\":\"" UUID "\"}", false},
        {"{}", false},
        {"[]", false},
        {"sub", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        char cca[300];
        AUTO(free) char *claims = b64_encode(rows[i].claims, strlen(rows[i].claims));
        (void)snprintf(cca, sizeof cca, "e30.%s.c2ln", claims);
        ck_assert_msg(api_cca_subject(cca, UUID, &err) == rows[i].good, "row %zu", i);
        ck_assert_int_eq(err.kind, rows[i].good ? ERR_NONE : ERR_CCA);
    }
}
END_TEST

START_TEST(prefer_wait_is_understood_and_cut_to_a_minute) {
    /* clang-format off */
    static const struct { const char *header; uint64_t us; } rows[] = {
        {NULL, 0}, {"", 0}, {"wait=5", 5000000}, {"respond-async, wait=10", 10000000},
        {"wait=\"7\"", 7000000}, {"WAIT=3;foo", 3000000}, {"wait=600", 60000000},
        {"wait=-1", 0}, {"wait=1x", 0}, {"wait", 0}, {"wait=99999999999999999999", 0},
        {"await=3", 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(api_prefer_wait_us(rows[i].header) == rows[i].us, "%s", rows[i].header);
    }
}
END_TEST

START_TEST(max_rsp_time_is_milliseconds_or_refused) {
    struct err err = {0};
    uint64_t us = 1;

    ck_assert(api_max_rsp_us(NULL, &us, &err) && us == 0);
    ck_assert(api_max_rsp_us("1500", &us, &err) && us == 1500000);
    ck_assert(!api_max_rsp_us("1.5", &us, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_str_eq(err.param, "3gpp-Sbi-Max-Rsp-Time");
    err = (struct err){0};
    ck_assert(!api_max_rsp_us("0", &us, &err) && !api_max_rsp_us("", &us, &err));
}
END_TEST

START_TEST(the_idempotency_key_is_found_among_the_parameters) {
    char key[ENROLMENT_IDEMPOTENCY_SIZE];
    char longer[200];
    struct err err = {0};

    ck_assert(api_idempotency(NULL, key, &err) && key[0] == '\0');
    ck_assert(api_idempotency("retrans=true", key, &err) && key[0] == '\0');
    ck_assert(api_idempotency("retrans=true; idempotency-key=abc-1 ; x=y", key, &err));
    ck_assert_str_eq(key, "abc-1");
    ck_assert(api_idempotency("idempotency-key=\"q\"", key, &err));
    ck_assert_str_eq(key, "q");
    ck_assert(!api_idempotency("idempotency-key=", key, &err));
    ck_assert_str_eq(err.param, "3gpp-Sbi-Request-Info");
    memset(longer, 'a', sizeof longer - 1);
    memcpy(longer, "idempotency-key=", 16);
    longer[sizeof longer - 1] = '\0';
    err = (struct err){0};
    ck_assert(!api_idempotency(longer, key, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
}
END_TEST

/* 30 0a  30 00  30 00  03 02 00 ff: the outer form of a request, nothing in it. */
static const char shape[] = "\x30\x08\x30\x00\x30\x00\x03\x02\x00\xff";

START_TEST(a_csr_is_judged_by_its_outer_form_only) {
    /* clang-format off */
    static const struct { const char *name, *type, *body; size_t len; enum err_kind kind; } rows[] = {
        {"DER",              "application/pkcs10", shape, 10, ERR_NONE},
        {"another type",     "application/json",   shape, 10, ERR_MEDIA_TYPE},
        {"empty",            "application/pkcs10", "", 0, ERR_INVALID},
        {"text",             "application/pkcs10", "hello", 5, ERR_INVALID},
        {"cut off",          "application/pkcs10", shape, 9, ERR_INVALID},
        {"a trailing octet", "application/pkcs10", "\x30\x08\x30\x00\x30\x00\x03\x02\x00\xff\x00", 11, ERR_INVALID},
        {"endless",          "application/pkcs10", "\x30\x80\x00\x00", 4, ERR_INVALID},
        {"no signature",     "application/pkcs10", "\x30\x04\x30\x00\x30\x00", 6, ERR_INVALID},
        {"PEM of a certificate", "application/pkcs10", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 60, ERR_INVALID},
        {"DER as PEM",       "application/x-pem-file", shape, 10, ERR_INVALID},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char *der = NULL;
        size_t len = 0;
        struct err err = {0};
        bool good = api_csr_read(rows[i].type, rows[i].body, rows[i].len, &der, &len, &err);

        ck_assert_msg(good == (rows[i].kind == ERR_NONE) && err.kind == rows[i].kind, "%s: %s",
                      rows[i].name, err_name(err.kind));
        ck_assert_msg(!good || (len == rows[i].len && memcmp(der, rows[i].body, len) == 0), "%s",
                      rows[i].name);
        free(der);
    }
}
END_TEST

START_TEST(a_pem_csr_is_its_der) {
    static const char pem[] = "-----BEGIN CERTIFICATE REQUEST-----\nMAgwADAAAwIA/w==\n"
                              "-----END CERTIFICATE REQUEST-----\n";
    unsigned char *der = NULL;
    size_t len = 0;
    struct err err = {0};

    ck_assert(api_csr_read("application/pkcs10", pem, sizeof pem - 1, &der, &len, &err));
    ck_assert_uint_eq(len, 10);
    ck_assert_int_eq(memcmp(der, shape, 10), 0);
    free(der);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_request_is_read_in_canonical_form,
        what_is_not_a_request_is_refused_by_name,
        the_names_of_the_order_follow_the_switch,
        an_assertion_is_needed_for_an_nf_instance_and_must_look_like_one,
        an_assertion_is_about_the_nf_that_shows_it,
        prefer_wait_is_understood_and_cut_to_a_minute,
        max_rsp_time_is_milliseconds_or_refused,
        the_idempotency_key_is_found_among_the_parameters,
        a_csr_is_judged_by_its_outer_form_only,
        a_pem_csr_is_its_der,
    };

    return suite_run("client/api", tests, COUNT(tests));
}
