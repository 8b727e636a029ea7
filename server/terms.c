#include "server/terms.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store.h"

#define SETTING_URL "terms"
#define SETTING_OPTION "terms.option"

struct terms {
    pthread_mutex_t lock;
    char url[TERMS_URL_SIZE];
    _Atomic uint64_t mark;
};

struct terms *terms_new(struct err *err) {
    struct terms *terms = calloc(1, sizeof(*terms));

    if (terms == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the terms of service");
        return NULL;
    }
    (void)pthread_mutex_init(&terms->lock, NULL);
    return terms;
}

void terms_free(struct terms *terms) {
    if (terms != NULL) {
        (void)pthread_mutex_destroy(&terms->lock);
        free(terms);
    }
}

/* FNV-1a: the URLs are the operator's own. */
uint64_t terms_mark_of(const char *url) {
    uint64_t hash = 14695981039346656037ULL;

    if (url == NULL || *url == '\0') {
        return 0;
    }
    for (; *url != '\0'; url++) {
        hash = (hash ^ (unsigned char)*url) * 1099511628211ULL;
    }
    return hash == 0 ? 1 : hash;
}

void terms_set(struct terms *terms, const char *url) {
    (void)pthread_mutex_lock(&terms->lock);
    (void)snprintf(terms->url, sizeof(terms->url), "%s", url);
    atomic_store_explicit(&terms->mark, terms_mark_of(terms->url), memory_order_release);
    (void)pthread_mutex_unlock(&terms->lock);
}

void terms_get(struct terms *terms, char url[TERMS_URL_SIZE]) {
    (void)pthread_mutex_lock(&terms->lock);
    memcpy(url, terms->url, TERMS_URL_SIZE);
    (void)pthread_mutex_unlock(&terms->lock);
}

uint64_t terms_mark(const struct terms *terms) {
    return atomic_load_explicit(&terms->mark, memory_order_acquire);
}

bool terms_url_check(const char *url, struct err *err) {
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    bool good = scheme > 0 && url[scheme] != '\0' && strlen(url) < TERMS_URL_SIZE;

    for (const char *c = url; good && *c != '\0'; c++) {
        good = *c > 0x20 && *c < 0x7F && strchr("\"<>\\^`{|}", *c) == NULL;
    }
    return good
           || err_set(err, ERR_INVALID, "not an http or https URL of less than %d octets",
                      TERMS_URL_SIZE);
}

static void put(struct store_tx *tx, const char *name, const char *value) {
    struct store_op *op = store_tx_add(tx, STORE_SETTING);
    op->setting.name = name;
    op->setting.value = value;
}

bool terms_load(struct terms *terms, struct store *store, const char *option, struct err *err) {
    AUTO(free) char *url = NULL;
    AUTO(free) char *before = NULL;
    struct store_tx tx = {0};

    if (!store_setting_get(store, SETTING_URL, &url, err)
        || !store_setting_get(store, SETTING_OPTION, &before, err)) {
        return false;
    }
    option = option == NULL ? "" : option;
    if (strcmp(option, before == NULL ? "" : before) == 0) {
        terms_set(terms, url == NULL ? "" : url);
        return true;
    }
    put(&tx, SETTING_URL, option);
    put(&tx, SETTING_OPTION, option);
    if (!store_write(store, &tx, err)) {
        return false;
    }
    terms_set(terms, option);
    return true;
}

bool terms_change(struct terms *terms, struct store *store, const char *url, struct err *err) {
    struct store_tx tx = {0};

    put(&tx, SETTING_URL, url);
    if (!store_write(store, &tx, err)) {
        return false;
    }
    terms_set(terms, url);
    return true;
}
