#include "common/rng.h"

#include "common/acme.h"
#include "suite.h"

START_TEST(xoshiro256starstar_matches_the_reference) {
    /* first outputs for the state 1, 2, 3, 4, as its authors' program gives them */
    static const uint64_t first[] = {11520U, 0U, 1509978240U, 1215971899390074240U};
    struct rng rng = {{1, 2, 3, 4}};
    for (unsigned i = 0; i < COUNT(first); i++) {
        ck_assert_uint_eq(rng_next(&rng), first[i]);
    }
}
END_TEST

START_TEST(a_seed_repeats_and_another_does_not) {
    struct rng a = rng_seeded(7);
    struct rng b = rng_seeded(7);
    struct rng c = rng_seeded(8);
    unsigned same = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t drawn = rng_next(&a);
        ck_assert_uint_eq(drawn, rng_next(&b));
        same += drawn == rng_next(&c);
    }
    ck_assert_uint_eq(same, 0);
}
END_TEST

START_TEST(below_is_below_and_reaches_every_value_evenly) {
    struct rng rng = rng_seeded(1);
    unsigned seen[7] = {0};
    for (unsigned i = 0; i < 70000; i++) {
        uint64_t drawn = rng_below(&rng, COUNT(seen));
        ck_assert_uint_lt(drawn, COUNT(seen));
        seen[drawn]++;
    }
    for (unsigned i = 0; i < COUNT(seen); i++) {
        ck_assert_uint_gt(seen[i], 9500);
        ck_assert_uint_lt(seen[i], 10500);
    }
    ck_assert_uint_eq(rng_below(&rng, 1), 0);
}
END_TEST

START_TEST(unit_is_in_zero_to_one_with_the_mean_of_a_half) {
    struct rng rng = rng_seeded(2);
    double sum = 0;
    for (unsigned i = 0; i < 100000; i++) {
        double drawn = rng_unit(&rng);
        ck_assert(drawn >= 0 && drawn < 1);
        sum += drawn;
    }
    ck_assert(sum > 49500 && sum < 50500);
}
END_TEST

START_TEST(ts29571_uuids_are_version_4_and_lower_case) {
    struct rng rng = rng_seeded(3);
    for (unsigned i = 0; i < 1000; i++) {
        char text[37];
        char canonical[37];
        rng_uuid(&rng, text);
        ck_assert_msg(acme_uuid_canonical(text, canonical), "%s", text);
        ck_assert_str_eq(text, canonical);
    }
}
END_TEST

START_TEST(secret_ids_are_22_base64url_characters_and_differ) {
    char before[RNG_ID_SIZE] = "";
    for (unsigned i = 0; i < 100; i++) {
        char text[RNG_ID_SIZE];
        rng_id(text);
        ck_assert_uint_eq(strlen(text), 22);
        ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                          22);
        ck_assert_str_ne(text, before);
        memcpy(before, text, sizeof(before));
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {xoshiro256starstar_matches_the_reference,
                            a_seed_repeats_and_another_does_not,
                            below_is_below_and_reaches_every_value_evenly,
                            unit_is_in_zero_to_one_with_the_mean_of_a_half,
                            ts29571_uuids_are_version_4_and_lower_case,
                            secret_ids_are_22_base64url_characters_and_differ};
    return suite_run("rng", tests, COUNT(tests));
}
