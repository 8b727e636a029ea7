/* The assembled daemon: admin listener, events and spans, draining, starting on what is broken. */
#include "acme_flow.h"

static struct bed bed;

/* A file's text; caller owns. */
static char *text_of(const char *name) {
    char path[160];
    size_t len = 0;
    struct err err = {0};

    (void)snprintf(path, sizeof(path), "%s/%s", bed.folder, name);
    char *text = file_read(path, &len, &err);
    ck_good(text != NULL);
    return text;
}

START_TEST(events_and_spans_tell_the_enrolment) {
    static const char *const events[] = {
        "\"event\":\"account\"",   "\"event\":\"order\"",       "\"event\":\"challenge\"",
        "\"event\":\"authz\"",     "\"event\":\"certificate\"", "\"event\":\"revocation\"",
        "\"nf\":\"" BED_UUID "\"", "\"to\":\"ready\"",          "\"to\":\"issued\""};
    static const char *const parent[] = {
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL};
    char trace[128], log[128], url[256];

    /* the folder is known only once the bed stands */
    bed_start(&bed, NULL);
    (void)snprintf(trace, sizeof(trace), "trace=%s/spans", bed.folder);
    (void)snprintf(log, sizeof(log), "events=%s/events", bed.folder);
    const char *const more[] = {trace, log, NULL};
    bed.more = more;
    bed_restart(&bed, BED_TIME_US);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    struct answer answer = bed_post(&bed, &actor, url, NULL);
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(sk_X509_value(chain, 0), &der);
    AUTO(free) char *encoded = b64_encode(der, (size_t)len);
    json_t *payload = json_pack("{s:s}", "certificate", encoded);
    AUTO(free) char *revocation = json_text(payload);
    json_decref(payload);
    answer_done(&answer);
    bed_expect(&bed, &actor, "/revoke-cert", revocation, 200, "");
    answer = bed_ask(&bed, "GET", "/directory", parent, NULL, 0);
    answer_done(&answer);
    bed_stop_server(&bed);
    AUTO(free) char *event_text = text_of("events");
    AUTO(free) char *span_text = text_of("spans");
    for (unsigned i = 0; i < COUNT(events); i++) {
        ck_assert_msg(strstr(event_text, events[i]) != NULL, "no %s in %s", events[i], event_text);
    }
    ck_assert_ptr_nonnull(strstr(span_text, "0af7651916cd43dd8448eb211c80319c"));
    ck_assert_ptr_nonnull(strstr(span_text, "\"directory\""));
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_stopped_server_comes_back_on_the_same_port) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_stop_server(&bed); /* with an idle keep-alive connection open */
    bed_start_server(&bed, NULL);
    bed_status(&bed, &actor, actor.kid, "valid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

static enum err_kind start_with(const char *set) {
    struct err err = {0};
    char state[96];
    (void)snprintf(state, sizeof(state), "state=%s/other", bed.folder);
    const char *const sets[] = {
        state, "listen=127.0.0.1:0", "pki=127.0.0.1:0", "admin=127.0.0.1:0", "log=error", set,
        NULL};
    AUTO(options_done) struct options options = {0};
    struct config *config = config_read_text("bed", "{}", 2, options_program.keys, sets, &err);
    ck_good(config != NULL);
    ck_good(options_read(config, &options, &err));
    struct server *server = server_start(&options, &err);
    ck_assert((server == NULL) == (err.kind != ERR_NONE));
    server_stop(server);
    return err.kind;
}

START_TEST(what_cannot_be_served_is_said_at_the_start) {
    static const char *const rows[] = {"listen=127.0.0.1:http-nonsense",
                                       "listen=203.0.113.1:1",
                                       "pki=nonsense",
                                       "admin=nonsense",
                                       "validation.token_authority=/nonexistent",
                                       "eab.keys=[nonsense]",
                                       "trace=/nonexistent/file",
                                       "validation.resolve_to=nonsense",
                                       "state=/dev/null"};

    bed_start(&bed, NULL);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(start_with(rows[i]) == ERR_CONFIG, "%s", rows[i]);
    }
    ck_assert_int_eq(start_with("store=memory"), ERR_NONE);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {events_and_spans_tell_the_enrolment,
                                  a_stopped_server_comes_back_on_the_same_port,
                                  what_cannot_be_served_is_said_at_the_start};
    return suite_run("server/server", tests, COUNT(tests));
}
