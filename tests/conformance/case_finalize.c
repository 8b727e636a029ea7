/* RFC 8555 section 7.4, finalization: the CSR and the state of the order. */
#include <stdlib.h>
#include <string.h>

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/b64.h"
#include "common/ossl.h"
#include "tests/conformance/areas.h"

#define CSR_DER_MAX 8192

/* ---- CSRs nobody's helper would make ---- */

struct csr_plan {
    const char *common_name; /* or NULL */
    const char *san;         /* as openssl.cnf has it, "DNS:a,IP:127.0.0.1"; or NULL */
    EVP_PKEY *key;           /* NULL: a new one */
    bool unknown_extension;
    bool bad_signature;
    unsigned trailing; /* octets of zero behind it */
};

static bool add_extension(STACK_OF(X509_EXTENSION) * list, X509_EXTENSION *extension) {
    return extension != NULL && sk_X509_EXTENSION_push(list, extension) > 0;
}

static bool add_extensions(X509_REQ *req, const struct csr_plan *plan) {
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    bool good = list != NULL;

    if (good && plan->san != NULL) {
        good =
            add_extension(list, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, plan->san));
    }
    if (good && plan->unknown_extension) {
        AUTO(ASN1_OBJECT_free) ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
        AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        good = oid != NULL && ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05", 2) == 1
               && add_extension(list, X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value));
    }
    good = good && (sk_X509_EXTENSION_num(list) == 0 || X509_REQ_add_extensions(req, list) == 1);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return good;
}

/* The CSR's base64url; fails the case when OpenSSL cannot make it. */
static const char *planned_csr(struct spec *spec, const struct csr_plan *plan) {
    EVP_PKEY *key = plan->key != NULL ? plan->key : spec_key(spec, KEY_P256);
    AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
    unsigned char der[CSR_DER_MAX] = {0}, *at = der;

    if (spec_over(spec)) {
        return "";
    }
    bool good =
        req != NULL && X509_REQ_set_pubkey(req, key) == 1
        && (plan->common_name == NULL
            || X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                                          (const unsigned char *)plan->common_name, -1, -1, 0)
                   == 1)
        && add_extensions(req, plan) && X509_REQ_sign(req, key, EVP_sha256()) > 0;
    int len = good ? i2d_X509_REQ(req, NULL) : 0;
    if (!spec_check(spec, len > 0 && len + plan->trailing <= sizeof(der), "no CSR was made")) {
        return "";
    }
    (void)i2d_X509_REQ(req, &at);
    if (plan->bad_signature) {
        der[len - 1] ^= 1;
    }
    return spec_b64(spec, der, (size_t)len + plan->trailing);
}

/* ---- the state of the order ---- */

static void a_pending_order_is_not_ready(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL)),
                       403, "orderNotReady");
}

static void a_good_finalize_gives_the_order(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *answer =
        spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL));

    (void)spec_status(spec, answer, 200);
    const char *status = spec_member(answer->json, "status");
    (void)spec_check(spec, strcmp(status, "valid") == 0 || strcmp(status, "processing") == 0,
                     "the order is \"%s\" after finalize", status);
    (void)spec_same(spec, "finalize", spec_member(answer->json, "finalize"), order->finalize);
    answer = spec_poll(spec, order->account, order->url, "valid|invalid");
    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "valid");
    (void)spec_check(spec, spec_is_url(spec_member(answer->json, "certificate")),
                     "the valid order has no certificate URL");
}

static void an_order_is_finalized_once(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_order *order = certificate->order;

    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL)),
                       403, "orderNotReady");
}

static void processing_has_retry_after(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *answer =
        spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL));

    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "processing");
    (void)spec_check(spec, spec_header(spec, answer, "Retry-After")[0] != '\0',
                     "processing without Retry-After");
    answer = spec_poll(spec, order->account, order->url, "valid|invalid");
    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "valid");
}

/* ---- the CSR ---- */

/* data: how the names go, with %1$s the ordered name and %2$s another. */
struct names_row {
    const char *common_name, *san;
    bool good;
};

static void names_are_compared(struct spec *spec) {
    const struct names_row *row = spec_data(spec);
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const char *other = spec_name(spec);
    const char *common_name = row->common_name == NULL             ? NULL
                              : strcmp(row->common_name, "1") == 0 ? order->name
                                                                   : other;
    const char *san = NULL;

    if (row->san != NULL) {
        san = strcmp(row->san, "1") == 0    ? spec_text(spec, "DNS:%s", order->name)
              : strcmp(row->san, "2") == 0  ? spec_text(spec, "DNS:%s", other)
              : strcmp(row->san, "12") == 0 ? spec_text(spec, "DNS:%s,DNS:%s", order->name, other)
                                            : spec_text(spec, "DNS:%s,%s", order->name, row->san);
    }
    const struct spec_answer *answer = spec_finalize(
        spec, order, planned_csr(spec, &(struct csr_plan){.common_name = common_name, .san = san}));
    if (row->good) {
        (void)spec_status(spec, answer, 200);
        return;
    }
    (void)spec_problem(spec, answer, SPEC_4XX, "badCSR");
}

