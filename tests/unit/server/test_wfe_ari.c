/* Renewal information over HTTP, and orders that replace: RFC 9773. */
#include "acme_flow.h"
#include "server/ari.h"

static struct bed bed;

#define DAY_US ((uint64_t)BED_DAY_S * 1000000)

/* What RFC 9773 4.1 calls the certificate at url; made here from the certificate's extensions. */
static void name_of(const struct actor *actor, const char *url, char ret[ARI_CERTID_SIZE]) {
    struct err err = {0};
    struct answer answer = bed_post(&bed, actor, url, NULL);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    ck_good(chain != NULL);
    X509 *leaf = sk_X509_value(chain, 0);
    const ASN1_OCTET_STRING *id = X509_get0_authority_key_id(leaf);
    AUTO(ossl_free) unsigned char *serial = NULL;
    int len = i2d_ASN1_INTEGER(X509_get_serialNumber(leaf), &serial);

    b64_encode_into(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id), ret,
                    ARI_CERTID_SIZE);
    size_t used = strlen(ret);
    ret[used++] = '.';
    b64_encode_into(serial + 2, (size_t)len - 2, ret + used, ARI_CERTID_SIZE - used);
    answer_done(&answer);
}

static void window_of(const struct answer *answer, uint64_t *ret_start_us, uint64_t *ret_end_us) {
    const json_t *window = json_object_get(answer->json, "suggestedWindow");

    ck_answer(*answer, 200, "");
    ck_assert_str_eq(answer->type, "application/json");
    ck_assert(clock_parse(json_string_value(json_object_get(window, "start")), ret_start_us));
    ck_assert(clock_parse(json_string_value(json_object_get(window, "end")), ret_end_us));
    ck_assert_uint_lt(*ret_start_us, *ret_end_us);
    ck_assert_str_eq(answer->retry_after, "21600");
}

static struct answer ask(const char *name) {
    char path[ARI_CERTID_SIZE + 32];
    (void)snprintf(path, sizeof(path), "/renewal-info/%s", name);
    return bed_get(&bed, path);
}

