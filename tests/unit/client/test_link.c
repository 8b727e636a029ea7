#include "client/link.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/common/suite.h"

/* clang-format off */
static const struct { const char *value, *urls; } links[] = {
    {"<https://ca/1>;rel=\"alternate\"",                                   "https://ca/1 "},
    {"<https://ca/1>; rel=alternate",                                      "https://ca/1 "},
    {"<https://ca/dir>;rel=\"index\", <https://ca/2>;rel=\"alternate\"",   "https://ca/2 "},
    {"<https://ca/1>;rel=\"alternate\",<https://ca/2>;rel=\"alternate\"",  "https://ca/1 https://ca/2 "},
    {"<https://ca/1>;title=\"a, <b>\";rel=\"up alternate\"",               "https://ca/1 "},
    {"<https://ca/1>;rel=\"alternates\"",                                  ""},
    {"<https://ca/1>;title=\"rel=alternate\"",                             ""},
    {"<https://ca/1>",                                                     ""},
    {"<ftp://ca/1>;rel=\"alternate\"",                                     ""},
    {"</relative>;rel=\"alternate\"",                                      ""},
    {"https://ca/1;rel=\"alternate\"",                                     ""},
    {"<https://ca/1;rel=\"alternate\"",                                    ""},
    {"<>;rel=alternate",                                                   ""},
    {"<https://ca/1>;rel=\"alternate",                                     "https://ca/1 "},
    {"",                                                                   ""},
};
/* clang-format on */

START_TEST(alternates_are_found_and_nothing_else) {
    for (size_t i = 0; i < COUNT(links); i++) {
        char *urls[LINK_ALTERNATES_MAX], seen[256] = "";
        const unsigned count = link_alternates_of(links[i].value, urls, 0);
        for (unsigned k = 0; k < count; k++) {
            (void)strncat(seen, urls[k], 100);
            (void)strncat(seen, " ", 2);
            free(urls[k]);
        }
        ck_assert_msg(strcmp(seen, links[i].urls) == 0, "%s: %s", links[i].value, seen);
    }
}
END_TEST

START_TEST(there_is_a_limit) {
    char *urls[LINK_ALTERNATES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < LINK_ALTERNATES_MAX + 3; i++) {
        count = link_alternates_of("<https://ca/1>;rel=alternate", urls, count);
    }
    ck_assert_uint_eq(count, LINK_ALTERNATES_MAX);
    while (count > 0) {
        free(urls[--count]);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        alternates_are_found_and_nothing_else,
        there_is_a_limit,
    };

    return suite_run("client/link", tests, COUNT(tests));
}
