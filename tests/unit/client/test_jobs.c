#include "client/jobs.h"

#include <sqlite3.h>

#include "tests/unit/common/suite.h"

#include "common/file.h"
#include "engine_bed.h"

#define WHOLE "directory newNonce newAccount newOrder authz challenge order finalize certificate"

/* An ISSUED enrolment whose chain is a certificate. */
static void issued(void) {
    struct err err = {0};
    size_t len = 0;
    char path[512];

    (void)snprintf(path, sizeof path, "%s/rfc9310-example.pem", getenv("NFACME_VECTORS"));
    AUTO(free) char *chain = file_read(path, &len, &err);

    ck_assert_msg(chain != NULL, "%s", err.detail);
    bed.any_chain = true;
    acme_expect("certificate", 200, chain, NULL);
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
}

static unsigned nf_revoke(const char *wait) {
    return nf_call(
        &(struct nf_call){.method = "POST", .path = "/revoke/", .id = nf.id, .wait = wait});
}

static unsigned withdraw(void) {
    return nf_call(&(struct nf_call){.method = "DELETE", .path = "/delete/", .id = nf.id});
}

/* Until the server has seen an operation: NFs' requests keep the loop turning. */
static void until_seen(const char *operation) {
    for (unsigned i = 0; i < 2000 && strstr(acme_log(), operation) == NULL; i++) {
        (void)nf_get(NULL);
    }
    ck_assert_msg(strstr(acme_log(), operation) != NULL, "%s", acme_log());
}

static int64_t count(const char *table) {
    char path[512];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    char query[64];

    (void)snprintf(query, sizeof query, "SELECT count(*) FROM %s", table);
    (void)snprintf(path, sizeof path, "%s", folder_path("client.db"));
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    const int64_t found = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return found;
}

START_TEST(a_certificate_is_revoked_with_the_accounts_key) {
    bed_begin();
    issued();
    ck_assert_uint_eq(nf_revoke("20"), 204);
    ck_assert_str_eq(acme_log(), WHOLE " revokeCert");
    ck_assert_ptr_nonnull(strstr(acme.last_payload, "\"certificate\""));
    ck_assert_ptr_nonnull(strstr(acme.last_header, "/account/1"));
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_ne(nf_member("revoked"), "");
    ck_assert_uint_eq(nf_revoke("20"), 204); /* and is not asked for again */
    ck_assert_str_eq(acme_log(), WHOLE " revokeCert");
    ck_assert_int_eq(count("job"), 0);
    bed_end();
}
END_TEST

START_TEST(a_certificate_that_is_revoked_already_counts_as_revoked) {
    bed_begin();
    issued();
    acme_expect("revokeCert", 400, ACME_PROBLEM("alreadyRevoked", "was"), NULL);
    ck_assert_uint_eq(nf_revoke("20"), 204);
    bed_end();
}
END_TEST

START_TEST(a_refused_reason_reaches_the_nf_and_leaves_nothing) {
    bed_begin();
    issued();
    acme_expect("revokeCert", 400, ACME_PROBLEM("badRevocationReason", "not that one"), NULL);
    ck_assert_uint_eq(nf_revoke("20"), 400);
    ck_assert_ptr_nonnull(strstr(nf.body, "not that one"));
    ck_assert_int_eq(count("job"), 0);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("revoked"), "");
    bed_end();
}
END_TEST

START_TEST(without_a_wait_a_revocation_is_accepted_when_it_is_on_disk) {
    bed_begin();
    issued();
    ck_assert_uint_eq(nf_revoke(NULL), 202);
    until_seen("revokeCert");
    ck_assert_uint_eq(nf_revoke("20"), 204);
    bed_end();
}
END_TEST

START_TEST(a_revocation_goes_on_after_a_restart) {
    bed_begin();
    issued();
    acme_expect("revokeCert", 503, ACME_PROBLEM("serverInternal", "later"), "3600");
    ck_assert_uint_eq(nf_revoke(NULL), 202);
    until_seen("revokeCert");
    bed_client_end();
    ck_assert_int_eq(count("job"), 1);
    bed_client_begin();
    ck_assert_uint_eq(nf_revoke("20"), 204);
    ck_assert_int_eq(count("job"), 0);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_ne(nf_member("revoked"), "");
    bed_end();
}
END_TEST

START_TEST(only_an_issued_certificate_can_be_revoked_and_only_by_its_nf) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_uint_eq(nf_revoke("20"), 409);
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "POST", .path = "/revoke/", .id = nf.id, .peer = NF_B}),
        404);
    bed_end();
}
END_TEST

START_TEST(a_withdrawn_enrolment_takes_its_account_with_it) {
    bed_begin();
    issued();
    ck_assert_uint_eq(withdraw(), 204);
    until_seen(" account");
    ck_assert_ptr_nonnull(strstr(acme.last_payload, "deactivated"));
    for (unsigned i = 0; i < 2000 && count("account") > 0; i++) {
        (void)nf_get(NULL);
    }
    ck_assert_int_eq(count("account"), 0);
    ck_assert_int_eq(count("job"), 0);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("state"), "WITHDRAWN");
    ck_assert_uint_eq(
        nf_call(&(struct nf_call){.method = "GET", .path = "/certificate/", .id = nf.id}), 404);
    ck_assert_uint_eq(withdraw(), 204);
    bed_end();
}
END_TEST

