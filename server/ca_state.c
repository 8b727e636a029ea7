#include "server/ca_state.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "server/ca_engine.h"
#include "server/ca_import.h"

#define YEAR_S (365 * (int64_t)86400)
#define ROOT_LIFETIME_S (10 * YEAR_S)
#define ISSUING_LIFETIME_S (5 * YEAR_S)
#define BACKDATE_S 60 /* peers' clocks may be a little behind */

/* One level of the hierarchy: NAME.pem and NAME.key. */
struct level {
    const char *name;
    const char *common_name; /* of a CA only: leaves have none */
    int path_len;
    int64_t lifetime_s;
    bool signs; /* leaves and CRLs: its key may be in a token */
};

static bool path_of(const struct ca_options *options, const char *name, const char *suffix,
                    char path[PATH_MAX], struct err *err) {
    int len = snprintf(path, PATH_MAX, "%s/%s.%s", options->state_dir, name, suffix);
    if (len < 0 || len >= PATH_MAX) {
        return err_set(err, ERR_CONFIG, "the state directory's name is too long");
    }
    return true;
}

static bool there(const char *path) { return access(path, F_OK) == 0; }

/* The level's key from its file; *ret stays NULL when there is no such file. */
static bool key_load(const struct ca_options *options, const struct level *level, EVP_PKEY **ret,
                     struct err *err) {
    char path[PATH_MAX];

    if (level->signs && options->key_uri != NULL) {
        *ret = ca_engine_key(options->key_uri, options->key_module, err);
        return *ret != NULL;
    }
    if (!path_of(options, level->name, "key", path, err)) {
        return false;
    }
    if (!there(path)) {
        return true;
    }
    *ret = key_read_file(path, err);
    return *ret != NULL;
}

static bool key_make(const struct ca_options *options, const struct level *level, EVP_PKEY **ret,
                     struct err *err) {
    char path[PATH_MAX];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(options->key_type, err);

    if (key == NULL || !path_of(options, level->name, "key", path, err)
        || !key_write_file(key, path, err)) {
        return false;
    }
    *ret = TAKE(key);
    return true;
}

/* issuer NULL: self-signed. */
static X509 *certificate_make(const struct ca_options *options, const struct level *level,
                              EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, struct err *err) {
    int64_t now_s = clock_now_s(options->clock);
    char path[PATH_MAX];
    struct x509_spec spec = {
        .country = options->country,
        .organization = options->domain,
        .common_name = level->common_name,
        .not_before_s = now_s - BACKDATE_S,
        .not_after_s = now_s + level->lifetime_s,
        .ca = true,
        .path_len = level->path_len,
        .key = key,
    };
    if (issuer != NULL) {
        AUTO(x509_cert_done) struct x509_cert above = {0};
        if (!x509_cert_read(issuer, &above, err)) {
            return NULL;
        }
        if (spec.not_after_s > above.not_after_s) {
            spec.not_after_s = above.not_after_s;
        }
    }
    AUTO(X509_free) X509 *x509 = x509_make(&spec, issuer, issuer == NULL ? key : issuer_key, err);
    AUTO(free) char *pem = x509 == NULL ? NULL : x509_pem(x509, err);
    if (pem == NULL || !path_of(options, level->name, "pem", path, err)
        || !file_write(path, 0644, pem, strlen(pem), err)) {
        return NULL;
    }
    return TAKE(x509);
}

/* The level's certificate from its file; *ret stays NULL when there is no such file. */
static bool certificate_load(const struct ca_options *options, const struct level *level,
                             X509 *issuer, X509 **ret, struct err *err) {
    char path[PATH_MAX];

    if (!path_of(options, level->name, "pem", path, err)) {
        return false;
    }
    if (!there(path)) {
        return true;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, err);
    if (chain == NULL) {
        return false;
    }
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();
    X509 *anchor = issuer != NULL ? issuer : sk_X509_value(chain, 0);
    if (anchors == NULL || !X509_up_ref(anchor)) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the CA");
    }
    if (sk_X509_push(anchors, anchor) <= 0) {
        X509_free(anchor);
        return err_set(err, ERR_NO_MEMORY, "no memory for the CA");
    }
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, err);
    struct err why = {0};
    if (trust == NULL) {
        return false;
    }
    if (!x509_verify(chain, trust, X509_PURPOSE_ANY, clock_now_s(options->clock), &why)) {
        return err_set(err, ERR_CONFIG, "%.100s cannot be used: %.80s", path, why.detail);
    }
    *ret = sk_X509_value(chain, 0);
    return X509_up_ref(*ret) == 1;
}

