#include "common/route.h"

#include "suite.h"

/* clang-format off */
static const struct { const char *pattern, *path; bool fits; const char *first, *second; } rows[] = {
    {"/directory", "/directory", true, NULL, NULL},
    {"/directory", "/directory/", false, NULL, NULL},
    {"/directory", "/director", false, NULL, NULL},
    {"/directory", "", false, NULL, NULL},
    {"/order/{id}", "/order/abc", true, "abc", NULL},
    {"/order/{id}", "/order/A-z_0.9~", true, "A-z_0.9~", NULL},
    {"/order/{id}", "/order/", false, NULL, NULL},
    {"/order/{id}", "/order/a/b", false, NULL, NULL},
    {"/order/{id}", "/order/a%2fb", false, NULL, NULL},
    {"/order/{id}", "/order/a b", false, NULL, NULL},
    {"/order/{id}", "/order/a\xc3\xa9", false, NULL, NULL},
    {"/order/{id}", "/order/a?x=1", false, NULL, NULL},
    {"/order/{id}/finalize", "/order/1/finalize", true, "1", NULL},
    {"/order/{id}/finalize", "/order/1/finaliz", false, NULL, NULL},
    {"/order/{id}/finalize", "/order//finalize", false, NULL, NULL},
    {"/a/{x}/b/{y}", "/a/1/b/2", true, "1", "2"},
    {"/a/{x}/b/{y}", "/a/1/b/", false, NULL, NULL},
    {"/{x}.pem", "/root.pem", false, NULL, NULL}, /* a parameter is the whole segment */
};
/* clang-format on */

START_TEST(paths_fit_their_patterns_and_no_others) {
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct route_params params = {.count = 99};
        ck_assert_msg(route_match(rows[i].pattern, rows[i].path, &params) == rows[i].fits,
                      "%s on %s", rows[i].pattern, rows[i].path);
        if (!rows[i].fits) {
            ck_assert_uint_eq(params.count, 99);
            continue;
        }
        ck_assert_uint_eq(params.count,
                          (unsigned)(rows[i].first != NULL) + (rows[i].second != NULL));
        ck_assert(rows[i].first == NULL || strcmp(params.value[0], rows[i].first) == 0);
        ck_assert(rows[i].second == NULL || strcmp(params.value[1], rows[i].second) == 0);
    }
}
END_TEST

START_TEST(a_parameter_longer_than_its_place_does_not_fit) {
    char path[300] = "/";
    for (size_t len = ROUTE_PARAM_SIZE - 2; len <= ROUTE_PARAM_SIZE + 1; len++) {
        struct route_params params;
        memset(path + 1, 'a', len);
        path[len + 1] = '\0';
        ck_assert_msg(route_match("/{x}", path, &params) == (len < ROUTE_PARAM_SIZE), "%zu", len);
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {paths_fit_their_patterns_and_no_others,
                            a_parameter_longer_than_its_place_does_not_fit};
    return suite_run("route", tests, COUNT(tests));
}
