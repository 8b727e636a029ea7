#include "client/dns_message.h"

#include "tests/unit/common/suite.h"

#include <ldns/ldns.h>
#include <string.h>
#include <time.h>

#define SECRET "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
#define OTHER "b3RoZXJzb3RoZXJzb3RoZXJzb3RoZXJz"
#define NAME "_acme-challenge.a.example.org"
#define VALUE "3vXLXXyAQVmWzGmFJP2bdtUJpcmiRZQnDeUTfNzJLhQ"

static const struct dns_key key = {"hook", "hmac-sha256", SECRET};
static const struct dns_change change = {
    .zone = "example.org", .name = NAME, .value = VALUE, .ttl_s = 60, .add = true};

static ldns_pkt *packet_of(const struct dns_message *message) {
    ldns_pkt *packet = NULL;

    ck_assert_int_eq(ldns_wire2pkt(&packet, message->wire, message->len), LDNS_STATUS_OK);
    return packet;
}

START_TEST(an_update_adds_or_removes_one_record_alone_rfc2136_2_5) {
    for (int add = 0; add < 2; add++) {
        struct dns_change changed = change;
        struct dns_message message = {0};
        struct err err = {0};
        changed.add = add == 1;
        ck_assert_msg(dns_update_make(&changed, &key, &message, &err), "%s", err.detail);
        ldns_pkt *packet = packet_of(&message);
        ck_assert_int_eq(ldns_pkt_get_opcode(packet), LDNS_PACKET_UPDATE);
        ck_assert_uint_eq(ldns_pkt_id(packet), message.id);
        ck_assert_uint_eq(ldns_update_upcount(packet), 1);
        const ldns_rr *zone = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
        ck_assert_int_eq(ldns_rr_get_type(zone), LDNS_RR_TYPE_SOA);
        const ldns_rr *record = ldns_rr_list_rr(ldns_pkt_authority(packet), 0);
        ck_assert_int_eq(ldns_rr_get_type(record), LDNS_RR_TYPE_TXT);
        ck_assert_int_eq(ldns_rr_get_class(record), add ? LDNS_RR_CLASS_IN : LDNS_RR_CLASS_NONE);
        ck_assert_uint_eq(ldns_rr_ttl(record), add ? 60 : 0);
        ck_assert_uint_eq(ldns_rr_rd_count(record), 1);
        const ldns_rdf *text = ldns_rr_rdf(record, 0);
        ck_assert_uint_eq(ldns_rdf_size(text), strlen(VALUE) + 1);
        ck_assert_mem_eq(ldns_rdf_data(text) + 1, VALUE, strlen(VALUE));
        ck_assert(ldns_pkt_tsig_verify(packet, message.wire, message.len, "hook", SECRET, NULL));
        ldns_pkt_free(packet);
        dns_message_done(&message);
    }
}
END_TEST

