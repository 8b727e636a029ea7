#include "nfsim/init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/key.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/x509.h"

#define DAY_S 86400
#define CA_DAYS 3650
#define SERVICE_DAYS 730
#define BACKDATE_S 300 /* clocks of a bed may differ a little */
#define BATCH 500      /* NFs per transaction */
#define PATH_SIZE 4096

static void path_of(const char *state, const char *name, const char *end, char path[PATH_SIZE]) {
    (void)snprintf(path, PATH_SIZE, "%s/%s%s", state, name, end);
}

static bool present(const char *state, const char *name) {
    char pem[PATH_SIZE], key[PATH_SIZE];

    path_of(state, name, ".pem", pem);
    path_of(state, name, ".key", key);
    return access(pem, R_OK) == 0 && access(key, R_OK) == 0;
}

/* Key first: a certificate on disk always has its key beside it. */
static bool save(const char *state, const char *name, X509 *x509, EVP_PKEY *key, struct err *err) {
    char path[PATH_SIZE];
    AUTO(free) char *pem = x509_pem(x509, err);

    if (pem == NULL) {
        return false;
    }
    path_of(state, name, ".key", path);
    if (!key_write_file(key, path, err)) {
        return false;
    }
    path_of(state, name, ".pem", path);
    return file_write(path, 0644, pem, strlen(pem), err);
}

static bool make(const char *state, const char *name, struct x509_spec *spec, int64_t now_s,
                 const struct init_ca *issuer, struct err *err) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);

    if (key == NULL) {
        return false;
    }
    spec->key = key;
    spec->not_before_s = now_s - BACKDATE_S;
    spec->not_after_s = now_s + (int64_t)(spec->ca ? CA_DAYS : SERVICE_DAYS) * DAY_S;
    AUTO(X509_free)
    X509 *x509 = x509_make(spec, issuer == NULL ? NULL : issuer->x509,
                           issuer == NULL ? key : issuer->key, err);
    return x509 != NULL && save(state, name, x509, key, err);
}

void init_ca_done(struct init_ca *ca) {
    X509_free(ca->x509);
    EVP_PKEY_free(ca->key);
    *ca = (struct init_ca){0};
}

void init_ca_done_auto(struct init_ca *ca) { init_ca_done(ca); }

bool init_ca_read(const char *state, const struct fleet *fleet, struct init_ca *ret,
                  struct err *err) {
    AUTO(init_ca_done) struct init_ca ca = {0};
    char path[PATH_SIZE];

    path_of(state, "oam-ca", ".pem", path);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, err);
    if (chain == NULL) {
        return false;
    }
    path_of(state, "oam-ca", ".key", path);
    ca.key = key_read_file(path, err);
    if (ca.key == NULL) {
        return false;
    }
    ca.x509 = sk_X509_shift(chain);
    fleet_domain(fleet, ca.domain);
    *ret = ca;
    ca = (struct init_ca){0};
    return true;
}

static const char *const loopback[] = {"127.0.0.1", "::1", NULL};

/* A certificate of a service of the bed, under label.domain and localhost. */
static bool make_service(const char *state, const char *name, const char *label, unsigned eku,
                         int64_t now_s, const struct init_ca *ca, struct err *err) {
    struct x509_names names = {.dns_count = 2};
    struct x509_spec spec = {.organization = ca->domain, .names = &names, .eku = eku};

    (void)snprintf(names.dns[0], sizeof names.dns[0], "%s.%s", label, ca->domain);
    (void)snprintf(names.dns[1], sizeof names.dns[1], "localhost");
    if (eku == 0) {
        names.dns_count = 1; /* it signs tokens; it serves nothing */
    } else {
        spec.ips = loopback;
    }
    return present(state, name) || make(state, name, &spec, now_s, ca, err);
}

