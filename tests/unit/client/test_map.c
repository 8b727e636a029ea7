#include "client/map.h"

#include "tests/unit/common/suite.h"

#define MANY 1000

START_TEST(what_was_put_is_found_until_it_is_taken) {
    static char keys[MANY][8];
    struct map *map = map_new(7);

    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%u", i);
        ck_assert(map_put(map, keys[i], &keys[i]));
    }
    ck_assert_uint_eq(map_count(map), MANY);
    for (unsigned i = 0; i < MANY; i += 2) {
        ck_assert_ptr_eq(map_take(map, keys[i]), &keys[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(map_get(map, keys[i]), i % 2 == 0 ? NULL : &keys[i]);
    }
    ck_assert_uint_eq(map_count(map), MANY / 2);
    map_free(map);
}
END_TEST

START_TEST(a_key_is_there_once) {
    struct map *map = map_new(1);
    int one = 1, two = 2;

    ck_assert(map_put(map, "key", &one));
    ck_assert(!map_put(map, "key", &two));
    ck_assert_ptr_eq(map_get(map, "key"), &one);
    ck_assert_ptr_null(map_take(map, "other"));
    map_free(map);
}
END_TEST

static void add(void *ctx, void *value) { *(int *)ctx += *(int *)value; }

START_TEST(each_value_is_visited_once) {
    struct map *map = map_new(1);
    int one = 1, ten = 10, sum = 0;

    ck_assert(map_put(map, "a", &one) && map_put(map, "b", &ten));
    map_each(map, add, &sum);
    ck_assert_int_eq(sum, 11);
    map_free(map);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {what_was_put_is_found_until_it_is_taken, a_key_is_there_once,
                                  each_value_is_visited_once};

    return suite_run("client/map", tests, COUNT(tests));
}
