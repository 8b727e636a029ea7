#include "server/admin_metrics.h"

#include <assert.h>
#include <inttypes.h>

#include "common/metrics.h"

#define NAME(name) "nfacme_server_" name

/* clang-format off */
static const char *const kinds[] = {
    [STORE_KIND_ORDER] = "kind=\"order\"", [STORE_KIND_AUTHZ] = "kind=\"authz\"",
    [STORE_KIND_CERTIFICATE] = "kind=\"certificate\"", [STORE_KIND_TOKEN] = "kind=\"token\"",
};
static const char *const limits[] = {
    [THROTTLE_ACCOUNTS] = "limit=\"accounts\"", [THROTTLE_ORDERS] = "limit=\"orders\"",
    [THROTTLE_IDENTIFIERS] = "limit=\"identifiers\"", [THROTTLE_REQUESTS] = "limit=\"requests\"",
};
/* clang-format on */
static_assert(COUNT(kinds) == STORE_KIND__COUNT, "every kind has a label");
static_assert(COUNT(limits) == THROTTLE__COUNT, "every limit has a label");

/* Transactions per commit: a size of the store's is a bucket. */
static void render_sizes(const struct store_counts *store, struct buf *buf) {
    uint64_t count = 0;

    (void)metrics_head(NAME("commit_transactions"), "histogram", "Transactions in a group commit",
                       buf);
    for (unsigned i = 0; i < STORE_SIZES; i++) {
        count += store->sizes[i];
        (void)buf_printf(buf, NAME("commit_transactions_bucket{le=\"%u\"} %" PRIu64 "\n"), 1U << i,
                         count);
    }
    (void)buf_printf(buf, NAME("commit_transactions_bucket{le=\"+Inf\"} %" PRIu64 "\n"), count);
    (void)buf_printf(buf, NAME("commit_transactions_sum %" PRIu64 "\n"), store->transactions);
    (void)buf_printf(buf, NAME("commit_transactions_count %" PRIu64 "\n"), count);
}

static void render_store(struct store *room, struct buf *buf) {
    struct store_counts store = store_counts(room);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, NAME("commits_total"), NULL, "Group commits made durable", (int64_t)store.commits},
        {METRIC_COUNTER, NAME("commit_records_total"), NULL, "Transactions in those commits", (int64_t)store.transactions},
        {METRIC_COUNTER, NAME("store_refused_total"), NULL, "Transactions refused or lost", (int64_t)store.failed},
        {METRIC_GAUGE,   NAME("store_queue"), NULL, "Transactions waiting for the writer", store.queued},
        {METRIC_GAUGE,   NAME("store_healthy"), NULL, "1: the last commit succeeded", store.healthy},
        {METRIC_COUNTER, NAME("certificates_issued_total"), NULL, "Certificates issued and stored", (int64_t)store.issued},
        {METRIC_COUNTER, NAME("certificates_revoked_total"), NULL, "Revocations stored", (int64_t)store.revoked},
    };
    /* clang-format on */
    (void)metrics_render(rows, COUNT(rows), buf);
    render_sizes(&store, buf);
}

static void render_nonces(struct nonce_pool *pool, struct buf *buf) {
    struct nonce_counts nonces = nonce_counts(pool);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"issued\"", "Nonces by what became of them", (int64_t)nonces.issued},
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"spent\"", NULL, (int64_t)nonces.spent},
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"unknown\"", NULL, (int64_t)nonces.unknown},
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"again\"", NULL, (int64_t)nonces.again},
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"aged\"", NULL, (int64_t)nonces.aged},
        {METRIC_COUNTER, NAME("nonces_total"), "outcome=\"evicted\"", NULL, (int64_t)nonces.evicted},
    };
    /* clang-format on */
    (void)metrics_render(rows, COUNT(rows), buf);
}

static void render_limits(struct throttle *throttle, struct buf *buf) {
    struct throttle_counts counts = throttle_counts(throttle);
    struct metric rows[THROTTLE__COUNT + 1];

    for (unsigned i = 0; i < THROTTLE__COUNT; i++) {
        rows[i] = (struct metric){METRIC_COUNTER, NAME("rate_limited_total"), limits[i],
                                  "Requests refused by a rate limit", (int64_t)counts.refused[i]};
    }
    rows[THROTTLE__COUNT] = (struct metric){
        METRIC_GAUGE, NAME("rate_limits_kept"), NULL,
        "Accounts, identifiers and addresses that rate limits remember", counts.kept};
    (void)metrics_render(rows, COUNT(rows), buf);
}

