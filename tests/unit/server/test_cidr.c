#include "server/cidr.h"

#include "../common/suite.h"

/* clang-format off */
static const struct { const char *range, *address; bool holds; } rows[] = {
    {"10.0.0.0/8", "10.255.0.1", true}, {"10.0.0.0/8", "11.0.0.1", false},
    {"10.1.2.3/8", "10.9.9.9", true}, {"192.0.2.128/25", "192.0.2.128", true},
    {"192.0.2.128/25", "192.0.2.127", false}, {"0.0.0.0/0", "192.0.2.1", true},
    {"127.0.0.1", "127.0.0.1", true}, {"127.0.0.1", "127.0.0.2", false},
    {"127.0.0.0/31", "127.0.0.1", true}, {"127.0.0.0/31", "127.0.0.2", false},
    {"2001:db8::/32", "2001:db8:1::1", true}, {"2001:db8::/32", "2001:db9::1", false},
    {"::1", "::1", true}, {"::/0", "::1", true}, {"fe80::/10", "febf::1", true},
    {"fe80::/10", "fec0::1", false}, {"::1/128", "::2", false},
    {"::/0", "127.0.0.1", false}, {"0.0.0.0/0", "::1", false},
    {"127.0.0.0/8", "::ffff:127.0.0.1", true}, {"127.0.0.0/8", "::ffff:128.0.0.1", false},
    {"::ffff:0:0/96", "::ffff:127.0.0.1", true},
    {"0.0.0.0/0", "a.example", false}, {"0.0.0.0/0", "", false},
};
static const char *const bad[] = {
    "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8 ",
    "10.0.0.0/8/8", "10.0.0/8", "10.0.0.0/1000", "::/129", "::/", "a.example", "10.0.0.0/a",
    "[::1]/8", "fe80::1%eth0/64", "10.0.0.0/99999999999999999999",
    "00000000000000000000000000000000000000000000000000000000000/8",
};
/* clang-format on */

START_TEST(a_range_holds_the_addresses_of_its_prefix) {
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct cidr cidr;
        ck_assert_msg(cidr_parse(rows[i].range, &cidr), "%s", rows[i].range);
        ck_assert_msg(cidr_holds(&cidr, rows[i].address) == rows[i].holds, "%s %s", rows[i].range,
                      rows[i].address);
    }
}
END_TEST

START_TEST(what_is_no_range_is_refused) {
    for (unsigned i = 0; i < COUNT(bad); i++) {
        struct cidr cidr;
        ck_assert_msg(!cidr_parse(bad[i], &cidr), "%s", bad[i]);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_range_holds_the_addresses_of_its_prefix,
                                  what_is_no_range_is_refused};
    return suite_run("server/cidr", tests, COUNT(tests));
}
