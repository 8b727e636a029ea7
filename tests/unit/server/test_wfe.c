/* What every answer has, and who is answered at all: RFC 8555 6.1 to 6.5, 7.1, 7.2. */
#include "acme_flow.h"

static struct bed bed;

static const char *const paths[] = {
    "/new-account",         "/new-order", "/order/x",   "/order/x/finalize", "/authz/x",
    "/challenge/x/http-01", "/cert/x",    "/account/x", "/account/x/orders", "/revoke-cert"};

START_TEST(the_directory_lists_what_works) {
    static const char *const urls[] = {"newNonce", "newAccount", "newAuthz",
                                       "newOrder", "revokeCert", "keyChange"};

    bed_start(&bed, NULL);
    struct answer answer = bed_get(&bed, "/directory");
    ck_answer(answer, 200, "");
    ck_assert_str_eq(answer.type, "application/json");
    ck_assert_str_eq(answer.links, "");
    for (unsigned i = 0; i < COUNT(urls); i++) {
        ck_assert_ptr_eq(strstr(member(&answer, urls[i]), bed.base), member(&answer, urls[i]));
    }
    const json_t *meta = json_object_get(answer.json, "meta");
    ck_assert_ptr_null(json_object_get(meta, "termsOfService"));
    ck_assert_ptr_null(json_object_get(meta, "externalAccountRequired"));
    ck_assert_uint_eq(json_object_size(json_object_get(meta, "profiles")), 9);
    answer_done(&answer);
    bed_stop(&bed);
}
END_TEST

START_TEST(nonces_come_by_head_get_and_post_as_get) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct answer head = bed_ask(&bed, "HEAD", "/new-nonce", NULL, NULL, 0);
    struct answer get = bed_get(&bed, "/new-nonce");
    struct answer post = bed_post(&bed, &actor, "/new-nonce", NULL);

    ck_assert_uint_eq(head.status, 200);
    ck_assert_uint_eq(get.status, 204);
    ck_assert_uint_eq(post.status, 204);
    ck_assert_str_eq(get.body, "");
    ck_assert_str_ne(head.nonce, get.nonce);
    ck_assert_str_eq(head.cache, "no-store");
    ck_assert_str_eq(get.cache, "no-store");
    ck_assert_uint_eq(head.nonces, 1);
    ck_assert_uint_eq(post.nonces, 1);
    answer_done(&head);
    answer_done(&get);
    answer_done(&post);
    struct answer directory = bed_post(&bed, &actor, "/directory", NULL); /* S-6.3-13 */
    ck_answer(directory, 200, "");
    (void)member(&directory, "newOrder");
    answer_done(&directory);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(get_of_anything_else_is_405) {
    static const char *const methods[] = {"GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"};

    bed_start(&bed, NULL);
    for (unsigned i = 0; i < COUNT(paths); i++) {
        for (unsigned j = 0; j < COUNT(methods); j++) {
            struct answer answer = bed_ask(&bed, methods[j], paths[i], NULL, NULL, 0);
            ck_assert_msg(answer.status == 405, "%s %s: %u", methods[j], paths[i], answer.status);
            ck_assert_str_eq(answer.allow, "POST");
            ck_assert_str_eq(answer.type, ACME_PROBLEM_TYPE);
            answer_done(&answer);
        }
    }
    struct answer answer = bed_ask(&bed, "DELETE", "/directory", NULL, NULL, 0);
    ck_answer(answer, 405, "malformed");
    ck_assert_str_eq(answer.allow, "GET, HEAD, POST");
    answer_done(&answer);
    bed_stop(&bed);
}
END_TEST

START_TEST(unknown_paths_are_404) {
    static const char *const unknown[] = {"/",           "/new-order/", "/order",     "/order/a/b",
                                          "/order/a%2e", "/DIRECTORY",  "/directory/"};

    bed_start(&bed, NULL);
    for (unsigned i = 0; i < COUNT(unknown); i++) {
        struct answer answer = bed_get(&bed, unknown[i]);
        ck_assert_msg(answer.status == 404, "%s: %u", unknown[i], answer.status);
        answer_done(&answer);
    }
    bed_stop(&bed);
}
END_TEST