static bool pair_fits(const struct level *level, X509 *x509, EVP_PKEY *key, struct err *err) {
    if (key == NULL) {
        return err_set(err, ERR_CONFIG, "%s.key is missing", level->name);
    }
    if (!ca_engine_fits(x509, key)) {
        return err_set(err, ERR_CONFIG, "%s.key is not the key of %s.pem", level->name,
                       level->name);
    }
    return true;
}

/*
 * Load or make one level.
 * issuer, issuer_key   NULL, NULL: a root.   need_key   fail without NAME.key even when NAME.pem
 * is there; *ret_key stays NULL otherwise.
 */
static bool level_open(const struct ca_options *options, const struct level *level, X509 *issuer,
                       EVP_PKEY *issuer_key, bool need_key, X509 **ret_x509, EVP_PKEY **ret_key,
                       struct err *err) {
    AUTO(X509_free) X509 *x509 = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;

    if (!certificate_load(options, level, issuer, &x509, err)
        || ((x509 == NULL || need_key) && !key_load(options, level, &key, err))) {
        return false;
    }
    if (x509 == NULL) {
        if (key == NULL && !key_make(options, level, &key, err)) {
            return false;
        }
        x509 = certificate_make(options, level, key, issuer, issuer_key, err);
        if (x509 == NULL) {
            return false;
        }
    } else if (need_key && !pair_fits(level, x509, key, err)) {
        return false;
    }
    *ret_x509 = TAKE(x509);
    *ret_key = TAKE(key);
    return true;
}

bool ca_state_open(const struct ca_options *options, struct ca_state *ret, struct err *err) {
    const struct level root_level = {"root", "Root CA", 1, ROOT_LIFETIME_S, options->depth == 1};
    const struct level issuing_level = {"issuing", "Issuing CA", 0, ISSUING_LIFETIME_S, true};
    AUTO(X509_free) X509 *root = NULL;
    AUTO(X509_free) X509 *issuing = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *root_key = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *issuing_key = NULL;
    char path[PATH_MAX];

    if (!file_folder(options->state_dir, err)
        || !path_of(options, issuing_level.name, "pem", path, err)) {
        return false;
    }
    if (options->import_cert != NULL) {
        return ca_import_open(options, ret, err);
    }
    bool root_signs = options->depth == 1 || !there(path);
    if (!level_open(options, &root_level, NULL, NULL, root_signs, &root, &root_key, err)) {
        return false;
    }
    if (options->depth == 1) {
        if (!X509_up_ref(root)) {
            return err_set(err, ERR_SERVER_INTERNAL, "could not share the root certificate");
        }
        *ret = (struct ca_state){.root = root, .issuer = root, .issuer_key = TAKE(root_key)};
        (void)TAKE(root);
        return true;
    }
    if (!level_open(options, &issuing_level, root, root_key, true, &issuing, &issuing_key, err)) {
        return false;
    }
    *ret = (struct ca_state){
        .root = TAKE(root), .issuer = TAKE(issuing), .issuer_key = TAKE(issuing_key)};
    return true;
}

void ca_state_done(struct ca_state *state) {
    X509_free(state->root);
    X509_free(state->issuer);
    EVP_PKEY_free(state->issuer_key);
    chain_free(state->between);
    *state = (struct ca_state){0};
}

bool ca_state_root_open(const struct ca_options *options, const char *name, const char *common_name,
                        bool need_key, X509 **ret_root, EVP_PKEY **ret_key, struct err *err) {
    const struct level level = {name, common_name, 1, ROOT_LIFETIME_S, false};
    return level_open(options, &level, NULL, NULL, need_key, ret_root, ret_key, err);
}

char *ca_state_tail(const struct ca_state *state, struct err *err) {
    AUTO(free) char *issuer = x509_pem(state->issuer, err);

    if (issuer == NULL || state->between == NULL || sk_X509_num(state->between) == 0) {
        return TAKE(issuer);
    }
    AUTO(free) char *above = x509_chain_pem(state->between, err);
    size_t size = above == NULL ? 0 : strlen(issuer) + strlen(above) + 1;
    char *tail = above == NULL ? NULL : malloc(size);
    if (tail != NULL) {
        (void)snprintf(tail, size, "%s%s", issuer, above);
    } else {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a chain");
    }
    return tail;
}
