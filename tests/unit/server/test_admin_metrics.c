/* The text of GET /metrics: its form, and that what happened is in it. */
#include "admin_ask.h"
#include "exposition.h"

static struct bed bed;
static struct exposition exposition; /* too large for a stack */

#define H "# HELP a_total x\n# TYPE a_total counter\n"
#define HH "# HELP h x\n# TYPE h histogram\n"

/* clang-format off */
static const struct { const char *text, *why; } forms[] = {
    {H "a_total 1\n", NULL},
    {H "a_total{x=\"a\\\"}\",y=\"\"} 1\na_total{x=\"b\"} 1.5\n", NULL},
    {HH "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", NULL},
    {"", "does not end"},
    {H "a_total 1", "does not end"},
    {H "\na_total 1\n", "empty"},
    {H, "not whole"},
    {"a_total 1\n", "outside its family"},
    {"# TYPE a_total counter\na_total 1\n", "does not follow"},
    {H "# TYPE a_total counter\na_total 1\n", "does not follow"},
    {H "a_total 1\n" H "a_total 2\n", "there already"},
    {H "a_total 1\na_total 2\n", "there already"},
    {H "a_total -1\n", "not a value"},
    {H "a_total 1x\n", "not a value"},
    {H "a_total  1\n", "one space"},
    {H "a_total{x=\"a\",} 1\n", "name=\"value\""},
    {H "a_total{x=a} 1\n", "name=\"value\""},
    {H "a_total{x=\"a} 1\n", "does not end"},
    {"# HELP a x\n# TYPE a counter\na 1\n", "_total"},
    {"# HELP a_total x\n# TYPE a_total gauge\na_total 1\n", "_total"},
    {HH "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 3\n", "not +Inf's"},
    {HH "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", "do not rise"},
    {HH "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count 2\n", "do not rise"},
    {HH "h_bucket{le=\"1\"} 2\nh_sum 3\nh_count 2\n", "without all"},
    {HH "h_bucket{le=\"+Inf\"} 2\nh_count 2\n", "not +Inf's"},
    {HH "h_bucket{le=\"+Inf\"} 2\nh_sum 2\n", "not whole"},
};
/* clang-format on */

START_TEST(the_reader_takes_what_is_right_and_nothing_else) {
    for (unsigned i = 0; i < COUNT(forms); i++) {
        const char *why = exposition_read(&exposition, forms[i].text);
        ck_assert_msg((why == NULL) == (forms[i].why == NULL)
                          && (why == NULL || strstr(why, forms[i].why) != NULL),
                      "%u: %s", i, why == NULL ? "taken" : why);
    }
}
END_TEST

static char *scrape(void) {
    struct answer answer = admin_ask(&bed, "GET", "/metrics", NULL);

    ck_assert_uint_eq(answer.status, 200);
    ck_assert_str_eq(answer.type, "text/plain; version=0.0.4; charset=utf-8");
    const char *why = exposition_read(&exposition, answer.body);
    ck_assert_msg(why == NULL, "%s", why);
    char *text = TAKE(answer.body);
    answer_done(&answer);
    return text;
}

static void ck_series(const char *text, const char *series, double value) {
    char name[EXPOSITION_TEXT];
    (void)snprintf(name, sizeof(name), "nfacme_server_%s", series);
    ck_assert_msg(exposition_value(text, name) == value, "%s: %f instead of %f", name,
                  exposition_value(text, name), value);
}

static void take_back(const struct actor *actor, const char *url) {
    struct err err = {0};
    struct answer chain = bed_post(&bed, actor, url, NULL);
    AUTO(chain_free) X509_CHAIN *leaf = x509_chain_read(chain.body, strlen(chain.body), &err);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(sk_X509_value(leaf, 0), &der);
    AUTO(free) char *text = b64_encode(der, (size_t)len);
    json_t *payload = json_pack("{s:s}", "certificate", text);
    AUTO(free) char *revocation = json_text(payload);

    json_decref(payload);
    answer_done(&chain);
    bed_expect(&bed, actor, "/revoke-cert", revocation, 200, "");
}

START_TEST(what_happened_is_in_a_text_of_the_right_form) {
    char url[256];

    bed_start(&bed, NULL);
    free(scrape());
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    bed_expect(&bed, &actor, "/new-order", "{}", 400, "malformed");
    bed_expect(&bed, &actor, "/order/none", NULL, 404, "malformed");
    bed_expect(&bed, &actor, "/finalize", NULL, 404, "malformed");
    take_back(&actor, url);
    AUTO(free) char *text = scrape();

    ck_series(text, "requests_total{operation=\"newOrder\",outcome=\"ok\"}", 1);
    ck_series(text, "requests_total{operation=\"newOrder\",outcome=\"malformed\"}", 1);
    ck_series(text, "requests_total{operation=\"other\",outcome=\"malformed\"}", 1);
    ck_series(text, "requests_total{operation=\"keyChange\",outcome=\"ok\"}", 0);
    ck_series(text, "requests_total{operation=\"keyChange\",outcome=\"malformed\"}", -1);
    ck_series(text, "request_seconds_count{operation=\"newOrder\"}", 2);
    ck_series(text, "request_seconds_bucket{operation=\"newOrder\",le=\"30\"}", 2);
    ck_assert(exposition_value(text, "nfacme_server_request_seconds_sum{operation=\"newOrder\"}")
              > 0);
    ck_series(text, "certificates_issued_total", 1);
    ck_series(text, "certificates_revoked_total", 1);
    ck_series(text, "crl_total{outcome=\"signed\"}", 2);
    ck_series(text, "crl_total{outcome=\"failed\"}", 0);
    ck_series(text, "crl_this_update_timestamp_seconds", (double)(BED_TIME_US / 1000000));
    ck_series(text, "ocsp_total{outcome=\"refused\"}", 0);
    ck_series(text, "rate_limited_total{limit=\"orders\"}", 0);
    ck_series(text, "housekeeping_removed_total{kind=\"order\"}", 0);
    ck_series(text, "audit_refusals_lost_total", 0);
    ck_series(text, "store_healthy", 1);
    ck_series(text, "store_queue", 0);
    ck_series(text, "validation_queue", 0);
    ck_series(text, "processing_queue", 0);
    ck_series(text, "commit_transactions_count",
              exposition_value(text, "nfacme_server_commits_total"));
    ck_series(text, "commit_transactions_sum",
              exposition_value(text, "nfacme_server_commit_records_total"));
    double valid = 0;
    for (unsigned i = 0; i < ACME_CHALLENGE__COUNT; i++) {
        char series[EXPOSITION_TEXT];
        (void)snprintf(series, sizeof(series),
                       "nfacme_server_validations_total{type=\"%s\",outcome=\"valid\"}",
                       acme_challenge_name((enum acme_challenge_type)i));
        valid += exposition_value(text, series);
    }
    ck_assert_double_ge(valid, 1);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_reader_takes_what_is_right_and_nothing_else,
                                  what_happened_is_in_a_text_of_the_right_form};
    return suite_run("server/admin_metrics", tests, COUNT(tests));
}