static void render_queues(const struct admin_options *options, struct buf *buf) {
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_GAUGE, NAME("validation_queue"), NULL, "Validations waiting and under way", va_queued(options->va)},
        {METRIC_GAUGE, NAME("connections"), NULL, "ACME connections", httpd_connections(options->acme)},
        {METRIC_GAUGE, NAME("deferred"), NULL, "ACME requests waiting for store or validation", httpd_deferred(options->acme)},
        {METRIC_GAUGE, NAME("processing_queue"), NULL, "Orders in processing, waiting to be issued", 0},
    };
    /* clang-format on */
    unsigned count = COUNT(rows) - 1;

    if (options->wfe != NULL) {
        metric_set(&rows[count++], wfe_processing(options->wfe));
    }
    (void)metrics_render(rows, count, buf);
}

static void render_crl(struct crl *crl, struct buf *buf) {
    struct crl_counts counts = crl_counts(crl);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, NAME("crl_total"), "outcome=\"signed\"", "Revocation lists of the issuing CA", (int64_t)counts.made},
        {METRIC_COUNTER, NAME("crl_total"), "outcome=\"failed\"", NULL, (int64_t)counts.failed},
        {METRIC_GAUGE,   NAME("crl_bytes"), NULL, "Size of the current list", (int64_t)counts.octets},
        {METRIC_GAUGE,   NAME("crl_this_update_timestamp_seconds"), NULL, "thisUpdate of the current list", counts.this_update_s},
    };
    /* clang-format on */
    (void)metrics_render(rows, COUNT(rows), buf);
}

static void render_ocsp(struct ocsp *ocsp, struct buf *buf) {
    struct ocsp_counts counts = ocsp_counts(ocsp);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, NAME("ocsp_total"), "outcome=\"kept\"", "OCSP answers: signed before, signed for the question, errors", (int64_t)counts.kept},
        {METRIC_COUNTER, NAME("ocsp_total"), "outcome=\"signed\"", NULL, (int64_t)counts.made},
        {METRIC_COUNTER, NAME("ocsp_total"), "outcome=\"refused\"", NULL, (int64_t)counts.refused},
    };
    /* clang-format on */
    (void)metrics_render(rows, COUNT(rows), buf);
}

static void render_audit(struct audit *audit, struct buf *buf) {
    struct audit_counts counts = audit_counts(audit);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, NAME("audit_lines_total"), NULL, "Lines written to the audit log", (int64_t)counts.lines},
        {METRIC_COUNTER, NAME("audit_refusals_lost_total"), NULL, "Refusals the audit log has no line of", (int64_t)counts.refusals_lost},
        {METRIC_GAUGE,   NAME("audit_healthy"), NULL, "1: the last write to the audit log succeeded", counts.healthy},
    };
    /* clang-format on */
    (void)metrics_render(rows, COUNT(rows), buf);
}

static void render_housekeeper(struct housekeeper *housekeeper, struct buf *buf) {
    struct housekeeper_counts counts = housekeeper_counts(housekeeper);
    struct metric rows[1 + STORE_KIND__COUNT] = {{METRIC_COUNTER, NAME("housekeeping_rounds_total"),
                                                  NULL, "Rounds of housekeeping ended",
                                                  (int64_t)counts.rounds}};

    for (unsigned i = 0; i < STORE_KIND__COUNT; i++) {
        rows[1 + i] =
            (struct metric){METRIC_COUNTER, NAME("housekeeping_removed_total"), kinds[i],
                            "Records removed by housekeeping", (int64_t)counts.removed[i]};
    }
    (void)metrics_render(rows, COUNT(rows), buf);
}

void admin_metrics(const struct admin_options *options, struct buf *buf) {
    const struct pki_sources *status = options->status;

    (void)meter_render(options->meter, buf);
    if (options->faults != NULL) {
        (void)faults_render(options->faults, buf);
    }
    render_store(options->store, buf);
    render_nonces(options->nonces, buf);
    render_limits(options->throttle, buf);
    render_queues(options, buf);
    if (status != NULL && status->crl != NULL) {
        render_crl(status->crl, buf);
    }
    if (status != NULL && status->ocsp != NULL) {
        render_ocsp(status->ocsp, buf);
    }
    if (options->audit != NULL) {
        render_audit(options->audit, buf);
    }
    if (options->housekeeper != NULL) {
        render_housekeeper(options->housekeeper, buf);
    }
}
