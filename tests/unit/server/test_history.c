#include "server/history.h"

#include <stdio.h>
#include <string.h>

#include "../common/suite.h"
#include "common/json.h"

static struct history *history_of(unsigned max) {
    struct err err = {0};
    struct history *history = history_new(max, &err);
    ck_assert_ptr_nonnull(history);
    return history;
}

static void tell(struct history *history, const char *name, unsigned number, const char *body,
                 size_t len) {
    static const char *const addresses[] = {"::1", "127.0.0.1"};
    struct acme_identifier identifier = {.type = ACME_ID_DNS};
    struct err err = {0};
    char url[64];

    (void)snprintf(identifier.value, sizeof identifier.value, "%s", name);
    (void)snprintf(url, sizeof url, "http://%s/%u", name, number);
    if (number % 2 == 1) {
        (void)err_set(&err, ERR_CONNECTION, "odd");
    }
    history_query(history, &(struct va_query){.type = ACME_CHALLENGE_HTTP01,
                                              .identifier = &identifier,
                                              .at_us = 1000000ULL * number,
                                              .us = number,
                                              .asked = url,
                                              .addresses = 2,
                                              .address = addresses,
                                              .tried = "127.0.0.1:80",
                                              .connected = number % 2 == 0,
                                              .status = number % 2 == 0 ? 200 : 0,
                                              .answer = body,
                                              .answer_len = len,
                                              .err = &err});
}

static const json_t *query_at(const json_t *object, size_t index) {
    return json_array_get(json_object_get(object, "queries"), index);
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    ck_assert_msg(text != NULL, "%s", name);
    return text;
}

START_TEST(a_query_is_shown_as_it_was) {
    AUTO(history_free) struct history *history = history_of(4);

    tell(history, "a.example", 2, "body", 4);
    tell(history, "a.example", 3, NULL, 0);
    AUTO(json_release) json_t *object = history_render(history, "a.example");
    ck_assert_ptr_nonnull(object);
    ck_assert_str_eq(text_of(json_object_get(object, "identifier"), "type"), "dns");
    ck_assert_str_eq(text_of(json_object_get(object, "identifier"), "value"), "a.example");
    const json_t *first = query_at(object, 0), *second = query_at(object, 1);
    ck_assert_str_eq(text_of(first, "time"), "1970-01-01T00:00:02Z");
    ck_assert_str_eq(text_of(first, "challenge"), "http-01");
    ck_assert_str_eq(text_of(first, "asked"), "http://a.example/2");
    ck_assert_str_eq(text_of(first, "tried"), "127.0.0.1:80");
    ck_assert_str_eq(text_of(first, "answer"), "body");
    ck_assert_uint_eq(json_array_size(json_object_get(first, "addresses")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "status")), 200);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "us")), 2);
    ck_assert(json_is_true(json_object_get(first, "connected")));
    ck_assert_ptr_null(json_object_get(first, "error"));
    ck_assert(json_is_false(json_object_get(second, "connected")));
    ck_assert_ptr_null(json_object_get(second, "status"));
    ck_assert_ptr_null(json_object_get(second, "answer"));
    ck_assert_str_eq(text_of(json_object_get(second, "error"), "type"),
                     "urn:ietf:params:acme:error:connection");
    ck_assert_str_eq(text_of(json_object_get(second, "error"), "detail"), "odd");
    ck_assert_ptr_null(history_render(history, "b.example"));
}
END_TEST

START_TEST(an_answer_that_is_no_text_is_base64url_and_cut) {
    AUTO(history_free) struct history *history = history_of(4);
    char body[VA_ANSWER_SEEN + 100];

    memset(body, 0xff, sizeof body);
    tell(history, "a.example", 2, body, sizeof body);
    AUTO(json_release) json_t *object = history_render(history, "a.example");
    ck_assert_ptr_null(json_object_get(query_at(object, 0), "answer"));
    const char *text = text_of(query_at(object, 0), "answerBase64");
    ck_assert_uint_eq(strlen(text), (VA_ANSWER_SEEN * 4 + 2) / 3);
    ck_assert_int_eq(strncmp(text, "____", 4), 0);
}
END_TEST

START_TEST(the_last_queries_of_an_identifier_are_kept) {
    AUTO(history_free) struct history *history = history_of(4);

    for (unsigned i = 0; i < 3 * HISTORY_DEPTH + 5; i++) {
        tell(history, "a.example", i, "", 0);
    }
    AUTO(json_release) json_t *object = history_render(history, "a.example");
    ck_assert_uint_eq(json_array_size(json_object_get(object, "queries")), HISTORY_DEPTH);
    for (unsigned i = 0; i < HISTORY_DEPTH; i++) {
        ck_assert_int_eq(json_integer_value(json_object_get(query_at(object, i), "us")),
                         2 * HISTORY_DEPTH + 5 + i);
    }
    ck_assert_uint_eq(history_queries(history), 3 * HISTORY_DEPTH + 5);
}
END_TEST

START_TEST(the_identifier_asked_about_longest_ago_is_forgotten) {
    AUTO(history_free) struct history *history = history_of(3);
    static const struct {
        const char *name;
        bool known;
    } rows[] = {
        {"a.example", true}, {"b.example", false}, {"c.example", true}, {"d.example", true}};

    for (unsigned i = 0; i < 3; i++) {
        tell(history, rows[i].name, 2, "", 0);
    }
    tell(history, "a.example", 4, "", 0); /* used again */
    tell(history, "d.example", 2, "", 0);
    ck_assert_uint_eq(history_identifiers(history), 3);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(json_release) json_t *object = history_render(history, rows[i].name);
        ck_assert_msg((object != NULL) == rows[i].known, "%s", rows[i].name);
    }
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%u.example", i);
        tell(history, name, 2, "x", 1);
    }
    ck_assert_uint_eq(history_identifiers(history), 3);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_query_is_shown_as_it_was,
                                  an_answer_that_is_no_text_is_base64url_and_cut,
                                  the_last_queries_of_an_identifier_are_kept,
                                  the_identifier_asked_about_longest_ago_is_forgotten};
    return suite_run("server/history", tests, COUNT(tests));
}
