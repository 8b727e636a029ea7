/* dns names: RFC 8555 7.1.3 and 7.1.4, RFC 3492. */
#include "server/names.h"

#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/common/suite.h"

START_TEST(names_are_canonical_wildcards_and_a_labels_too) {
    static const struct {
        const char *text, *want; /* NULL: refused */
    } rows[] = {
        {"A.Example.org", "a.example.org"},
        {"*.A.Example.org", "*.a.example.org"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"*.XN--Bcher-Kva.example", "*.xn--bcher-kva.example"},
        {"xn--ihqwcrb4cv8a8dqg056pqjye.example", "xn--ihqwcrb4cv8a8dqg056pqjye.example"},
        {"xn--zzzzzzz99999.example", NULL},
        {"xn--.example", NULL},
        {"xn--a.example", NULL}, /* U+0080, no character of a label: RFC 5892 2.6 */
        {"xn--abc-.example", NULL},
        {"ab--cd.example", NULL},
        {"a--b.example", "a--b.example"},
        {"*", NULL},
        {"*.org", NULL},
        {"*.*.example.org", NULL},
        {"a.*.example.org", NULL},
        {"*a.example.org", NULL},
        {"", NULL},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        char got[ACME_ID_VALUE_MAX + 1] = "untouched";
        bool good = names_dns(rows[i].text, got);
        ck_assert_msg(good == (rows[i].want != NULL), "%s", rows[i].text);
        ck_assert_str_eq(got, good ? rows[i].want : "untouched");
    }
}
END_TEST

START_TEST(below_is_by_label) {
    ck_assert(names_below("a.example.org", "example.org"));
    ck_assert(names_below("b.a.example.org", "example.org"));
    ck_assert(names_below("*.example.org", "example.org"));
    ck_assert(!names_below("example.org", "example.org"));
    ck_assert(!names_below("anexample.org", "example.org"));
    ck_assert(!names_below("example.org", "a.example.org"));
    ck_assert(!names_below("a.example.net", "example.org"));
    ck_assert_str_eq(names_base("*.example.org"), "example.org");
    ck_assert_str_eq(names_base("example.org"), "example.org");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {names_are_canonical_wildcards_and_a_labels_too,
                                  below_is_by_label};
    return suite_run("server/names", tests, COUNT(tests));
}
