#include "common/utf8.h"

#include "suite.h"

/* clang-format off */
static const struct { const char *text; size_t len; } rows[] = {
    {"", 0}, {"a", 1}, {" ", 1}, {"~", 1}, {"\x1f", 0}, {"\x7f", 0}, {"\n", 0},
    {"\xc2\xa0", 2}, {"\xc2\x80", 0}, {"\xc2\x9b", 0}, {"\xdf\xbf", 2}, {"\xc0\xaf", 0}, {"\xc1\xbf", 0},
    {"\xe2\x82\xac", 3}, {"\xe2\x82", 0}, {"\xe2", 0}, {"\xe0\x9f\xbf", 0}, {"\xe0\xa0\x80", 3},
    {"\xed\xa0\x80", 0}, {"\xed\x9f\xbf", 3}, {"\xf0\x9f\x98\x80", 4}, {"\xf0\x8f\xbf\xbf", 0},
    {"\xf4\x8f\xbf\xbf", 4}, {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0}, {"\x80", 0}, {"\xff", 0},
};
/* clang-format on */

START_TEST(rfc3629_only_well_formed_printable_characters_count) {
    for (unsigned i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(utf8_len(rows[i].text) == rows[i].len, "row %u", i);
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {rfc3629_only_well_formed_printable_characters_count};
    return suite_run("utf8", tests, COUNT(tests));
}