START_TEST(an_account_that_is_used_stays) {
    char first[64];

    bed_begin();
    issued();
    (void)snprintf(first, sizeof first, "%s", nf.id);
    issued();
    ck_assert_str_ne(first, nf.id);
    ck_assert_uint_eq(withdraw(), 204);
    ck_assert_int_eq(count("job"), 0);
    ck_assert_int_eq(count("account"), 1);
    ck_assert_ptr_null(strstr(acme_log(), "newAccount newOrder newAccount"));
    bed_end();
}
END_TEST

START_TEST(an_nf_that_comes_back_gets_another_account) {
    bed_begin();
    issued();
    ck_assert_uint_eq(withdraw(), 204);
    issued();
    ck_assert_str_eq(nf_member("state"), "");
    ck_assert_ptr_nonnull(strstr(strstr(acme_log(), "certificate"), "newAccount"));
    bed_end();
}
END_TEST

START_TEST(a_live_enrolment_is_withdrawn_at_once) {
    bed_begin();
    acme_expect("order", 0, "pending", "3600");
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    until_seen("order");
    ck_assert_uint_eq(withdraw(), 204);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "WITHDRAWN");
    ck_assert_uint_eq(nf_csr("a request", "20"), 409);
    bed_end();
}
END_TEST

/* What came to the server, other things between. */
static void in_order(const char *first, const char *second, const char *third) {
    const char *at = strstr(acme_log(), first);

    at = at == NULL ? NULL : strstr(at, second);
    at = at == NULL ? NULL : strstr(at, third);
    ck_assert_msg(at != NULL, "%s", acme_log());
}

/* With an account whose key is due for a change. */
static void aged(void) {
    bed_begin();
    issued();
    bed_client_end();
    bed.account_key_life_us = 1;
    bed_client_begin();
    (void)nf_get(NULL); /* the directory is there */
}

START_TEST(a_key_that_is_too_old_is_changed_before_the_next_order) {
    char thumbprint[64];

    aged();
    (void)snprintf(thumbprint, sizeof thumbprint, "%s", nf_member("accountThumbprint"));
    upstream_refresh(bed.upstream);
    for (unsigned i = 0; i < 2000 && upstream_directory(bed.upstream) == NULL; i++) {
        (void)nf_get(NULL);
    }
    issued();
    in_order("certificate", "keyChange", "newOrder");
    ck_assert_int_eq(count("job"), 0);
    ck_assert_int_eq(count("account WHERE next_sealed IS NOT NULL"), 0);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_ne(nf_member("accountThumbprint"), thumbprint);
    bed_end();
}
END_TEST

START_TEST(a_refused_change_keeps_the_key) {
    char thumbprint[64];

    aged();
    (void)snprintf(thumbprint, sizeof thumbprint, "%s", nf_member("accountThumbprint"));
    acme_expect("keyChange", 403, ACME_PROBLEM("unauthorized", "no"), NULL);
    acme_expect("newAccount", 400, ACME_PROBLEM("accountDoesNotExist", "no"), NULL);
    upstream_refresh(bed.upstream);
    for (unsigned i = 0; i < 2000 && upstream_directory(bed.upstream) == NULL; i++) {
        (void)nf_get(NULL);
    }
    issued();
    in_order("keyChange", "newAccount", "newOrder");
    ck_assert_int_eq(count("job"), 0);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("accountThumbprint"), thumbprint);
    bed_end();
}
END_TEST

START_TEST(a_change_done_before_a_crash_is_found_out) {
    aged();
    acme_expect("keyChange", 400, ACME_PROBLEM("malformed", "the signature is another key's"),
                NULL);
    upstream_refresh(bed.upstream);
    for (unsigned i = 0; i < 2000 && upstream_directory(bed.upstream) == NULL; i++) {
        (void)nf_get(NULL);
    }
    issued(); /* newAccount knows the key: /account/1 */
    ck_assert_int_eq(count("account WHERE next_sealed IS NOT NULL"), 0);
    ck_assert_int_eq(count("job"), 0);
    bed_end();
}
END_TEST

START_TEST(others_cannot_withdraw) {
    bed_begin();
    issued();
    ck_assert_uint_eq(nf_call(&(struct nf_call){
                          .method = "DELETE", .path = "/delete/", .id = nf.id, .peer = NF_B}),
                      404);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("state"), "ISSUED");
    bed_end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_certificate_is_revoked_with_the_accounts_key,
        a_certificate_that_is_revoked_already_counts_as_revoked,
        a_refused_reason_reaches_the_nf_and_leaves_nothing,
        without_a_wait_a_revocation_is_accepted_when_it_is_on_disk,
        a_revocation_goes_on_after_a_restart,
        only_an_issued_certificate_can_be_revoked_and_only_by_its_nf,
        a_withdrawn_enrolment_takes_its_account_with_it,
        an_account_that_is_used_stays,
        an_nf_that_comes_back_gets_another_account,
        a_live_enrolment_is_withdrawn_at_once,
        a_key_that_is_too_old_is_changed_before_the_next_order,
        a_refused_change_keeps_the_key,
        a_change_done_before_a_crash_is_found_out,
        others_cannot_withdraw,
    };

    return suite_run("client/jobs", tests, COUNT(tests));
}
