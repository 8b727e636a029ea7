/* What a certificate needs beside its order: RFC 8555 7.4 and 11.1. */
#include <openssl/sha.h>

#include "issue_bed.h"

#define LATER_US (ISSUE_NOW_US + 1800 * 1000000ULL)
#define END_US (ISSUE_NOW_US + 3600 * 1000000ULL)

static struct issue_bed bed;
static struct x509_csr csr;
static struct ca_request wanted;
static struct err err;

static void read_csr(EVP_PKEY *key, const char *uuid) {
    AUTO(free) char *text = issue_bed_csr(key, uuid);
    x509_csr_done(&csr);
    ck_good(issue_csr_read(text, &csr, &err));
}

/* A ready order whose authorization holds for an hour, by a token of two. */
static void set_up(void) {
    issue_bed_start(&bed);
    issue_bed_order(&bed, "o");
    issue_bed_grant(&bed, END_US, FIXTURE_NOW_S + 7200);
    read_csr(NULL, FIXTURE_UUID);
}

static void tear_down(void) {
    x509_csr_done(&csr);
    issue_bed_stop(&bed);
}

static bool check(void) { return issue_check(&bed.options, &bed.order, &csr, &wanted, &err); }

#define ck_refused(call, want, says)                                                               \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(!good_ && err.kind == (want) && strstr(err.detail, (says)) != NULL,          \
                      "%s: %s: %s", #call, err_name(err.kind), err.detail);                        \
        err = (struct err){0};                                                                     \
    } while (0)

/* clang-format off */
static const struct { const char *name, *text; } unreadable[] = {
    {"nothing", ""},
    {"no base64url", "MII*"},
    {"base64 with padding", "MIIB=="},
    {"no DER", "bm90aGluZw"},
    {"half a SEQUENCE", "MIIBAA"},
};
/* clang-format on */

START_TEST(what_is_no_request_is_a_bad_one) {
    for (unsigned i = 0; i < COUNT(unreadable); i++) {
        struct x509_csr none = {0};
        bool good = issue_csr_read(unreadable[i].text, &none, &err);
        ck_assert_msg(!good && err.kind == ERR_BAD_CSR, "%s: %s", unreadable[i].name,
                      err_name(err.kind));
        ck_assert_msg(none.key == NULL, "%s: it is filled", unreadable[i].name);
        err = (struct err){0};
    }
}
END_TEST

START_TEST(what_is_granted_is_wanted) {
    set_up();
    bed.order.not_before_s = 5;
    bed.order.not_after_s = 6;
    ck_good(check());
    ck_assert_ptr_eq(wanted.csr, &csr);
    ck_assert_str_eq(wanted.profile->name, "nf-client");
    ck_assert_ptr_eq(wanted.identifiers, bed.order.identifiers);
    ck_assert_uint_eq(wanted.identifier_count, 1);
    ck_assert_uint_eq(wanted.nftypes.count, 1);
    ck_assert_int_eq(wanted.not_before_s, 5);
    ck_assert_int_eq(wanted.not_after_s, 6);
    ck_assert_int_eq(wanted.not_after_max_s, FIXTURE_NOW_S + 7200); /* of the token */
    tear_down();
}
END_TEST

/* The order again, for two more names: tokens that end then; 0: proved without. */
static void add_names(const int64_t token_ends[2]) {
    struct acme_identifier *identifiers = calloc(3, sizeof(*identifiers));
    char(*authzs)[ID_SIZE] = calloc(3, ID_SIZE);
    const struct nftypes none = {0};

    identifiers[0] = bed.order.identifiers[0];
    memcpy(authzs[0], bed.order.authzs[0], ID_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        struct store_tx tx = {0};
        struct authz authz = {0};
        char name[16];
        (void)snprintf(name, sizeof(name), "n%u.example", i);
        identifiers[i + 1] = fixture_id(ACME_ID_DNS, name);
        authz_init(&authz, &identifiers[i + 1], 0, "a", "", ISSUE_NOW_US, END_US);
        memcpy(authzs[i + 1], authz.id, ID_SIZE);
        store_tx_add(&tx, STORE_AUTHZ_INSERT)->new_authz = &authz;
        struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);
        op->account = "a";
        op->authz = authz.id;
        op->from = AUTHZ_PENDING;
        op->to = AUTHZ_VALID;
        op->granted.expires_us = END_US;
        op->granted.types = &none;
        op->granted.token_exp_s = token_ends[i];
        issue_bed_write(&bed, &tx);
        authz_done(&authz);
    }
    free(bed.order.identifiers);
    free(bed.order.authzs);
    bed.order.identifiers = identifiers;
    bed.order.authzs = authzs;
    bed.order.count = 3;
}

START_TEST(the_token_that_ends_first_bounds_the_certificate) {
    set_up();
    add_names((const int64_t[]){FIXTURE_NOW_S + 600, 0});
    ck_good(check());
    ck_assert_int_eq(wanted.not_after_max_s, FIXTURE_NOW_S + 600);
    ck_assert_uint_eq(wanted.nftypes.count, 1);
    tear_down();
}
END_TEST

START_TEST(an_accounts_key_gets_no_certificate) {
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);

    set_up();
    read_csr(bed.account_key, FIXTURE_UUID);
    ck_refused(check(), ERR_BAD_CSR, "account");
    read_csr(other, FIXTURE_UUID);
    ck_good(check());
    issue_bed_account(&bed, "b", other);
    ck_refused(check(), ERR_BAD_CSR, "account"); /* another's, too */
    tear_down();
}
END_TEST

