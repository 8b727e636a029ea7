#include "server/nonce.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/common/suite.h"

static struct nonce_pool *pool;

static void set_pool(uint32_t window) {
    struct err err = {0};
    pool = nonce_pool_new(window, &err);
    ck_assert_ptr_nonnull(pool);
}

static enum err_kind spend(const char *text) {
    struct err err = {0};
    bool good = nonce_spend(pool, text, &err);
    ck_assert(good == (err.kind == ERR_NONE));
    return err.kind;
}

START_TEST(a_spent_nonce_is_refused) {
    char text[NONCE_SIZE];

    set_pool(64);
    nonce_issue(pool, text);
    ck_assert_int_eq(spend(text), ERR_NONE);
    ck_assert_int_eq(spend(text), ERR_BAD_NONCE);
    ck_assert_int_eq(spend(text), ERR_BAD_NONCE);
    ck_assert_uint_eq(nonce_counts(pool).again, 2);
    nonce_pool_free(pool);
}
END_TEST

START_TEST(nonces_differ_and_are_base64url) {
    static char texts[1000][NONCE_SIZE];

    set_pool(1024);
    for (unsigned i = 0; i < 1000; i++) {
        nonce_issue(pool, texts[i]);
        ck_assert_uint_eq(strspn(texts[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                           "0123456789-_"),
                          NONCE_SIZE - 1);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(texts[i], texts[j]);
        }
    }
    nonce_pool_free(pool);
}
END_TEST

START_TEST(what_is_not_base64url_is_malformed) {
    static const char *const rows[] = {"a b", "a=", "+/+/", "ä", "aaaaa", "AAAAAAAAAAAAAAAAAAAAA="};

    set_pool(64);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(spend(rows[i]) == ERR_MALFORMED, "%s", rows[i]);
    }
    nonce_pool_free(pool);
}
END_TEST

START_TEST(what_was_never_issued_is_refused) {
    static const char *const rows[] = {"", "AA", "AAAAAAAAAAAAAAAAAAAAAA",
                                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char text[NONCE_SIZE];

    set_pool(64);
    nonce_issue(pool, text);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(spend(rows[i]) == ERR_BAD_NONCE, "%s", rows[i]);
    }
    for (unsigned i = 0; i < NONCE_SIZE - 2; i++) { /* each character changed in turn */
        char changed[NONCE_SIZE];
        memcpy(changed, text, sizeof(changed));
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(spend(changed), ERR_BAD_NONCE);
    }
    ck_assert_uint_eq(nonce_counts(pool).unknown, COUNT(rows) + NONCE_SIZE - 2);
    ck_assert_int_eq(spend(text), ERR_NONE);
    nonce_pool_free(pool);
}
END_TEST

START_TEST(a_nonce_of_another_pool_is_refused) {
    char text[NONCE_SIZE];

    set_pool(64);
    nonce_issue(pool, text);
    nonce_pool_free(pool);
    set_pool(64);
    nonce_issue(pool, (char[NONCE_SIZE]){0});
    ck_assert_int_eq(spend(text), ERR_BAD_NONCE);
    nonce_pool_free(pool);
}
END_TEST

START_TEST(a_nonce_ages_out_after_a_window_and_is_counted) {
    char first[NONCE_SIZE], second[NONCE_SIZE], other[NONCE_SIZE];

    set_pool(64);
    nonce_issue(pool, first);
    nonce_issue(pool, second);
    ck_assert_int_eq(spend(second), ERR_NONE);
    for (unsigned i = 0; i < 62; i++) {
        nonce_issue(pool, other);
    }
    ck_assert_uint_eq(nonce_counts(pool).evicted, 0);
    nonce_issue(pool, other); /* the 65th takes the first one's place */
    ck_assert_uint_eq(nonce_counts(pool).evicted, 1);
    ck_assert_int_eq(spend(first), ERR_BAD_NONCE);
    ck_assert_uint_eq(nonce_counts(pool).aged, 1);
    nonce_issue(pool, other); /* the spent second one is no loss */
    ck_assert_uint_eq(nonce_counts(pool).evicted, 1);
    ck_assert_int_eq(spend(second), ERR_BAD_NONCE);
    ck_assert_int_eq(spend(other), ERR_NONE);
    nonce_pool_free(pool);
}
END_TEST

START_TEST(the_oldest_in_the_window_is_still_good) {
    char first[NONCE_SIZE], other[NONCE_SIZE];

    set_pool(64);
    nonce_issue(pool, first);
    for (unsigned i = 0; i < 63; i++) {
        nonce_issue(pool, other);
    }
    ck_assert_int_eq(spend(first), ERR_NONE);
    nonce_pool_free(pool);
}
END_TEST

#define RACERS 4
#define RACED 2000
static char raced[RACED][NONCE_SIZE];
static atomic_uint wins;

static void *race(void *ctx) {
    (void)ctx;
    for (unsigned i = 0; i < RACED; i++) {
        struct err err = {0};
        if (nonce_spend(pool, raced[i], &err)) {
            atomic_fetch_add(&wins, 1);
        }
    }
    return NULL;
}

START_TEST(of_concurrent_spenders_one_wins) {
    pthread_t threads[RACERS];

    set_pool(4096);
    for (unsigned i = 0; i < RACED; i++) {
        nonce_issue(pool, raced[i]);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, NULL), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    ck_assert_uint_eq(atomic_load(&wins), RACED);
    nonce_pool_free(pool);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_spent_nonce_is_refused,
                                  nonces_differ_and_are_base64url,
                                  what_is_not_base64url_is_malformed,
                                  what_was_never_issued_is_refused,
                                  a_nonce_of_another_pool_is_refused,
                                  a_nonce_ages_out_after_a_window_and_is_counted,
                                  the_oldest_in_the_window_is_still_good,
                                  of_concurrent_spenders_one_wins};
    return suite_run("server/nonce", tests, COUNT(tests));
}
