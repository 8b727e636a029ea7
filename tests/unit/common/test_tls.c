#include "common/tls.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "crl_bed.h"
#include "http_bed.h"
#include "tls_raw.h"

static struct identity ca, wrong_ca, server;
static struct loop *loop;
static struct httpd *httpd;
static struct clock server_clock;
static atomic_uint handled;
static char url[64];

/* The answer is the peer's UUID. */
static void handle(void *ctx, struct httpd_exchange *exchange) {
    const struct x509_cert *peer = httpd_peer(exchange);

    (void)ctx;
    atomic_fetch_add(&handled, 1);
    bed_answer_text(exchange, 200, peer != NULL ? peer->names.uuid : "nobody");
}

static void start(bool ask_clients, bool many_idle) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    (void)signal(SIGPIPE, SIG_IGN); /* as run_signals_block does: raw_ask writes to who hung up */
    ca = bed_ca("ca");
    wrong_ca = bed_ca("ca"); /* the same name, another key */
    server = bed_server(&ca);
    server_clock = clock_real();
    httpd =
        httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                            .cert_pem = server.cert_pem,
                                            .key_pem = server.key_pem,
                                            .client_trust_pem = ask_clients ? ca.cert_pem : NULL,
                                            .clock = &server_clock,
                                            .many_idle = many_idle,
                                            .idle_timeout_s = 1,
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

/* ---- who is let in ---- */

/* clang-format off */
static const struct {
    const char *what;
    bool wrong_issuer, none;
    unsigned eku;
    int from_s, until_s;
    bool accepted;
} shown[] = {
    {"a good one",            false, false, X509_EKU_CLIENT, -60, 3600, true},
    {"client and server",     false, false, X509_EKU_CLIENT | X509_EKU_SERVER, -60, 3600, true},
    {"of another issuer",     true,  false, X509_EKU_CLIENT, -60, 3600, false},
    {"none",                  false, true,  0, 0, 0, false},
    {"expired",               false, false, X509_EKU_CLIENT, -3600, -60, false},
    {"not valid yet",         false, false, X509_EKU_CLIENT, 600, 3600, false},
    {"for servers only",      false, false, X509_EKU_SERVER, -60, 3600, false},
};
/* clang-format on */

START_TEST(a_client_is_let_in_or_refused_by_its_certificate) {
    int row = _i / 2;

    start(true, _i % 2 == 1);
    X509_STORE *trust = trust_of(&ca);
    struct identity client = bed_client(shown[row].wrong_issuer ? &wrong_ca : &ca, 7,
                                        shown[row].eku, shown[row].from_s, shown[row].until_s);
    struct httpc *httpc = client_of(shown[row].none ? NULL : &client, trust, false);
    struct reply reply = bed_get(loop, httpc, url);
    if (shown[row].accepted) {
        ck_assert_msg(reply.status == 200, "%s: %s (%s)", shown[row].what, reply.err.detail,
                      reply.err.cause);
        ck_assert_str_eq(reply.body, "00000007-0000-4000-8000-000000000000");
        ck_assert_uint_eq(httpd_handshakes_refused(httpd), 0);
    } else {
        ck_assert_uint_eq(reply.status, 0);
        ck_assert_msg(reply.err.kind == ERR_TLS || reply.err.kind == ERR_UNREACHABLE, "%s: %s",
                      shown[row].what, reply.err.detail);
        ck_assert_uint_eq(atomic_load(&handled), 0);
        ck_assert_uint_eq(httpd_handshakes_refused(httpd), 1);
    }
    httpc_free(httpc);
    X509_STORE_free(trust);
    bed_identity_done(&client);
    stop();
}
END_TEST

START_TEST(a_listener_that_does_not_ask_has_no_peers) {
    start(false, false);
    X509_STORE *trust = trust_of(&ca);
    struct identity client = bed_client(&ca, 7, X509_EKU_CLIENT, -60, 3600);
    struct httpc *httpc = client_of(&client, trust, false);
    ck_assert_str_eq(bed_get(loop, httpc, url).body, "nobody");
    httpc_free(httpc);
    X509_STORE_free(trust);
    bed_identity_done(&client);
    stop();
}
END_TEST

