#include "client/admin.h"

#include "tests/unit/common/suite.h"

#include "engine_bed.h"

static struct admin *admin;

static void begin(void) {
    struct err err = {0};

    bed_begin();
    admin = admin_start(&(struct admin_options){.listen = "127.0.0.1:0",
                                                .loop = bed_loop,
                                                .store = bed.store,
                                                .engine = bed.engine,
                                                .trace = bed.trace},
                        &err);
    ck_assert_msg(admin != NULL, "%s", err.detail);
}

static void end(void) {
    admin_stop(admin);
    bed_end();
    admin_free(admin);
}

static unsigned ask(const char *method, const char *path) {
    struct err err = {0};
    char url[256];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", admin_port(admin), path);
    ck_assert_ptr_nonnull(httpc_start(bed.nf, &(struct httpc_request){.method = method, .url = url},
                                      nf_answered, NULL, &err));
    bed_run();
    return nf.status;
}

static unsigned ask_id(const char *method, const char *id, const char *verb) {
    char path[128];

    (void)snprintf(path, sizeof path, "/enrolments/%s%s", id, verb);
    return ask(method, path);
}

/* A member of the list's entry; "" when absent. */
static const char *entry(size_t at, const char *name) {
    static char text[512];
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(nf.body, strlen(nf.body), &err);
    const json_t *one = json_array_get(json_object_get(json, "enrolments"), at);

    bed_text(text, sizeof text, json_string_value(json_object_get(one, name)));
    return text;
}

static size_t entries(void) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(nf.body, strlen(nf.body), &err);

    return json_array_size(json_object_get(json, "enrolments"));
}

static void fail_one(const char *key) {
    acme_expect("newOrder", 400, ACME_PROBLEM("rejectedIdentifier", "not here"), NULL);
    ck_assert_uint_eq(nf_enrol("20", key), 403);
}

START_TEST(the_list_is_newest_first_and_goes_page_by_page) {
    begin();
    ck_assert_uint_eq(ask("GET", "/enrolments"), 200);
    ck_assert_uint_eq(entries(), 0);
    fail_one("one");
    fail_one("two");
    ck_assert_uint_eq(nf_enrol("20", "three"), 201);
    ck_assert_uint_eq(ask("GET", "/enrolments?limit=2"), 200);
    ck_assert_uint_eq(entries(), 2);
    ck_assert_str_eq(entry(0, "state"), "READY");
    ck_assert_str_eq(entry(0, "waitsFor"), "the NF's CSR");
    ck_assert_str_eq(entry(0, "nfInstanceId"), NF_A);
    ck_assert_str_eq(entry(0, "fqdn"), "a.example");
    ck_assert_uint_eq(strlen(entry(0, "since")), 20);
    ck_assert_str_eq(entry(1, "state"), "FAILED");
    ck_assert_str_eq(entry(1, "failure"), "rejectedIdentifier");
    ck_assert_str_eq(entry(1, "reason"), "not here");
    ck_assert_str_eq(nf_member("next"), "2");
    ck_assert_uint_eq(ask("GET", "/enrolments?limit=2&after=2"), 200);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_str_eq(nf_member("next"), "");
    end();
}
END_TEST

START_TEST(the_list_is_of_one_state_or_of_one_nf) {
    begin();
    fail_one("one");
    ck_assert_uint_eq(nf_enrol("20", "two"), 201);
    ck_assert_uint_eq(ask("GET", "/enrolments?state=FAILED"), 200);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_str_eq(entry(0, "state"), "FAILED");
    ck_assert_uint_eq(ask("GET", "/enrolments?state=VALIDATING"), 200);
    ck_assert_uint_eq(entries(), 0);
    ck_assert_uint_eq(ask("GET", "/enrolments?nf=" NF_A), 200);
    ck_assert_uint_eq(entries(), 2);
    ck_assert_uint_eq(ask("GET", "/enrolments?state=READY&nf=" NF_A), 200);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_uint_eq(ask("GET", "/enrolments?nf=" NF_B), 200);
    ck_assert_uint_eq(entries(), 0);
    end();
}
END_TEST

static const struct {
    const char *name, *method, *path;
    unsigned status;
} refused[] = {
    {"a state nobody has", "GET", "/enrolments?state=ready", 400},
    {"a page of none", "GET", "/enrolments?limit=0", 400},
    {"a page of too many", "GET", "/enrolments?limit=1001", 400},
    {"a limit that is no number", "GET", "/enrolments?limit=1e2", 400},
    {"a cursor that is no number", "GET", "/enrolments?after=-1", 400},
    {"a cursor that is too long", "GET", "/enrolments?after=99999999999999999999", 400},
    {"an NF that is too long", "GET", "/enrolments?nf=b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11b5ed1d8e",
     400},
    {"an id nobody has", "GET", "/enrolments/AAAAAAAAAAAAAAAAAAAAAA9", 404},
    {"what is no id", "GET", "/enrolments/9", 404},
    {"an id that is too long", "POST",
     "/enrolments/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9/retry", 404},
    {"a retry of nothing", "POST", "/enrolments/AAAAAAAAAAAAAAAAAAAAAA9/retry", 404},
    {"a withdrawal of nothing", "POST", "/enrolments/AAAAAAAAAAAAAAAAAAAAAA9/withdraw", 404},
    {"another page", "GET", "/secrets", 404},
    {"another method", "POST", "/enrolments", 405},
    {"another method of a verb", "GET", "/enrolments/AAAAAAAAAAAAAAAAAAAAAA9/retry", 405},
};

