#include <check.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/jws_flat.h"
#include "tests/unit/common/suite.h"

/* clang-format off */
static const struct { const char *name, *text; bool plain; } rows[] = {
    {"as we write it", "{\"protected\":\"ab\",\"payload\":\"cde\",\"signature\":\"fg\"}", true},
    {"another order", "{\"signature\":\"fg\",\"protected\":\"ab\",\"payload\":\"cde\"}", true},
    {"white space", " {\r\n\t\"protected\" : \"ab\" , \"payload\":\n\"cde\",\"signature\":\"fg\"\t}\n", true},
    {"a name twice", "{\"protected\":\"ab\",\"payload\":\"cde\",\"payload\":\"fg\"}", false},
    {"a name twice, empty", "{\"protected\":\"ab\",\"payload\":\"\",\"payload\":\"fg\"}", false},
    {"a fourth name", "{\"protected\":\"ab\",\"payload\":\"cde\",\"signature\":\"fg\",\"header\":{}}", false},
    {"a name missing", "{\"protected\":\"ab\",\"payload\":\"cde\"}", false},
    {"another name", "{\"protected\":\"ab\",\"payload\":\"cde\",\"signatures\":\"fg\"}", false},
    {"a shorter name", "{\"protected\":\"ab\",\"payload\":\"cde\",\"sig\":\"fg\"}", false},
    {"an escape", "{\"protected\":\"ab\",\"payload\":\"c\\u0064e\",\"signature\":\"fg\"}", false},
    {"an escaped name", "{\"protected\":\"ab\",\"p\\u0061yload\":\"cde\",\"signature\":\"fg\"}", false},
    {"an escaped quote", "{\"protected\":\"ab\",\"payload\":\"c\\\"de\",\"signature\":\"fg\"}", false},
    {"a foreign character", "{\"protected\":\"ab\",\"payload\":\"c=\",\"signature\":\"fg\"}", false},
    {"a number", "{\"protected\":\"ab\",\"payload\":1,\"signature\":\"fg\"}", false},
    {"a comma too many", "{\"protected\":\"ab\",\"payload\":\"cde\",\"signature\":\"fg\",}", false},
    {"a comma too few", "{\"protected\":\"ab\" \"payload\":\"cde\",\"signature\":\"fg\"}", false},
    {"no colon", "{\"protected\" \"ab\",\"payload\":\"cde\",\"signature\":\"fg\"}", false},
    {"more behind it", "{\"protected\":\"ab\",\"payload\":\"cde\",\"signature\":\"fg\"}x", false},
    {"a form feed", "{\f\"protected\":\"ab\",\"payload\":\"cde\",\"signature\":\"fg\"}", false},
    {"an array", "[\"protected\",\"ab\",\"payload\",\"cde\",\"signature\",\"fg\"]", false},
    {"nothing", "", false},
};
/* clang-format on */

START_TEST(only_the_plain_form_is_opened) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jws_parts parts = {.header = "untouched"};
        const bool opened = jws_flat_open(rows[i].text, strlen(rows[i].text), &parts);
        ck_assert_msg(opened == rows[i].plain, "%s", rows[i].name);
        if (!opened) {
            ck_assert_msg(strcmp(parts.header, "untouched") == 0, "%s", rows[i].name);
            continue;
        }
        ck_assert_msg(parts.header_len == 2 && memcmp(parts.header, "ab", 2) == 0
                          && parts.payload_len == 3 && memcmp(parts.payload, "cde", 3) == 0
                          && parts.signature_len == 2 && memcmp(parts.signature, "fg", 2) == 0,
                      "%s", rows[i].name);
    }
}
END_TEST

START_TEST(no_beginning_of_it_is_opened_or_read_beyond) {
    const char *whole = rows[0].text;

    for (size_t len = 0; len < strlen(whole); len++) {
        struct jws_parts parts = {0};
        AUTO(free) char *exact = malloc(len == 0 ? 1 : len); /* the sanitizer guards its end */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, whole, len);
        ck_assert_msg(!jws_flat_open(exact, len, &parts), "the first %zu octets", len);
    }
}
END_TEST

START_TEST(what_is_made_is_json_and_opens_again) {
    const struct jws_parts made = {.header = "aGVhZGVy.",
                                   .header_len = 8,
                                   .payload = "",
                                   .payload_len = 0,
                                   .signature = "c2ln",
                                   .signature_len = 4};
    struct jws_parts opened = {0};
    struct err err = {0};
    AUTO(free) char *text = jws_flat_make(&made);

    ck_assert_ptr_nonnull(text);
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &err);
    ck_assert_uint_eq(json_object_size(json), 3);
    ck_assert_str_eq(json_string_value(json_object_get(json, "protected")), "aGVhZGVy");
    ck_assert_str_eq(json_string_value(json_object_get(json, "payload")), "");
    ck_assert_str_eq(json_string_value(json_object_get(json, "signature")), "c2ln");
    ck_assert(jws_flat_open(text, strlen(text), &opened));
    ck_assert_uint_eq(opened.header_len, 8);
    ck_assert_uint_eq(opened.payload_len, 0);
    ck_assert_uint_eq(opened.signature_len, 4);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {only_the_plain_form_is_opened,
                                  no_beginning_of_it_is_opened_or_read_beyond,
                                  what_is_made_is_json_and_opens_again};

    return suite_run("common/jws_flat", tests, COUNT(tests));
}
