#include "server/id.h"

#include "tests/unit/common/suite.h"

START_TEST(ids_are_alphabetical_by_time_and_differ_at_one_time) {
    char early[ID_SIZE], late[ID_SIZE], twin[ID_SIZE];

    id_new(1795000000000000, early);
    id_new(1795000000001000, late);
    id_new(1795000000000000, twin);
    ck_assert_int_lt(strcmp(early, late), 0);
    ck_assert_str_ne(early, twin);
    ck_assert_uint_eq(strlen(early), ID_SIZE - 1);
    ck_assert_uint_eq(strspn(early, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "-_"),
                      ID_SIZE - 1);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {ids_are_alphabetical_by_time_and_differ_at_one_time};
    return suite_run("server/id", tests, COUNT(tests));
}
