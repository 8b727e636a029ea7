#include "server/faults.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/later.h"
#include "common/rng.h"

#define SPREAD 0x9e3779b97f4a7c15ULL /* between the seeds of neighbours */

struct kept {
    unsigned number;
    struct fault_rule rule;
    json_t *source;
    struct rng rng;
    uint64_t seen, hits;
};

struct stuck {
    char order[ID_SIZE];
    uint64_t until_us;
};

struct faults {
    uint64_t seed;
    struct later *later;
    atomic_uint on, stuck_count; /* read without the lock */
    pthread_mutex_t lock;        /* of what follows */
    struct kept *rules;          /* FAULTS_MAX of them */
    unsigned count, numbers;
    struct stuck *stuck; /* a ring of FAULTS_STUCK_MAX, made when needed */
    unsigned stuck_next;
};

/* Under the lock. */
static void forget_all(struct faults *faults) {
    while (faults->count > 0) {
        json_decref(faults->rules[--faults->count].source);
    }
    atomic_store(&faults->on, 0);
}

void faults_free(struct faults *faults) {
    if (faults != NULL) {
        later_free(faults->later);
        forget_all(faults);
        (void)pthread_mutex_destroy(&faults->lock);
        free(faults->rules);
        free(faults->stuck);
        free(faults);
    }
}

struct faults *faults_new(uint64_t seed, struct err *err) {
    AUTO(faults_free) struct faults *faults = calloc(1, sizeof(*faults));

    if (faults == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for faults");
        return NULL;
    }
    faults->seed = seed;
    (void)pthread_mutex_init(&faults->lock, NULL);
    faults->later = later_new(err);
    return faults->later == NULL ? NULL : TAKE(faults);
}

/* ---- the list ---- */

/* Under the lock. */
static bool keep(struct faults *faults, const struct fault_rule *rule, const json_t *source,
                 struct err *err) {
    if (faults->count == FAULTS_MAX) {
        return err_set(err, ERR_CONFLICT, "there are %d fault rules already", FAULTS_MAX);
    }
    if (faults->rules == NULL) {
        faults->rules = calloc(FAULTS_MAX, sizeof(*faults->rules));
    }
    json_t *copy = json_deep_copy(source);
    if (faults->rules == NULL || copy == NULL) {
        json_decref(copy);
        return err_set(err, ERR_NO_MEMORY, "no memory for a fault rule");
    }
    unsigned number = ++faults->numbers;
    faults->rules[faults->count++] =
        (struct kept){.number = number,
                      .rule = *rule,
                      .source = copy,
                      .rng = rng_seeded(faults->seed + number * SPREAD)};
    atomic_store(&faults->on, faults->count);
    return true;
}

