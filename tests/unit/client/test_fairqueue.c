#include "client/fairqueue.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/common/suite.h"

#define ITEMS 400
static struct fairqueue_item items[ITEMS];
static struct fairqueue *queue;

static void begin(void) {
    memset(items, 0, sizeof items);
    queue = fairqueue_new(1);
    ck_assert_ptr_nonnull(queue);
}

static void end(void) {
    fairqueue_free(queue);
    queue = NULL;
}

static void add(unsigned number, const char *tenant, unsigned class_of) {
    ck_assert(fairqueue_add(queue, &items[number], tenant, class_of));
}

static int next(void) {
    const struct fairqueue_item *item = fairqueue_next(queue);

    return item == NULL ? -1 : (int)(item - items);
}

START_TEST(one_tenant_is_served_in_order) {
    begin();
    for (unsigned i = 0; i < 5; i++) {
        add(i, "a", 2);
    }
    ck_assert_uint_eq(fairqueue_count(queue), 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(next(), i);
    }
    ck_assert_int_eq(next(), -1);
    ck_assert_uint_eq(fairqueue_count(queue), 0);
    end();
}
END_TEST

START_TEST(tenants_take_turns_however_much_one_of_them_asks) {
    begin();
    for (unsigned i = 0; i < 100; i++) {
        add(i, "greedy", 2);
    }
    add(100, "b", 2);
    add(101, "c", 2);
    add(102, "b", 2);
    static const int order[] = {0, 100, 101, 1, 102, 2, 3};
    for (size_t i = 0; i < COUNT(order); i++) {
        ck_assert_int_eq(next(), order[i]);
    }
    end();
}
END_TEST

START_TEST(important_work_comes_first_and_the_rest_is_not_starved) {
    unsigned seen[FAIRQUEUE_CLASSES] = {0};

    begin();
    for (unsigned i = 0; i < ITEMS; i++) {
        add(i, i % 2 == 0 ? "a" : "b", i % FAIRQUEUE_CLASSES);
    }
    ck_assert_int_eq(next() % FAIRQUEUE_CLASSES, 0);
    seen[0]++;
    for (unsigned i = 1; i < 30; i++) {
        seen[(unsigned)next() % FAIRQUEUE_CLASSES]++;
    }
    ck_assert_uint_eq(seen[0], 16);
    ck_assert_uint_eq(seen[1], 8);
    ck_assert_uint_eq(seen[2], 4);
    ck_assert_uint_eq(seen[3], 2);
    for (unsigned i = 30; i < ITEMS; i++) {
        ck_assert_int_ge(next(), 0);
    }
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(anything_can_leave_at_any_time) {
    bool there[ITEMS] = {false};
    unsigned count = 0;

    begin();
    srand(7);
    for (unsigned step = 0; step < 20000; step++) {
        const unsigned i = (unsigned)rand() % ITEMS;
        char tenant[8] = {(char)('a' + i % 7), '\0'};
        if (!there[i]) {
            add(i, tenant, i % 5);
            there[i] = true;
            count++;
        } else if (rand() % 2 == 0) {
            fairqueue_remove(queue, &items[i]);
            fairqueue_remove(queue, &items[i]);
            there[i] = false;
            count--;
        } else {
            const int taken = next();
            ck_assert_int_ge(taken, 0);
            ck_assert(there[taken]);
            there[taken] = false;
            count--;
        }
        ck_assert_uint_eq(fairqueue_count(queue), count);
    }
    while (count-- > 0) {
        ck_assert_int_ge(next(), 0);
    }
    ck_assert_int_eq(next(), -1);
    end();
}
END_TEST

START_TEST(priorities_fall_into_classes) {
    ck_assert_uint_eq(fairqueue_class(0), 0);
    ck_assert_uint_eq(fairqueue_class(7), 0);
    ck_assert_uint_eq(fairqueue_class(8), 1);
    ck_assert_uint_eq(fairqueue_class(24), 3);
    ck_assert_uint_eq(fairqueue_class(31), 3);
    ck_assert_uint_eq(fairqueue_class(99), 3);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        one_tenant_is_served_in_order,
        tenants_take_turns_however_much_one_of_them_asks,
        important_work_comes_first_and_the_rest_is_not_starved,
        anything_can_leave_at_any_time,
        priorities_fall_into_classes,
    };

    return suite_run("client/fairqueue", tests, COUNT(tests));
}
