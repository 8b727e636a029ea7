#include "server/dns_answer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER_LEN 12
#define LABEL_MAX 63
#define POINTER 0xc0
#define CLASS_IN 1

struct reader {
    const unsigned char *octets;
    size_t len, at;
};

struct resource {
    char owner[DNS_NAME_SIZE];
    unsigned type, class;
    size_t data_at; /* in the answer */
    struct dns_record data;
};

static bool read16(struct reader *reader, unsigned *ret) {
    if (reader->len - reader->at < 2) {
        return false;
    }
    *ret = (unsigned)reader->octets[reader->at] << 8 | reader->octets[reader->at + 1];
    reader->at += 2;
    return true;
}

static bool skip(struct reader *reader, size_t len) {
    if (reader->len - reader->at < len) {
        return false;
    }
    reader->at += len;
    return true;
}

/* One label more; octets no host name has become '?', so such a name equals no other. */
static bool add_label(const unsigned char *label, size_t len, char name[DNS_NAME_SIZE],
                      size_t *used) {
    if (*used + len + 2 > DNS_NAME_SIZE) {
        return false;
    }
    if (*used > 0) {
        name[(*used)++] = '.';
    }
    for (size_t i = 0; i < len; i++) {
        bool usual = isalnum(label[i]) || label[i] == '-' || label[i] == '_' || label[i] == '*';
        name[(*used)++] = usual ? (char)tolower(label[i]) : '?';
    }
    return true;
}

/* RFC 1035 4.1.4: a pointer leads backwards, so there is no circle. */
static bool read_name(struct reader *reader, char name[DNS_NAME_SIZE]) {
    size_t at = reader->at, used = 0, lowest = reader->at;
    bool jumped = false;

    while (at < reader->len) {
        unsigned octet = reader->octets[at];
        if (octet == 0) {
            name[used] = '\0';
            reader->at = jumped ? reader->at : at + 1;
            return true;
        }
        if (octet >= POINTER) {
            size_t target =
                at + 1 < reader->len ? (octet & ~POINTER) << 8 | reader->octets[at + 1] : lowest;
            if (target >= lowest) {
                return false;
            }
            reader->at = jumped ? reader->at : at + 2;
            jumped = true;
            lowest = at = target;
            continue;
        }
        if (octet > LABEL_MAX || reader->len - at - 1 < octet
            || !add_label(reader->octets + at + 1, octet, name, &used)) {
            return false;
        }
        at += 1 + octet;
    }
    return false;
}

static bool read_resource(struct reader *reader, struct resource *ret) {
    unsigned len = 0;

    if (!read_name(reader, ret->owner) || !read16(reader, &ret->type)
        || !read16(reader, &ret->class) || !skip(reader, 4) /* TTL */
        || !read16(reader, &len)) {
        return false;
    }
    ret->data_at = reader->at;
    ret->data = (struct dns_record){reader->octets + reader->at, len};
    return skip(reader, len);
}

/* To the answer section; *ret_count: of its records. */
static bool read_head(struct reader *reader, unsigned *ret_rcode, unsigned *ret_count) {
    unsigned id = 0, flags = 0, questions = 0;
    char ignored[DNS_NAME_SIZE];

    if (!read16(reader, &id) || !read16(reader, &flags) || !read16(reader, &questions)
        || !read16(reader, ret_count) || !skip(reader, 4) || (flags & 0x8000) == 0) {
        return false;
    }
    *ret_rcode = flags & 15;
    for (unsigned i = 0; i < questions; i++) {
        if (!read_name(reader, ignored) || !skip(reader, 4)) {
            return false;
        }
    }
    return true;
}

/* Follow the aliases that are in the answer, in whatever order: *ret_more once one was. */
static bool follow(const struct reader *records, unsigned count, struct dns_answer *answer,
                   bool *ret_more, struct err *err) {
    struct reader reader = *records;
    struct resource resource;

    *ret_more = false;
    for (unsigned i = 0; i < count; i++) {
        if (!read_resource(&reader, &resource)) {
            return err_set(err, ERR_DNS, "a malformed answer");
        }
        if (resource.type != DNS_TYPE_CNAME || resource.class != CLASS_IN
            || strcasecmp(resource.owner, answer->name) != 0) {
            continue;
        }
        struct reader target = {records->octets, resource.data_at + resource.data.len,
                                resource.data_at};
        if (!read_name(&target, answer->name) || answer->name[0] == '\0'
            || strchr(answer->name, '?') != NULL) {
            return err_set(err, ERR_DNS, "an alias to what is no host name");
        }
        if (++answer->aliases > DNS_ALIASES_MAX) {
            return err_set(err, ERR_DNS, "more than %d aliases", DNS_ALIASES_MAX);
        }
        *ret_more = true;
        return true;
    }
    return true;
}

static bool collect(const struct reader *records, unsigned count, unsigned type,
                    struct dns_answer *answer, struct err *err) {
    struct reader reader = *records;
    struct resource resource;

    for (unsigned i = 0; i < count; i++) {
        if (!read_resource(&reader, &resource)) {
            return err_set(err, ERR_DNS, "a malformed answer");
        }
        if (resource.type != type || resource.class != CLASS_IN
            || strcasecmp(resource.owner, answer->name) != 0) {
            continue;
        }
        if (answer->count == DNS_RECORDS_MAX) {
            return err_set(err, ERR_DNS, "more than %d records", DNS_RECORDS_MAX);
        }
        answer->record[answer->count++] = resource.data;
    }
    return true;
}

bool dns_answer_read(const void *octets, size_t len, const char *name, unsigned type,
                     struct dns_answer *ret, struct err *err) {
    struct reader reader = {octets, len, 0};
    struct dns_answer answer = {0};
    unsigned count = 0;
    bool more = true;

    if (len < HEADER_LEN || !read_head(&reader, &answer.rcode, &count)) {
        return err_set(err, ERR_DNS, "a malformed answer");
    }
    (void)snprintf(answer.name, sizeof(answer.name), "%s", name);
    while (more) {
        if (!follow(&reader, count, &answer, &more, err)) {
            return false;
        }
    }
    if (!collect(&reader, count, type, &answer, err)) {
        return false;
    }
    *ret = answer;
    return true;
}

bool dns_text(const struct dns_record *record, char *ret, size_t size, size_t *ret_len) {
    size_t at = 0, len = 0;

    while (at < record->len) {
        size_t part = record->data[at++];
        if (part > record->len - at || part > size - len) {
            return false;
        }
        memcpy(ret + len, record->data + at, part);
        len += part;
        at += part;
    }
    *ret_len = len;
    return record->len > 0;
}

bool dns_caa(const struct dns_record *record, struct dns_caa *ret) {
    size_t tag_len = record->len < 2 ? 0 : record->data[1];

    if (tag_len == 0 || record->len - 2 < tag_len) {
        return false;
    }
    *ret = (struct dns_caa){.flags = record->data[0],
                            .tag = (const char *)record->data + 2,
                            .tag_len = tag_len,
                            .value = (const char *)record->data + 2 + tag_len,
                            .value_len = record->len - 2 - tag_len};
    return true;
}

const char *dns_rcode_name(unsigned rcode) {
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    return rcode < COUNT(names) ? names[rcode] : "an error";
}