/* X-9773-3-01, 4.1-01, 4.2-01 to -05, 4.3-01, 4.3-02 */
START_TEST(a_window_is_suggested_to_anyone) {
    char url[256], name[ARI_CERTID_SIZE], path[ARI_CERTID_SIZE + 32];
    uint64_t start_us = 0, end_us = 0;
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    struct answer answer = bed_get(&bed, "/directory");
    ck_assert_ptr_nonnull(strstr(member(&answer, "renewalInfo"), "/renewal-info"));
    answer_done(&answer);
    bed_enrol(&bed, &actor, key, url);
    name_of(&actor, url, name);
    answer = ask(name);
    window_of(&answer, &start_us, &end_us);
    ck_assert_uint_gt(start_us, BED_TIME_US + 50 * DAY_US);
    ck_assert_uint_lt(end_us, BED_TIME_US + 90 * DAY_US);
    ck_assert_str_eq(answer.cache, "max-age=60");
    answer_done(&answer);
    (void)snprintf(path, sizeof(path), "/renewal-info/%s?x=1", name);
    answer = bed_get(&bed, path);
    ck_answer(answer, 200, "");
    answer_done(&answer);
    (void)snprintf(path, sizeof(path), "/renewal-info/%s", name);
    answer = bed_post(&bed, &actor, path, NULL); /* 4.1-06 */
    ck_answer(answer, 405, "malformed");
    ck_assert_str_eq(answer.allow, "GET, HEAD");
    answer_done(&answer);
    struct answer chain = bed_post(&bed, &actor, url, NULL);
    AUTO(chain_free) X509_CHAIN *leaf = x509_chain_read(chain.body, strlen(chain.body), &err);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(sk_X509_value(leaf, 0), &der);
    AUTO(free) char *text = b64_encode(der, (size_t)len);
    json_t *payload = json_pack("{s:s}", "certificate", text);
    AUTO(free) char *revocation = json_text(payload);
    json_decref(payload);
    answer_done(&chain);
    struct actor owner = {.key = key};
    bed_expect(&bed, &owner, "/revoke-cert", revocation, 200, "");
    answer = ask(name);
    window_of(&answer, &start_us, &end_us);
    ck_assert_uint_le(end_us, BED_TIME_US);
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* X-9773-4.1-03 to -05 */
START_TEST(names_of_no_certificate_are_refused) {
    /* clang-format off */
    static const struct { const char *name; unsigned status; } rows[] = {
        {"xx", 400}, {"a.b.c", 400}, {"aYhb.", 400}, {".aYhb", 400}, {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", 404},
        {"", 404}, {"%2e%2e", 404},
    };
    /* clang-format on */
    char url[256], name[ARI_CERTID_SIZE], other[ARI_CERTID_SIZE + 8];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct answer answer = ask(rows[i].name);
        ck_answer(answer, rows[i].status, "malformed");
        ck_assert_str_eq(answer.cache, "no-store");
        answer_done(&answer);
    }
    bed_enrol(&bed, &actor, NULL, url);
    name_of(&actor, url, name);
    (void)snprintf(other, sizeof(other), "%s=", name);
    struct answer answer = ask(other);
    ck_assert_uint_ge(answer.status, 400);
    ck_assert_uint_lt(answer.status, 500);
    answer_done(&answer);
    *strchr(name, '.') = '\0';
    (void)snprintf(other, sizeof(other), "%s.RxE", name);
    answer = ask(other);
    ck_answer(answer, 404, "malformed");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

#define NF "NfInstanceId", BED_UUID
#define DNS "dns", BED_FQDN

static void replacing(const char *type, const char *value, const char *name, char ret[512]) {
    (void)snprintf(ret, 512,
                   "{\"identifiers\":[{\"type\":\"%s\",\"value\":\"%s\"}],\"replaces\":\"%s\"}",
                   type, value, name);
}

static void new_order(const struct actor *actor, const char *type, const char *value,
                      const char *name, unsigned status, const char *error, char order[256]) {
    char payload[512];

    replacing(type, value, name, payload);
    struct answer answer = bed_post(&bed, actor, "/new-order", payload);
    ck_answer(answer, status, error);
    if (status == 201) {
        ck_assert_str_eq(member(&answer, "replaces"), name);
        bed_copy(order, 256, answer.location);
    }
    answer_done(&answer);
}

/* X-9773-5-01 to -05 and -07 */
START_TEST(one_order_replaces_a_certificate) {
    char url[256], name[ARI_CERTID_SIZE], order[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed), other = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    name_of(&actor, url, name);
    new_order(&other, NF, name, 403, "unauthorized", order);
    new_order(&actor, DNS, name, 400, "malformed", order);
    new_order(&actor, NF, "xx", 400, "malformed", order);
    new_order(&actor, NF, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", 400, "malformed", order);
    new_order(&actor, NF, name, 201, "", order);
    struct answer answer = bed_post(&bed, &actor, order, NULL);
    ck_assert_str_eq(member(&answer, "replaces"), name);
    answer_done(&answer);
    new_order(&actor, NF, name, 409, "alreadyReplaced", order);
    bed_restart(&bed, BED_TIME_US + 1000000);
    new_order(&actor, NF, name, 409, "alreadyReplaced", order);
    bed_restart(&bed, BED_TIME_US + 8 * DAY_US); /* that order has run out */
    new_order(&actor, NF, name, 201, "", order);
    bed_expect(&bed, &actor, "/new-order",
               "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"" BED_FQDN "\"}],\"replaces\":5}",
               400, "malformed");
    actor_done(&actor);
    actor_done(&other);
    bed_stop(&bed);
}
END_TEST

/* X-9773-5-05, -06 */
START_TEST(a_replacement_is_final_once_it_is_issued_and_void_when_it_failed) {
    char url[256], name[ARI_CERTID_SIZE], payload[512], order[256];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    name_of(&actor, url, name);
    replacing(NF, name, payload);
    struct placed placed = bed_order(&bed, &actor, payload);
    bed_expect(&bed, &actor, placed.authz[0], "{\"status\":\"deactivated\"}", 200, "");
    bed_status(&bed, &actor, placed.url, "invalid");
    placed = bed_order(&bed, &actor, payload);
    bed_prove(&bed, &actor, &placed, 0, "valid");
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);
    bed_expect(&bed, &actor, placed.finalize, csr, 200, "");
    bed_restart(&bed, BED_TIME_US + 20 * DAY_US);
    new_order(&actor, NF, name, 409, "alreadyReplaced", order);
    struct answer answer = ask(name); /* it can still be asked about */
    ck_answer(answer, 200, "");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* X-9773-5-08 */
START_TEST(without_ari_replaces_is_not_seen) {
    static const char *const more[] = {"ari.offered=false", NULL};
    char payload[512];

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct answer answer = bed_get(&bed, "/directory");
    ck_assert_ptr_null(json_object_get(answer.json, "renewalInfo"));
    answer_done(&answer);
    answer = ask("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    ck_answer(answer, 404, "malformed");
    answer_done(&answer);
    replacing(DNS, "xx", payload);
    answer = bed_post(&bed, &actor, "/new-order", payload);
    ck_answer(answer, 201, "");
    ck_assert_ptr_null(json_object_get(answer.json, "replaces"));
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_window_is_suggested_to_anyone,
        names_of_no_certificate_are_refused,
        one_order_replaces_a_certificate,
        a_replacement_is_final_once_it_is_issued_and_void_when_it_failed,
        without_ari_replaces_is_not_seen,
    };
    return suite_run("server/wfe_ari", tests, COUNT(tests));
}
