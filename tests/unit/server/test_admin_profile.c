/* Profiles withdrawn while the server runs (draft-ietf-acme-profiles 4), and a server without. */
#include "acme_flow.h"
#include "server/profile_offer.h"

static struct bed bed;

static void on_page(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    ck_assert_msg(answer != NULL, "%s", err->detail);
    bed_read(ctx, answer);
    loop_stop(((struct bed_call *)ctx)->bed->loop);
}

static struct answer ask(const char *method, const char *path, const char *body) {
    struct bed_call call = {.bed = &bed};
    struct err err = {0};
    char url[256];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server_admin_port(bed.server), path);
    struct httpc_request request = {
        .method = method, .url = url, .body = body, .body_len = body == NULL ? 0 : strlen(body)};
    ck_good(httpc_start(bed.httpc, &request, on_page, &call, &err) != NULL);
    loop_run(bed.loop);
    return call.answer;
}

static void put(const char *path, const char *body, unsigned status) {
    struct answer answer = ask("PUT", path, body);
    ck_assert_msg(answer.status == status, "%s: %u %s", path, answer.status, answer.body);
    answer_done(&answer);
}

START_TEST(a_profile_is_withdrawn_alone_and_offered_again) {
    struct profile_offer offer = {0};
    struct err err = {0};

    profile_offer_set(&offer, &profiles[1], false);
    for (const struct profile *profile = profiles; profile->name != NULL; profile++) {
        ck_assert(profile_offered(&offer, profile) == (profile != &profiles[1]));
        ck_assert(profile_offered(NULL, profile));
    }
    ck_assert(!profile_offer_check(&offer, &profiles[1], &err));
    ck_assert_int_eq(err.kind, ERR_INVALID_PROFILE);
    profile_offer_set(&offer, &profiles[1], true);
    ck_assert(profile_offered(&offer, &profiles[1]));
    ck_assert(!profile_offer_silent(&offer) && !profile_offer_silent(NULL));
}
END_TEST

START_TEST(what_is_withdrawn_is_neither_ordered_nor_issued) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &placed, 0, "valid");
    put("/profiles/none", "{\"offered\":false}", 404);
    put("/profiles/nf-client", "{}", 400);
    put("/profiles/nf-client", "{\"offered\":false,\"more\":1}", 400);
    put("/profiles/nf-client", "{\"offered\":false}", 200);
    bed_expect(&bed, &actor, placed.finalize, csr, 400, "invalidProfile");
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 400, "invalidProfile");
    struct answer answer = ask("GET", "/profiles", NULL);
    ck_assert_uint_eq(answer.status, 200);
    const json_t *first = json_array_get(json_object_get(answer.json, "profiles"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "name")), "nf-client");
    ck_assert(json_is_false(json_object_get(first, "offered")));
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "ready");
    put("/profiles/nf-client", "{\"offered\":true}", 200);
    bed_expect(&bed, &actor, placed.finalize, csr, 200, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_server_without_profiles_ignores_them) {
    bed_start(&bed, (const char *const[]){"profiles.offered=false", NULL});
    struct actor actor = bed_account(&bed);
    struct answer answer =
        bed_post(&bed, &actor, "/new-order",
                 "{\"profile\":\"none\",\"identifiers\":[{\"type\":\"NfInstanceId\",\"value\":"
                 "\"" BED_UUID "\"}]}");

    ck_answer(answer, 201, "");
    ck_assert_ptr_null(json_object_get(answer.json, "profile"));
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_profile_is_withdrawn_alone_and_offered_again,
                                  what_is_withdrawn_is_neither_ordered_nor_issued,
                                  a_server_without_profiles_ignores_them};
    return suite_run("server/admin_profile", tests, COUNT(tests));
}
