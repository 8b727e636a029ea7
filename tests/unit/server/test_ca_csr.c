#include <openssl/x509v3.h>

#include "ca_fixture.h"

static struct order_fixture order;

static void done(void) { order_fixture_done(&order); }

/* clang-format off */
static const struct {
    const char *name;
    const char *uuid, *dns;                  /* ordered */
    const char *csr_uuid, *csr_dns, *csr_type;
    const char *why;                         /* NULL: fits */
} rows[] = {
    {"NF alone",            FIXTURE_UUID, NULL, FIXTURE_UUID, NULL, NULL, NULL},
    {"NF with its type",    FIXTURE_UUID, NULL, FIXTURE_UUID, NULL, "AMF", NULL},
    {"NF and dns",          FIXTURE_UUID, FIXTURE_FQDN, FIXTURE_UUID, FIXTURE_FQDN, "AMF", NULL},
    {"dns alone",           NULL, FIXTURE_FQDN, NULL, FIXTURE_FQDN, NULL, NULL},
    {"another NF",          FIXTURE_UUID, NULL, FIXTURE_OTHER_UUID, NULL, NULL,
     "the CSR asks for NF instance " FIXTURE_OTHER_UUID ", the order is for " FIXTURE_UUID},
    {"URI missing",         FIXTURE_UUID, NULL, NULL, NULL, NULL,
     "the CSR's subjectAltName lacks the URI urn:uuid:" FIXTURE_UUID},
    {"URI missing, dns there", FIXTURE_UUID, FIXTURE_FQDN, NULL, FIXTURE_FQDN, NULL,
     "the CSR's subjectAltName lacks the URI urn:uuid:" FIXTURE_UUID},
    {"another name",        NULL, FIXTURE_FQDN, NULL, "other.example", NULL,
     "the order has the name " FIXTURE_FQDN ", the CSR lacks it"},
    {"name missing",        FIXTURE_UUID, FIXTURE_FQDN, FIXTURE_UUID, NULL, NULL,
     "the order has the name " FIXTURE_FQDN ", the CSR lacks it"},
    {"an extra name",       FIXTURE_UUID, NULL, FIXTURE_UUID, FIXTURE_FQDN, NULL,
     "the CSR asks for the name " FIXTURE_FQDN ", the order does not"},
    {"an extra NF",         NULL, FIXTURE_FQDN, FIXTURE_UUID, FIXTURE_FQDN, NULL,
     "the CSR asks for NF instance " FIXTURE_UUID ", the order is for none"},
    {"another NF type",     FIXTURE_UUID, NULL, FIXTURE_UUID, NULL, "SMF",
     "the CSR asks for NF type SMF, the token grants AMF"},
    {"a type without a token", NULL, FIXTURE_FQDN, NULL, FIXTURE_FQDN, "AMF",
     "the CSR asks for NF types, the order grants none"},
};
/* clang-format on */

START_TEST(a_csr_asks_for_exactly_the_orders_identifiers) {
    struct err err = {0};

    order_fixture_set(&order, NULL, rows[_i].uuid, rows[_i].dns);
    order_fixture_csr(&order, rows[_i].csr_uuid, rows[_i].csr_dns, rows[_i].csr_type);
    bool fits = ca_csr_fits(&order.request, &err);
    if (rows[_i].why == NULL) {
        ck_assert_msg(fits, "%s: %s", rows[_i].name, err.detail);
        return;
    }
    ck_assert_msg(!fits, "%s", rows[_i].name);
    ck_assert_msg(err.kind == ERR_BAD_CSR, "%s: %s", rows[_i].name, err_name(err.kind));
    ck_assert_msg(strcmp(err.detail, rows[_i].why) == 0, "%s: %s", rows[_i].name, err.detail);
}
END_TEST

/* ---- requests our own maker does not make ---- */

struct request {
    const char *common_name, *san, *constraints;
    enum { FINE, RSA_1024, BROKEN } flaw;
};

static EVP_PKEY *key_of(const struct request *request) {
    struct err err = {0};
    EVP_PKEY *key = request->flaw == RSA_1024 ? EVP_RSA_gen(1024) : key_generate(KEY_P256, &err);
    ck_assert_ptr_nonnull(key);
    return key;
}

