/* Signing is shared: `begun` counts readings of the source, `in_list` is the last one that reached
 * a signed list.  A caller needs a reading that began after its call; whoever finds nobody at work
 * does it for all who wait. */
#include "server/crl.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/ossl.h"

#define DAY_S ((int64_t)86400)
#define BACKDATE_S 60
#define LOOK_MAX_US 3600000000ULL /* the renewing thread looks at the clock at least hourly */
#define LOOK_MIN_US 1000000ULL    /* and after a failure not before a second has passed */

AUTO_DEFINE(ASN1_ENUMERATED, ASN1_ENUMERATED_free)
AUTO_DEFINE(ASN1_INTEGER, ASN1_INTEGER_free)
AUTO_DEFINE(AUTHORITY_KEYID, AUTHORITY_KEYID_free)
AUTO_DEFINE(X509_REVOKED, X509_REVOKED_free)

struct crl {
    struct crl_options options;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool stopping, busy;
    uint64_t begun, in_list;
    unsigned char *der; /* malloc */
    size_t der_len;
    uint64_t number;
    int64_t renew_at_s;
};

/* One list in the making. */
struct making {
    X509_CRL *list;
    unsigned count;
};

static ASN1_INTEGER *serial_read(const char *hex) {
    AUTO(BN_free) BIGNUM *number = NULL;

    if (hex[0] == '\0' || (size_t)BN_hex2bn(&number, hex) != strlen(hex)) {
        return NULL;
    }
    return BN_to_ASN1_INTEGER(number, NULL);
}

/* RFC 5280 5.3.1: unspecified is left out, removeFromCRL is for delta lists, 7 is not used. */
static bool reason_add(X509_REVOKED *revoked, int reason) {
    if (reason < 1 || reason > 10 || reason == 7 || reason == 8) {
        return true;
    }
    AUTO(ASN1_ENUMERATED_free) ASN1_ENUMERATED *value = ASN1_ENUMERATED_new();
    return value != NULL && ASN1_ENUMERATED_set(value, reason) == 1
           && X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, value, 0, 0) == 1;
}

/* The crl_sink given to the source. */
static bool entry_add(void *ctx, const struct crl_entry *entry, struct err *err) {
    struct making *making = ctx;
    AUTO(X509_REVOKED_free) X509_REVOKED *revoked = X509_REVOKED_new();
    AUTO(ASN1_INTEGER_free) ASN1_INTEGER *serial = serial_read(entry->serial);
    AUTO(ASN1_TIME_free) ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)entry->revoked_at_s);

    if (making->count == CRL_ENTRIES_MAX) {
        return err_set(err, ERR_OVERLOAD, "the revocation list is full");
    }
    if (serial == NULL) {
        return err_set(err, ERR_SERVER_INTERNAL, "a revoked serial is not hexadecimal");
    }
    if (revoked == NULL || when == NULL || X509_REVOKED_set_serialNumber(revoked, serial) != 1
        || X509_REVOKED_set_revocationDate(revoked, when) != 1
        || !reason_add(revoked, entry->reason)
        || X509_CRL_add0_revoked(making->list, revoked) != 1) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not list a revoked certificate");
    }
    (void)TAKE(revoked);
    making->count++;
    return true;
}

/* authorityKeyIdentifier (5.2.1) and CRL number (5.2.3), which every list has. */
static bool extensions_add(const struct crl *crl, X509_CRL *list, uint64_t number) {
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(ca_issuer(crl->options.ca));
    AUTO(AUTHORITY_KEYID_free) AUTHORITY_KEYID *akid = AUTHORITY_KEYID_new();
    AUTO(ASN1_INTEGER_free) ASN1_INTEGER *value = ASN1_INTEGER_new();

    if (ski == NULL || akid == NULL || value == NULL
        || ASN1_INTEGER_set_uint64(value, number) != 1) {
        return false;
    }
    akid->keyid = ASN1_OCTET_STRING_dup(ski);
    return akid->keyid != NULL
           && X509_CRL_add1_ext_i2d(list, NID_authority_key_identifier, akid, 0, 0) == 1
           && X509_CRL_add1_ext_i2d(list, NID_crl_number, value, 0, 0) == 1;
}

static bool sign(const struct crl *crl, X509_CRL *list, struct err *err) {
    EVP_PKEY *key = ca_issuer_key(crl->options.ca);
    char digest[32] = "";
    bool fixed = EVP_PKEY_get_default_digest_name(key, digest, sizeof digest) == 2;

    /* An EdDSA key takes no digest: its name is mandatory and "UNDEF". */
    const EVP_MD *md = fixed && strcmp(digest, "UNDEF") == 0 ? NULL : EVP_sha256();
    if (X509_CRL_sort(list) != 1 || X509_CRL_sign(list, key, md) <= 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not sign the revocation list");
        return err_cause_openssl(err);
    }
    return true;
}

/* Read the source and sign; *ret_der is for OPENSSL_free. */
static bool make(const struct crl *crl, uint64_t number, int64_t now_s, unsigned char **ret_der,
                 size_t *ret_len, struct err *err) {
    AUTO(X509_CRL_free) X509_CRL *list = X509_CRL_new();
    AUTO(ASN1_TIME_free) ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)(now_s - BACKDATE_S));
    AUTO(ASN1_TIME_free)
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)(now_s + crl->options.lifetime_s));
    struct making making = {.list = list};

    if (list == NULL || this_update == NULL || next_update == NULL
        || X509_CRL_set_version(list, X509_CRL_VERSION_2) != 1
        || X509_CRL_set_issuer_name(list, X509_get_subject_name(ca_issuer(crl->options.ca))) != 1
        || X509_CRL_set1_lastUpdate(list, this_update) != 1
        || X509_CRL_set1_nextUpdate(list, next_update) != 1 || !extensions_add(crl, list, number)) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not make a revocation list");
    }
    if (!crl->options.source(crl->options.ctx, entry_add, &making, err) || !sign(crl, list, err)) {
        return false;
    }
    int len = i2d_X509_CRL(list, ret_der);
    if (len <= 0) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not write the revocation list");
    }
    *ret_len = (size_t)len;
    return true;
}

