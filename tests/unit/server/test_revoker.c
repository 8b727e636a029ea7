#include "server/revoker.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "ca_fixture.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

static struct ca_fixture fixture;
static struct store *store;
static struct crl *crl;
static struct err err;

static void add_revoked(const char *serial, int reason) {
    struct certificate certificate = {.account = "a",
                                      .order = "o",
                                      .chain_pem = strdup("PEM"),
                                      .not_after_s = FIXTURE_NOW_S + 60};
    struct store_tx tx = {0};

    (void)snprintf(certificate.serial, sizeof(certificate.serial), "%s", serial);
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    struct store_op *op = store_tx_add(&tx, STORE_REVOKE);
    op->revoke.serial = serial;
    op->revoke.at_s = FIXTURE_NOW_S;
    op->revoke.reason = reason;
    ck_good(store_write(store, &tx, &err));
    certificate_done(&certificate);
}

static void set_up(void) {
    ca_fixture_open(&fixture, 2);
    store = store_memory_open(&err);
    crl = crl_new(
        &(struct crl_options){
            .ca = fixture.ca, .source = revoker_source, .ctx = store, .clock = &fixture.clock},
        &err);
    ck_good(crl != NULL);
}

static void tear_down(void) {
    crl_free(crl);
    store_close(store);
    ca_fixture_close(&fixture);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static unsigned told_count;

static void on_listed(void *ctx) {
    (void)pthread_mutex_lock(&lock);
    (*(unsigned *)ctx)++;
    told_count++;
    (void)pthread_cond_signal(&told);
    (void)pthread_mutex_unlock(&lock);
}

static void await(unsigned count) {
    (void)pthread_mutex_lock(&lock);
    while (told_count < count) {
        (void)pthread_cond_wait(&told, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
}

static int entries(const char *serial) {
    size_t len = 0;
    AUTO(free) unsigned char *der = crl_der(crl, &len, NULL);
    const unsigned char *at = der;
    AUTO(X509_CRL_free) X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)len);
    int count = 0;

    ck_assert_ptr_nonnull(list);
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(list);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++) {
        BIGNUM *number = ASN1_INTEGER_to_BN(
            X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i)), NULL);
        char *hex = BN_bn2hex(number);
        count += strcasecmp(hex, serial) == 0;
        OPENSSL_free(hex);
        BN_free(number);
    }
    return count;
}

START_TEST(a_revocation_is_told_when_the_list_has_it) {
    unsigned calls[3] = {0};
    struct revoker_wait waits[3];

    set_up();
    AUTO(revoker_free) struct revoker *revoker = revoker_new(crl, &err);
    ck_good(revoker != NULL);
    ck_assert_int_eq(entries("0A01"), 0);
    add_revoked("0a01", 4);
    add_revoked("0a02", -1);
    for (unsigned i = 0; i < 3; i++) {
        waits[i] = (struct revoker_wait){.done = on_listed, .ctx = &calls[i]};
        revoker_submit(revoker, &waits[i]);
    }
    await(3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(calls[i], 1);
    }
    ck_assert_int_eq(entries("0A01"), 1);
    ck_assert_int_eq(entries("0A02"), 1);
    revoker_free(TAKE(revoker));
    tear_down();
}
END_TEST

static atomic_uint failures; /* to come */

static bool failing_source(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                           struct err *source_err) {
    if (atomic_load(&failures) > 0) {
        atomic_fetch_sub(&failures, 1);
        return err_set(source_err, ERR_STORE, "the disk is away");
    }
    return revoker_source(ctx, expiring_after_s, sink, sink_ctx, source_err);
}

START_TEST(a_list_that_cannot_be_made_is_owed_and_the_revocation_stands) {
    unsigned calls = 0;
    struct revoker_wait wait = {.done = on_listed, .ctx = &calls};

    set_up();
    AUTO(crl_free)
    struct crl *failing = crl_new(
        &(struct crl_options){
            .ca = fixture.ca, .source = failing_source, .ctx = store, .clock = &fixture.clock},
        &err);
    AUTO(revoker_free) struct revoker *revoker = revoker_new(failing, &err);
    ck_good(revoker != NULL);
    uint64_t number = crl_number(failing);
    atomic_store(&failures, 1);
    add_revoked("0a01", 4);
    revoker_submit(revoker, &wait);
    await(1);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(crl_number(failing), number);
    while (crl_number(failing) == number) { /* after REVOKER_AGAIN_S, with nobody waiting */
        (void)poll(NULL, 0, 10);
    }
    revoker_free(TAKE(revoker));
    crl_free(TAKE(failing));
    tear_down();
}
END_TEST

START_TEST(stopping_serves_who_waits) {
    unsigned calls = 0;
    struct revoker_wait wait = {.done = on_listed, .ctx = &calls};
    struct revoker *revoker = revoker_new(NULL, &err); /* without a list */

    ck_good(revoker != NULL);
    revoker_submit(revoker, &wait);
    revoker_free(revoker);
    ck_assert_uint_eq(calls, 1);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_revocation_is_told_when_the_list_has_it,
                                  a_list_that_cannot_be_made_is_owed_and_the_revocation_stands,
                                  stopping_serves_who_waits};
    return suite_run("server/revoker", tests, COUNT(tests));
}
