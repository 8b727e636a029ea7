#include "common/json.h"

#include <limits.h>

#include "common/buf.h"
#include "common/json_fast.h"
#include "common/rng.h"
#include "suite.h"

#define READ_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)
#define TEXT_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

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

/* What json_read must come to: the library's value or the library's complaint. */
static void compare(const char *text, size_t len) {
    struct err err = {0};
    json_error_t error;
    json_auto_t *expected = json_loadb(text, len, READ_FLAGS, &error);
    json_auto_t *json = json_read(text, len, &err);
    char shown[160];

    (void)snprintf(shown, sizeof shown, "%.*s", (int)len, text);
    ck_assert_msg((json == NULL) == (err.kind != ERR_NONE), "%s", shown);
    if (expected == NULL) {
        char where[64];
        (void)snprintf(where, sizeof where, " at line %d, column %d", error.line, error.column);
        ck_assert_msg(json == NULL, "%s", shown);
        ck_assert_msg(strstr(err.detail, where) != NULL || strstr(err.detail, "nested") != NULL,
                      "%s: %s, not %s", shown, err.detail, where);
        return;
    }
    if (json == NULL) { /* only nesting is refused beyond what the library refuses */
        ck_assert_msg(strstr(err.detail, "nested deeper") != NULL, "%s: %s", shown, err.detail);
        return;
    }
    AUTO(free) char *wanted = json_dumps(expected, TEXT_FLAGS);
    AUTO(free) char *made = json_text(json);
    ck_assert_msg(json_equal(json, expected) && strcmp(made, wanted) == 0, "%s", shown);
}

/* clang-format off */
static const struct { const char *text; bool fast; } texts[] = {
    {"{}", true}, {"[]", true}, {"\"\"", true}, {"0", true}, {"-1", true}, {"true", true},
    {"false", true}, {"null", true}, {" {\t\"b\" :\r\n[ ] , \"a\":{ } } ", true},
    {"{\"z\":1,\"a\":[true,false,null,\"x\"],\"m\":{\"\":-12}}", true},
    {"\"1234567\"", true}, {"\"12345678\"", true}, {"\"123456789\"", true}, {"\"\x7f\"", true},
    {"999999999999999999", true}, {"-999999999999999999", true},
    {"1000000000000000000", false}, {"9223372036854775807", false}, {"-9223372036854775808", false},
    {"9223372036854775808", false}, {"-0", false}, {"00", false}, {"01", false}, {"-01", false},
    {"-", false}, {"+1", false}, {"1.5", false}, {"1.", false}, {"1e3", false}, {"0x1", false},
    {"1a", false}, {"-a", false}, {"1 1", false},
    {"", false}, {" ", false}, {"{", false}, {"[", false}, {"\"", false}, {"\"abc", false},
    {"\"12345678", false}, {"}", false}, {"]", false}, {"{]", false}, {"[}", false}, {",", false},
    {"[1,]", false}, {"[,1]", false}, {"[1 2]", false}, {"{\"a\":1,}", false}, {"{\"a\" 1}", false},
    {"{\"a\"}", false}, {"{\"a\":}", false}, {"{1:1}", false}, {"{a:1}", false},
    {"{\"a\":1 \"b\":2}", false}, {"{\"a\":1,\"a\":1}", false}, {"{\"a\":{\"b\":1,\"b\":2}}", false},
    {"{\"a\":1,\"b\":2,\"a\":3}\n", false}, {"{\"\":1,\"\":2}", false},
    {"{} x", false}, {"{}{}", false}, {"[]]", false}, {"\"a\"\"b\"", false},
    {"tru", false}, {"True", false}, {"truex", false}, {"nul", false}, {"fals", false},
    {"\"\\n\"", false}, {"\"1234567\\\"\"", false}, {"\"\\u0041\"", false}, {"\"\\u0000\"", false},
    {"{\"\\u0061\":1}", false}, {"\"\xe2\x82\xac\"", false}, {"\"12345678\xff\"", false},
    {"\"\t\"", false}, {"\"1234567\n\"", false}, {"\"\x1f\"", false}, {"\v{}", false}, {"\f1", false},
    {"\xef\xbb\xbf{}", false}, {"\n\n [1,\n x]", false},
};
/* clang-format on */

START_TEST(what_is_read_fast_is_what_the_library_reads) {
    for (unsigned i = 0; i < COUNT(texts); i++) {
        json_auto_t *json = json_fast_read(texts[i].text, strlen(texts[i].text));
        ck_assert_msg((json != NULL) == texts[i].fast, "%s", texts[i].text);
        compare(texts[i].text, strlen(texts[i].text));
    }
    compare("\"\0\"", 3);
    compare("{\"a\0\":1}", 8);
    compare("1\0", 2);
}
END_TEST

/* Every octet at every place of a word, and behind it. */
START_TEST(a_string_is_fast_only_when_all_of_it_is_plain) {
    for (unsigned at = 0; at < 18; at++) {
        for (unsigned octet = 0; octet < 256; octet++) {
            char text[] = "\"abcdefghijklmnopqr\"";
            text[1 + at] = (char)octet;
            bool plain = octet >= ' ' && octet < 0x80 && octet != '"' && octet != '\\';
            json_auto_t *json = json_fast_read(text, sizeof text - 1);
            ck_assert_msg((json != NULL) == plain, "octet %u at %u", octet, at);
            compare(text, sizeof text - 1);

            json_auto_t *value = json_stringn_nocheck(text + 1, sizeof text - 3);
            AUTO(free) char *made = json_fast_text(value);
            ck_assert_msg((made != NULL) == plain, "octet %u at %u", octet, at);
        }
    }
}
END_TEST

