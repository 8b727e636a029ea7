#include "server/root_crl.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/key.h"
#include "common/log.h"
#include "server/crl_make.h"

#define RETRY_S 3600 /* between looks for a key that was not there */

struct root_crl {
    const char *state_dir;
    X509 *root;
    const struct clock *clock;

    pthread_mutex_t lock; /* of what follows */
    unsigned char *der;   /* malloc; NULL: none */
    size_t len;
    uint64_t number;
    int64_t this_update_s, renew_at_s;
};

static bool path_of(const struct root_crl *root_crl, const char *name, char path[PATH_MAX],
                    struct err *err) {
    int len = snprintf(path, PATH_MAX, "%s/%s", root_crl->state_dir, name);
    return (len > 0 && len < PATH_MAX)
           || err_set(err, ERR_CONFIG, "the state directory's name is too long");
}

static bool time_read(const ASN1_TIME *time, int64_t *ret) {
    struct tm utc = {0};

    if (time == NULL || ASN1_TIME_to_tm(time, &utc) != 1) {
        return false;
    }
    *ret = timegm(&utc);
    return true;
}

/* Take number and times from a list of the root's, and keep a copy. */
static bool adopt(struct root_crl *root_crl, const unsigned char *der, size_t len) {
    const unsigned char *at = der;
    AUTO(X509_CRL_free) X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)len);
    int64_t from_s = 0, until_s = 0;
    uint64_t number = 0;

    if (list == NULL || X509_CRL_verify(list, X509_get0_pubkey(root_crl->root)) != 1
        || !time_read(X509_CRL_get0_lastUpdate(list), &from_s)
        || !time_read(X509_CRL_get0_nextUpdate(list), &until_s)) {
        return false;
    }
    ASN1_INTEGER *value = X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
    if (value != NULL) {
        (void)ASN1_INTEGER_get_uint64(&number, value);
        ASN1_INTEGER_free(value);
    }
    unsigned char *copy = malloc(len);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, der, len);
    free(root_crl->der);
    root_crl->der = copy;
    root_crl->len = len;
    root_crl->number = number;
    root_crl->this_update_s = from_s;
    root_crl->renew_at_s = from_s + (until_s - from_s) / 2;
    return true;
}

static bool read_file(struct root_crl *root_crl, struct err *err) {
    char path[PATH_MAX];
    size_t len = 0;

    if (!path_of(root_crl, "root.crl", path, err)) {
        return false;
    }
    if (access(path, F_OK) != 0) {
        return true;
    }
    AUTO(free) char *der = file_read(path, &len, err);
    return der != NULL
           && (adopt(root_crl, (const unsigned char *)der, len)
               || err_set(err, ERR_CONFIG, "%.120s is not a list of the root's", path));
}

/* The root's key, when it is there; NULL: it is not. */
static EVP_PKEY *key_read(const struct root_crl *root_crl) {
    struct err err = {0};
    char path[PATH_MAX];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;

    if (!path_of(root_crl, "root.key", path, &err) || access(path, R_OK) != 0) {
        return NULL;
    }
    key = key_read_file(path, &err);
    return key != NULL && EVP_PKEY_eq(X509_get0_pubkey(root_crl->root), key) == 1 ? TAKE(key)
                                                                                  : NULL;
}

/* Sign a new list and keep it in the file.  Without a key nothing happens for a while. */
static bool renew(struct root_crl *root_crl, struct err *err) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_read(root_crl);
    AUTO(ossl_free) unsigned char *der = NULL;
    uint64_t now_us = clock_now_us(root_crl->clock);
    int64_t now_s = (int64_t)(now_us / 1000000);
    struct crl_spec spec = {.issuer = root_crl->root,
                            .key = key,
                            .number = now_us > root_crl->number ? now_us : root_crl->number + 1,
                            .this_update_s = now_s,
                            .next_update_s = now_s + ROOT_CRL_LIFETIME_S};
    char path[PATH_MAX];
    size_t len = 0;

    root_crl->renew_at_s = now_s + RETRY_S;
    if (key == NULL) {
        return true;
    }
    if (!path_of(root_crl, "root.crl", path, err) || !crl_make(&spec, &der, &len, err)
        || !file_write(path, 0644, der, len, err)) {
        return false;
    }
    return adopt(root_crl, der, len)
           || err_set(err, ERR_SERVER_INTERNAL, "could not keep the root's list");
}

struct root_crl *root_crl_open(const char *state_dir, X509 *root, const struct clock *clock,
                               struct err *err) {
    AUTO(root_crl_free) struct root_crl *root_crl = calloc(1, sizeof *root_crl);

    if (root_crl == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the root's list");
        return NULL;
    }
    (void)pthread_mutex_init(&root_crl->lock, NULL);
    root_crl->state_dir = state_dir;
    root_crl->root = root;
    root_crl->clock = clock;
    if (!read_file(root_crl, err)
        || (clock_now_s(clock) >= root_crl->renew_at_s && !renew(root_crl, err))) {
        return NULL;
    }
    return TAKE(root_crl);
}

void root_crl_free(struct root_crl *root_crl) {
    if (root_crl != NULL) {
        (void)pthread_mutex_destroy(&root_crl->lock);
        free(root_crl->der);
        free(root_crl);
    }
}

unsigned char *root_crl_der(struct root_crl *root_crl, size_t *ret_len,
                            int64_t *ret_this_update_s) {
    struct err err = {0};

    (void)pthread_mutex_lock(&root_crl->lock);
    if (clock_now_s(root_crl->clock) >= root_crl->renew_at_s && !renew(root_crl, &err)) {
        log_line(LOG_ERROR, "root_crl", "renew", "kind=%s", err_name(err.kind));
    }
    unsigned char *copy = root_crl->der == NULL ? NULL : malloc(root_crl->len);
    if (copy != NULL) {
        memcpy(copy, root_crl->der, root_crl->len);
        *ret_len = root_crl->len;
        *ret_this_update_s = root_crl->this_update_s;
    }
    (void)pthread_mutex_unlock(&root_crl->lock);
    return copy;
}