/* Two identities, one loop, many requests at once and in turn: each answer names who asked. */
START_TEST(identities_are_never_mixed_up) {
    enum { TURNS = 50 };
    struct identity clients[2];
    struct httpc *httpcs[2];

    start(true, false);
    X509_STORE *trust = trust_of(&ca);
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = bed_client(&ca, i + 1, X509_EKU_CLIENT, -60, 3600);
        httpcs[i] = client_of(&clients[i], trust, _i == 1);
    }
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct reply replies[2] = {0};
        struct httpc_request request = {.method = "GET", .url = url, .fresh = turn % 5 == 4};
        struct err err = {0};
        for (unsigned i = 0; i < 2; i++) {
            replies[i] = (struct reply){.loop = loop, .left = 1};
            ck_assert_ptr_nonnull(httpc_start(httpcs[i], &request, bed_done, &replies[i], &err));
        }
        while (replies[0].left + replies[1].left > 0) {
            loop_run(loop);
        }
        ck_assert_str_eq(replies[0].body, "00000001-0000-4000-8000-000000000000");
        ck_assert_str_eq(replies[1].body, "00000002-0000-4000-8000-000000000000");
    }
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(httpc_connections_made(httpcs[i]), 1 + 2 * (TURNS / 5) - 1);
        httpc_free(httpcs[i]);
        bed_identity_done(&clients[i]);
    }
    ck_assert_uint_eq(atomic_load(&handled), 2 * TURNS);
    X509_STORE_free(trust);
    stop();
}
END_TEST

/* ---- whom a client believes ---- */

/* clang-format off */
static const struct {
    const char *what;
    bool wrong_anchor, no_anchor, no_verify;
    const char *host;
    enum err_kind kind;
} believed[] = {
    {"its anchor",          false, false, false, "127.0.0.1", ERR_NONE},
    {"its name",            false, false, false, "localhost", ERR_NONE},
    {"another anchor",      true,  false, false, "127.0.0.1", ERR_TLS},
    {"no anchor",           false, true,  false, "127.0.0.1", ERR_TLS},
    {"another address",     false, false, false, "127.0.0.2", ERR_TLS},
    {"another name",        false, false, false, "other.example", ERR_TLS},
    {"anything",            true,  false, true,  "other.example", ERR_NONE},
    {"anything, no anchor", false, true,  true,  "127.0.0.1", ERR_NONE},
};
/* clang-format on */

START_TEST(a_server_is_believed_by_anchor_and_name) {
    struct err err = {0};
    char folder[] = "/tmp/nfacme-tls-XXXXXX";
    char file[64];

    start(false, false);
    /* what the environment offers as anchors must not count */
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(file, sizeof(file), "%s/ca.pem", folder);
    FILE *pem = fopen(file, "w");
    ck_assert_int_ge(fputs(ca.cert_pem, pem), 0);
    ck_assert_int_eq(fclose(pem), 0);
    (void)setenv("SSL_CERT_FILE", file, 1);
    (void)setenv("CURL_CA_BUNDLE", file, 1);
    X509_STORE *trust = trust_of(believed[_i].wrong_anchor ? &wrong_ca : &ca);
    struct httpc *httpc =
        httpc_new(&(struct httpc_options){.loop = loop,
                                          .trust = believed[_i].no_anchor ? NULL : trust,
                                          .no_verify = believed[_i].no_verify},
                  &err);
    (void)snprintf(url, sizeof(url), "https://%s:%u/", believed[_i].host, httpd_port(httpd));
    struct reply reply = bed_ask(
        loop, httpc, &(struct httpc_request){.method = "GET", .url = url, .address = "127.0.0.1"});
    ck_assert_msg(reply.err.kind == believed[_i].kind, "%s: %s (%s)", believed[_i].what,
                  reply.err.detail, reply.err.cause);
    ck_assert_uint_eq(atomic_load(&handled), believed[_i].kind == ERR_NONE ? 1 : 0);
    httpc_free(httpc);
    X509_STORE_free(trust);
    (void)unlink(file);
    (void)rmdir(folder);
    stop();
}
END_TEST

START_TEST(a_server_certificate_is_judged_by_the_clock_given) {
    struct err err = {0};
    struct clock clock = clock_real();

    start(false, false);
    X509_STORE *trust = trust_of(&ca);
    struct httpc *httpc =
        httpc_new(&(struct httpc_options){.loop = loop, .trust = trust, .clock = &clock}, &err);
    struct httpc_request request = {.method = "GET", .url = url, .fresh = true};
    ck_assert_uint_eq(bed_ask(loop, httpc, &request).status, 200);
    clock.manual_us = clock_wall_us() + 5000 * UINT64_C(1000000); /* it is valid for 3600 s */
    ck_assert_int_eq(bed_ask(loop, httpc, &request).err.kind, ERR_TLS);
    httpc_free(httpc);
    X509_STORE_free(trust);
    stop();
}
END_TEST