START_TEST(fast_nesting_has_the_same_bound) {
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char text[2 * JSON_DEPTH_MAX + 4] = "";
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        json_auto_t *json = json_fast_read(text, 2 * (size_t)depth);
        ck_assert_msg((json != NULL) == (depth <= JSON_DEPTH_MAX), "depth %d", depth);
    }
}
END_TEST

static json_t *holding_itself(void) {
    json_t *array = json_array();
    ck_assert_int_eq(json_array_append(array, array), -1); /* the library sees this one */
    json_t *inner = json_array();
    ck_assert_int_eq(json_array_append(array, inner), 0);
    ck_assert_int_eq(json_array_append_new(inner, array), 0);
    return inner;
}

START_TEST(what_is_written_fast_is_what_the_library_writes) {
    const json_int_t ints[] = {0, 1, -1, 9, 10, -10, LLONG_MAX, LLONG_MIN, LLONG_MIN + 1};
    for (unsigned i = 0; i < COUNT(ints); i++) {
        json_auto_t *json = json_integer(ints[i]);
        AUTO(free) char *made = json_fast_text(json);
        AUTO(free) char *wanted = json_dumps(json, TEXT_FLAGS);
        ck_assert_str_eq(made, wanted);
    }
    json_auto_t *real = json_pack("{s:[f]}", "a", 1.5);
    ck_assert_ptr_null(json_fast_text(real));
    AUTO(free) char *text = json_text(real);
    ck_assert_str_eq(text, "{\"a\":[1.5]}");
    json_auto_t *broken = json_stringn_nocheck("\xff", 1);
    ck_assert_ptr_null(json_text(broken));
    ck_assert_ptr_null(json_text(NULL));
    json_auto_t *loop = holding_itself();
    ck_assert_ptr_null(json_text(loop));
    (void)json_array_clear(loop);
}
END_TEST

/* clang-format off */
static const char *const documents[] = {
    "{\"alg\":\"ES256\",\"kid\":\"https://ca.example/account/17\",\"nonce\":\"bm9uY2U\",\"url\":\"https://x/\"}",
    "{\"identifiers\":[{\"type\":\"TNAuthList\",\"value\":\"MAigBhYEMTIzNA\"}],\"notAfter\":null}",
    " { \"a\" : [ 1 , -20 , 300 , true , false , null , { } , [ ] ] , \"b\" : { \"c\" : \"\" } } ",
    "[[[[[[[[[[[[[[[{\"deep\":0}]]]]]]]]]]]]]]]",
    "{\"a\":\"\\u20ac\\n\",\"b\":1.5,\"c\":\"\xc3\xa9\",\"d\":123456789012345678}",
};
/* clang-format on */

/* Octets that matter to JSON and, now and then, any other. */
static char some_octet(struct rng *rng) {
    static const char often[] = "\"\"\\{}[]:,,  \t\n0123459-.eEtrufalsn\x7f\x1f\xc3\xa9";
    uint64_t octet = rng_below(rng, sizeof often + 4);

    return octet < sizeof often ? often[octet] : (char)rng_below(rng, 256);
}

static size_t mutate(struct rng *rng, char *text, size_t len, size_t max) {
    size_t at = rng_below(rng, len + 1), count = rng_below(rng, len - at + 1);

    switch (rng_below(rng, 5)) {
    case 0: /* cut out */
        memmove(text + at, text + at + count, len - at - count);
        return len - count;
    case 1: /* give twice */
        if (len + count <= max) {
            memmove(text + at + count, text + at, len - at);
            return len + count;
        }
        return len;
    case 2: /* put in */
        if (len < max) {
            memmove(text + at + 1, text + at, len - at);
            text[at] = some_octet(rng);
            return len + 1;
        }
        return len;
    default: /* change */
        if (at < len) {
            text[at] = some_octet(rng);
        }
        return len;
    }
}

START_TEST(both_ways_agree_on_any_text) {
    struct rng rng = rng_seeded(8259);
    unsigned fast = 0;

    for (unsigned round = 0; round < 60000; round++) {
        const char *document = documents[rng_below(&rng, COUNT(documents))];
        char text[256];
        size_t len = strlen(document);
        memcpy(text, document, len);
        for (uint64_t left = rng_below(&rng, 4); left > 0; left--) {
            len = mutate(&rng, text, len, sizeof text);
        }
        char *exact = malloc(len == 0 ? 1 : len); /* so that a sanitizer sees a step too far */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, text, len);
        json_auto_t *json = json_fast_read(exact, len);
        fast += json != NULL;
        compare(exact, len);
        free(exact);
    }
    ck_assert_uint_gt(fast, 10000);
    ck_assert_uint_lt(fast, 50000);
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
                            what_is_read_fast_is_what_the_library_reads,
                            a_string_is_fast_only_when_all_of_it_is_plain,
                            fast_nesting_has_the_same_bound,
                            what_is_written_fast_is_what_the_library_writes,
                            both_ways_agree_on_any_text,
                            members_are_got_by_type,
                            an_absent_member_is_missing_or_left_untouched,
                            a_wrong_type_or_size_is_invalid_and_named,
                            unknown_names_are_refused_where_a_list_is_given};
    return suite_run("json", tests, COUNT(tests));
}
