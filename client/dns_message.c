#include "client/dns_message.h"

#include <ldns/ldns.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"

#define NAME_SIZE 256
#define ALGORITHM_SIZE 24
#define RCODE_SIZE 24
#define SECRET_MAX 512
#define TSIG_FIELDS 7 /* RFC 8945 4.2 */

enum { TSIG_ALGORITHM, TSIG_TIME, TSIG_FUDGE, TSIG_MAC, TSIG_ID, TSIG_ERROR };

static void packet_free(ldns_pkt *packet) { ldns_pkt_free(packet); }
static void records_free(ldns_rr_list *records) { ldns_rr_list_deep_free(records); }
static void rdf_free(ldns_rdf *rdf) { ldns_rdf_deep_free(rdf); }
AUTO_DEFINE(ldns_pkt, packet_free)
AUTO_DEFINE(ldns_rr_list, records_free)
AUTO_DEFINE(ldns_rdf, rdf_free)

void dns_message_done(struct dns_message *message) {
    free(message->wire);
    ldns_rdf_deep_free(message->mac);
    *message = (struct dns_message){0};
}

void dns_message_done_auto(struct dns_message *message) { dns_message_done(message); }

static bool no_memory(struct err *err) { return err_set(err, ERR_NO_MEMORY, "out of memory"); }

/* "hmac-sha256" as the name it is on the wire. */
static void algorithm_name(const struct dns_key *key, char ret[ALGORITHM_SIZE]) {
    (void)snprintf(ret, ALGORITHM_SIZE, "%s.", key->algorithm);
}

/* The one record of an update, RFC 2136 2.5.1 and 2.5.4. */
static ldns_rr_list *record_new(const struct dns_change *change, const ldns_rdf *name) {
    AUTO(records_free) ldns_rr_list *list = ldns_rr_list_new();
    ldns_rr *record = ldns_rr_new();
    ldns_rdf *text = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_STR, change->value);
    ldns_rdf *owner = ldns_rdf_clone(name);

    if (list == NULL || record == NULL || text == NULL || owner == NULL
        || !ldns_rr_push_rdf(record, text)) {
        ldns_rdf_deep_free(text);
        ldns_rdf_deep_free(owner);
        ldns_rr_free(record);
        return NULL;
    }
    ldns_rr_set_owner(record, owner);
    ldns_rr_set_type(record, LDNS_RR_TYPE_TXT);
    ldns_rr_set_class(record, change->add ? LDNS_RR_CLASS_IN : LDNS_RR_CLASS_NONE);
    ldns_rr_set_ttl(record, change->add ? change->ttl_s : 0);
    if (!ldns_rr_list_push_rr(list, record)) {
        ldns_rr_free(record);
        return NULL;
    }
    return TAKE(list);
}

static ldns_pkt *update_new(const struct dns_change *change, struct err *err) {
    AUTO(rdf_free) ldns_rdf *zone = ldns_dname_new_frm_str(change->zone);
    AUTO(rdf_free) ldns_rdf *name = ldns_dname_new_frm_str(change->name);
    AUTO(records_free) ldns_rr_list *records = NULL;
    ldns_pkt *packet = NULL;

    if (zone == NULL || name == NULL
        || (ldns_dname_compare(name, zone) != 0 && !ldns_dname_is_subdomain(name, zone))) {
        (void)err_set(err, ERR_DNS, "%.100s is not a name of the zone %.60s", change->name,
                      change->zone);
        return NULL;
    }
    records = record_new(change, name);
    packet =
        records == NULL ? NULL : ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, NULL, records, NULL);
    if (packet == NULL) {
        (void)no_memory(err);
        return NULL;
    }
    zone = NULL; /* the packet's now */
    return packet;
}

/* The octets, and what is needed to judge the answer. */
static bool render(const ldns_pkt *packet, struct dns_message *ret, struct err *err) {
    const ldns_rr *tsig = ldns_pkt_tsig(packet);
    AUTO(dns_message_done) struct dns_message message = {.id = ldns_pkt_id(packet)};

    if (ldns_pkt2wire(&message.wire, packet, &message.len) != LDNS_STATUS_OK
        || (tsig != NULL && (message.mac = ldns_rdf_clone(ldns_rr_rdf(tsig, TSIG_MAC))) == NULL)) {
        return no_memory(err);
    }
    *ret = message;
    message = (struct dns_message){0};
    return true;
}