/* clang-format off */
static const struct { const char *what; struct dns_change change; struct dns_key key; enum err_kind kind; } wrong[] = {
    {"a name of another zone", {"example.net", NAME, VALUE, 1, true}, {"hook", "hmac-sha256", SECRET}, ERR_DNS},
    {"a zone that ends alike", {"ample.org", NAME, VALUE, 1, true}, {"hook", "hmac-sha256", SECRET}, ERR_DNS},
    {"a label of 64", {"org", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org", VALUE, 1, true}, {"hook", "hmac-sha256", SECRET}, ERR_DNS},
    {"an unknown algorithm", {"example.org", NAME, VALUE, 1, true}, {"hook", "hmac-rot13", SECRET}, ERR_CONFIG},
    {"a secret that is no base64", {"example.org", NAME, VALUE, 1, true}, {"hook", "hmac-sha256", "?!"}, ERR_CONFIG},
};
/* clang-format on */

START_TEST(what_cannot_be_sent_is_refused) {
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct dns_message message = {0};
        struct err err = {0};
        ck_assert_msg(!dns_update_make(&wrong[i].change, &wrong[i].key, &message, &err), "%s",
                      wrong[i].what);
        ck_assert_msg(err.kind == wrong[i].kind, "%s: %s", wrong[i].what, err.detail);
    }
}
END_TEST

enum signing { GOOD, NONE, WRONG_SECRET, WRONG_NAME, OTHER_REQUEST };

struct answer {
    const char *what;
    int rcode;
    enum signing signing;
    long shift_s; /* of our clock */
    int id;       /* added to the request's */
    bool query;   /* not an answer */
    enum dns_verdict verdict;
};

/* clang-format off */
static const struct answer answers[] = {
    {"done",                        LDNS_RCODE_NOERROR,  GOOD,          0,    0, false, DNS_DONE},
    {"refused",                     LDNS_RCODE_REFUSED,  GOOD,          0,    0, false, DNS_REFUSED},
    {"not a zone of it",            LDNS_RCODE_NOTZONE,  GOOD,          0,    0, false, DNS_REFUSED},
    {"out of order",                LDNS_RCODE_SERVFAIL, GOOD,          0,    0, false, DNS_UNSURE},
    {"done, says nobody",           LDNS_RCODE_NOERROR,  NONE,          0,    0, false, DNS_UNSURE},
    {"refused, says nobody",        LDNS_RCODE_REFUSED,  NONE,          0,    0, false, DNS_DENIED},
    {"the key is unknown there",    LDNS_RCODE_NOTAUTH,  NONE,          0,    0, false, DNS_DENIED},
    {"another secret",              LDNS_RCODE_NOERROR,  WRONG_SECRET,  0,    0, false, DNS_UNSURE},
    {"refused with another secret", LDNS_RCODE_REFUSED,  WRONG_SECRET,  0,    0, false, DNS_DENIED},
    {"another key's name",          LDNS_RCODE_NOERROR,  WRONG_NAME,    0,    0, false, DNS_UNSURE},
    {"to another request",          LDNS_RCODE_NOERROR,  OTHER_REQUEST, 0,    0, false, DNS_UNSURE},
    {"within the fudge",            LDNS_RCODE_NOERROR,  GOOD,          290,  0, false, DNS_DONE},
    {"of yesterday",                LDNS_RCODE_NOERROR,  GOOD,          86400, 0, false, DNS_UNSURE},
    {"of tomorrow",                 LDNS_RCODE_NOERROR,  GOOD,         -86400, 0, false, DNS_UNSURE},
    {"another id",                  LDNS_RCODE_NOERROR,  GOOD,          0,    1, false, DNS_UNSURE},
    {"no answer but a request",     LDNS_RCODE_NOERROR,  GOOD,          0,    0, true,  DNS_UNSURE},
};
/* clang-format on */

/* What a name server would send. */
static uint8_t *answer_make(const struct dns_message *asked, const struct answer *answer,
                            size_t *ret_len) {
    ldns_pkt *packet = packet_of(asked);
    ldns_rdf *mac = answer->signing == OTHER_REQUEST ? NULL : asked->mac;
    uint8_t *wire = NULL;

    ldns_rr_free(ldns_pkt_tsig(packet));
    ldns_pkt_set_tsig(packet, NULL);
    ldns_pkt_set_qr(packet, !answer->query);
    ldns_pkt_set_rcode(packet, (uint8_t)answer->rcode);
    ldns_pkt_set_id(packet, (uint16_t)(asked->id + answer->id));
    if (answer->signing != NONE) {
        ck_assert_int_eq(ldns_pkt_tsig_sign(packet,
                                            answer->signing == WRONG_NAME ? "hook2" : "hook",
                                            answer->signing == WRONG_SECRET ? OTHER : SECRET, 300,
                                            "hmac-sha256.", mac),
                         LDNS_STATUS_OK);
    }
    ck_assert_int_eq(ldns_pkt2wire(&wire, packet, ret_len), LDNS_STATUS_OK);
    ldns_pkt_free(packet);
    return wire;
}

START_TEST(an_answer_counts_when_it_is_signed_over_the_request_rfc8945_5_3) {
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct dns_message asked = {0};
        struct err err = {0};
        size_t len = 0;
        ck_assert(dns_update_make(&change, &key, &asked, &err));
        uint8_t *wire = answer_make(&asked, &answers[i], &len);
        const uint64_t now_s = (uint64_t)(time(NULL) + answers[i].shift_s);
        enum dns_verdict verdict = dns_update_read(&asked, &key, wire, len, now_s, &err);
        ck_assert_msg(verdict == answers[i].verdict, "%s: %d, %s", answers[i].what, (int)verdict,
                      err.detail);
        ck_assert_msg((verdict == DNS_DONE) == (err.kind == ERR_NONE), "%s", answers[i].what);
        free(wire);
        dns_message_done(&asked);
    }
}
END_TEST

