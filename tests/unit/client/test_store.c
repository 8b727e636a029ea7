#include "client/store.h"

#include "tests/unit/common/suite.h"

#include "folder.h"
#include "loop_bed.h"

#define NF "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"

static struct store *store;
static unsigned waiting;
static enum err_kind outcome;

static void begin(void) {
    struct err err = {0};

    bed_loop_new();
    store = store_open(folder_path("client.db"), bed_loop, &err);
    ck_assert_msg(store != NULL, "%s %s", err.detail, err.cause);
}

static void end(void) {
    store_close(store);
    loop_free(bed_loop);
}

static void done(void *ctx, const struct err *err) {
    (void)ctx;
    outcome = err == NULL ? ERR_NONE : err->kind;
    if (--waiting == 0) {
        loop_stop(bed_loop);
    }
}

static struct enrolment sample(void) {
    struct enrolment sample = {.nf = NF,
                               .nf_type = "AMF",
                               .account = NF,
                               .with_nf_instance = true,
                               .thumbprint = "thumb",
                               .t_us = {[1] = 11}};

    sample.row = store_row_next(store);
    enrolment_id_make(sample.row, sample.id);
    sample.cca = strdup("a.b.c");
    sample.idempotency = strdup("key-1");
    return sample;
}

static void insert(const struct enrolment *enrolment) {
    unsigned char sealed[] = "sealed";
    struct store_account account = {
        .name = NF, .sealed = sealed, .sealed_len = 6, .thumbprint = "thumb"};
    struct err err = {0};

    waiting = 1;
    ck_assert(store_insert(store, enrolment, &account, done, NULL, &err));
    bed_run();
    ck_assert_int_eq(outcome, ERR_NONE);
}

static void move(struct enrolment *enrolment, enum enrolment_state from, enum enrolment_state to) {
    struct err err = {0};

    enrolment->state = to;
    waiting = 1;
    ck_assert(store_move(store, enrolment, from, done, NULL, &err));
    bed_run();
}

static struct store_found seen;

static void found(void *ctx, struct store_found *what, const struct err *err) {
    (void)ctx;
    ck_assert_ptr_null(err);
    store_found_done(&seen);
    seen = *what;
    *what = (struct store_found){0};
    if (waiting != 0) {
        waiting = 0;
        loop_stop(bed_loop);
    }
}

static const struct enrolment *find(int64_t row) {
    struct err err = {0};

    waiting = 1;
    ck_assert(store_find(store, row, found, NULL, &err));
    bed_run();
    return seen.found_enrolment ? &seen.enrolment : NULL;
}

START_TEST(what_was_saved_is_there_after_a_restart) {
    struct err err = {0};

    folder_make();
    begin();
    struct enrolment one = sample();
    insert(&one);
    one.account_url = strdup("https://ca/acct/1");
    one.t_us[2] = 22;
    move(&one, ENROLMENT_AUTHORISED, ENROLMENT_ACCOUNT);
    one.order_url = strdup("https://ca/order/1");
    one.finalize_url = strdup("https://ca/order/1/finalize");
    one.expires_us = 99;
    move(&one, ENROLMENT_ACCOUNT, ENROLMENT_ORDERED);
    ck_assert_int_eq(outcome, ERR_NONE);
    end();

    begin();
    ck_assert(store_resume(store, found, NULL, &err));
    ck_assert(seen.found_enrolment && seen.found_account);
    ck_assert_int_eq(seen.enrolment.state, ENROLMENT_ORDERED);
    ck_assert_str_eq(seen.enrolment.id, one.id);
    ck_assert_str_eq(seen.enrolment.cca, "a.b.c");
    ck_assert_str_eq(seen.enrolment.account_url, "https://ca/acct/1");
    ck_assert_str_eq(seen.enrolment.order_url, "https://ca/order/1");
    ck_assert_str_eq(seen.enrolment.finalize_url, "https://ca/order/1/finalize");
    ck_assert_uint_eq(seen.enrolment.expires_us, 99);
    ck_assert_uint_eq(seen.enrolment.t_us[1], 11);
    ck_assert_uint_eq(seen.enrolment.t_us[2], 22);
    ck_assert_int_eq(memcmp(seen.account.sealed, "sealed", 6), 0);
    ck_assert_str_eq(seen.account.url, "https://ca/acct/1");
    ck_assert_int_gt(store_row_next(store), one.row);
    store_found_done(&seen);
    enrolment_done(&one);
    end();
    folder_remove();
}
END_TEST

