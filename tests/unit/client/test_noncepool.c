#include "client/noncepool.h"

#include "tests/unit/common/suite.h"

static struct noncepool *pool;

START_TEST(nonces_come_out_oldest_first_and_once) {
    char nonce[NONCEPOOL_TEXT_SIZE];

    pool = noncepool_new();
    ck_assert(noncepool_put(pool, "one") && noncepool_put(pool, "two"));
    ck_assert(noncepool_take(pool, nonce));
    ck_assert_str_eq(nonce, "one");
    ck_assert(noncepool_take(pool, nonce));
    ck_assert_str_eq(nonce, "two");
    ck_assert(!noncepool_take(pool, nonce));
    noncepool_free(pool);
}
END_TEST

START_TEST(a_full_pool_pushes_out_the_oldest) {
    char nonce[NONCEPOOL_TEXT_SIZE];

    pool = noncepool_new();
    for (unsigned i = 0; i < NONCEPOOL_MAX + 3; i++) {
        (void)snprintf(nonce, sizeof nonce, "n%u", i);
        ck_assert(noncepool_put(pool, nonce));
    }
    ck_assert_uint_eq(noncepool_count(pool), NONCEPOOL_MAX);
    ck_assert(noncepool_take(pool, nonce));
    ck_assert_str_eq(nonce, "n3");
    noncepool_free(pool);
}
END_TEST

START_TEST(what_is_not_base64url_is_ignored_rfc8555_6_5_1) {
    char longer[NONCEPOOL_TEXT_SIZE + 1];

    memset(longer, 'a', NONCEPOOL_TEXT_SIZE);
    longer[NONCEPOOL_TEXT_SIZE] = '\0';
    pool = noncepool_new();
    ck_assert(!noncepool_put(pool, NULL) && !noncepool_put(pool, ""));
    ck_assert(!noncepool_put(pool, "a b") && !noncepool_put(pool, "a=")
              && !noncepool_put(pool, "a+"));
    ck_assert(!noncepool_put(pool, longer));
    ck_assert_uint_eq(noncepool_count(pool), 0);
    longer[NONCEPOOL_TEXT_SIZE - 1] = '\0';
    ck_assert(noncepool_put(pool, longer));
    noncepool_flush(pool);
    ck_assert_uint_eq(noncepool_count(pool), 0);
    noncepool_free(pool);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {nonces_come_out_oldest_first_and_once,
                                  a_full_pool_pushes_out_the_oldest,
                                  what_is_not_base64url_is_ignored_rfc8555_6_5_1};

    return suite_run("client/noncepool", tests, COUNT(tests));
}