static void a_name_may_not_be_missing(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *one = spec_name(spec), *two = spec_name(spec);
    const struct spec_order *order =
        spec_order_of(spec, account, spec_identifiers(spec, one, two, NULL));

    for (unsigned i = 0; i < order->authz_count && !spec_over(spec); i++) {
        (void)spec_prove(spec, account, order->authz[i], "http-01");
    }
    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, one, NULL)), SPEC_4XX,
                       "badCSR");
}

static void after_bad_csr_the_order_is_ready(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec,
                       spec_finalize(spec, order, spec_csr(spec, NULL, spec_name(spec), NULL)),
                       SPEC_4XX, "badCSR");
    (void)spec_same(spec, "status",
                    spec_member(spec_fetch(spec, order->account, order->url)->json, "status"),
                    "ready");
    (void)spec_complete(spec, order, NULL);
}

static void refused(struct spec *spec, const struct csr_plan *plan, const char *types) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    struct csr_plan full = *plan;

    full.san = spec_text(spec, "DNS:%s", order->name);
    (void)spec_problem(spec, spec_finalize(spec, order, planned_csr(spec, &full)), SPEC_4XX, types);
}

static void a_bad_signature_is_refused(struct spec *spec) {
    refused(spec, &(struct csr_plan){.bad_signature = true}, "badCSR");
}

static void trailing_octets_are_refused(struct spec *spec) {
    refused(spec, &(struct csr_plan){.trailing = 1}, "badCSR|malformed");
}

static void a_weak_key_is_refused(struct spec *spec) {
    EVP_PKEY *key = spec_keep(spec, EVP_RSA_gen(1024), (void (*)(void *))EVP_PKEY_free);

    refused(spec, &(struct csr_plan){.key = key}, "badCSR");
}

static void an_unknown_extension_is_not_taken_over(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const struct csr_plan plan = {.san = spec_text(spec, "DNS:%s", order->name),
                                  .unknown_extension = true};
    const struct spec_answer *answer = spec_finalize(spec, order, planned_csr(spec, &plan));

    if (answer->status != 200) {
        (void)spec_problem(spec, answer, SPEC_4XX, "badCSR");
        return;
    }
    answer = spec_poll(spec, order->account, order->url, "valid|invalid");
    const char *url = spec_member(answer->json, "certificate");
    const struct spec_answer *chain = spec_fetch(spec, order->account, url);
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(chain->body, (int)chain->body_len);
    AUTO(X509_free) X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    (void)spec_check(spec, leaf != NULL && X509_get_ext_by_OBJ(leaf, oid, -1) < 0,
                     "the certificate has an extension the CA does not know");
}

/* data: the payload, as JSON text. */
static void the_csr_member_is_der(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const json_t *payload =
        spec_json(spec, json_loads((const char *)spec_data(spec), JSON_DECODE_ANY, NULL));

    (void)spec_problem(spec, spec_post_json(spec, order->account, order->finalize, payload),
                       SPEC_4XX, "malformed|badCSR");
    (void)spec_complete(spec, order, NULL);
}

static void the_account_key_is_refused(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(
        spec, spec_finalize(spec, order, spec_csr(spec, order->account->key, order->name, NULL)),
        SPEC_4XX, "badCSR|badPublicKey");
}

static void any_account_key_is_refused(struct spec *spec) {
    const struct spec_account *other = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec,
                       spec_finalize(spec, order, spec_csr(spec, other->key, order->name, NULL)),
                       SPEC_4XX, "badCSR|badPublicKey");
}

