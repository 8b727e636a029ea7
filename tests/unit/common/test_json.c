#include "common/json.h"

#include "common/buf.h"
#include "suite.h"

/* clang-format off */
static const struct { const char *name, *text; bool good; } values[] = {
    {"object", "{}", true}, {"array", "[1]", true}, {"string", "\"x\"", true}, {"true", "true", true},
    {"white space around", " \t\r\n{} \n", true},
    {"brackets and quotes inside a string", "{\"a\":\"[[[[[[[[[[[[[[[[[[[[{\\\"\\\\\"}", true},
    {"escaped backslash before a quote", "[\"\\\\\",\"]\"]", true},
    {"empty", "", false}, {"blank", "  ", false},
    {"two values", "{} {}", false}, {"trailing comma", "[1,]", false},
    {"a name twice", "{\"a\":1,\"a\":2}", false},
    {"a name twice, once escaped", "{\"a\":1,\"\\u0061\":2}", false},
    {"byte order mark", "\xef\xbb\xbf{}", false},
    {"comment", "{}/**/", false}, {"single quotes", "{'a':1}", false},
    {"bad UTF-8", "\"\xff\"", false}, {"overlong UTF-8", "\"\xc0\xaf\"", false},
    {"lone surrogate", "\"\\ud800\"", false}, {"NUL", "\"\\u0000\"", false},
    {"raw control character", "\"\n\"", false},
    {"number out of range", "99999999999999999999", false}, {"leading zero", "01", false},
    {"NaN", "NaN", false}, {"hexadecimal", "0x10", false},
};
/* clang-format on */

START_TEST(rfc8259_values_are_read_and_nothing_else) {
    for (unsigned i = 0; i < COUNT(values); i++) {
        struct err err = {0};
        AUTO(json_release) json_t *json = json_read(values[i].text, strlen(values[i].text), &err);
        ck_assert_msg((json != NULL) == values[i].good, "%s", values[i].name);
        ck_assert_msg((err.kind == ERR_NONE) == values[i].good, "%s", values[i].name);
        ck_assert_msg(values[i].good || err.kind == ERR_MALFORMED, "%s", values[i].name);
    }
}
END_TEST