static bool make_trust(const struct init_options *options, int64_t now_s, struct init_ca *ret,
                       struct err *err) {
    const char *state = options->state;

    if (!present(state, "oam-ca")) {
        char domain[FLEET_DOMAIN_SIZE];
        struct x509_spec spec = {.organization = domain, .common_name = "OAM CA", .ca = true};
        fleet_domain(&options->fleet, domain);
        if (!make(state, "oam-ca", &spec, now_s, NULL, err)) {
            return false;
        }
    }
    return init_ca_read(state, &options->fleet, ret, err)
           && make_service(state, "oam", "oam", X509_EKU_SERVER, now_s, ret, err)
           && make_service(state, "token-authority", "token-authority", 0, now_s, ret, err)
           && make_service(state, "client", INIT_CLIENT_LABEL, X509_EKU_CLIENT | X509_EKU_SERVER,
                           now_s, ret, err);
}

/* A copy from malloc, as the inventory frees its own. */
static bool own(unsigned char **ret, size_t *ret_len, const unsigned char *der, size_t len) {
    unsigned char *copy = malloc(len);

    if (copy == NULL) {
        return false;
    }
    memcpy(copy, der, len);
    *ret = copy;
    *ret_len = len;
    return true;
}

static bool certify(const struct init_ca *ca, EVP_PKEY *key, int64_t now_s, struct inventory_nf *nf,
                    struct err *err) {
    struct x509_names names = {.dns_count = 1};
    struct nftypes types = {0};
    unsigned char *der = NULL;

    (void)snprintf(names.uuid, sizeof names.uuid, "%s", nf->id.uuid);
    (void)snprintf(names.dns[0], sizeof names.dns[0], "%s", nf->id.fqdn);
    if (!nftypes_add(&types, nf->id.type)) {
        return err_set(err, ERR_CONFIG, "%s is not an NF type", nf->id.type);
    }
    const struct x509_spec spec = {.organization = ca->domain,
                                   .names = &names,
                                   .names_critical = true,
                                   .types = &types,
                                   .eku = X509_EKU_CLIENT,
                                   .not_before_s = now_s - BACKDATE_S,
                                   .not_after_s = now_s + INIT_BOOTSTRAP_DAYS * DAY_S,
                                   .key = key};
    AUTO(X509_free) X509 *x509 = x509_make(&spec, ca->x509, ca->key, err);
    if (x509 == NULL) {
        return false;
    }
    const int len = i2d_X509(x509, &der);
    free(nf->cert_der);
    nf->cert_der = NULL;
    nf->not_after_s = spec.not_after_s;
    const bool owned = len > 0 && own(&nf->cert_der, &nf->cert_len, der, (size_t)len);
    OPENSSL_free(der);
    return owned || err_set(err, ERR_NO_MEMORY, "no memory for a certificate");
}

bool init_bootstrap(const struct init_ca *ca, const struct fleet_nf *id, int64_t now_s,
                    struct inventory_nf *ret, struct err *err) {
    AUTO(inventory_nf_done) struct inventory_nf nf = {.id = *id};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    unsigned char *der = NULL;
    size_t len = 0;

    if (key == NULL || !key_private_der(key, &der, &len, err)) {
        return false;
    }
    const bool owned = own(&nf.key_der, &nf.key_len, der, len);
    OPENSSL_clear_free(der, len);
    if (!owned) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a key");
    }
    if (!certify(ca, key, now_s, &nf, err)) {
        return false;
    }
    *ret = nf;
    nf = (struct inventory_nf){0};
    return true;
}

static bool add(struct inventory *inventory, const struct init_ca *ca, const struct fleet_nf *id,
                uint32_t index, int64_t now_s, struct err *err) {
    AUTO(inventory_nf_done) struct inventory_nf nf = {0};

    if (!init_bootstrap(ca, id, now_s, &nf, err)) {
        return false;
    }
    nf.index = index;
    return inventory_put(inventory, &nf, err);
}

