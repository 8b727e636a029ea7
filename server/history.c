/* Identifiers hang in a hash table and in a list by last use; each has a ring of queries, and each
 * query is one allocation that holds its texts. */
#include "server/history.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/problem.h"

#define ADDRESSES_MAX 8
#define ADDRESS_SIZE 46
#define TRIED_SIZE 60

struct entry {
    enum acme_challenge_type type;
    uint64_t at_us, us;
    bool connected;
    unsigned status;
    unsigned addresses;
    char address[ADDRESSES_MAX][ADDRESS_SIZE];
    char tried[TRIED_SIZE];
    enum err_kind kind;
    char *detail; /* NULL = no error */
    char *asked;
    unsigned char *answer;
    size_t answer_len;
};

struct subject {
    struct subject *next_of_hash;
    struct subject *newer, *older;
    struct acme_identifier identifier;
    unsigned first, count;
    struct entry *entries[HISTORY_DEPTH];
};

struct history {
    pthread_mutex_t lock;
    unsigned max, count, buckets; /* buckets: a power of two */
    uint64_t queries;
    struct subject **table;
    struct subject *newest, *oldest;
};

static void entry_free(struct entry *entry) {
    if (entry != NULL) {
        free(entry->detail);
        free(entry->asked);
        free(entry->answer);
        free(entry);
    }
}

static void subject_free(struct subject *subject) {
    for (unsigned i = 0; i < HISTORY_DEPTH; i++) {
        entry_free(subject->entries[i]);
    }
    free(subject);
}

struct history *history_new(unsigned identifiers_max, struct err *err) {
    AUTO(history_free) struct history *history = calloc(1, sizeof(*history));

    if (history == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the history");
        return NULL;
    }
    (void)pthread_mutex_init(&history->lock, NULL);
    history->max = identifiers_max != 0 ? identifiers_max : HISTORY_DEFAULT;
    for (history->buckets = 16; history->buckets < history->max; history->buckets *= 2) {
    }
    history->table = calloc(history->buckets, sizeof(struct subject *));
    if (history->table == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the history");
        return NULL;
    }
    return TAKE(history);
}

void history_free(struct history *history) {
    if (history == NULL) {
        return;
    }
    while (history->newest != NULL) {
        struct subject *subject = history->newest;
        history->newest = subject->older;
        subject_free(subject);
    }
    (void)pthread_mutex_destroy(&history->lock);
    free(history->table);
    free(history);
}

/* FNV-1a; who can choose identifiers gains nothing but longer chains of at most max. */
static struct subject **bucket(const struct history *history, const char *value) {
    uint32_t hash = 2166136261U;

    for (; *value != '\0'; value++) {
        hash = (hash ^ (unsigned char)*value) * 16777619U;
    }
    return &history->table[hash & (history->buckets - 1)];
}

static void unlink_use(struct history *history, const struct subject *subject) {
    *(subject->newer != NULL ? &subject->newer->older : &history->newest) = subject->older;
    *(subject->older != NULL ? &subject->older->newer : &history->oldest) = subject->newer;
}

static void link_newest(struct history *history, struct subject *subject) {
    subject->newer = NULL;
    subject->older = history->newest;
    *(history->newest != NULL ? &history->newest->newer : &history->oldest) = subject;
    history->newest = subject;
}

static void forget_oldest(struct history *history) {
    struct subject *subject = history->oldest;
    struct subject **place = bucket(history, subject->identifier.value);

    while (*place != subject) {
        place = &(*place)->next_of_hash;
    }
    *place = subject->next_of_hash;
    unlink_use(history, subject);
    history->count--;
    subject_free(subject);
}

static struct subject *find(const struct history *history, const char *value) {
    struct subject *subject = *bucket(history, value);

    while (subject != NULL && strcmp(subject->identifier.value, value) != 0) {
        subject = subject->next_of_hash;
    }
    return subject;
}

/* The identifier's, made when it is new; the newest afterwards.  NULL: no memory. */
static struct subject *subject_of(struct history *history,
                                  const struct acme_identifier *identifier) {
    struct subject *subject = find(history, identifier->value);

    if (subject != NULL) {
        unlink_use(history, subject);
        link_newest(history, subject);
        return subject;
    }
    if (history->count == history->max) {
        forget_oldest(history);
    }
    subject = calloc(1, sizeof(*subject));
    if (subject != NULL) {
        struct subject **place = bucket(history, identifier->value);
        subject->identifier = *identifier;
        subject->next_of_hash = *place;
        *place = subject;
        link_newest(history, subject);
        history->count++;
    }
    return subject;
}

static void copy_text(char *to, size_t size, const char *from) {
    size_t len = from == NULL ? 0 : strnlen(from, size - 1);

    if (len > 0) {
        memcpy(to, from, len);
    }
    to[len] = '\0';
}