static void random_id(ldns_pkt *packet) {
    uint16_t id = 0;

    rng_secret(&id, sizeof id);
    ldns_pkt_set_id(packet, id);
}

/* Asked beforehand: the library leaks what it cannot sign with. */
static bool key_fits(const struct dns_key *key) {
    static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512", "hmac-sha1"};
    unsigned char octets[SECRET_MAX];
    const size_t len = strlen(key->secret);
    bool known = false;

    for (size_t i = 0; i < COUNT(algorithms); i++) {
        known = known || strcmp(key->algorithm, algorithms[i]) == 0;
    }
    const bool decodes =
        len > 0 && len < SECRET_MAX
        && EVP_DecodeBlock(octets, (const unsigned char *)key->secret, (int)len) > 0;
    OPENSSL_cleanse(octets, sizeof octets);
    return known && decodes;
}

bool dns_update_make(const struct dns_change *change, const struct dns_key *key,
                     struct dns_message *ret, struct err *err) {
    AUTO(packet_free) ldns_pkt *packet = update_new(change, err);
    char algorithm[ALGORITHM_SIZE];

    if (packet == NULL) {
        return false;
    }
    if (!key_fits(key)) {
        return err_set(err, ERR_CONFIG, "the key %.60s cannot sign: algorithm or secret",
                       key->name);
    }
    random_id(packet);
    algorithm_name(key, algorithm);
    ldns_status status =
        ldns_pkt_tsig_sign(packet, key->name, key->secret, DNS_FUDGE_S, algorithm, NULL);
    if (status != LDNS_STATUS_OK || ldns_pkt_tsig(packet) == NULL) {
        return err_set(err, ERR_CONFIG, "the key %.60s cannot sign: %s", key->name,
                       ldns_get_errorstr_by_id(status));
    }
    return render(packet, ret, err);
}

bool dns_query_make(const char *name, struct dns_message *ret, struct err *err) {
    ldns_rdf *owner = ldns_dname_new_frm_str(name);
    AUTO(packet_free)
    ldns_pkt *packet =
        owner == NULL ? NULL : ldns_pkt_query_new(owner, LDNS_RR_TYPE_TXT, LDNS_RR_CLASS_IN, 0);

    if (packet == NULL) {
        ldns_rdf_deep_free(owner);
        return err_set(err, ERR_DNS, "%.100s cannot be asked for", name);
    }
    random_id(packet);
    return render(packet, ret, err);
}

/* The octets as an answer to what was asked; NULL: they are none. */
static ldns_pkt *answer_new(const struct dns_message *asked, ldns_pkt_opcode opcode,
                            const uint8_t *wire, size_t len, struct err *err) {
    AUTO(packet_free) ldns_pkt *packet = NULL;

    if (ldns_wire2pkt(&packet, wire, len) != LDNS_STATUS_OK || packet == NULL) {
        (void)err_set(err, ERR_UPSTREAM, "the name server's answer is not a DNS message");
        return NULL;
    }
    if (!ldns_pkt_qr(packet) || ldns_pkt_id(packet) != asked->id
        || ldns_pkt_get_opcode(packet) != opcode) {
        (void)err_set(err, ERR_UPSTREAM, "the name server answered something else");
        return NULL;
    }
    return TAKE(packet);
}

static uint64_t time_of(const ldns_rdf *rdf) {
    const uint8_t *octets = ldns_rdf_data(rdf);
    uint64_t time_s = 0;

    for (size_t i = 0; i < ldns_rdf_size(rdf); i++) {
        time_s = time_s << 8 | octets[i];
    }
    return time_s;
}

/* Every field is there and of its length: ldns reads a record as far as it goes. */
static bool tsig_whole(const ldns_rr *tsig) {
    return ldns_rr_rd_count(tsig) == TSIG_FIELDS && ldns_rr_get_class(tsig) == LDNS_RR_CLASS_ANY
           && ldns_rr_ttl(tsig) == 0 && ldns_rdf_size(ldns_rr_rdf(tsig, TSIG_TIME)) == 6
           && ldns_rdf_size(ldns_rr_rdf(tsig, TSIG_FUDGE)) == 2
           && ldns_rdf_size(ldns_rr_rdf(tsig, TSIG_MAC)) >= 2
           && ldns_rdf_size(ldns_rr_rdf(tsig, TSIG_ID)) == 2
           && ldns_rdf_size(ldns_rr_rdf(tsig, TSIG_ERROR)) == 2;
}