START_TEST(a_producer_is_believed_by_its_instance_id) {
    struct err err = {0};
    static const char *const uuids[] = {"00000009-0000-4000-8000-000000000000",
                                        "00000008-0000-4000-8000-000000000000"};

    start(false, false);
    httpd_stop(httpd);
    struct identity producer = bed_client(&ca, 9, X509_EKU_SERVER, -60, 3600);
    httpd = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                                .cert_pem = producer.cert_pem,
                                                .key_pem = producer.key_pem,
                                                .handler = handle},
                        &err);
    ck_assert_ptr_nonnull(httpd);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(httpd));
    X509_STORE *trust = trust_of(&ca);
    for (unsigned i = 0; i < COUNT(uuids); i++) {
        struct httpc *httpc = httpc_new(
            &(struct httpc_options){.loop = loop, .trust = trust, .peer_uuid = uuids[i]}, &err);
        ck_assert_int_eq(bed_get(loop, httpc, url).err.kind, i == 0 ? ERR_NONE : ERR_TLS);
        httpc_free(httpc);
    }
    X509_STORE_free(trust);
    bed_identity_done(&producer);
    stop();
}
END_TEST

/* ---- with a client of OpenSSL's own: versions, ciphers, records, resumption ---- */

/* clang-format off */
static const struct { int version; const char *ciphers; bool accepted; } offers[] = {
    {TLS1_3_VERSION, NULL, true},
    {TLS1_2_VERSION, NULL, true},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},      /* not AEAD */
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", false},
    {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", false},      /* not ECDHE */
    {TLS1_2_VERSION, "AES128-GCM-SHA256", false},
    {TLS1_1_VERSION, "ALL:@SECLEVEL=0", false},
};
/* clang-format on */

START_TEST(only_aead_with_ephemeral_ecdh_is_spoken) {
    start(false, false);
    struct raw raw = raw_new(NULL);
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(raw.ctx, offers[_i].version), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(raw.ctx, offers[_i].version), 1);
    if (offers[_i].ciphers != NULL) {
        ck_assert_int_eq(SSL_CTX_set_cipher_list(raw.ctx, offers[_i].ciphers), 1);
    }
    ck_assert_int_eq(raw_ask(&raw, httpd_port(httpd)), offers[_i].accepted);
    ck_assert_uint_eq(atomic_load(&handled), offers[_i].accepted ? 1 : 0);
    raw_done(&raw);
    stop();
}
END_TEST

/* TLS 1.3 and 1.2: refused inside the handshake, no HTTP answer. */
START_TEST(a_refused_client_gets_no_answer_in_either_version) {
    start(true, false);
    struct identity client = bed_client(&wrong_ca, 7, X509_EKU_CLIENT, -60, 3600);
    struct raw raw = raw_new(_i / 2 == 0 ? NULL : &client);
    ck_assert_int_eq(
        SSL_CTX_set_max_proto_version(raw.ctx, _i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION), 1);
    bool connected = raw_ask(&raw, httpd_port(httpd));
    ck_assert(!connected || _i % 2 == 0);
    ck_assert_str_eq(raw.answer, "");
    ck_assert_uint_eq(atomic_load(&handled), 0);
    ck_assert_uint_eq(httpd_handshakes_refused(httpd), 1);
    raw_done(&raw);
    bed_identity_done(&client);
    stop();
}
END_TEST

START_TEST(an_answer_is_one_record) {
    start(false, _i == 1);
    struct raw raw = raw_new(NULL);

    raw.requests = 3;
    ck_assert(raw_ask(&raw, httpd_port(httpd)));
    ck_assert_uint_eq(raw.records, 3);
    const char *answer = raw.answer;
    for (unsigned i = 0; i < 3; i++) {
        answer = strstr(answer, "HTTP/1.1 200");
        ck_assert_ptr_nonnull(answer);
        answer++;
    }
    raw_done(&raw);
    stop();
}
END_TEST

START_TEST(a_peer_that_closed_its_half_gets_its_answer) {
    start(false, _i == 1);
    struct raw raw = raw_new(NULL);

    raw.half_close = true;
    ck_assert(raw_ask(&raw, httpd_port(httpd)));
    ck_assert_msg(strstr(raw.answer, "HTTP/1.1 200") == raw.answer, "\"%s\"", raw.answer);
    raw_done(&raw);
    stop();
}
END_TEST

START_TEST(a_resumed_session_keeps_its_identity) {
    start(true, _i / 2 == 1);
    struct identity client = bed_client(&ca, 7, X509_EKU_CLIENT, -60, 3600);
    struct raw raw = raw_new(&client);
    ck_assert_int_eq(
        SSL_CTX_set_max_proto_version(raw.ctx, _i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION), 1);
    for (unsigned turn = 0; turn < 5; turn++) {
        ck_assert(raw_ask(&raw, httpd_port(httpd)));
        ck_assert_int_eq(raw.reused, turn > 0);
        ck_assert_ptr_nonnull(strstr(raw.answer, "00000007-0000-4000-8000-000000000000"));
    }
    ck_assert_uint_eq(atomic_load(&handled), 5);
    raw_done(&raw);
    bed_identity_done(&client);
    stop();
}
END_TEST

