#include "client/reload.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/x509.h"
#include "common/x509_crl.h"

/* Keys that reload; files are read again also under the same name. */
static const char *const live_keys[] = {
    "tls_cert",
    "tls_key",
    "nf_trust",
    "ca_file",
    "oam.ca_file",
    "log",
    "renewal.fraction",
    "renewal.poll",
    "account_key_life",
    "keep",
    "limits.live",
    "json",
    "limit",
};

/* What was read, on its way to the loop. */
struct reload {
    struct reload_rooms rooms;
    struct credentials credentials;
    X509_STORE *acme_trust, *oam_trust, *nf_trust;
    char *nf_trust_pem;
    struct schedule_policy policy;
    uint64_t account_key_life_us, keep_us;
    unsigned live_max;
};

static void reload_free(struct reload *reload) {
    credentials_done(&reload->credentials);
    X509_STORE_free(reload->acme_trust);
    X509_STORE_free(reload->oam_trust);
    X509_STORE_free(reload->nf_trust);
    free(reload->nf_trust_pem);
    free(reload);
}
AUTO_DEFINE(struct reload, reload_free)

static bool same_text(const char *one, const char *other) {
    return (one == NULL) == (other == NULL) && (one == NULL || strcmp(one, other) == 0);
}

static bool same_texts(const struct config *old, const struct config *fresh, const char *path) {
    const size_t count = config_count(old, path);

    if (count != config_count(fresh, path)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!same_text(config_text_at(old, path, i), config_text_at(fresh, path, i))) {
            return false;
        }
    }
    return true;
}

static bool same_value(const struct config *old, const struct config *fresh,
                       const struct config_key *key) {
    const char *path = key->path;
    double gap = 0;

    if (strstr(path, "[]") != NULL) {
        return true; /* its list is looked at */
    }
    switch (key->type) {
    case CONFIG_TEXT:
        return same_text(config_text(old, path), config_text(fresh, path));
    case CONFIG_INT:
        return config_int(old, path) == config_int(fresh, path);
    case CONFIG_NUMBER:
        gap = config_number(old, path) - config_number(fresh, path);
        return gap > -1e-12 && gap < 1e-12;
    case CONFIG_BOOL:
        return config_bool(old, path) == config_bool(fresh, path);
    case CONFIG_DURATION:
        return config_duration_us(old, path) == config_duration_us(fresh, path);
    case CONFIG_TEXTS:
        return same_texts(old, fresh, path);
    case CONFIG_LIST:
        return config_count(old, path) == config_count(fresh, path);
    case CONFIG_SECTION:
        break;
    }
    return true;
}

static bool is_live(const char *path) {
    for (size_t i = 0; i < COUNT(live_keys); i++) {
        if (strcmp(live_keys[i], path) == 0) {
            return true;
        }
    }
    return false;
}

void reload_compare(const struct config *old, const struct config *fresh) {
    for (const struct config_key *key = options_program.keys; key->path != NULL; key++) {
        if (!same_value(old, fresh, key)) {
            const bool live = is_live(key->path);
            log_line(live ? LOG_INFO : LOG_WARNING, "reload", live ? "changed" : "needs-restart",
                     "key=%s", key->path);
        }
    }
}

static X509_STORE *trust_of_file(const char *path, struct err *err) {
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(path, err);

    return anchors == NULL ? NULL : x509_trust(anchors, err);
}

static X509_STORE *trust_of_text(const char *pem, struct err *err) {
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read(pem, strlen(pem), err);

    return anchors == NULL ? NULL : x509_trust(anchors, err);
}

static bool read_all(struct reload *reload, const struct options *fresh, struct err *err) {
    reload->acme_trust = trust_of_file(fresh->ca_file, err);
    reload->nf_trust = reload->acme_trust == NULL ? NULL : trust_of_text(fresh->nf_trust_pem, err);
    if (reload->nf_trust == NULL) {
        return false;
    }
    if (reload->rooms.oam != NULL && fresh->oam_ca_file != NULL) {
        reload->oam_trust = trust_of_file(fresh->oam_ca_file, err);
        if (reload->oam_trust == NULL) {
            return false;
        }
    }
    reload->policy = fresh->renewal;
    reload->account_key_life_us = fresh->account_key_life_us;
    reload->keep_us = fresh->keep_us;
    reload->live_max = fresh->live_max;
    return credentials_read(fresh->tls_cert, fresh->tls_key, fresh->state_dir, fresh->nf_trust_pem,
                            &fresh->clock, &reload->credentials, err);
}

static void swap_trust(X509_STORE **place, X509_STORE **fresh) {
    X509_STORE *old = *place;

    *place = *fresh;
    *fresh = old;
}

void reload_refused(const struct err *err) {
    char reason[300];

    log_line(LOG_ERROR, "reload", "refused", "reason=%s",
             log_quote(err->detail, reason, sizeof reason));
}

/* What is connecting holds what it needs of the old. */
static void change_rooms(struct reload *reload) {
    const struct reload_rooms *rooms = &reload->rooms;
    const struct credentials old = *rooms->credentials;

    *rooms->credentials = reload->credentials;
    reload->credentials = old;
    swap_trust(rooms->acme_trust, &reload->acme_trust);
    swap_trust(rooms->nf_trust, &reload->nf_trust);
    char *old_pem = *rooms->nf_trust_pem;
    *rooms->nf_trust_pem = reload->nf_trust_pem;
    reload->nf_trust_pem = old_pem;
    httpc_identify(rooms->acme, *rooms->acme_trust, NULL, NULL);
    if (rooms->oam != NULL && reload->oam_trust != NULL) {
        swap_trust(rooms->oam_trust, &reload->oam_trust);
    }
    if (rooms->oam != NULL) {
        httpc_identify(rooms->oam, *rooms->oam_trust, rooms->credentials->chain,
                       rooms->credentials->key);
    }
    rooms->notify->trust = *rooms->nf_trust;
    rooms->notify->chain = rooms->credentials->chain;
    rooms->notify->key = rooms->credentials->key;
    *rooms->policy = reload->policy;
    engine_tune(rooms->engine, reload->account_key_life_us, reload->live_max);
    housekeeper_tune(rooms->housekeeper, reload->keep_us);
}

/* On the loop's thread.  The listener can still refuse. */
static void change(void *ctx) {
    AUTO(reload_free) struct reload *reload = ctx;
    const struct reload_rooms *rooms = &reload->rooms;
    const char *crl_pem = nf_crl_pem(rooms->nf_crl);
    struct err err = {0};

    if ((crl_pem != NULL && !x509_crl_trust(reload->nf_trust, crl_pem, &err))
        || !api_reload(rooms->api, reload->credentials.chain_pem, reload->credentials.key_pem,
                       reload->nf_trust_pem, crl_pem, &err)) {
        reload_refused(&err);
        return;
    }
    change_rooms(reload);
    nf_crl_reread(rooms->nf_crl);
    log_line(LOG_INFO, "reload", "done", "read=certificates,keys,anchors");
}

bool reload_begin(const struct reload_rooms *rooms, const struct options *fresh, struct err *err) {
    AUTO(reload_free) struct reload *reload = calloc(1, sizeof *reload);

    if (reload == NULL || (reload->nf_trust_pem = strdup(fresh->nf_trust_pem)) == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    reload->rooms = *rooms;
    if (!read_all(reload, fresh, err)) {
        return false;
    }
    loop_post(rooms->loop, change, TAKE(reload));
    return true;
}