START_TEST(a_blocked_key_gets_none) {
    unsigned char hash[32];
    unsigned char *spki = NULL;

    set_up();
    int len = i2d_PUBKEY(csr.key, &spki);
    ck_assert_int_gt(len, 0);
    (void)SHA256(spki, (size_t)len, hash);
    OPENSSL_free(spki);
    ck_good(check());
    ck_assert(key_policy_block(bed.options.keys, hash));
    ck_refused(check(), ERR_BAD_CSR, "");
    tear_down();
}
END_TEST

START_TEST(the_profile_must_still_be_offered) {
    struct profile_offer offer = {0};

    set_up();
    bed.options.profiles = &offer;
    ck_good(check());
    profile_offer_set(&offer, profile_find("nf-client"), false);
    ck_refused(check(), ERR_INVALID_PROFILE, "");
    profile_offer_set(&offer, profile_find("nf-client"), true);
    ck_good(check());
    (void)snprintf(bed.order.profile, sizeof(bed.order.profile), "of-old");
    ck_refused(check(), ERR_INVALID_PROFILE, "of-old");
    tear_down();
}
END_TEST

static void authz_to(enum authz_status from, enum authz_status to) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_AUTHZ_MOVE);

    op->account = "a";
    op->authz = bed.authz.id;
    op->from = from;
    op->to = to;
    op->granted.expires_us = END_US;
    issue_bed_write(&bed, &tx);
}

START_TEST(every_authorization_must_hold_now) {
    set_up();
    bed.fixture.clock.manual_us = END_US - 1;
    ck_good(check());
    bed.fixture.clock.manual_us = END_US;
    ck_refused(check(), ERR_ORDER_NOT_READY, "expired");
    bed.fixture.clock.manual_us = LATER_US;
    authz_to(AUTHZ_VALID, AUTHZ_DEACTIVATED);
    ck_refused(check(), ERR_ORDER_NOT_READY, "deactivated");
    issue_bed_order(&bed, "p");
    ck_refused(check(), ERR_ORDER_NOT_READY, "pending");
    authz_to(AUTHZ_PENDING, AUTHZ_INVALID);
    ck_refused(check(), ERR_ORDER_NOT_READY, "invalid");
    (void)snprintf(bed.order.authzs[0], ID_SIZE, "gone");
    ck_refused(check(), ERR_NOT_FOUND, "");
    tear_down();
}
END_TEST

START_TEST(an_authorization_of_another_account_does_not_count) {
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);

    set_up();
    issue_bed_account(&bed, "b", other);
    (void)snprintf(bed.order.account, ID_SIZE, "b");
    ck_refused(check(), ERR_NOT_FOUND, "");
    tear_down();
}
END_TEST

START_TEST(a_store_that_fails_refuses) {
    set_up();
    sqlite3 *db = issue_bed_database(&bed);
    issue_bed_exec(db, "ALTER TABLE account RENAME TO away");
    ck_refused(check(), ERR_STORE, "");
    issue_bed_exec(db, "ALTER TABLE away RENAME TO account");
    (void)sqlite3_close(db);
    ck_good(check());
    tear_down();
}
END_TEST

START_TEST(what_is_issued_knows_its_order_and_is_not_stored) {
    AUTO(certificate_done) struct certificate certificate = {0};
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    set_up();
    ck_good(check());
    ck_good(issue(&bed.options, &bed.order, &wanted, &certificate, &err));
    ck_assert_str_ne(certificate.serial, "");
    ck_assert_str_eq(certificate.serial, bed.order.serial);
    ck_assert_str_eq(certificate.account, "a");
    ck_assert_str_eq(certificate.order, "o");
    ck_assert_int_eq(certificate.not_after_s, FIXTURE_NOW_S + 7200); /* no longer than the token */
    AUTO(chain_free)
    X509_CHAIN *chain = x509_chain_read(certificate.chain_pem, strlen(certificate.chain_pem), &err);
    ck_good(chain != NULL);
    ck_good(x509_cert_read(sk_X509_value(chain, 0), &cert, &err));
    ck_assert_str_eq(cert.serial, certificate.serial);
    ck_assert_str_eq(cert.names.uuid, FIXTURE_UUID);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, 0)), csr.key), 1);
    ck_assert_int_eq(issue_bed_number(&bed, "SELECT count(*) FROM certificate"), 0);
    tear_down();
}
END_TEST

START_TEST(a_request_for_other_names_is_not_issued) {
    struct certificate certificate = {0};

    set_up();
    read_csr(NULL, FIXTURE_OTHER_UUID);
    ck_good(check());
    ck_refused(issue(&bed.options, &bed.order, &wanted, &certificate, &err), ERR_BAD_CSR, "");
    ck_assert_str_eq(bed.order.serial, "");
    ck_assert_ptr_null(certificate.chain_pem);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {what_is_no_request_is_a_bad_one,
                                  what_is_granted_is_wanted,
                                  the_token_that_ends_first_bounds_the_certificate,
                                  an_accounts_key_gets_no_certificate,
                                  a_blocked_key_gets_none,
                                  the_profile_must_still_be_offered,
                                  every_authorization_must_hold_now,
                                  an_authorization_of_another_account_does_not_count,
                                  a_store_that_fails_refuses,
                                  what_is_issued_knows_its_order_and_is_not_stored,
                                  a_request_for_other_names_is_not_issued};
    return suite_run("server/issue", tests, COUNT(tests));
}
