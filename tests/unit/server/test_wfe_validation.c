/* Validations as a client sees them: RFC 8555 8.2, RFC 8738, RFC 8737 4. */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "acme_flow.h"

#define POLLS_MAX 2000 /* 20 s */
#define IP_ORDER "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"127.0.0.1\"}]}"

static struct bed bed;

/* Poll until url's status is no longer that, or it has an error. */
static struct answer await(const struct actor *actor, const char *url, const char *status) {
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        struct answer answer = bed_post(&bed, actor, url, NULL);
        ck_answer(answer, 200, "");
        if (strcmp(member(&answer, "status"), status) != 0
            || json_object_get(answer.json, "error") != NULL) {
            return answer;
        }
        answer_done(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_abort_msg("%s stays %s", url, status);
}

static void right_page(const struct actor *actor, const char *token) {
    char thumbprint[JWK_THUMBPRINT_SIZE], page[256];
    struct err err = {0};

    ck_good(jwk_thumbprint(actor->key, thumbprint, &err));
    (void)snprintf(page, sizeof(page), "%s.%s", token, thumbprint);
    bed_page(&bed, page);
}

START_TEST(rfc8555_8_2_a_failed_attempt_is_shown_and_repeated) {
    static const char *const more[] = {"validation.retries=1", "validation.retry_interval=3600",
                                       NULL};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_page(&bed, "nonsense");
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    struct answer answer = await(&actor, placed.challenge[0], "processing");
    ck_assert_str_eq(member(&answer, "status"), "processing"); /* S-8.2-02, -03 */
    ck_assert_ptr_nonnull(strstr(answer.body, "incorrectResponse"));
    ck_assert_str_eq(answer.retry_after, "3600");
    answer_done(&answer);
    answer = bed_post(&bed, &actor, placed.authz[0], NULL);
    ck_assert_str_eq(member(&answer, "status"), "pending");
    ck_assert_str_eq(answer.retry_after, "3600");
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "pending");
    right_page(&actor, placed.token[0]);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, ""); /* S-8.2-04 */
    for (unsigned i = 0; i < POLLS_MAX && bed.fetched < 2; i++) {
        (void)poll(NULL, 0, 10);
    }
    ck_assert_uint_eq(bed.fetched, 2);
    while (answer = bed_post(&bed, &actor, placed.challenge[0], NULL),
           strcmp(member(&answer, "status"), "processing") == 0) {
        answer_done(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert_ptr_null(json_object_get(answer.json, "error"));
    ck_assert_str_eq(answer.retry_after, "");
    answer_done(&answer);
    bed_status(&bed, &actor, placed.url, "ready");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(rfc8555_8_2_the_last_attempt_decides) {
    static const char *const more[] = {"validation.retries=2", "validation.retry_interval=0.1",
                                       NULL};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    struct answer answer = {0};
    while (answer = bed_post(&bed, &actor, placed.url, NULL),
           strcmp(member(&answer, "status"), "pending") == 0) {
        answer_done(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    answer_done(&answer);
    ck_assert_uint_eq(bed.fetched, 3);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* What waits for its next attempt neither holds a stop up nor is lost by it. */
START_TEST(who_waits_for_an_attempt_is_gone_on_with_after_a_restart) {
    static const char *const more[] = {"validation.retries=1", "validation.retry_interval=3600",
                                       NULL};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    struct answer answer = await(&actor, placed.challenge[0], "processing");
    answer_done(&answer);
    uint64_t before_us = clock_wall_us();
    bed_stop_server(&bed);
    ck_assert_uint_lt(clock_wall_us() - before_us, 8000000);
    right_page(&actor, placed.token[0]);
    bed_start_server(&bed, more);
    while (answer = bed_post(&bed, &actor, placed.url, NULL),
           strcmp(member(&answer, "status"), "pending") == 0) {
        answer_done(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_str_eq(member(&answer, "status"), "ready");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

static char *ip_csr(void) {
    const struct x509_names names = {.ip_count = 1, .ip = {"127.0.0.1"}};
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    ck_good(x509_csr_make(key, &names, NULL, &der, &len, &err));
    AUTO(free) char *text = b64_encode(der, len);
    json_t *payload = json_pack("{s:s}", "csr", text);
    char *json = json_text(payload);
    json_decref(payload);
    return json;
}

START_TEST(rfc8738_an_address_is_ordered_proved_and_certified) {
    static const char *const more[] = {"validation.resolve_to=192.0.2.1", NULL};
    struct err err = {0};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, IP_ORDER);
    struct answer answer = bed_post(&bed, &actor, placed.authz[0], NULL);
    const json_t *identifier = json_object_get(answer.json, "identifier");
    ck_assert_str_eq(json_string_value(json_object_get(identifier, "type")),
                     "ip"); /* X-8738-3-01 */
    ck_assert_str_eq(json_string_value(json_object_get(identifier, "value")), "127.0.0.1");
    ck_assert_ptr_null(strstr(answer.body, "dns-01")); /* X-8738-7-01 */
    ck_assert_ptr_nonnull(strstr(answer.body, "http-01"));
    ck_assert_ptr_nonnull(strstr(answer.body, "tls-alpn-01"));
    answer_done(&answer);
    right_page(&actor, placed.token[0]);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    answer = await(&actor, placed.challenge[0], "processing");
    ck_assert_msg(strcmp(member(&answer, "status"), "valid") == 0, "%s", answer.body);
    answer_done(&answer);
    AUTO(free) char *csr = ip_csr();
    AUTO(free) char *wrong = bed_csr(NULL, NULL, "127.0.0.1");
    bed_expect(&bed, &actor, placed.finalize, wrong, 400, "badCSR"); /* X-8738-3-06 */
    answer = bed_post(&bed, &actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    char url[256];
    bed_copy(url, sizeof(url), member(&answer, "certificate"));
    answer_done(&answer);
    answer = bed_post(&bed, &actor, url, NULL);
    ck_answer(answer, 200, "");
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    ck_assert_ptr_nonnull(chain);
    ck_good(x509_cert_read(sk_X509_value(chain, 0), &cert, &err));
    ck_assert_uint_eq(cert.names.ip_count, 1); /* X-8738-3-05 */
    ck_assert_str_eq(cert.names.ip[0], "127.0.0.1");
    ck_assert_uint_eq(cert.names.dns_count + cert.names.others, 0);
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_excluded_address_fails_at_once_and_for_good) {
    static const char *const more[] = {"validation.exclude=[127.0.0.0/8]", "validation.retries=5",
                                       NULL};

    bed_start(&bed, more);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, IP_ORDER);
    bed_expect(&bed, &actor, placed.challenge[0], "{}", 200, "");
    struct answer answer = await(&actor, placed.challenge[0], "processing");
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    ck_assert_ptr_nonnull(strstr(answer.body, "rejectedIdentifier"));
    answer_done(&answer);
    ck_assert_uint_eq(bed.fetched, 0);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* clang-format off */
static const struct { const char *protocols; bool served; } offers[] = {
    {"\x0a" "acme-tls/1", false}, /* X-8737-4-02 */
    {"\x08" "http/1.1", true},
    {"\x02" "h2" "\x08" "http/1.1", true},
    {"", true},
};
/* clang-format on */

START_TEST(rfc8737_4_the_acme_listener_does_not_speak_acme_tls) {
    bed_start(&bed, NULL);
    for (unsigned i = 0; i < COUNT(offers); i++) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        const char *protocols = offers[i].protocols;
        char address[64];
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", bed.port);
        BIO *bio = BIO_new_ssl_connect(context);
        SSL *ssl = NULL;
        (void)BIO_get_ssl(bio, &ssl);
        ck_assert_int_eq(
            SSL_set_alpn_protos(ssl, (const unsigned char *)protocols, (unsigned)strlen(protocols)),
            0);
        (void)BIO_set_conn_hostname(bio, address);
        ck_assert_msg((BIO_do_connect(bio) == 1) == offers[i].served, "%u", i);
        BIO_free_all(bio);
        SSL_CTX_free(context);
    }
    bed_stop(&bed);
}
END_TEST

/* GET /metrics of the admin listener, whole. */
static char *read_metrics(unsigned port) {
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct buf text = buf_new(1 << 20);
    char part[4096];
    ssize_t n = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0
        && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
        while ((n = recv(fd, part, sizeof(part), 0)) > 0) {
            (void)buf_add(&text, part, (size_t)n);
        }
    }
    (void)close(fd);
    return buf_take(&text);
}

/* Once the rule has hit. */
static void *stop_when_held(void *ctx) {
    unsigned port = server_admin_port(bed.server);
    bool held = false;

    (void)ctx;
    while (!held) {
        AUTO(free) char *text = read_metrics(port);
        held = strstr(text, "{rule=\"1\",at=\"validation\"} 1") != NULL;
        (void)poll(NULL, 0, 10);
    }
    bed_stop_server(&bed);
    return NULL;
}

/* A token is judged while its request waits: when a rule holds the judgement back beyond the end,
 * the request is answered all the same, and nothing is left of it. */
START_TEST(who_waits_for_a_judgement_that_does_not_come_is_told) {
    static const char rule[] = "{\"at\":\"validation\",\"do\":{\"delay\":3600}}";
    char url[64];
    pthread_t stopper;

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free)
    char *payload = bed_token(&bed, &actor, BED_UUID, BED_OTHER_UUID,
                              (int64_t)(BED_TIME_US / 1000000) + BED_DAY_S);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/faults", server_admin_port(bed.server));
    struct answer answer = bed_ask(&bed, "POST", url, NULL, rule, strlen(rule));
    ck_assert_uint_eq(answer.status, 201);
    answer_done(&answer);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop_when_held, NULL), 0);
    answer = bed_post(&bed, &actor, placed.challenge[0], payload);
    ck_assert_int_eq(pthread_join(stopper, NULL), 0);
    ck_assert_uint_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "stopping"));
    answer_done(&answer);
    actor_done(&actor);
    bed_start_server(&bed, NULL);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {rfc8555_8_2_a_failed_attempt_is_shown_and_repeated,
                                  rfc8555_8_2_the_last_attempt_decides,
                                  who_waits_for_an_attempt_is_gone_on_with_after_a_restart,
                                  rfc8738_an_address_is_ordered_proved_and_certified,
                                  an_excluded_address_fails_at_once_and_for_good,
                                  rfc8737_4_the_acme_listener_does_not_speak_acme_tls,
                                  who_waits_for_a_judgement_that_does_not_come_is_told};
    return suite_run("server/wfe_validation", tests, COUNT(tests));
}