static void extension_add(STACK_OF(X509_EXTENSION) * list, int nid, const char *value) {
    if (value != NULL) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
        ck_assert_msg(extension != NULL, "%s", value);
        ck_assert_int_gt(sk_X509_EXTENSION_push(list, extension), 0);
    }
}

/* Read the request into the order; false and err when it is refused in reading already. */
static bool request_read(const struct request *request, struct err *err) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_of(request);
    AUTO(X509_REQ_free) X509_REQ *made = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    unsigned char *der = NULL;

    if (request->common_name != NULL) {
        ck_assert_int_eq(
            X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(made), "CN", MBSTRING_UTF8,
                                       (const unsigned char *)request->common_name, -1, -1, 0),
            1);
    }
    extension_add(list, NID_subject_alt_name, request->san);
    extension_add(list, NID_basic_constraints, request->constraints);
    ck_assert_int_eq(X509_REQ_set_version(made, X509_REQ_VERSION_1), 1);
    ck_assert_int_eq(X509_REQ_set_pubkey(made, key), 1);
    if (sk_X509_EXTENSION_num(list) > 0) {
        ck_assert_int_eq(X509_REQ_add_extensions(made, list), 1);
    }
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    ck_assert_int_gt(X509_REQ_sign(made, key, EVP_sha256()), 0);
    int len = i2d_X509_REQ(made, &der);
    ck_assert_int_gt(len, 0);
    if (request->flaw == BROKEN) {
        der[len - 1] ^= 1; /* in the signature */
    }
    bool read = x509_csr_read(der, (size_t)len, &order.csr, err);
    OPENSSL_free(der);
    return read;
}

#define URI "URI:urn:uuid:" FIXTURE_UUID
#define DNS "DNS:" FIXTURE_FQDN

/* clang-format off */
static const struct { const char *name; struct request request; const char *why; } others[] = {
    {"both in the SAN", {NULL, URI "," DNS, NULL, FINE}, NULL},
    {"upper case",      {NULL, "URI:urn:uuid:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B,"
                               "DNS:AMF1.amf.5gc.mnc001.mcc001.3gppnetwork.org", NULL, FINE}, NULL},
    {"dns as CN alone", {FIXTURE_FQDN, URI, NULL, FINE}, NULL}, /* RFC 8555 7.4 */
    {"dns in both",     {FIXTURE_FQDN, URI "," DNS, NULL, FINE}, NULL},
    {"CA:FALSE",        {NULL, URI "," DNS, "CA:FALSE", FINE}, NULL},
    {"CA:TRUE",         {NULL, URI "," DNS, "CA:TRUE", FINE}, "asks for a CA certificate"},
    {"a strange CN",    {"amf", URI "," DNS, NULL, FINE}, "common name amf"},
    {"the UUID as CN",  {FIXTURE_UUID, URI "," DNS, NULL, FINE}, "common name"},
    {"an e-mail address", {NULL, URI "," DNS ",email:a@b.example", NULL, FINE}, "neither"},
    {"an IP address",   {NULL, URI "," DNS ",IP:192.0.2.1", NULL, FINE}, "address 192.0.2.1"},
    {"an odd address",  {NULL, URI "," DNS ",otherName:1.2.3;UTF8:a", NULL, FINE}, "neither"},
    {"another URI",     {NULL, URI "," DNS ",URI:https://a.example/", NULL, FINE}, "neither"},
    {"a second UUID",   {NULL, URI ",URI:urn:uuid:" FIXTURE_OTHER_UUID "," DNS, NULL, FINE},
     "neither"},
    {"a wildcard",      {NULL, URI "," DNS ",DNS:*.example.org", NULL, FINE}, ""},
    {"no SAN",          {NULL, NULL, NULL, FINE}, ""},
    {"a weak key",      {NULL, URI "," DNS, NULL, RSA_1024}, ""},
    {"a bad signature", {NULL, URI "," DNS, NULL, BROKEN}, ""},
};
/* clang-format on */

