#include "client/tenant.h"

#include "tests/unit/common/suite.h"

#define A "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"
#define B "0f4f2a5e-3bc8-4d55-8a64-1f2e3d4c5b6a"

static struct x509_cert amf(void) {
    struct x509_cert cert = {
        .names = {.uuid = A, .dns_count = 2, .dns = {"a.example", "b.example"}}};

    ck_assert(nftypes_add(&cert.types, "AMF") && nftypes_add(&cert.types, "SEAF"));
    return cert;
}

/* clang-format off */
static const struct {
    const char *name, *nf, *type, *fqdn, *param; /* param NULL: allowed */
} rows[] = {
    {"itself",                    A, "AMF",  NULL,        NULL},
    {"itself with a name",        A, "AMF",  "a.example", NULL},
    {"its second name",           A, "AMF",  "b.example", NULL},
    {"its second type",           A, "SEAF", NULL,        NULL},
    {"another NF",                B, "AMF",  NULL,        "nfInstanceId"},
    {"another type",              A, "SMF",  NULL,        "nfType"},
    {"part of a type",            A, "AM",   NULL,        "nfType"},
    {"another name",              A, "AMF",  "c.example", "fqdn"},
    {"a name below its own",      A, "AMF",  "x.a.example", "fqdn"},
    {"the end of its own name",   A, "AMF",  "example",   "fqdn"},
};
/* clang-format on */

START_TEST(an_nf_may_ask_for_itself_only) {
    const struct x509_cert peer = amf();

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        bool allowed = tenant_allows(&peer, rows[i].nf, rows[i].type, rows[i].fqdn, &err);

        ck_assert_msg(allowed == (rows[i].param == NULL), "%s", rows[i].name);
        ck_assert_msg(allowed || err.kind == ERR_FORBIDDEN, "%s", rows[i].name);
        ck_assert_msg(allowed || strcmp(err.param, rows[i].param) == 0, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(a_certificate_without_an_nf_instance_is_nobody) {
    struct x509_cert peer = amf();
    struct err err = {0}, none = {0};

    peer.names.uuid[0] = '\0';
    ck_assert(!tenant_peer(&peer, &err));
    ck_assert_int_eq(err.kind, ERR_FORBIDDEN);
    ck_assert(!tenant_allows(NULL, A, "AMF", NULL, &none));
    ck_assert_int_eq(none.kind, ERR_FORBIDDEN);
}
END_TEST

START_TEST(a_certificate_without_nf_types_allows_none) {
    struct x509_cert peer = amf();
    struct err err = {0};

    peer.types.count = 0;
    ck_assert(!tenant_allows(&peer, A, "AMF", NULL, &err));
    ck_assert_str_eq(err.param, "nfType");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_nf_may_ask_for_itself_only,
                                  a_certificate_without_an_nf_instance_is_nobody,
                                  a_certificate_without_nf_types_allows_none};

    return suite_run("client/tenant", tests, COUNT(tests));
}