START_TEST(an_answer_with_any_octet_changed_is_not_done) {
    struct dns_message asked = {0};
    struct err err = {0};
    size_t len = 0;

    ck_assert(dns_update_make(&change, &key, &asked, &err));
    uint8_t *wire = answer_make(&asked, &answers[0], &len);
    for (size_t i = 0; i < len; i++) {
        struct err why = {0};
        wire[i] ^= 0x41;
        ck_assert_msg(dns_update_read(&asked, &key, wire, len, (uint64_t)time(NULL), &why)
                          != DNS_DONE,
                      "octet %zu", i);
        wire[i] ^= 0x41;
    }
    for (size_t cut = 0; cut < len; cut++) {
        struct err why = {0};
        ck_assert(dns_update_read(&asked, &key, wire, cut, (uint64_t)time(NULL), &why) != DNS_DONE);
    }
    free(wire);
    dns_message_done(&asked);
}
END_TEST

/* clang-format off */
static const struct { const char *what, *record; enum dns_verdict verdict; } served[] = {
    {"there",                NAME ". 1 IN TXT \"" VALUE "\"",                            DNS_DONE},
    {"in two strings",       NAME ". 1 IN TXT \"3vXLXXyAQVmWzGmFJP2b\" \"dtUJpcmiRZQnDeUTfNzJLhQ\"", DNS_DONE},
    {"behind an alias",      "other.example. 1 IN TXT \"" VALUE "\"",                    DNS_DONE},
    {"another value",        NAME ". 1 IN TXT \"x" VALUE "\"",                           DNS_UNSURE},
    {"only its beginning",   NAME ". 1 IN TXT \"3vXLXXyAQVmWzGmFJP2b\"",                 DNS_UNSURE},
    {"more than it",         NAME ". 1 IN TXT \"" VALUE "\" \"x\"",                      DNS_UNSURE},
    {"no TXT",               NAME ". 1 IN A 192.0.2.1",                                  DNS_UNSURE},
    {"nothing",              NULL,                                                       DNS_UNSURE},
};
/* clang-format on */

START_TEST(a_record_is_served_when_its_value_is_among_the_answers) {
    for (size_t i = 0; i < COUNT(served); i++) {
        struct dns_message asked = {0};
        struct err err = {0};
        ldns_rr *record = NULL;
        uint8_t *wire = NULL;
        size_t len = 0;
        ck_assert(dns_query_make(NAME, &asked, &err));
        ldns_pkt *packet = packet_of(&asked);
        ldns_pkt_set_qr(packet, true);
        if (served[i].record != NULL) {
            ck_assert_int_eq(ldns_rr_new_frm_str(&record, served[i].record, 0, NULL, NULL),
                             LDNS_STATUS_OK);
            ck_assert(ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER, record));
        }
        ck_assert_int_eq(ldns_pkt2wire(&wire, packet, &len), LDNS_STATUS_OK);
        ck_assert_msg(dns_query_read(&asked, VALUE, wire, len, &err) == served[i].verdict, "%s",
                      served[i].what);
        free(wire);
        ldns_pkt_free(packet);
        dns_message_done(&asked);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_update_adds_or_removes_one_record_alone_rfc2136_2_5,
                                  what_cannot_be_sent_is_refused,
                                  an_answer_counts_when_it_is_signed_over_the_request_rfc8945_5_3,
                                  an_answer_with_any_octet_changed_is_not_done,
                                  a_record_is_served_when_its_value_is_among_the_answers};

    return suite_run("client/dns_message", tests, COUNT(tests));
}