/* clang-format off */
static const struct { const char *name; struct request request; const char *why; } addresses[] = {
    {"as iPAddress",        {NULL, "IP:192.0.2.1,IP:2001:DB8:0::1", NULL, FINE}, NULL}, /* X-8738-3-05 */
    {"in the CN too",       {"192.0.2.1", "IP:2001:db8::1,IP:192.0.2.1", NULL, FINE}, NULL},
    {"one alone",           {NULL, "IP:192.0.2.1", NULL, FINE}, "2001:db8::1"},
    {"as dNSName",          {NULL, "DNS:192.0.2.1,IP:2001:db8::1", NULL, FINE}, "as iPAddress"}, /* X-8738-3-06 */
    {"as dNSName too",      {NULL, "DNS:192.0.2.1,IP:192.0.2.1,IP:2001:db8::1", NULL, FINE}, "the name 192.0.2.1"},
    {"as CN alone",         {"192.0.2.1", "IP:2001:db8::1", NULL, FINE}, "as iPAddress"},
    {"one more",            {NULL, "IP:192.0.2.1,IP:2001:db8::1,IP:192.0.2.2", NULL, FINE}, "192.0.2.2"},
    {"IPv4-mapped",         {NULL, "IP:::ffff:192.0.2.1,IP:2001:db8::1", NULL, FINE}, "192.0.2.1"},
};
/* clang-format on */

START_TEST(rfc8738_addresses_are_asked_for_as_ipaddress) {
    struct err err = {0};

    order_fixture_set(&order, NULL, NULL, FIXTURE_FQDN);
    struct acme_identifier identifiers[] = {{ACME_ID_IP, "192.0.2.1"}, {ACME_ID_IP, "2001:db8::1"}};
    order.request.identifiers = identifiers;
    order.request.identifier_count = 2;
    bool fits = request_read(&addresses[_i].request, &err) && ca_csr_fits(&order.request, &err);
    ck_assert_msg(fits == (addresses[_i].why == NULL), "%s: %s", addresses[_i].name, err.detail);
    if (!fits) {
        ck_assert_msg(err.kind == ERR_BAD_CSR && strstr(err.detail, addresses[_i].why) != NULL,
                      "%s: %s", addresses[_i].name, err.detail);
    }
}
END_TEST

START_TEST(a_csr_from_elsewhere_is_judged_by_the_same_rules) {
    struct err err = {0};

    order_fixture_set(&order, NULL, FIXTURE_UUID, FIXTURE_FQDN);
    bool fits = request_read(&others[_i].request, &err) && ca_csr_fits(&order.request, &err);
    if (others[_i].why == NULL) {
        ck_assert_msg(fits, "%s: %s", others[_i].name, err.detail);
        return;
    }
    ck_assert_msg(!fits, "%s", others[_i].name);
    ck_assert_msg(err.kind == ERR_BAD_CSR, "%s: %s", others[_i].name, err_name(err.kind));
    ck_assert_msg(strlen(err.detail) > 0 && strstr(err.detail, others[_i].why) != NULL, "%s: %s",
                  others[_i].name, err.detail);
}
END_TEST

START_TEST(a_csr_for_some_of_the_granted_types_fits_and_one_for_more_does_not) {
    struct err err = {0};

    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    ck_assert(nftypes_add(&order.request.nftypes, "SMF"));
    order_fixture_csr(&order, FIXTURE_UUID, NULL, "SMF");
    ck_good(ca_csr_fits(&order.request, &err));
    ck_assert(nftypes_add(&order.csr.types, "NRF"));
    ck_assert(!ca_csr_fits(&order.request, &err));
    ck_assert_str_eq(err.detail, "the CSR asks for NF type NRF, the token grants AMF,SMF");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ca_csr");
    TCase *cases = tcase_create("ca_csr");

    tcase_add_checked_fixture(cases, NULL, done);
    tcase_add_loop_test(cases, a_csr_asks_for_exactly_the_orders_identifiers, 0, (int)COUNT(rows));
    tcase_add_loop_test(cases, rfc8738_addresses_are_asked_for_as_ipaddress, 0,
                        (int)COUNT(addresses));
    tcase_add_loop_test(cases, a_csr_from_elsewhere_is_judged_by_the_same_rules, 0,
                        (int)COUNT(others));
    tcase_add_test(cases, a_csr_for_some_of_the_granted_types_fits_and_one_for_more_does_not);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
