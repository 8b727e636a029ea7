#include "server/audit.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/file.h"
#include "server/audit_line.h"
#include "tests/unit/server/store_bed.h"

static struct clock clock_now = {.scale = 1, .manual_us = 1800000000000000};
static char log_path[128];

static struct audit *open_log(void) {
    (void)snprintf(log_path, sizeof(log_path), "%s/audit.jsonl", folder);
    struct audit *audit = audit_open(
        &(struct audit_options){.path = log_path, .store = store, .clock = &clock_now}, &err);
    ck_good(audit != NULL);
    return audit;
}

static void issue(const char *serial) {
    struct certificate certificate = {
        .account = "a", .order = "o", .chain_pem = strdup("PEM"), .not_after_s = 1900000000};
    struct store_tx tx = {0};

    (void)snprintf(certificate.serial, sizeof(certificate.serial), "%s", serial);
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    ck_good(store_write(store, &tx, &err));
    certificate_done(&certificate);
}

static void withdraw(const char *serial) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_REVOKE);

    op->revoke.serial = serial;
    op->revoke.at_s = clock_now_s(&clock_now);
    op->revoke.reason = 1;
    ck_good(store_write(store, &tx, &err));
}

/* The log's lines as an array; every digest fits the line before. */
static json_t *read_log(void) {
    size_t len = 0;
    AUTO(free) char *text = file_read(log_path, &len, &err);
    char digest[AUDIT_DIGEST_SIZE] = "00000000000000000000000000000000";
    json_t *lines = json_array();

    ck_good(text != NULL);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        ck_assert_ptr_nonnull(json);
        ck_assert_str_eq(json_string_value(json_object_get(json, "prev")), digest);
        audit_digest(line, (size_t)(end - line), digest);
        (void)json_array_append_new(lines, json);
    }
    return lines;
}

static unsigned count(const json_t *lines, const char *event, const char *serial) {
    unsigned found = 0;
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line) {
        const char *got = json_string_value(json_object_get(line, "serial"));
        found += strcmp(json_string_value(json_object_get(line, "event")), event) == 0
                 && (serial == NULL || (got != NULL && strcmp(got, serial) == 0));
    }
    return found;
}

START_TEST(what_is_issued_revoked_and_refused_has_a_line) {
    struct authz authzs[1] = {0};
    struct err refusal = {0};
    set_up(_i == 1);
    AUTO(order_done) struct order order = order_of(1, authzs);
    struct audit *audit = open_log();

    add_order(&order, authzs);
    store_observe(store, audit_committed, audit);
    issue("0a");
    withdraw("0a");
    (void)err_set(&refusal, ERR_BAD_CSR, "the CSR asks for another name");
    audit_refused(audit, METER_FINALIZE, "a", "192.0.2.1:4711", &refusal);
    store_stop(store);
    audit_close(audit);
    AUTO(json_release) json_t *lines = read_log();
    ck_assert_uint_eq(json_array_size(lines), 3);
    const json_t *issued = json_array_get(lines, 0);
    ck_assert_str_eq(json_string_value(json_object_get(issued, "event")), "issued");
    ck_assert_str_eq(json_string_value(json_object_get(issued, "profile")), "tls-server");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(json_object_get(issued, "identifiers"), 0), "value")),
                     "n0.example");
    ck_assert_uint_eq(count(lines, "revoked", "0a"), 1);
    const json_t *refused = json_array_get(lines, 2);
    ck_assert_str_eq(json_string_value(json_object_get(refused, "problem")), "badCSR");
    ck_assert_str_eq(json_string_value(json_object_get(refused, "operation")), "finalize");
    ck_assert_str_eq(json_string_value(json_object_get(refused, "peer")), "192.0.2.1:4711");
    tear_down();
}
END_TEST

/* Issued and revoked while nobody wrote the log, as after kill -9, and a line torn in the middle.
 */
START_TEST(what_a_crash_kept_out_is_written_at_the_next_start) {
    set_up(false);
    struct audit *audit = open_log();
    store_observe(store, audit_committed, audit);
    issue("0a");
    store_observe(store, NULL, NULL);
    audit_close(audit);
    issue("0b");
    issue("0c");
    withdraw("0a");
    FILE *file = fopen(log_path, "a");
    ck_assert_int_gt(fprintf(file, "{\"time\":\"20"), 0);
    (void)fclose(file);
    audit_close(open_log());
    audit_close(open_log()); /* and only once */
    AUTO(json_release) json_t *lines = read_log();
    ck_assert_uint_eq(json_array_size(lines), 4);
    ck_assert_uint_eq(count(lines, "issued", "0b"), 1);
    ck_assert_uint_eq(count(lines, "issued", "0c"), 1);
    ck_assert_uint_eq(count(lines, "revoked", "0a"), 1);
    tear_down();
}
END_TEST