START_TEST(the_length_counts_not_a_nul) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read("[1]]", 3, &err);
    ck_assert_ptr_nonnull(json);
    ck_assert_ptr_null(json_read("[1]\0", 4, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(nesting_is_bounded) {
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char text[2 * JSON_DEPTH_MAX + 4] = "";
        struct err err = {0};
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        AUTO(json_release) json_t *json = json_read(text, 2 * (size_t)depth, &err);
        ck_assert_msg((json != NULL) == (depth <= JSON_DEPTH_MAX), "depth %d", depth);
    }
    AUTO(buf_done) struct buf buf = buf_new(1 << 20);
    for (unsigned i = 0; i < 200000; i++) {
        (void)buf_text(&buf, "[");
    }
    struct err err = {0};
    ck_assert_ptr_null(json_read(buf.data, buf.len, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(only_an_object_is_an_object) {
    struct err err = {0};
    ck_assert_ptr_null(json_read_object("[]", 2, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(text_comes_out_compact) {
    struct err err = {0};
    const char *spaced = "{ \"a\" : [ 1 , \"\\u20ac\" ] }";
    AUTO(json_release) json_t *json = json_read(spaced, strlen(spaced), &err);
    AUTO(free) char *text = json_text(json);
    ck_assert_str_eq(text, "{\"a\":[1,\"\xe2\x82\xac\"]}");
}
END_TEST

static json_t *sample(void) {
    static const char text[] =
        "{\"t\":\"abc\",\"i\":5,\"b\":true,\"a\":[1,2],\"o\":{},\"n\":null,\"r\":1.5}";
    struct err err = {0};
    json_t *json = json_read_object(text, strlen(text), &err);
    ck_assert_ptr_nonnull(json);
    return json;
}

START_TEST(members_are_got_by_type) {
    AUTO(json_release) json_t *json = sample();
    struct err err = {0};
    const char *text = NULL;
    int64_t number = 0;
    bool truth = false;
    const json_t *array = NULL;
    const json_t *object = NULL;

    ck_assert(json_get_text(json, "t", JSON_REQUIRED, 3, &text, &err));
    ck_assert_str_eq(text, "abc");
    ck_assert(json_get_int(json, "i", JSON_REQUIRED, 5, 5, &number, &err));
    ck_assert_int_eq(number, 5);
    ck_assert(json_get_bool(json, "b", JSON_REQUIRED, &truth, &err));
    ck_assert(truth);
    ck_assert(json_get_array(json, "a", JSON_REQUIRED, 2, &array, &err));
    ck_assert_uint_eq(json_array_size(array), 2);
    ck_assert(json_get_object(json, "o", JSON_REQUIRED, &object, &err));
    ck_assert_int_eq(err.kind, ERR_NONE);
}
END_TEST

START_TEST(an_absent_member_is_missing_or_left_untouched) {
    AUTO(json_release) json_t *json = sample();
    struct err err = {0};
    const char *text = "before";
    int64_t number = 7;

    ck_assert(json_get_text(json, "x", JSON_OPTIONAL, 9, &text, &err));
    ck_assert_str_eq(text, "before");
    ck_assert(json_get_int(json, "x", JSON_OPTIONAL, 0, 9, &number, &err));
    ck_assert_int_eq(number, 7);
    ck_assert(!json_get_text(json, "x", JSON_REQUIRED, 9, &text, &err));
    ck_assert_int_eq(err.kind, ERR_MISSING);
    ck_assert_str_eq(err.param, "x");
    ck_assert_str_eq(text, "before");
}
END_TEST

START_TEST(a_wrong_type_or_size_is_invalid_and_named) {
    AUTO(json_release) json_t *json = sample();
    const char *text = NULL;
    const json_t *part = NULL;
    int64_t number = 0;
    bool truth = false;
    struct err err[8] = {0};

    ck_assert(!json_get_text(json, "t", JSON_OPTIONAL, 2, &text, &err[0]));
    ck_assert(!json_get_text(json, "n", JSON_OPTIONAL, 2, &text, &err[1]));
    ck_assert(!json_get_int(json, "i", JSON_OPTIONAL, 6, 9, &number, &err[2]));
    ck_assert(!json_get_int(json, "i", JSON_OPTIONAL, 0, 4, &number, &err[3]));
    ck_assert(!json_get_int(json, "r", JSON_OPTIONAL, 0, 4, &number, &err[4]));
    ck_assert(!json_get_bool(json, "i", JSON_OPTIONAL, &truth, &err[5]));
    ck_assert(!json_get_array(json, "a", JSON_OPTIONAL, 1, &part, &err[6]));
    ck_assert(!json_get_object(json, "a", JSON_OPTIONAL, &part, &err[7]));
    for (unsigned i = 0; i < COUNT(err); i++) {
        ck_assert_msg(err[i].kind == ERR_INVALID, "row %u", i);
        ck_assert_msg(strlen(err[i].param) == 1, "row %u", i);
        ck_assert_ptr_nonnull(strstr(err[i].detail, err[i].param));
    }
    ck_assert_ptr_null(text);
    ck_assert_ptr_null(part);
}
END_TEST

START_TEST(unknown_names_are_refused_where_a_list_is_given) {
    AUTO(json_release) json_t *json = sample();
    struct err err = {0};
    const char *const all[] = {"t", "i", "b", "a", "o", "n", "r", NULL};
    const char *const some[] = {"t", "i", "b", "a", "o", "n", NULL};

    ck_assert(json_only(json, all, &err));
    ck_assert(!json_only(json, some, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_str_eq(err.param, "r");
}
END_TEST

int main(void) {
    const TTest *tests[] = {rfc8259_values_are_read_and_nothing_else,
                            the_length_counts_not_a_nul,
                            nesting_is_bounded,
                            only_an_object_is_an_object,
                            text_comes_out_compact,
                            members_are_got_by_type,
                            an_absent_member_is_missing_or_left_untouched,
                            a_wrong_type_or_size_is_invalid_and_named,
                            unknown_names_are_refused_where_a_list_is_given};
    return suite_run("json", tests, COUNT(tests));
}