static void progress(const struct init_options *options, uint32_t done, bool last) {
    if (options->quiet) {
        return;
    }
    if (!options->plain && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\rfleet: %u of %u NFs%s", done, options->nfs, last ? "\n" : "");
    } else if (last) {
        (void)fprintf(stderr, "fleet: %u NFs\n", done);
    }
}

static bool add_missing(const struct init_options *options, struct inventory *inventory,
                        const struct init_ca *ca, int64_t now_s, struct err *err) {
    uint32_t have = 0;

    if (!inventory_count(inventory, &have, err)) {
        return false;
    }
    while (have < options->nfs) {
        const uint32_t end = options->nfs - have > BATCH ? have + BATCH : options->nfs;
        if (!inventory_begin(inventory, err)) {
            return false;
        }
        for (; have < end; have++) {
            struct fleet_nf id;
            fleet_nf(&options->fleet, have, &id);
            if (!add(inventory, ca, &id, have, now_s, err)) {
                return false;
            }
        }
        if (!inventory_commit(inventory, err)) {
            return false;
        }
        progress(options, have, false);
    }
    progress(options, have, true);
    return true;
}

/* New certificates for the keys of NFs whose bootstrap certificate is about to end. */
static bool renew_stale(struct inventory *inventory, const struct init_ca *ca, int64_t now_s,
                        struct err *err) {
    uint32_t index = 0;

    while (inventory_stale(inventory, index, now_s + DAY_S, &index, err)) {
        AUTO(inventory_nf_done) struct inventory_nf nf = {0};
        if (!inventory_get(inventory, index, &nf, err)) {
            return false;
        }
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_from_private_der(nf.key_der, nf.key_len, err);
        if (key == NULL || !certify(ca, key, now_s, &nf, err)
            || !inventory_put(inventory, &nf, err)) {
            return false;
        }
        index++;
    }
    return err->kind == ERR_NONE;
}

static bool same_fleet(const struct init_options *options, struct inventory *inventory,
                       struct err *err) {
    char wanted[FLEET_TEXT_SIZE], found[FLEET_TEXT_SIZE] = "";

    fleet_text(&options->fleet, wanted);
    if (!inventory_fact(inventory, "fleet", found, sizeof found, err)) {
        return false;
    }
    if (found[0] == '\0') {
        return inventory_fact_set(inventory, "fleet", wanted, err);
    }
    if (strcmp(found, wanted) != 0) {
        (void)err_set(err, ERR_CONFIG, "%.120s holds another fleet; give another --state",
                      options->state);
        return err_cause(err, "found %s", found);
    }
    return true;
}

bool init_state(const struct init_options *options, struct err *err) {
    const int64_t now_s = clock_now_s(options->clock);
    AUTO(init_ca_done) struct init_ca ca = {0};
    char client[FLEET_FQDN_SIZE];

    if (!file_folder(options->state, err)) {
        return false;
    }
    AUTO(inventory_close)
    struct inventory *inventory = inventory_open(options->state, true, err);
    if (inventory == NULL || !same_fleet(options, inventory, err)
        || !make_trust(options, now_s, &ca, err)) {
        return false;
    }
    (void)snprintf(client, sizeof client, INIT_CLIENT_LABEL ".%s", ca.domain);
    struct fleet_nf producer;
    struct inventory_nf found = {0};
    struct err absent = {0};
    fleet_extra(&options->fleet, "NRF", "producer", 1, &producer);
    const bool has_producer = inventory_get(inventory, INVENTORY_EXTRA, &found, &absent);
    inventory_nf_done(&found);
    return inventory_client_add(inventory, client, err)
           && (has_producer || add(inventory, &ca, &producer, INVENTORY_EXTRA, now_s, err))
           && add_missing(options, inventory, &ca, now_s, err) && inventory_begin(inventory, err)
           && renew_stale(inventory, &ca, now_s, err) && inventory_commit(inventory, err);
}
