/* A DNS server (RFC 1035, CAA of RFC 8659) for the questions of a validation, over UDP. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/b64.h"
#include "tests/conformance/responder_parts.h"
#include "tests/conformance/spec_internal.h"

#define MESSAGE_MAX 4096
#define NAME_SIZE 256
#define CHAIN_MAX 8 /* CNAMEs followed in one answer */
#define CLASS_IN 1

enum record_what { RECORD_DATA, RECORD_RCODE, RECORD_COUNT };

struct record {
    struct record *next;
    enum record_what what;
    char *name;
    unsigned type; /* 0: every type */
    unsigned char data[2048];
    size_t len;
    unsigned number; /* RCODE, or questions seen */
};

struct responder_dns {
    int fd;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of records */
    struct record *records;
    atomic_bool stop;
};

/* clang-format off */
static const struct { const char *name; unsigned type; } types[] = {
    {"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"TXT", 16}, {"AAAA", 28}, {"CAA", 257},
};
/* clang-format on */

static unsigned type_parse(const char *name) {
    for (unsigned i = 0; name != NULL && i < COUNT(types); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].type;
        }
    }
    return 0;
}

struct message {
    unsigned char octets[MESSAGE_MAX];
    size_t len;
};

static void put(struct message *message, const void *data, size_t len) {
    if (message->len + len <= MESSAGE_MAX) {
        memcpy(message->octets + message->len, data, len);
        message->len += len;
    }
}