/* One reading and signing; called with the lock held and busy set, which stays with the caller. */
static bool renew_locked(struct crl *crl, struct err *err) {
    uint64_t reading = ++crl->begun, now_us = clock_now_us(crl->options.clock);
    /* Microseconds since the epoch grow across restarts, and faster than lists can be signed. */
    uint64_t number = now_us > crl->number ? now_us : crl->number + 1;
    int64_t now_s = (int64_t)(now_us / 1000000);
    AUTO(ossl_free) unsigned char *der = NULL;
    size_t len = 0;

    (void)pthread_mutex_unlock(&crl->lock);
    bool made = make(crl, number, now_s, &der, &len, err);
    unsigned char *copy = made ? malloc(len) : NULL;
    (void)pthread_mutex_lock(&crl->lock);
    if (copy == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the revocation list");
    }
    memcpy(copy, der, len);
    free(crl->der);
    crl->der = copy;
    crl->der_len = len;
    crl->number = number;
    crl->in_list = reading;
    crl->renew_at_s = now_s + crl->options.lifetime_s / 2;
    return true;
}

bool crl_refresh(struct crl *crl, struct err *err) {
    bool good = true;

    (void)pthread_mutex_lock(&crl->lock);
    uint64_t wanted = crl->begun + 1;
    while (good && crl->in_list < wanted) {
        if (crl->busy) {
            (void)pthread_cond_wait(&crl->changed, &crl->lock);
            continue;
        }
        crl->busy = true;
        good = renew_locked(crl, err);
        crl->busy = false;
        (void)pthread_cond_broadcast(&crl->changed);
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return good;
}

/* Real microseconds until the list is due, held between the two limits. */
static uint64_t until_due_us(const struct crl *crl) {
    int64_t left_s = crl->renew_at_s - clock_now_s(crl->options.clock);
    uint64_t wait_us = LOOK_MIN_US;

    if (left_s > 0) {
        wait_us = clock_real_delay_us(crl->options.clock, (uint64_t)left_s * 1000000);
    }
    return wait_us < LOOK_MIN_US ? LOOK_MIN_US : wait_us > LOOK_MAX_US ? LOOK_MAX_US : wait_us;
}

static void *renew_on_time(void *ctx) {
    struct crl *crl = ctx;

    (void)pthread_mutex_lock(&crl->lock);
    while (!crl->stopping) {
        struct timespec until;
        uint64_t wait_us = until_due_us(crl);

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t until_us =
            (uint64_t)until.tv_sec * 1000000 + (uint64_t)until.tv_nsec / 1000 + wait_us;
        until.tv_sec = (time_t)(until_us / 1000000);
        until.tv_nsec = (long)(until_us % 1000000) * 1000;
        (void)pthread_cond_timedwait(&crl->changed, &crl->lock, &until);
        if (crl->stopping || clock_now_s(crl->options.clock) < crl->renew_at_s) {
            continue;
        }
        (void)pthread_mutex_unlock(&crl->lock);
        struct err err = {0};
        if (!crl_refresh(crl, &err)) {
            log_line(LOG_ERROR, "crl", "renew", "kind=%s", err_name(err.kind));
        }
        (void)pthread_mutex_lock(&crl->lock);
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return NULL;
}

struct crl *crl_new(const struct crl_options *options, struct err *err) {
    AUTO(crl_free) struct crl *crl = calloc(1, sizeof *crl);
    pthread_condattr_t attr;

    if (crl == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the revocation list");
        return NULL;
    }
    crl->options = *options;
    if (crl->options.lifetime_s == 0) {
        crl->options.lifetime_s = DAY_S;
    }
    (void)pthread_mutex_init(&crl->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&crl->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (!crl_refresh(crl, err)) {
        return NULL;
    }
    if (pthread_create(&crl->thread, NULL, renew_on_time, crl) != 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not start a thread");
        return NULL;
    }
    crl->started = true;
    return TAKE(crl);
}

void crl_free(struct crl *crl) {
    if (crl == NULL) {
        return;
    }
    if (crl->started) {
        (void)pthread_mutex_lock(&crl->lock);
        crl->stopping = true;
        (void)pthread_cond_broadcast(&crl->changed);
        (void)pthread_mutex_unlock(&crl->lock);
        (void)pthread_join(crl->thread, NULL);
    }
    (void)pthread_cond_destroy(&crl->changed);
    (void)pthread_mutex_destroy(&crl->lock);
    free(crl->der);
    free(crl);
}

unsigned char *crl_der(struct crl *crl, size_t *ret_len) {
    (void)pthread_mutex_lock(&crl->lock);
    unsigned char *copy = malloc(crl->der_len);
    if (copy != NULL) {
        memcpy(copy, crl->der, crl->der_len);
        *ret_len = crl->der_len;
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return copy;
}

uint64_t crl_number(struct crl *crl) {
    (void)pthread_mutex_lock(&crl->lock);
    uint64_t number = crl->number;
    (void)pthread_mutex_unlock(&crl->lock);
    return number;
}