START_TEST(what_is_asked_wrongly_is_refused) {
    begin();
    for (size_t i = 0; i < COUNT(refused); i++) {
        ck_assert_msg(ask(refused[i].method, refused[i].path) == refused[i].status, "%s: %u %s",
                      refused[i].name, nf.status, nf.body);
    }
    ck_assert_uint_eq(ask("GET", "/healthz"), 200);
    end();
}
END_TEST

START_TEST(an_operator_sees_every_nfs_enrolment_whole) {
    begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_uint_eq(ask_id("GET", nf.id, ""), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_str_eq(nf_member("waitsFor"), "the NF's CSR");
    ck_assert_ptr_nonnull(strstr(nf.body, "\"history\":["));
    ck_assert_int_eq(metric_get(stats_count(STATS_NF_REQUESTS)), 1);
    end();
}
END_TEST

/* The enrolment of the last answer, until what it waits for holds the text. */
static void until_waits(const char *id, const char *text) {
    do {
        ck_assert_uint_eq(ask_id("GET", id, ""), 200);
    } while (strstr(nf_member("waitsFor"), text) == NULL);
}

START_TEST(a_retry_ends_a_back_off) {
    char id[64];

    begin();
    for (unsigned i = 0; i < 4; i++) { /* the last of them would wait 2 to 4 s */
        acme_expect("newOrder", 503, "later", NULL);
    }
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    bed_text(id, sizeof id, nf.id);
    for (unsigned i = 0; i < 4; i++) {
        until_waits(id, "to repeat newOrder");
        ck_assert_uint_eq(ask_id("POST", id, "/retry"), 200);
        ck_assert_msg(strstr(nf_member("waitsFor"), "the answer to newOrder") != NULL
                          || strstr(nf_member("waitsFor"), "its turn for newOrder") != NULL,
                      "%s", nf.body);
    }
    bed_text(nf.id, sizeof nf.id, id);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_uint_eq(ask_id("POST", id, "/retry"), 200); /* nothing to be done */
    end();
}
END_TEST

START_TEST(what_the_server_asked_for_is_not_cut_short) {
    begin();
    acme_expect("newOrder", 503, "later", "30");
    ck_assert_uint_eq(nf_enrol(NULL, NULL), 202);
    until_waits(nf.id, "to repeat newOrder");
    ck_assert_uint_eq(ask_id("POST", nf.id, "/retry"), 409);
    ck_assert_uint_ge(nf.retry_after_s, 1);
    ck_assert_uint_le(nf.retry_after_s, 35);
    end();
}
END_TEST

START_TEST(what_failed_is_asked_for_again_under_its_key) {
    char failed[64], again[64];

    begin();
    fail_one("again");
    ck_assert_uint_eq(ask("GET", "/enrolments"), 200);
    bed_text(failed, sizeof failed, entry(0, "enrolmentId"));
    ck_assert_uint_eq(ask_id("POST", failed, "/retry"), 201);
    ck_assert_int_eq(strncmp(nf.location, "/enrolments/", 12), 0);
    bed_text(again, sizeof again, nf_member("enrolmentId"));
    ck_assert_str_eq(again, nf.id);
    ck_assert_str_ne(again, failed);
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(nf_member("state"), "READY");
    ck_assert_ptr_nonnull(strstr(nf.body, "\"tries "));
    ck_assert_uint_eq(ask_id("POST", failed, "/retry"), 409); /* another one is under way */
    ck_assert_uint_eq(nf_enrol("20", "again"), 201);
    ck_assert_str_eq(nf_member("enrolmentId"), again);
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_uint_eq(nf_enrol("20", "again"), 201);
    ck_assert_str_eq(nf_member("enrolmentId"), again);
    ck_assert_uint_eq(ask_id("POST", again, "/retry"), 409); /* it is ISSUED */
    end();
}
END_TEST

START_TEST(an_operator_withdraws_what_is_live_and_what_is_over) {
    begin();
    fail_one("one");
    ck_assert_uint_eq(ask("GET", "/enrolments"), 200);
    ck_assert_uint_eq(ask_id("POST", entry(0, "enrolmentId"), "/withdraw"), 204);
    ck_assert_uint_eq(nf_enrol("20", "two"), 201);
    ck_assert_uint_eq(ask_id("POST", nf.id, "/withdraw"), 204);
    ck_assert_uint_eq(ask("GET", "/enrolments?state=WITHDRAWN"), 200);
    ck_assert_uint_eq(entries(), 2);
    ck_assert_uint_eq(ask_id("GET", nf.id, ""), 200);
    ck_assert_ptr_nonnull(strstr(nf.body, "\"state\":\"READY\"},{\"at\""));
    end();
}
END_TEST

START_TEST(a_list_under_way_ends_with_the_client) {
    struct err err = {0};
    char url[64];

    begin();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/enrolments", admin_port(admin));
    ck_assert_ptr_nonnull(httpc_start(bed.nf, &(struct httpc_request){.method = "GET", .url = url},
                                      nf_answered, NULL, &err));
    loop_post(bed_loop, engine_stop, bed.engine);
    loop_run(bed_loop);
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_list_is_newest_first_and_goes_page_by_page,
        the_list_is_of_one_state_or_of_one_nf,
        what_is_asked_wrongly_is_refused,
        an_operator_sees_every_nfs_enrolment_whole,
        a_retry_ends_a_back_off,
        what_the_server_asked_for_is_not_cut_short,
        what_failed_is_asked_for_again_under_its_key,
        an_operator_withdraws_what_is_live_and_what_is_over,
        a_list_under_way_ends_with_the_client,
    };

    return suite_run("client/admin", tests, COUNT(tests));
}