static void put16(struct message *message, unsigned value) {
    const unsigned char octets[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    put(message, octets, 2);
}

/* Labels of a name in wire form; ret[NAME_SIZE]. */
static size_t name_wire(const char *name, unsigned char *ret) {
    size_t len = 0;

    while (*name != '\0' && len < NAME_SIZE - 66) {
        size_t label = strcspn(name, ".");
        label = label > 63 ? 63 : label;
        ret[len++] = (unsigned char)label;
        memcpy(ret + len, name, label);
        len += label;
        name += strcspn(name, ".");
        name += *name == '.';
    }
    ret[len++] = 0;
    return len;
}

/* The question's name as lower-case text; octets of it, 0 when it is none. */
static size_t name_read(const unsigned char *octets, size_t len, char name[NAME_SIZE]) {
    size_t at = 0, out = 0;

    while (at < len && octets[at] != 0) {
        size_t label = octets[at];
        if (label > 63 || at + 1 + label >= len || out + label + 2 > NAME_SIZE) {
            return 0;
        }
        out += out > 0 ? (name[out] = '.', 1u) : 0u;
        for (size_t i = 0; i < label; i++) {
            name[out++] = (char)tolower(octets[at + 1 + i]);
        }
        at += 1 + label;
    }
    name[out] = '\0';
    return at < len ? at + 1 : 0;
}

static struct record *find(struct responder_dns *dns, const struct record *after,
                           enum record_what what, const char *name, unsigned type) {
    struct record *record = after == NULL ? dns->records : after->next;

    while (record != NULL
           && (record->what != what || strcasecmp(record->name, name) != 0
               || (record->type != type && !(what == RECORD_RCODE && record->type == 0)))) {
        record = record->next;
    }
    return record;
}

static struct record *add(struct responder_dns *dns, enum record_what what, const char *name,
                          unsigned type) {
    struct record *record = calloc(1, sizeof(*record));

    if (record == NULL || (record->name = strdup(name)) == NULL) {
        abort();
    }
    record->what = what;
    record->type = type;
    record->next = dns->records;
    dns->records = record;
    return record;
}

static void answer_record(struct message *message, const char *owner, unsigned type,
                          const unsigned char *data, size_t len, unsigned *count) {
    unsigned char name[NAME_SIZE];

    put(message, name, name_wire(owner, name));
    put16(message, type);
    put16(message, CLASS_IN);
    put16(message, 0);
    put16(message, 0); /* TTL 0: a case changes what is here */
    put16(message, (unsigned)len);
    put(message, data, len);
    (*count)++;
}

/* The records of name, CNAMEs followed; with the lock. */
static unsigned answers(struct responder_dns *dns, struct message *message, const char *asked,
                        unsigned type) {
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    char name[NAME_SIZE];
    unsigned count = 0;

    (void)snprintf(name, sizeof(name), "%s", asked);
    for (unsigned hop = 0; hop < CHAIN_MAX; hop++) {
        const struct record *alias = find(dns, NULL, RECORD_DATA, name, 5);
        if (alias == NULL || alias->len == 0 || type == 5) {
            break;
        }
        answer_record(message, name, 5, alias->data, alias->len, &count);
        (void)name_read(alias->data, alias->len, name);
    }
    bool stated = false;
    for (const struct record *record = find(dns, NULL, RECORD_DATA, name, type); record != NULL;
         record = find(dns, record, RECORD_DATA, name, type)) {
        stated = true;
        if (record->len == 0) {
            break; /* everything before it was taken away */
        }
        answer_record(message, name, type, record->data, record->len, &count);
    }
    if (!stated && type == 1) {
        answer_record(message, name, 1, loopback, sizeof(loopback), &count);
    }
    return count;
}

/* False: nothing is sent back. */
static bool reply(struct responder_dns *dns, const unsigned char *question, size_t len,
                  struct message *ret) {
    char name[NAME_SIZE];
    size_t name_len = len < 17 ? 0 : name_read(question + 12, len - 12, name);

    if (name_len == 0 || 12 + name_len + 4 > len) {
        return false;
    }
    unsigned type = (unsigned)question[12 + name_len] << 8 | question[13 + name_len];
    *ret = (struct message){.len = 0};
    put(ret, question, 12 + name_len + 4);
    (void)pthread_mutex_lock(&dns->lock);
    struct record *seen = find(dns, NULL, RECORD_COUNT, name, type);
    seen = seen == NULL ? add(dns, RECORD_COUNT, name, type) : seen;
    seen->number++;
    const struct record *rcode = find(dns, NULL, RECORD_RCODE, name, type);
    unsigned code = rcode == NULL ? 0 : rcode->number;
    unsigned count = code == 0 ? answers(dns, ret, name, type) : 0;
    (void)pthread_mutex_unlock(&dns->lock);
    ret->octets[2] = (unsigned char)(0x84 | (question[2] & 0x01)); /* QR AA, RD as asked */
    ret->octets[3] = (unsigned char)(0x80 | (code & 0x0f));        /* RA */
    memset(ret->octets + 6, 0, 6);
    ret->octets[7] = (unsigned char)count;
    return code != SPEC_DNS_SILENT;
}

static void *serve(void *context) {
    struct responder_dns *dns = context;

    while (!atomic_load(&dns->stop)) {
        struct pollfd poller = {.fd = dns->fd, .events = POLLIN};
        unsigned char question[MESSAGE_MAX];
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        struct message message;
        if (poll(&poller, 1, 100) <= 0) {
            continue;
        }
        ssize_t got =
            recvfrom(dns->fd, question, sizeof(question), 0, (struct sockaddr *)&from, &from_len);
        if (got > 0 && reply(dns, question, (size_t)got, &message)) {
            (void)sendto(dns->fd, message.octets, message.len, 0, (struct sockaddr *)&from,
                         from_len);
        }
    }
    return NULL;
}

struct responder_dns *responder_dns_start(unsigned port, struct err *err) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct responder_dns *dns = calloc(1, sizeof(*dns));

    if (dns == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    (void)pthread_mutex_init(&dns->lock, NULL);
    dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (dns->fd < 0 || bind(dns->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)err_set(err, ERR_CONFIG, "DNS port %u: %s", port, strerror(errno));
        responder_dns_stop(dns);
        return NULL;
    }
    dns->running = pthread_create(&dns->thread, NULL, serve, dns) == 0;
    return dns;
}

void responder_dns_stop(struct responder_dns *dns) {
    if (dns == NULL) {
        return;
    }
    atomic_store(&dns->stop, true);
    if (dns->running) {
        (void)pthread_join(dns->thread, NULL);
    }
    if (dns->fd >= 0) {
        (void)close(dns->fd);
    }
    while (dns->records != NULL) {
        struct record *record = dns->records;
        dns->records = record->next;
        free(record->name);
        free(record);
    }
    (void)pthread_mutex_destroy(&dns->lock);
    free(dns);
}

/* flags tag "value" */
static size_t caa_wire(const char *text, unsigned char *data, size_t size) {
    char *end = NULL;
    unsigned long flags = strtoul(text, &end, 10);
    const char *tag = end + strspn(end, " ");
    size_t tag_len = strcspn(tag, " ");
    const char *value = tag + tag_len + strspn(tag + tag_len, " ");
    size_t value_len = strlen(value);

    if (value_len >= 2 && value[0] == '"') {
        value++;
        value_len -= 2;
    }
    if (2 + tag_len + value_len > size || tag_len > 255) {
        return 0;
    }
    data[0] = (unsigned char)flags;
    data[1] = (unsigned char)tag_len;
    memcpy(data + 2, tag, tag_len);
    memcpy(data + 2 + tag_len, value, value_len);
    return 2 + tag_len + value_len;
}

static size_t txt_wire(const char *text, unsigned char *data, size_t size) {
    size_t len = strlen(text), out = 0;

    do {
        size_t once = len > 255 ? 255 : len;
        if (out + 1 + once > size) {
            return 0;
        }
        data[out++] = (unsigned char)once;
        memcpy(data + out, text, once);
        out += once;
        text += once;
        len -= once;
    } while (len > 0);
    return out;
}

static size_t data_wire(unsigned type, const char *value, unsigned char *data, size_t size) {
    switch (type) {
    case 1:
        return inet_pton(AF_INET, value, data) == 1 ? 4 : 0;
    case 28:
        return inet_pton(AF_INET6, value, data) == 1 ? 16 : 0;
    case 5:
        return name_wire(value, data);
    case 257:
        return caa_wire(value, data, size);
    default:
        return txt_wire(value, data, size);
    }
}

void spec_dns(struct spec *spec, const char *name, const char *type, const char *value) {
    struct responder_dns *dns = responder_dns_of(spec);
    unsigned char data[2048];
    size_t len = 0;

    if (dns == NULL || spec_over(spec)) {
        return;
    }
    if (value != NULL) {
        len = data_wire(type_parse(type), value, data, sizeof(data));
    }
    if (!spec_check(spec, type_parse(type) != 0 && (value == NULL || len > 0),
                    "the case's %s record \"%.80s\" cannot be written", type == NULL ? "" : type,
                    value == NULL ? "" : value)) {
        return;
    }
    (void)pthread_mutex_lock(&dns->lock);
    struct record *record = add(dns, RECORD_DATA, name, type_parse(type));
    memcpy(record->data, data, len);
    record->len = len;
    (void)pthread_mutex_unlock(&dns->lock);
}

void spec_dns_rcode(struct spec *spec, const char *name, const char *type, unsigned rcode) {
    struct responder_dns *dns = responder_dns_of(spec);

    if (dns != NULL && !spec_over(spec)) {
        (void)pthread_mutex_lock(&dns->lock);
        add(dns, RECORD_RCODE, name, type_parse(type))->number = rcode;
        (void)pthread_mutex_unlock(&dns->lock);
    }
}

unsigned spec_dns_seen(struct spec *spec, const char *name, const char *type) {
    struct responder_dns *dns = responder_dns_of(spec);
    unsigned count = 0;

    if (dns != NULL) {
        (void)pthread_mutex_lock(&dns->lock);
        const struct record *seen = find(dns, NULL, RECORD_COUNT, name, type_parse(type));
        count = seen == NULL ? 0 : seen->number;
        (void)pthread_mutex_unlock(&dns->lock);
    }
    return count;
}

const char *spec_dns01_name(struct spec *spec, const char *name) {
    return spec_text(spec, "_acme-challenge.%s", strncmp(name, "*.", 2) == 0 ? name + 2 : name);
}

const char *spec_dns01_value(struct spec *spec, const char *key_authorization) {
    unsigned char digest[SHA256_DIGEST_LENGTH];

    (void)SHA256((const unsigned char *)key_authorization, strlen(key_authorization), digest);
    return spec_b64(spec, digest, sizeof(digest));
}
