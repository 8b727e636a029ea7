/* PUT /renewal-info, and what GET of the renewal information then says: RFC 9773 4.2. */
#include "admin_ask.h"
#include "server/ari.h"

static struct bed bed;

static void name_of(const struct actor *actor, const char *url, char ret[ARI_CERTID_SIZE]) {
    struct err err = {0};
    struct answer answer = bed_post(&bed, actor, url, NULL);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    ck_good(chain != NULL);
    X509 *leaf = sk_X509_value(chain, 0);
    const ASN1_OCTET_STRING *id = X509_get0_authority_key_id(leaf);
    AUTO(ossl_free) unsigned char *serial = NULL;
    int len = i2d_ASN1_INTEGER(X509_get_serialNumber(leaf), &serial);

    b64_encode_into(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id), ret,
                    ARI_CERTID_SIZE);
    size_t used = strlen(ret);
    ret[used++] = '.';
    b64_encode_into(serial + 2, (size_t)len - 2, ret + used, ARI_CERTID_SIZE - used);
    answer_done(&answer);
}

/* fmt has one %s for the certificate's name, or none. */
static void put(const char *name, const char *fmt, unsigned status) {
    char body[1024];
    const char *place = strstr(fmt, "%s");
    size_t before = place == NULL ? strlen(fmt) : (size_t)(place - fmt);

    (void)snprintf(body, sizeof(body), "%.*s%s%s", (int)before, fmt, place == NULL ? "" : name,
                   place == NULL ? "" : place + 2);
    struct answer answer = admin_ask(&bed, "PUT", "/renewal-info", body);
    ck_assert_msg(answer.status == status, "%s: %u %s", body, answer.status, answer.body);
    answer_done(&answer);
}

/* start NULL: whatever the server suggests on its own. */
static void expect(const char *name, const char *start, const char *end, const char *url) {
    char path[ARI_CERTID_SIZE + 32];
    (void)snprintf(path, sizeof(path), "/renewal-info/%s", name);
    struct answer answer = bed_get(&bed, path);
    const json_t *window = json_object_get(answer.json, "suggestedWindow");
    const char *from = json_string_value(json_object_get(window, "start"));
    const char *more = json_string_value(json_object_get(answer.json, "explanationURL"));

    ck_answer(answer, 200, "");
    ck_assert_ptr_nonnull(from);
    if (start == NULL) {
        ck_assert_str_ne(from, "2026-11-18T10:00:00Z");
    } else {
        ck_assert_str_eq(from, start);
        ck_assert_str_eq(json_string_value(json_object_get(window, "end")), end);
    }
    ck_assert_str_eq(more == NULL ? "" : more, url);
    answer_done(&answer);
}

#define START "2026-11-18T10:00:00Z"
#define END "2026-11-18T12:00:00Z"
#define WINDOW "\"start\":\"" START "\",\"end\":\"" END "\""

START_TEST(a_window_is_shown_once_it_is_set_and_no_more_when_taken_back) {
    char url[256], name[ARI_CERTID_SIZE];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    name_of(&actor, url, name);
    expect(name, NULL, NULL, "");
    put(name, "{\"certid\":\"%s\"," WINDOW ",\"explanationURL\":\"https://ca.example/why\"}", 200);
    expect(name, START, END, "https://ca.example/why");
    put(name, "{\"certid\":\"%s\"," WINDOW "}", 200);
    expect(name, START, END, "");
    put(name, "{\"certid\":\"%s\"}", 200);
    expect(name, NULL, NULL, "");
    put(name, "{\"all\":true," WINDOW "}", 200);
    expect(name, START, END, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_window_that_is_none_is_refused) {
    /* clang-format off */
    static const struct { const char *body; unsigned status; } rows[] = {
        {"", 400}, {"[]", 400}, {"{}", 400}, {"{\"all\":false}", 400}, {"{\"all\":1}", 400},
        {"{\"all\":true,\"certid\":\"%s\"}", 400},
        {"{\"certid\":\"xx\"," WINDOW "}", 400},
        {"{\"certid\":\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\"," WINDOW "}", 404},
        {"{\"certid\":\"%s\",\"start\":\"" START "\"}", 400},
        {"{\"certid\":\"%s\",\"end\":\"" END "\"}", 400},
        {"{\"certid\":\"%s\",\"start\":\"" END "\",\"end\":\"" START "\"}", 400},
        {"{\"certid\":\"%s\",\"start\":\"" START "\",\"end\":\"" START "\"}", 400},
        {"{\"certid\":\"%s\",\"start\":\"soon\",\"end\":\"" END "\"}", 400},
        {"{\"certid\":\"%s\"," WINDOW ",\"explanationURL\":\"ftp://ca.example\"}", 400},
        {"{\"certid\":\"%s\"," WINDOW ",\"more\":1}", 400},
    };
    /* clang-format on */
    char url[256], name[ARI_CERTID_SIZE];

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    name_of(&actor, url, name);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        put(name, rows[i].body, rows[i].status);
        expect(name, NULL, NULL, "");
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_window_is_shown_once_it_is_set_and_no_more_when_taken_back,
                                  a_window_that_is_none_is_refused};
    return suite_run("server/admin_ari", tests, COUNT(tests));
}