START_TEST(a_log_moved_away_is_begun_again_and_its_chain_goes_on) {
    char moved[160];
    set_up(false);
    struct audit *audit = open_log();
    store_observe(store, audit_committed, audit);
    issue("0a");
    while (audit_counts(audit).lines < 1) {
        (void)usleep(1000);
    }
    (void)snprintf(moved, sizeof(moved), "%s.1", log_path);
    ck_assert_int_eq(rename(log_path, moved), 0);
    audit_reopen(audit);
    while (access(log_path, F_OK) != 0) {
        (void)usleep(1000);
    }
    issue("0b");
    store_stop(store);
    audit_close(audit);
    size_t len = 0;
    AUTO(free) char *text = file_read(log_path, &len, &err);
    AUTO(free) char *old = file_read(moved, &len, &err);
    char digest[AUDIT_DIGEST_SIZE];
    audit_digest(old, len - 1, digest);
    ck_assert_ptr_nonnull(strstr(text, digest));
    ck_assert_ptr_nonnull(strstr(text, "\"0b\""));
    ck_assert_ptr_null(strstr(text, "\"0a\""));
    tear_down();
}
END_TEST

/* Torn so late that whole pages of the file are gone once it is cut. */
START_TEST(a_long_torn_line_is_cut_and_not_read_again) {
    set_up(false);
    audit_close(open_log());
    issue("0a");
    withdraw("0a");
    FILE *file = fopen(log_path, "a");
    ck_assert_int_gt(fprintf(file, "{\"time\":\"%40000s", "20"), 0);
    (void)fclose(file);
    audit_close(open_log());
    AUTO(json_release) json_t *lines = read_log();
    ck_assert_uint_eq(json_array_size(lines), 2);
    ck_assert_uint_eq(count(lines, "revoked", "0a"), 1);
    tear_down();
}
END_TEST

static void await_lines(struct audit *audit, uint64_t lines) {
    while (audit_counts(audit).lines < lines) {
        (void)usleep(1000);
    }
}

START_TEST(a_new_file_repeats_nothing_after_a_restart) {
    char moved[160];
    set_up(false);
    struct audit *audit = open_log();
    store_observe(store, audit_committed, audit);
    issue("0a");
    await_lines(audit, 1);
    (void)snprintf(moved, sizeof(moved), "%s.1", log_path);
    ck_assert_int_eq(rename(log_path, moved), 0);
    audit_reopen(audit);
    await_lines(audit, 2);
    store_observe(store, NULL, NULL);
    audit_close(audit);
    issue("0b");
    audit_close(open_log());
    size_t len = 0;
    AUTO(free) char *text = file_read(log_path, &len, &err);
    ck_assert_ptr_nonnull(strstr(text, "\"continued\""));
    ck_assert_ptr_nonnull(strstr(text, "\"0b\""));
    ck_assert_ptr_null(strstr(text, "\"0a\""));
    tear_down();
}
END_TEST

static void limit_files(rlim_t octets) {
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = octets;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A store in memory: the limit is for the log alone. */
START_TEST(what_a_full_disk_cut_goes_on_where_it_was_cut) {
    struct err refusal = {0};
    set_up(true);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct audit *audit = open_log();
    store_observe(store, audit_committed, audit);
    issue("0a");
    limit_files(100);
    while (audit_counts(audit).healthy) {
        (void)usleep(1000);
    }
    limit_files(RLIM_INFINITY);
    withdraw("0a");
    (void)err_set(&refusal, ERR_BAD_CSR, "the CSR asks for another name");
    audit_refused(audit, METER_FINALIZE, "a", "192.0.2.1:4711", &refusal);
    store_stop(store);
    audit_close(audit);
    AUTO(json_release) json_t *lines = read_log();
    ck_assert_uint_eq(count(lines, "issued", "0a"), 1);
    ck_assert_uint_eq(count(lines, "revoked", "0a"), 1);
    ck_assert_uint_eq(count(lines, "refused", NULL), 1);
    tear_down();
}
END_TEST

START_TEST(a_file_that_is_no_audit_log_is_refused) {
    set_up(false);
    (void)snprintf(log_path, sizeof(log_path), "%s/audit.jsonl", folder);
    ck_good(file_write(log_path, 0600, "hello\n", 6, &err));
    struct audit *audit = audit_open(
        &(struct audit_options){.path = log_path, .store = store, .clock = &clock_now}, &err);
    ck_assert_ptr_null(audit);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    tear_down();
}
END_TEST

START_TEST(refusals_beyond_the_limit_are_counted) {
    struct err refusal = {0};
    set_up(false);
    struct audit *audit = open_log();
    (void)err_set(&refusal, ERR_BAD_NONCE, "unknown");
    for (unsigned i = 0; i < 2 * AUDIT_REFUSALS_MAX; i++) {
        audit_refused(audit, METER_NEW_ORDER, "", "", &refusal);
    }
    const uint64_t lost = audit_counts(audit).refusals_lost;
    audit_close(audit);
    AUTO(json_release) json_t *lines = read_log();
    ck_assert_uint_eq(count(lines, "refused", NULL) + lost, 2 * AUDIT_REFUSALS_MAX);
    ck_assert_uint_eq(count(lines, "lost", NULL) > 0, lost > 0);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {what_is_issued_revoked_and_refused_has_a_line,
                                 what_a_full_disk_cut_goes_on_where_it_was_cut};
    const TTest *const disk[] = {what_a_crash_kept_out_is_written_at_the_next_start,
                                 a_log_moved_away_is_begun_again_and_its_chain_goes_on,
                                 a_long_torn_line_is_cut_and_not_read_again,
                                 a_new_file_repeats_nothing_after_a_restart,
                                 a_file_that_is_no_audit_log_is_refused,
                                 refusals_beyond_the_limit_are_counted};
    return store_suite("server/audit", both, COUNT(both), disk, COUNT(disk));
}