bool faults_add(struct faults *faults, const json_t *rule, unsigned *ret_number, struct err *err) {
    struct fault_rule read = {0};

    if (!fault_rule_read(rule, &read, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&faults->lock);
    bool kept = keep(faults, &read, rule, err);
    *ret_number = faults->numbers;
    (void)pthread_mutex_unlock(&faults->lock);
    return kept;
}

bool faults_replace(struct faults *faults, const json_t *list, struct err *err) {
    struct fault_rule read = {0};
    bool kept = true;

    if (json_array_size(list) > FAULTS_MAX) {
        return err_set(err, ERR_INVALID, "\"faults\" has more than %d rules", FAULTS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!fault_rule_read(json_array_get(list, i), &read, err)) {
            return false;
        }
    }
    (void)pthread_mutex_lock(&faults->lock);
    forget_all(faults);
    faults->numbers = 0;
    for (size_t i = 0; kept && i < json_array_size(list); i++) {
        const json_t *rule = json_array_get(list, i);
        kept = fault_rule_read(rule, &read, err) && keep(faults, &read, rule, err);
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return kept;
}

bool faults_remove(struct faults *faults, unsigned number) {
    bool found = false;

    (void)pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count && !found; i++) {
        if (faults->rules[i].number == number) {
            found = true;
            json_decref(faults->rules[i].source);
            memmove(&faults->rules[i], &faults->rules[i + 1],
                    (--faults->count - i) * sizeof(*faults->rules));
        }
    }
    atomic_store(&faults->on, faults->count);
    (void)pthread_mutex_unlock(&faults->lock);
    return found;
}

void faults_clear(struct faults *faults) {
    (void)pthread_mutex_lock(&faults->lock);
    forget_all(faults);
    atomic_store(&faults->stuck_count, 0);
    (void)pthread_mutex_unlock(&faults->lock);
}

json_t *faults_json(struct faults *faults) {
    json_t *list = json_array();

    (void)pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count; i++) {
        const struct kept *kept = &faults->rules[i];
        json_t *rule = json_deep_copy(kept->source);
        (void)json_object_set_new(rule, "id", json_integer(kept->number));
        (void)json_object_set_new(rule, "seen", json_integer((json_int_t)kept->seen));
        (void)json_object_set_new(rule, "hits", json_integer((json_int_t)kept->hits));
        (void)json_array_append_new(list, rule);
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return json_pack("{s:I, s:o}", "seed", (json_int_t)faults->seed, "faults", list);
}

static const char *place_name(const struct fault_rule *rule) {
    return rule->validation ? "validation"
           : rule->any      ? "any"
                            : meter_operation_name(rule->operation);
}

bool faults_render(struct faults *faults, struct buf *buf) {
    (void)pthread_mutex_lock(&faults->lock);
    if (faults->count > 0) {
        (void)buf_text(buf, "# HELP nfacme_server_faults_total Faults done, by rule\n"
                            "# TYPE nfacme_server_faults_total counter\n");
    }
    for (unsigned i = 0; i < faults->count; i++) {
        const struct kept *kept = &faults->rules[i];
        (void)buf_printf(buf, "nfacme_server_faults_total{rule=\"%u\",at=\"%s\"} %llu\n",
                         kept->number, place_name(&kept->rule), (unsigned long long)kept->hits);
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return !buf->failed;
}

/* ---- events ---- */

bool faults_on(const struct faults *faults) {
    return faults != NULL && atomic_load_explicit(&faults->on, memory_order_relaxed) != 0;
}

static bool is_for(const struct fault_rule *rule, bool validation, enum meter_operation operation) {
    return validation ? rule->validation
                      : !rule->validation && (rule->any || rule->operation == operation);
}

bool faults_ask_names(struct faults *faults, enum meter_operation operation) {
    bool ask = false;

    (void)pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count; i++) {
        const struct fault_rule *rule = &faults->rules[i].rule;
        ask = ask
              || (is_for(rule, false, operation)
                  && (rule->identifier[0] != '\0' || rule->nf[0] != '\0'));
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return ask;
}

/* "amf-17" is an NfInstanceId, or the NF whose dns name begins with the label amf17 or amf-17. */
static bool is_nf(const char *nf, const struct acme_identifier *identifier) {
    const char *at = identifier->value;

    if (identifier->type == ACME_ID_NF_INSTANCE) {
        return strcasecmp(nf, at) == 0;
    }
    if (identifier->type != ACME_ID_DNS) {
        return false;
    }
    size_t label = strcspn(at, ".");
    if (strlen(nf) == label && strncasecmp(nf, at, label) == 0) {
        return true;
    }
    const char *dash = strrchr(nf, '-');
    size_t head = dash == NULL ? 0 : (size_t)(dash - nf);
    return dash != NULL && strlen(nf) == label + 1 && strncasecmp(nf, at, head) == 0
           && strncasecmp(dash + 1, at + head, label - head) == 0;
}

static bool fits(const struct fault_rule *rule, const struct fault_event *event) {
    bool named = rule->identifier[0] == '\0', nf = rule->nf[0] == '\0';

    if (!is_for(rule, event->validation, event->operation)
        || (rule->account[0] != '\0'
            && (event->account == NULL || strcmp(rule->account, event->account) != 0))
        || (rule->challenge != FAULT_ANY_CHALLENGE && rule->challenge != event->challenge)) {
        return false;
    }
    for (unsigned i = 0; i < event->count; i++) {
        named = named || fnmatch(rule->identifier, event->identifiers[i].value, FNM_CASEFOLD) == 0;
        nf = nf || is_nf(rule->nf, &event->identifiers[i]);
    }
    return named && nf;
}

/* Count the event; is it one the rule is about? */
static bool occurs(struct kept *kept) {
    const struct fault_rule *rule = &kept->rule;
    uint64_t number = ++kept->seen;
    /* drawn for every event, so that which one is hit does not depend on the other members */
    bool drawn = rule->probability >= 1 || rng_unit(&kept->rng) < rule->probability;

    return drawn && (rule->nth == 0 || number == rule->nth)
           && (rule->first == 0 || number >= rule->first)
           && (rule->last == 0 || number <= rule->last)
           && (rule->every == 0 || number % rule->every == 0);
}

/* Members `into` has not. */
static void merge(struct fault_action *into, const struct fault_action *from) {
    if (into->problem[0] == '\0' && from->problem[0] != '\0') {
        memcpy(into->problem, from->problem, sizeof(into->problem));
        memcpy(into->detail, from->detail, sizeof(into->detail));
        into->kind = from->kind;
        into->status = from->status;
    }
    if (into->retry_after_s == 0) {
        into->retry_after_s = from->retry_after_s;
        into->retry_date = from->retry_date;
    }
    if (into->content_type[0] == '\0') {
        memcpy(into->content_type, from->content_type, sizeof(into->content_type));
    }
    into->delay_us = into->delay_us != 0 ? into->delay_us : from->delay_us;
    into->close = into->close != FAULT_CLOSE_NEVER ? into->close : from->close;
    into->empty |= from->empty;
    into->malformed |= from->malformed;
    into->no_nonce |= from->no_nonce;
    into->octets_per_s = into->octets_per_s != 0 ? into->octets_per_s : from->octets_per_s;
    into->processing_us = into->processing_us != 0 ? into->processing_us : from->processing_us;
    into->verdict = into->verdict != FAULT_JUDGE ? into->verdict : from->verdict;
}

bool faults_hit(struct faults *faults, const struct fault_event *event, struct fault_action *ret) {
    bool hit = false;

    *ret = (struct fault_action){0};
    (void)pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count; i++) {
        struct kept *kept = &faults->rules[i];
        if (fits(&kept->rule, event) && occurs(kept)) {
            kept->hits++;
            hit = true;
            merge(ret, &kept->rule.action);
        }
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return hit;
}

struct later *faults_later(struct faults *faults) {
    return faults->later;
}

/* ---- stuck orders ---- */

void faults_stick(struct faults *faults, const char *order, uint64_t until_us) {
    (void)pthread_mutex_lock(&faults->lock);
    if (faults->stuck == NULL) {
        faults->stuck = calloc(FAULTS_STUCK_MAX, sizeof(*faults->stuck));
    }
    if (faults->stuck != NULL) {
        if (atomic_load(&faults->stuck_count) == 0) {
            memset(faults->stuck, 0, FAULTS_STUCK_MAX * sizeof(*faults->stuck));
        }
        struct stuck *stuck = &faults->stuck[faults->stuck_next++ % FAULTS_STUCK_MAX];
        (void)snprintf(stuck->order, ID_SIZE, "%s", order);
        stuck->until_us = until_us;
        (void)atomic_fetch_add(&faults->stuck_count, 1);
    }
    (void)pthread_mutex_unlock(&faults->lock);
}

bool faults_stuck(struct faults *faults, const char *order, uint64_t now_us) {
    bool stuck = false;

    if (faults == NULL || atomic_load_explicit(&faults->stuck_count, memory_order_relaxed) == 0) {
        return false;
    }
    (void)pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; faults->stuck != NULL && i < FAULTS_STUCK_MAX && !stuck; i++) {
        stuck = now_us < faults->stuck[i].until_us && strcmp(faults->stuck[i].order, order) == 0;
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return stuck;
}
