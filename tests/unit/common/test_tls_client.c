/* Both sides given other certificates while they are in use. */
#include "common/tls.h"

#include <signal.h>

#include "common/log.h"
#include "http_bed.h"
#include "suite.h"

static struct identity ca, wrong_ca, server;
static struct loop *loop;
static struct httpd *httpd;
static char url[64];

/* The answer is the peer's UUID. */
static void handle(void *ctx, struct httpd_exchange *exchange) {
    (void)ctx;
    bed_answer_text(exchange, 200, httpd_peer(exchange)->names.uuid);
}

static void start(void) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    (void)signal(SIGPIPE, SIG_IGN);
    ca = bed_ca("ca");
    wrong_ca = bed_ca("ca"); /* the same name, another key */
    server = bed_server(&ca);
    httpd = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                                .cert_pem = server.cert_pem,
                                                .key_pem = server.key_pem,
                                                .client_trust_pem = ca.cert_pem,
                                                .handler = handle},
                        &err);
    ck_assert_msg(httpd != NULL, "%s (%s)", err.detail, err.cause);
    loop = loop_new(&err);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(httpd));
}

static void stop(void) {
    httpd_stop(httpd);
    loop_free(loop);
    bed_identity_done(&ca);
    bed_identity_done(&wrong_ca);
    bed_identity_done(&server);
}

static struct httpc *client_of(const struct identity *identity, X509_STORE *trust,
                               bool keep_session) {
    struct err err = {0};
    struct httpc *httpc =
        httpc_new(&(struct httpc_options){.loop = loop,
                                          .trust = trust,
                                          .chain = identity != NULL ? identity->chain : NULL,
                                          .key = identity != NULL ? identity->key : NULL,
                                          .keep_session = keep_session},
                  &err);
    ck_assert_ptr_nonnull(httpc);
    return httpc;
}

static X509_STORE *trust_of(const struct identity *anchor) {
    struct err err = {0};
    X509_STORE *trust = x509_trust(anchor->chain, &err);

    ck_assert_ptr_nonnull(trust);
    return trust;
}

static unsigned status_of(struct httpc *httpc) { return bed_get(loop, httpc, url).status; }

START_TEST(other_certificates_are_for_new_connections) {
    struct err err = {0}, wrong = {0};

    start();
    X509_STORE *trust = trust_of(&ca), *other_trust = trust_of(&wrong_ca);
    struct identity other_server = bed_server(&wrong_ca);
    struct identity client = bed_client(&ca, 7, X509_EKU_CLIENT, -60, 3600);
    struct identity other = bed_client(&wrong_ca, 8, X509_EKU_CLIENT, -60, 3600);
    struct httpc *stays = client_of(&client, trust, false);
    struct httpc *late = client_of(&client, other_trust, false);
    struct httpc *comes = client_of(&other, other_trust, false);

    ck_assert_uint_eq(status_of(stays), 200);
    ck_assert(!httpd_reload(httpd, "no certificate", server.key_pem, ca.cert_pem, NULL, &wrong));
    ck_assert(!httpd_reload(httpd, other_server.cert_pem, server.key_pem, ca.cert_pem, NULL,
                            &(struct err){0}));
    ck_assert_uint_eq(status_of(comes), 0); /* nothing has changed */
    ck_assert(httpd_reload(httpd, other_server.cert_pem, other_server.key_pem, wrong_ca.cert_pem,
                           NULL, &err));
    ck_assert_uint_eq(status_of(stays), 0); /* it is nobody's any more */
    ck_assert_str_eq(bed_get(loop, comes, url).body, "00000008-0000-4000-8000-000000000000");
    ck_assert_uint_eq(status_of(late), 0);
    httpc_identify(late, other_trust, other.chain, other.key);
    ck_assert_str_eq(bed_get(loop, late, url).body, "00000008-0000-4000-8000-000000000000");
    httpc_free(stays);
    httpc_free(late);
    httpc_free(comes);
    X509_STORE_free(trust);
    X509_STORE_free(other_trust);
    bed_identity_done(&other_server);
    bed_identity_done(&client);
    bed_identity_done(&other);
    stop();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {other_certificates_are_for_new_connections};

    return suite_run("tls_client", tests, COUNT(tests));
}