/* RFC 8945 5.3: signed with our key, over our request, now.  ldns checks the MAC alone,
 * and takes class, TTL and id for granted. */
static bool tsig_good(ldns_pkt *packet, const struct dns_message *asked, const struct dns_key *key,
                      const uint8_t *wire, size_t len, uint64_t now_s) {
    const ldns_rr *tsig = ldns_pkt_tsig(packet);
    char algorithm_text[ALGORITHM_SIZE];

    algorithm_name(key, algorithm_text);
    AUTO(rdf_free) ldns_rdf *algorithm = ldns_dname_new_frm_str(algorithm_text);
    AUTO(rdf_free) ldns_rdf *name = ldns_dname_new_frm_str(key->name);
    if (tsig == NULL || !tsig_whole(tsig) || algorithm == NULL || name == NULL
        || ldns_dname_compare(ldns_rr_owner(tsig), name) != 0
        || ldns_dname_compare(ldns_rr_rdf(tsig, TSIG_ALGORITHM), algorithm) != 0
        || ldns_rdf2native_int16(ldns_rr_rdf(tsig, TSIG_ID)) != asked->id
        || ldns_rdf2native_int16(ldns_rr_rdf(tsig, TSIG_ERROR)) != 0) {
        return false;
    }
    const uint64_t signed_s = time_of(ldns_rr_rdf(tsig, TSIG_TIME));
    return (signed_s > now_s ? signed_s - now_s : now_s - signed_s) <= DNS_FUDGE_S
           && ldns_pkt_tsig_verify(packet, wire, len, key->name, key->secret, asked->mac);
}

static void rcode_text(ldns_pkt_rcode rcode, char ret[RCODE_SIZE]) {
    char *text = ldns_pkt_rcode2str(rcode);

    (void)snprintf(ret, RCODE_SIZE, "%s", text == NULL ? "an error" : text);
    free(text);
}

enum dns_verdict dns_update_read(const struct dns_message *asked, const struct dns_key *key,
                                 const uint8_t *wire, size_t len, uint64_t now_s, struct err *err) {
    AUTO(packet_free) ldns_pkt *packet = answer_new(asked, LDNS_PACKET_UPDATE, wire, len, err);
    char text[RCODE_SIZE];

    if (packet == NULL) {
        return DNS_UNSURE;
    }
    const ldns_pkt_rcode rcode = ldns_pkt_get_rcode(packet);
    const bool genuine = tsig_good(packet, asked, key, wire, len, now_s);
    if (rcode == LDNS_RCODE_NOERROR && genuine) {
        return DNS_DONE;
    }
    rcode_text(rcode, text);
    if (rcode == LDNS_RCODE_NOERROR) {
        (void)err_set(err, ERR_UPSTREAM, "the name server's answer is not signed with %.60s",
                      key->name);
        return DNS_UNSURE;
    }
    (void)err_set(err, ERR_UPSTREAM, "the name server answers %s%s to the update", text,
                  genuine ? "" : ", unsigned,");
    return rcode == LDNS_RCODE_SERVFAIL ? DNS_UNSURE : genuine ? DNS_REFUSED : DNS_DENIED;
}

/* The record's strings, one after the other, are the value. */
static bool is_value(const ldns_rr *record, const char *value) {
    size_t at = 0, len = strlen(value);

    for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(record, i);
        const uint8_t *data = ldns_rdf_data(rdf);
        size_t size = ldns_rdf_size(rdf); /* a length octet first */
        if (size == 0 || size - 1 > len - at || memcmp(data + 1, value + at, size - 1) != 0) {
            return false;
        }
        at += size - 1;
    }
    return at == len;
}

enum dns_verdict dns_query_read(const struct dns_message *asked, const char *value,
                                const uint8_t *wire, size_t len, struct err *err) {
    AUTO(packet_free) ldns_pkt *packet = answer_new(asked, LDNS_PACKET_QUERY, wire, len, err);
    const ldns_rr_list *list = packet == NULL ? NULL : ldns_pkt_answer(packet);
    char text[RCODE_SIZE];

    if (packet == NULL) {
        return DNS_UNSURE;
    }
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *record = ldns_rr_list_rr(list, i);
        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_TXT && is_value(record, value)) {
            return DNS_DONE;
        }
    }
    rcode_text(ldns_pkt_get_rcode(packet), text);
    (void)err_set(err, ERR_DNS, "the name server does not serve the record (%s)", text);
    return DNS_UNSURE;
}