START_TEST(a_resumed_session_whose_certificate_expired_is_refused) {
    start(true, false);
    struct identity client = bed_client(&ca, 7, X509_EKU_CLIENT, -60, 600);
    struct raw raw = raw_new(&client);
    ck_assert_int_eq(
        SSL_CTX_set_max_proto_version(raw.ctx, _i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION), 1);
    ck_assert(raw_ask(&raw, httpd_port(httpd)));
    /* the connection is closed, so no listener thread reads the clock now; the next connection
     * orders this write before its reads */
    server_clock.manual_us = clock_wall_us() + 700 * UINT64_C(1000000);
    (void)raw_ask(&raw, httpd_port(httpd));
    ck_assert_str_eq(raw.answer, "");
    ck_assert_uint_eq(atomic_load(&handled), 1);
    ck_assert_uint_eq(httpd_handshakes_refused(httpd), 1);
    raw_done(&raw);
    bed_identity_done(&client);
    stop();
}
END_TEST

/* By a session resumed, and by a new one; another certificate is let in all the time. */
START_TEST(who_is_revoked_meanwhile_is_refused) {
    start(true, false);
    struct err err = {0};
    const int64_t now_s = (int64_t)time(NULL);
    struct identity client = bed_client(&ca, 7, X509_EKU_CLIENT, -60, 600);
    struct identity other = bed_client(&ca, 8, X509_EKU_CLIENT, -60, 600);
    struct raw raw = raw_new(&client), fresh = raw_new(&client), good = raw_new(&other);
    AUTO(free)
    char *pem = crl_bed_pem(crl_bed_make(sk_X509_value(ca.chain, 0), ca.key,
                                         sk_X509_value(client.chain, 0), now_s - 60, now_s + 60));

    ck_assert(raw_ask(&raw, httpd_port(httpd)));
    ck_assert_ptr_nonnull(strstr(raw.answer, "00000007"));
    ck_assert(httpd_crls(httpd, pem, &err));
    (void)raw_ask(&raw, httpd_port(httpd));
    ck_assert_str_eq(raw.answer, "");
    (void)raw_ask(&fresh, httpd_port(httpd));
    ck_assert_str_eq(fresh.answer, "");
    ck_assert(raw_ask(&good, httpd_port(httpd)));
    ck_assert_ptr_nonnull(strstr(good.answer, "00000008"));
    ck_assert_uint_eq(httpd_handshakes_refused(httpd), 2);
    raw_done(&raw);
    raw_done(&fresh);
    raw_done(&good);
    bed_identity_done(&client);
    bed_identity_done(&other);
    stop();
}
END_TEST

START_TEST(a_handshake_never_begun_is_closed_after_the_idle_timeout) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = 0, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char octet;

    start(true, _i == 1);
    address.sin_port = htons((uint16_t)httpd_port(httpd));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    do { /* an alert may come before the end */
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&pollfd, 1, 10000), 1);
    } while (recv(fd, &octet, 1, 0) > 0);
    ck_assert_uint_eq(httpd_handshakes_refused(httpd), 0);
    (void)close(fd);
    stop();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls");
    TCase *tcase = tcase_create("tls");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_client_is_let_in_or_refused_by_its_certificate, 0,
                        (int)COUNT(shown) * 2);
    tcase_add_test(tcase, a_listener_that_does_not_ask_has_no_peers);
    tcase_add_loop_test(tcase, identities_are_never_mixed_up, 0, 2);
    tcase_add_loop_test(tcase, a_server_is_believed_by_anchor_and_name, 0, (int)COUNT(believed));
    tcase_add_test(tcase, a_server_certificate_is_judged_by_the_clock_given);
    tcase_add_test(tcase, a_producer_is_believed_by_its_instance_id);
    tcase_add_loop_test(tcase, only_aead_with_ephemeral_ecdh_is_spoken, 0, (int)COUNT(offers));
    tcase_add_loop_test(tcase, a_refused_client_gets_no_answer_in_either_version, 0, 4);
    tcase_add_loop_test(tcase, an_answer_is_one_record, 0, 2);
    tcase_add_loop_test(tcase, a_peer_that_closed_its_half_gets_its_answer, 0, 2);
    tcase_add_loop_test(tcase, a_resumed_session_keeps_its_identity, 0, 4);
    tcase_add_loop_test(tcase, a_resumed_session_whose_certificate_expired_is_refused, 0, 2);
    tcase_add_test(tcase, who_is_revoked_meanwhile_is_refused);
    tcase_add_loop_test(tcase, a_handshake_never_begun_is_closed_after_the_idle_timeout, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
