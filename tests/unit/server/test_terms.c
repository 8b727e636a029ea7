/* Terms of service: marks, URLs, and which terms a start takes up. */
#include "server/terms.h"

#include <string.h>

#include "store_bed.h"

#define FIRST "https://ca.example/terms/1"
#define SECOND "https://ca.example/terms/2"

static void in_force(struct terms *terms, const char *want) {
    char url[TERMS_URL_SIZE];

    terms_get(terms, url);
    ck_assert_str_eq(url, want);
    ck_assert(terms_mark(terms) == terms_mark_of(want));
}

START_TEST(marks_tell_terms_apart) {
    ck_assert(terms_mark_of(NULL) == 0 && terms_mark_of("") == 0);
    ck_assert(terms_mark_of(FIRST) != 0 && terms_mark_of(FIRST) != terms_mark_of(SECOND));
}
END_TEST

START_TEST(terms_are_http_urls) {
    static const char *const bad[] = {
        "", "terms", "ftp://x/", "https://", "https://a b/", "https://x/\"", "https://x/>"};
    struct err why = {0};

    ck_assert(terms_url_check(FIRST, &why) && terms_url_check("http://x", &why));
    for (unsigned i = 0; i < COUNT(bad); i++) {
        why = (struct err){0};
        ck_assert_msg(!terms_url_check(bad[i], &why) && why.kind == ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

START_TEST(what_was_set_stays_until_the_option_changes) {
    set_up(false);
    AUTO(terms_free) struct terms *terms = terms_new(&err);

    ck_good(terms_load(terms, store, NULL, &err));
    in_force(terms, "");
    ck_good(terms_load(terms, store, FIRST, &err));
    in_force(terms, FIRST);
    ck_good(terms_change(terms, store, SECOND, &err));
    in_force(terms, SECOND);
    store_close(store);
    open_disk();
    ck_good(terms_load(terms, store, FIRST, &err)); /* the same option as before */
    in_force(terms, SECOND);
    ck_good(terms_load(terms, store, NULL, &err));
    in_force(terms, "");
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {marks_tell_terms_apart, terms_are_http_urls,
                                  what_was_set_stays_until_the_option_changes};
    return suite_run("server/terms", tests, COUNT(tests));
}
