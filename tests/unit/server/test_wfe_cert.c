/* Finalize and certificate: RFC 8555 7.4, 7.4.2, 11.1. */
#include <pthread.h>

#include "acme_flow.h"

static struct bed bed;

START_TEST(finalize_waits_for_ready_and_happens_once) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    bed_prove(&bed, &actor, &placed, 0, "valid");
    struct answer answer = bed_post(&bed, &actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert_str_eq(answer.location, placed.url);
    struct answer order = bed_post(&bed, &actor, placed.url, NULL);
    ck_assert_str_eq(order.body, answer.body);
    answer_done(&answer);
    answer_done(&order);
    bed_expect(&bed, &actor, placed.finalize, csr, 403, "orderNotReady");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_bad_csr_leaves_the_order_ready) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed), other = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *another = bed_csr(NULL, BED_OTHER_UUID, NULL);
    AUTO(free) char *extra = bed_csr(NULL, BED_UUID, BED_FQDN);
    AUTO(free) char *nameless = bed_csr(NULL, NULL, NULL);
    AUTO(free) char *own_key = bed_csr(actor.key, BED_UUID, NULL);
    AUTO(free) char *others_key = bed_csr(other.key, BED_UUID, NULL);
    AUTO(free) char *good = bed_csr(NULL, BED_UUID, NULL);
    const char *const rows[] = {another,
                                extra,
                                nameless,
                                own_key,
                                others_key,
                                "{\"csr\":\"\"}",
                                "{\"csr\":\"xx\"}",
                                "{\"csr\":\"a+b/\"}",
                                "{\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----\"}"};
    static const char *const malformed[] = {"{}", "{\"csr\":null}", "{\"csr\":5}"};

    bed_prove(&bed, &actor, &placed, 0, "valid");
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct answer answer = bed_post(&bed, &actor, placed.finalize, rows[i]);
        ck_assert_msg(answer.status == 400 && strcmp(answer.error, "badCSR") == 0, "row %u: %s", i,
                      answer.body);
        ck_assert_str_ne(member(&answer, "detail"), "");
        answer_done(&answer);
        bed_status(&bed, &actor, placed.url, "ready");
    }
    for (unsigned i = 0; i < COUNT(malformed); i++) {
        bed_expect(&bed, &actor, placed.finalize, malformed[i], 400, "malformed");
    }
    bed_expect(&bed, &actor, placed.finalize, good, 200, "");
    actor_done(&actor);
    actor_done(&other);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_certificate_is_its_accounts_only) {
    char url[256];

    bed_start(&bed, NULL);
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);
    bed_enrol(&bed, &alice, NULL, url);
    bed_expect(&bed, &bob, url, NULL, 404, "malformed");
    bed_expect(&bed, &alice, "/cert/00", NULL, 404, "malformed");
    bed_expect(&bed, &alice, url, "{}", 400, "malformed");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

/* N-271: many finalizes of one order, each signed before the first is sent. */
#define RACERS 8
struct race {
    struct loop *loop;
    unsigned left, good, refused;
};

static void race_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct race *race = ctx;
    ck_assert_msg(answer != NULL, "%s", err->detail);
    race->good += answer->status == 200;
    race->refused += answer->status == 403 && strstr(answer->body, "orderNotReady") != NULL;
    if (--race->left == 0) {
        loop_stop(race->loop);
    }
}

START_TEST(of_concurrent_finalizes_one_issues) {
    static const char *const headers[] = {"Content-Type: application/jose+json", NULL};
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    struct race race = {.loop = bed.loop, .left = RACERS};
    bed_prove(&bed, &actor, &placed, 0, "valid");
    AUTO(httpc_free)
    struct httpc *httpc = httpc_new(
        &(struct httpc_options){.loop = bed.loop, .trust = bed.trust, .connections_max = RACERS},
        &err);
    char *texts[RACERS];
    for (unsigned i = 0; i < RACERS; i++) {
        AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);
        AUTO(json_release) json_t *header = bed_header(&bed, &actor, placed.finalize);
        texts[i] = jws_sign(actor.key, header, csr, strlen(csr), &err);
        ck_good(texts[i] != NULL);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        struct httpc_request request = {.method = "POST",
                                        .url = placed.finalize,
                                        .headers = headers,
                                        .body = texts[i],
                                        .body_len = strlen(texts[i])};
        ck_good(httpc_start(httpc, &request, race_done, &race, &err) != NULL);
    }
    loop_run(bed.loop);
    ck_assert_uint_eq(race.good, 1);
    ck_assert_uint_eq(race.refused, RACERS - 1);
    for (unsigned i = 0; i < RACERS; i++) {
        free(texts[i]);
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* Section 7.4.2: S-7.4.2-01 to -05. */
START_TEST(alternate_chains_are_linked_and_lead_to_roots_of_their_own) {
    static const char *const more[] = {"ca.alternates=2", NULL};
    char url[256], path[300], link[320];
    struct err err = {0};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed), other = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    struct answer first = bed_post(&bed, &actor, url, NULL);
    ck_answer(first, 200, "");
    ck_assert_str_eq(first.type, ACME_CHAIN_TYPE);
    for (unsigned n = 1; n <= 2; n++) {
        (void)snprintf(path, sizeof(path), "%s/%u", url, n);
        (void)snprintf(link, sizeof(link), "<%s>;rel=\"alternate\"", path);
        ck_assert_msg(strstr(first.links, link) != NULL, "%s", first.links);
        struct answer answer = bed_post(&bed, &actor, path, NULL);
        ck_answer(answer, 200, "");
        ck_assert_str_eq(answer.type, ACME_CHAIN_TYPE);
        (void)snprintf(link, sizeof(link), "<%s>;rel=\"alternate\"", url);
        ck_assert_ptr_nonnull(strstr(answer.links, link));
        ck_assert_int_eq(strncmp(answer.body, first.body, 500), 0);
        ck_assert_str_ne(answer.body, first.body);
        char root[160];
        (void)snprintf(root, sizeof(root), "%s/state/alternate-%u.pem", bed.folder, n);
        AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(root, &err);
        ck_good(anchors != NULL);
        AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
        AUTO(chain_free)
        X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
        ck_good(
            x509_verify(chain, trust, X509_PURPOSE_ANY, (int64_t)(BED_TIME_US / 1000000), &err));
        answer_done(&answer);
        bed_expect(&bed, &other, path, NULL, 404, "malformed");
    }
    for (const char *const *at = (const char *const[]){"0", "3", "11", "x", NULL}; *at; at++) {
        (void)snprintf(path, sizeof(path), "%s/%s", url, *at);
        bed_expect(&bed, &actor, path, NULL, 404, "malformed");
    }
    answer_done(&first);
    actor_done(&actor);
    actor_done(&other);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        finalize_waits_for_ready_and_happens_once, a_bad_csr_leaves_the_order_ready,
        a_certificate_is_its_accounts_only, of_concurrent_finalizes_one_issues,
        alternate_chains_are_linked_and_lead_to_roots_of_their_own};
    return suite_run("server/wfe_cert", tests, COUNT(tests));
}