#define HTTP01 .area = "finalize", .needs = NEED_HTTP01
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.4/20", .rows = "S-7.4-20 S-7.4-21", .area = "finalize", .level = SPEC_MUST, .text = "A pending order is not finalized: 403 orderNotReady.", .run = a_pending_order_is_not_ready},
    {.id = "rfc8555/7.4/22", .rows = "S-7.4-22", HTTP01, .level = SPEC_MUST, .text = "A good finalize gives 200, the order, and then a certificate.", .run = a_good_finalize_gives_the_order},
    {.id = "rfc8555/7.4/23", .rows = "S-7.4-23 S-7.4-26", HTTP01, .level = SPEC_MUST, .text = "A CSR that lacks an ordered name is badCSR.", .run = a_name_may_not_be_missing},
    {.id = "rfc8555/7.4/24", .rows = "S-7.4-24", HTTP01, .level = SPEC_MUST, .text = "A CSR with a name more is badCSR.", .run = names_are_compared, .data = &(struct names_row){NULL, "12", false}},
    {.id = "rfc8555/7.4/25", .rows = "S-7.4-25", HTTP01, .level = SPEC_MUST, .text = "A CSR with another name is badCSR.", .run = names_are_compared, .data = &(struct names_row){NULL, "2", false}},
    {.id = "rfc8555/7.4/27", .rows = "S-7.4-27", HTTP01, .level = SPEC_SHOULD, .text = "After badCSR the order is ready, and a good CSR succeeds.", .run = after_bad_csr_the_order_is_ready},
    {.id = "rfc8555/7.4/28", .rows = "S-7.4-28", HTTP01, .level = SPEC_SHOULD, .text = "The name may be in the CN alone.", .run = names_are_compared, .data = &(struct names_row){"1", NULL, true}},
    {.id = "rfc8555/7.4/29", .rows = "S-7.4-29", HTTP01, .level = SPEC_MUST, .text = "The name may be in the SAN alone, with an empty subject.", .run = names_are_compared, .data = &(struct names_row){NULL, "1", true}},
    {.id = "rfc8555/7.4/30", .rows = "S-7.4-30", HTTP01, .level = SPEC_MUST, .text = "A CN that is no SAN is a name too.", .run = names_are_compared, .data = &(struct names_row){"2", "1", false}},
    {.id = "rfc8555/7.4/31", .rows = "S-7.4-31", HTTP01, .level = SPEC_SHOULD, .text = "A CSR whose signature does not verify is badCSR.", .run = a_bad_signature_is_refused},
    {.id = "rfc8555/7.4/32", .rows = "S-7.4-32", HTTP01, .level = SPEC_MUST, .text = "A CSR in PEM is refused.", .run = the_csr_member_is_der, .data = "{\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----\\nMIIB\\n-----END CERTIFICATE REQUEST-----\"}"},
    {.id = "rfc8555/7.4/33", .rows = "S-7.4-33", HTTP01, .level = SPEC_MUST, .text = "A CSR that is no DER is refused.", .run = the_csr_member_is_der, .data = "{\"csr\":\"eHg\"}"},
    {.id = "rfc8555/7.4/34", .rows = "S-7.4-34", HTTP01, .level = SPEC_MUST, .text = "A finalize without csr is refused.", .run = the_csr_member_is_der, .data = "{}"},
    {.id = "rfc8555/7.4/35", .rows = "S-7.4-35", HTTP01, .level = SPEC_MUST, .text = "Octets behind the CSR are refused.", .run = trailing_octets_are_refused},
    {.id = "rfc8555/7.4/40", .rows = "S-7.4-40", HTTP01, .level = SPEC_MUST, .text = "An order is finalized once.", .run = an_order_is_finalized_once},
    {.id = "rfc8555/7.4/41", .rows = "S-7.4-41", HTTP01, .level = SPEC_SHOULD, .text = "An extension the CA does not know is refused or left out.", .run = an_unknown_extension_is_not_taken_over},
    {.id = "rfc8555/7.4/42", .rows = "S-7.4-42", .area = "finalize", .needs = NEED_HTTP01 | NEED_ASYNC, .level = SPEC_SHOULD, .text = "Processing has Retry-After, and ends in valid.", .run = processing_has_retry_after},
    {.id = "rfc8555/7.4/43", .rows = "S-7.4-43", HTTP01, .level = SPEC_MUST, .text = "An address in the CSR that was not ordered is badCSR.", .run = names_are_compared, .data = &(struct names_row){NULL, "IP:127.0.0.1", false}},
    {.id = "rfc8555/7.4/43b", .rows = "S-7.4-43", HTTP01, .level = SPEC_MUST, .text = "A URI in the CSR that was not ordered is badCSR.", .run = names_are_compared, .data = &(struct names_row){NULL, "URI:https://a.test/", false}},
    {.id = "rfc8555/7.4/43c", .rows = "S-7.4-43", HTTP01, .level = SPEC_MUST, .text = "A mail address in the CSR that was not ordered is badCSR.", .run = names_are_compared, .data = &(struct names_row){NULL, "email:a@a.test", false}},
    {.id = "rfc8555/7.4/44", .rows = "S-7.4-44", HTTP01, .level = SPEC_SHOULD, .text = "A CSR with a 1024-bit RSA key is badCSR.", .run = a_weak_key_is_refused},
    {.id = "rfc8555/11.1/1", .rows = "S-11.1-01", HTTP01, .level = SPEC_MUST, .text = "A CSR with the account's own key is refused.", .run = the_account_key_is_refused},
    {.id = "rfc8555/11.1/2", .rows = "S-11.1-02", HTTP01, .level = SPEC_MUST, .text = "A CSR with any account's key is refused.", .run = any_account_key_is_refused},
};
/* clang-format on */
const struct spec_area case_finalize = {cases, COUNT(cases)};