/* NULL: no memory. */
static struct entry *entry_new(const struct va_query *query) {
    struct entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL) {
        return NULL;
    }
    entry->type = query->type;
    entry->at_us = query->at_us;
    entry->us = query->us;
    entry->connected = query->connected;
    entry->status = query->status;
    for (unsigned i = 0; i < query->addresses && i < ADDRESSES_MAX; i++) {
        copy_text(entry->address[entry->addresses++], ADDRESS_SIZE, query->address[i]);
    }
    copy_text(entry->tried, sizeof(entry->tried), query->tried);
    entry->asked = strndup(query->asked == NULL ? "" : query->asked, HISTORY_TEXT_MAX);
    entry->answer_len =
        query->answer_len < VA_ANSWER_SEEN ? query->answer_len : (size_t)VA_ANSWER_SEEN;
    entry->answer = malloc(entry->answer_len + 1);
    if (query->err != NULL && query->err->kind != ERR_NONE) {
        entry->kind = query->err->kind;
        entry->detail = strdup(query->err->detail);
    }
    if (entry->asked == NULL || entry->answer == NULL
        || (entry->kind != ERR_NONE && entry->detail == NULL)) {
        entry_free(entry);
        return NULL;
    }
    if (entry->answer_len > 0) {
        memcpy(entry->answer, query->answer, entry->answer_len);
    }
    return entry;
}

void history_query(void *ctx, const struct va_query *query) {
    struct history *history = ctx;
    struct entry *entry = entry_new(query);

    (void)pthread_mutex_lock(&history->lock);
    history->queries++;
    struct subject *subject = entry == NULL ? NULL : subject_of(history, query->identifier);
    if (subject == NULL) { /* better no history than no validation */
        entry_free(entry);
    } else if (subject->count < HISTORY_DEPTH) {
        subject->entries[subject->count++] = entry;
    } else {
        entry_free(subject->entries[subject->first]);
        subject->entries[subject->first] = entry;
        subject->first = (subject->first + 1) % HISTORY_DEPTH;
    }
    (void)pthread_mutex_unlock(&history->lock);
}

static void set_new(json_t *object, const char *name, json_t *value) {
    (void)json_object_set_new(object, name, value);
}

/* Text as it is, anything else in base64url: text that was cut may end within a character. */
static void set_answer(json_t *object, const struct entry *entry) {
    char encoded[B64_LEN(VA_ANSWER_SEEN) + 1];
    json_t *text = json_stringn((const char *)entry->answer, entry->answer_len);

    if (text != NULL) {
        set_new(object, "answer", text);
    } else {
        b64_encode_into(entry->answer, entry->answer_len, encoded, sizeof(encoded));
        set_new(object, "answerBase64", json_string(encoded));
    }
}

static json_t *entry_json(const struct entry *entry) {
    json_t *object = json_object(), *addresses = json_array();
    char time[CLOCK_TEXT_SIZE];

    clock_text(entry->at_us, time);
    for (unsigned i = 0; i < entry->addresses; i++) {
        (void)json_array_append_new(addresses, json_string(entry->address[i]));
    }
    set_new(object, "time", json_string(time));
    set_new(object, "challenge", json_string(acme_challenge_name(entry->type)));
    set_new(object, "asked", json_string(entry->asked));
    set_new(object, "addresses", addresses);
    if (entry->tried[0] != '\0') {
        set_new(object, "tried", json_string(entry->tried));
    }
    set_new(object, "connected", json_boolean(entry->connected));
    if (entry->status != 0) {
        set_new(object, "status", json_integer((json_int_t)entry->status));
    }
    if (entry->answer_len > 0) {
        set_answer(object, entry);
    }
    if (entry->detail != NULL) {
        struct err err = {0};
        (void)err_set(&err, entry->kind, "%s", entry->detail);
        AUTO(free) char *problem = problem_render(&err);
        set_new(object, "error", problem == NULL ? json_object() : json_loads(problem, 0, NULL));
    }
    set_new(object, "us", json_integer((json_int_t)entry->us));
    return object;
}

json_t *history_render(struct history *history, const char *identifier) {
    json_t *object = NULL;

    (void)pthread_mutex_lock(&history->lock);
    const struct subject *subject = find(history, identifier);
    if (subject != NULL) {
        json_t *name = json_object(), *queries = json_array();
        object = json_object();
        set_new(name, "type", json_string(acme_identifier_name(subject->identifier.type)));
        set_new(name, "value", json_string(subject->identifier.value));
        for (unsigned i = 0; i < subject->count; i++) {
            const struct entry *entry = subject->entries[(subject->first + i) % HISTORY_DEPTH];
            (void)json_array_append_new(queries, entry_json(entry));
        }
        set_new(object, "identifier", name);
        set_new(object, "queries", queries);
    }
    (void)pthread_mutex_unlock(&history->lock);
    return object;
}

unsigned history_identifiers(struct history *history) {
    (void)pthread_mutex_lock(&history->lock);
    unsigned count = history->count;
    (void)pthread_mutex_unlock(&history->lock);
    return count;
}

uint64_t history_queries(struct history *history) {
    (void)pthread_mutex_lock(&history->lock);
    uint64_t queries = history->queries;
    (void)pthread_mutex_unlock(&history->lock);
    return queries;
}