START_TEST(a_move_from_another_state_is_refused_and_changes_nothing) {
    folder_make();
    begin();
    struct enrolment one = sample();
    insert(&one);
    move(&one, ENROLMENT_READY, ENROLMENT_FINALIZING);
    ck_assert_int_eq(outcome, ERR_CONFLICT);
    ck_assert_int_eq(find(one.row)->state, ENROLMENT_AUTHORISED);
    store_found_done(&seen);
    enrolment_done(&one);
    end();
    folder_remove();
}
END_TEST

START_TEST(an_issued_enrolment_keeps_its_chain_and_drops_its_assertion) {
    struct err err = {0};

    folder_make();
    begin();
    struct enrolment one = sample();
    insert(&one);
    one.chain = strdup("-----BEGIN CERTIFICATE-----");
    one.csr = (unsigned char *)strdup("csr");
    one.csr_len = 3;
    move(&one, ENROLMENT_AUTHORISED, ENROLMENT_ISSUED);
    const struct enrolment *kept = find(one.row);
    ck_assert_str_eq(kept->chain, one.chain);
    ck_assert_ptr_null(kept->cca);
    ck_assert_uint_eq(kept->csr_len, 3);
    store_found_done(&seen);
    ck_assert(store_resume(store, found, NULL, &err));
    ck_assert(!seen.found_enrolment); /* nothing to go on with */
    enrolment_done(&one);
    end();
    folder_remove();
}
END_TEST

START_TEST(a_failure_keeps_its_kind_and_reason) {
    folder_make();
    begin();
    struct enrolment one = sample();
    insert(&one);
    one.reason_kind = ERR_CCA;
    one.reason = strdup("jti was used");
    move(&one, ENROLMENT_AUTHORISED, ENROLMENT_FAILED);
    const struct enrolment *kept = find(one.row);
    ck_assert_int_eq(kept->reason_kind, ERR_CCA);
    ck_assert_str_eq(kept->reason, "jti was used");
    store_found_done(&seen);
    enrolment_done(&one);
    end();
    folder_remove();
}
END_TEST

static void tenant(const char *nf, const char *key) {
    struct err err = {0};

    waiting = 1;
    ck_assert(store_tenant(store,
                           &(struct store_tenant){.nf = nf, .account = nf, .idempotency = key},
                           found, NULL, &err));
    bed_run();
}

START_TEST(an_nf_is_found_by_its_account_and_its_idempotency_key) {
    folder_make();
    begin();
    struct enrolment one = sample();
    insert(&one);
    tenant(NF, "key-1");
    ck_assert(seen.found_account && seen.found_enrolment);
    ck_assert_str_eq(seen.enrolment.id, one.id);
    tenant(NF, "key-2");
    ck_assert(seen.found_account && !seen.found_enrolment);
    tenant(NF, NULL);
    ck_assert(seen.found_account && !seen.found_enrolment);
    tenant("0f4f2a5e-3bc8-4d55-8a64-1f2e3d4c5b6a", "key-1");
    ck_assert(!seen.found_account && !seen.found_enrolment);
    ck_assert_ptr_null(find(one.row + 1));
    store_found_done(&seen);
    enrolment_done(&one);
    end();
    folder_remove();
}
END_TEST

START_TEST(many_changes_share_commits_and_each_is_told_its_own_outcome) {
    enum { MANY = 300 };
    struct err err = {0};

    folder_make();
    begin();
    waiting = MANY;
    for (unsigned i = 0; i < MANY; i++) {
        struct enrolment one = sample();
        ck_assert(store_insert(store, &one, NULL, done, NULL, &err));
        enrolment_done(&one);
    }
    bed_run();
    ck_assert_uint_eq(store_commit_records(store), MANY);
    ck_assert_uint_lt(store_commits(store), MANY);
    end();
    folder_remove();
}
END_TEST

START_TEST(what_is_queued_is_committed_when_the_store_closes) {
    struct err err = {0};

    folder_make();
    begin();
    struct enrolment one = sample();
    int64_t row = one.row;
    ck_assert(store_insert(
        store, &one,
        &(struct store_account){
            .name = NF, .sealed = (unsigned char *)&row, .sealed_len = 8, .thumbprint = "t"},
        done, NULL, &err));
    enrolment_done(&one);
    end();
    begin();
    ck_assert_ptr_nonnull(find(row));
    store_found_done(&seen);
    end();
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        what_was_saved_is_there_after_a_restart,
        a_move_from_another_state_is_refused_and_changes_nothing,
        an_issued_enrolment_keeps_its_chain_and_drops_its_assertion,
        a_failure_keeps_its_kind_and_reason,
        an_nf_is_found_by_its_account_and_its_idempotency_key,
        many_changes_share_commits_and_each_is_told_its_own_outcome,
        what_is_queued_is_committed_when_the_store_closes,
    };

    return suite_run("client/store", tests, COUNT(tests));
}