START_TEST(every_answer_to_a_post_has_a_nonce_and_the_index) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    char index[128];

    (void)snprintf(index, sizeof(index), "<%s/directory>;rel=\"index\"\n", bed.base);
    for (unsigned i = 0; i < COUNT(paths); i++) {
        struct answer bad = bed_post_text(&bed, paths[i], "{}"); /* no JWS */
        struct answer good = bed_post(&bed, &actor, paths[i], NULL);
        ck_assert_uint_eq(bad.status, 400);
        ck_assert_uint_eq(bad.nonces, 1);
        ck_assert_uint_eq(good.nonces, 1);
        ck_assert_str_eq(bad.links, index);
        ck_assert_ptr_nonnull(strstr(good.links, index));
        ck_assert_str_eq(bad.cache, "no-store");
        ck_assert_uint_ge(good.status, 400);
        answer_done(&bad);
        answer_done(&good);
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(media_type_and_size_are_checked_first) {
    static const char *const json[] = {"Content-Type: application/json", NULL};
    static const char *const jose[] = {"Content-Type: application/jose+json", NULL};
    static char big[GATE_BODY_MAX + 2];

    bed_start(&bed, NULL);
    struct answer answer = bed_ask(&bed, "POST", "/new-order", json, "{}", 2);
    ck_answer(answer, 415, "malformed");
    answer_done(&answer);
    memset(big, 'x', sizeof(big) - 1);
    answer = bed_ask(&bed, "POST", "/new-order", jose, big, sizeof(big) - 1);
    ck_answer(answer, 413, "malformed");
    ck_assert_uint_eq(answer.nonces, 1);
    answer_done(&answer);
    bed_stop(&bed);
}
END_TEST

START_TEST(bad_nonce_brings_one_that_works) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    json_t *header = bed_header(&bed, &actor, "/new-order");

    (void)json_object_set_new(header, "nonce", json_string("AAAAAAAAAAAAAAAAAAAAAA"));
    struct answer answer = bed_post_as(&bed, actor.key, header, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 400, "badNonce");
    ck_assert_uint_eq(answer.nonces, 1);
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(urls_follow_the_host_header_when_it_is_ours) {
    static const struct {
        const char *header, *base; /* base: NULL = refused */
    } rows[] = {
        {"Host: localhost:14000", "https://localhost:14000"},
        {"Host: LocalHost:14000", "https://localhost:14000"},
        {"Host: localhost", "https://localhost"},
        {"Host: [::1]:14000", "https://[::1]:14000"},
        {"Host: [::1]", "https://[::1]"},
        {"Host: acme.example:1", "https://acme.example:1"},
        {"Host: evil.example:14000", NULL},
        {"Host: localhost.evil.example", NULL},
        {"Host: local", NULL},
        {"Host: localhost:", NULL},
        {"Host: localhost:x", NULL},
        {"Host: localhost:123456", NULL},
        {"Host: localhost:14000/x", NULL},
        {"Host: user@localhost", NULL},
        {"Host: [::1", NULL},
        {"Host: [localhost]", NULL},
        {"Host: ::1", NULL},
    };

    bed_start(&bed, (const char *const[]){"names=[Acme.Example]", NULL});
    for (unsigned i = 0; i < COUNT(rows); i++) {
        const char *const headers[] = {rows[i].header, "X-Forwarded-Host: evil.example", NULL};
        struct answer answer = bed_ask(&bed, "GET", "/directory", headers, NULL, 0);
        if (rows[i].base == NULL) {
            ck_answer(answer, 403, "unauthorized");
        } else {
            char url[128];
            (void)snprintf(url, sizeof(url), "%s/new-order", rows[i].base);
            ck_assert_str_eq(member(&answer, "newOrder"), url);
        }
        answer_done(&answer);
    }
    bed_stop(&bed);
}
END_TEST

START_TEST(the_url_signed_is_the_url_asked) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);

    json_t *header = bed_header(&bed, &actor, "/new-account");
    struct answer answer = bed_post_as(&bed, actor.key, header, "/new-order", BED_NF_ORDER);
    ck_answer(answer, 403, "unauthorized");
    answer_done(&answer);
    header = bed_header(&bed, &actor, "/new-order"); /* S-6.4-03: a query nobody signed */
    answer = bed_post_as(&bed, actor.key, header, "/new-order?x=1", BED_NF_ORDER);
    ck_answer(answer, 403, "unauthorized");
    answer_done(&answer);
    header = bed_header(&bed, &actor, "/new-order?x=1"); /* nor one that was */
    answer = bed_post_as(&bed, actor.key, header, "/new-order?x=1", BED_NF_ORDER);
    ck_answer(answer, 403, "unauthorized");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(all_key_types_of_accounts_work) {
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};
    struct err err = {0};

    bed_start(&bed, NULL);
    for (unsigned i = 0; i < COUNT(types); i++) {
        struct actor actor = {.key = key_generate(types[i], &err)};
        struct answer answer = bed_post(&bed, &actor, "/new-account", "{}");
        ck_answer(answer, 201, "");
        bed_copy(actor.kid, sizeof(actor.kid), answer.location);
        answer_done(&answer);
        bed_status(&bed, &actor, actor.kid, "valid");
        actor_done(&actor);
    }
    bed_stop(&bed);
}
END_TEST

START_TEST(the_memory_store_serves_the_same) {
    char url[256];

    bed_start(&bed, (const char *const[]){"store=memory", NULL});
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_directory_lists_what_works,
                                  nonces_come_by_head_get_and_post_as_get,
                                  get_of_anything_else_is_405,
                                  unknown_paths_are_404,
                                  every_answer_to_a_post_has_a_nonce_and_the_index,
                                  media_type_and_size_are_checked_first,
                                  bad_nonce_brings_one_that_works,
                                  urls_follow_the_host_header_when_it_is_ours,
                                  the_url_signed_is_the_url_asked,
                                  all_key_types_of_accounts_work,
                                  the_memory_store_serves_the_same};
    return suite_run("server/wfe", tests, COUNT(tests));
}
