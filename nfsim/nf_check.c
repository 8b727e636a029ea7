/* A fleet's certificates come from one issuing CA, whose certificate follows each leaf in the same
 * octets.  Once such a tail has been verified up to the root it is kept for a minute: a chain that
 * ends in it needs its leaf parsed and one signature checked, not two of each. */
#include "nfsim/nf_check.h"

#include <stdlib.h>
#include <string.h>

#define PEM_END "-----END CERTIFICATE-----"
#define KEEP_S 60

struct nf_check {
    X509_STORE *trust;
    bool names_only;
    /* the tail last found good; NULL = none */
    char *tail;
    X509_CHAIN *issuers;
    X509_STORE *issuer_trust; /* its first certificate as the anchor */
    int64_t kept_s;           /* when it was verified */
};

struct nf_check *nf_check_new(X509_STORE *trust, bool names_only, struct err *err) {
    struct nf_check *check = calloc(1, sizeof *check);

    if (check == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a check");
        return NULL;
    }
    check->trust = trust;
    check->names_only = names_only;
    return check;
}

static void forget(struct nf_check *check) {
    free(check->tail);
    chain_free(check->issuers);
    X509_STORE_free(check->issuer_trust);
    check->tail = NULL;
    check->issuers = NULL;
    check->issuer_trust = NULL;
}

void nf_check_free(struct nf_check *check) {
    if (check != NULL) {
        forget(check);
        free(check);
    }
}

/* Where the leaf's text ends; len: there is no tail. */
static size_t leaf_len(const char *pem, size_t len) {
    const char *end = memmem(pem, len, PEM_END, sizeof PEM_END - 1);

    if (end == NULL) {
        return len;
    }
    const size_t at = (size_t)(end - pem) + sizeof PEM_END - 1;
    return at < len && pem[at] == '\n' ? at + 1 : at;
}

static bool is_kept(const struct nf_check *check, const char *tail, size_t len, int64_t now_s) {
    return check->tail != NULL && now_s < check->kept_s + KEEP_S && strlen(check->tail) == len
           && memcmp(check->tail, tail, len) == 0;
}

/* chain is verified: keep all but its leaf.  What cannot be kept is verified again next time. */
static void keep(struct nf_check *check, X509_CHAIN *chain, const char *tail, size_t len,
                 int64_t now_s) {
    AUTO(chain_free) X509_CHAIN *issuers = X509_chain_up_ref(chain);
    AUTO(chain_free) X509_CHAIN *first = sk_X509_new_null();
    struct err err = {0};

    forget(check);
    if (issuers == NULL || first == NULL || sk_X509_num(issuers) < 2) {
        return;
    }
    X509_free(sk_X509_shift(issuers));
    if (X509_up_ref(sk_X509_value(issuers, 0)) != 1
        || sk_X509_push(first, sk_X509_value(issuers, 0)) == 0) {
        return;
    }
    check->issuer_trust = x509_trust(first, &err);
    check->tail = strndup(tail, len);
    if (check->issuer_trust == NULL || check->tail == NULL
        || X509_STORE_set_flags(check->issuer_trust, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
        forget(check);
        return;
    }
    check->issuers = TAKE(issuers);
    check->kept_s = now_s;
}

static X509_CHAIN *add_kept(const struct nf_check *check, X509_CHAIN *leaf, struct err *err) {
    for (int i = 0; i < sk_X509_num(check->issuers); i++) {
        X509 *issuer = sk_X509_value(check->issuers, i);
        if (X509_up_ref(issuer) != 1 || sk_X509_push(leaf, issuer) == 0) {
            (void)err_set(err, ERR_NO_MEMORY, "no memory for a chain");
            return NULL;
        }
    }
    return leaf;
}

static bool read_and_verify(struct nf_check *check, const char *pem, size_t len, int64_t now_s,
                            X509_CHAIN **ret, struct err *err) {
    const size_t head = leaf_len(pem, len);
    const bool kept = is_kept(check, pem + head, len - head, now_s);
    struct err why = {0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem, kept ? head : len, &why);

    if (chain == NULL) {
        (void)err_set(err, ERR_UPSTREAM, "the chain cannot be read: %s", why.detail);
        return err_cause(err, "%s", why.cause);
    }
    if (!x509_verify(chain, kept ? check->issuer_trust : check->trust, X509_PURPOSE_ANY, now_s,
                     &why)) {
        return err_set(err, ERR_UPSTREAM, "the chain does not verify: %s", why.detail);
    }
    if (kept && add_kept(check, chain, err) == NULL) {
        return false;
    }
    if (!kept) {
        keep(check, chain, pem + head, len - head, now_s);
    }
    *ret = TAKE(chain);
    return true;
}

static bool names_equal(const struct x509_names *a, const struct x509_names *b) {
    if (strcasecmp(a->uuid, b->uuid) != 0 || a->dns_count != b->dns_count
        || b->others + b->ip_count != 0) {
        return false;
    }
    for (unsigned i = 0; i < a->dns_count; i++) {
        bool found = false;
        for (unsigned j = 0; j < b->dns_count && !found; j++) {
            found = strcasecmp(a->dns[i], b->dns[j]) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static unsigned eku_of(const char *profile) {
    if (strcmp(profile, "nf-client") == 0) {
        return X509_EKU_CLIENT;
    }
    if (strcmp(profile, "nf-server") == 0) {
        return X509_EKU_SERVER;
    }
    return strcmp(profile, "nf-both") == 0 ? X509_EKU_CLIENT | X509_EKU_SERVER : 0;
}

/* What TS 33.310 6.1.3c and RFC 9310 ask of an NF certificate. */
static bool judge_profile(const struct nf_wanted *wanted, const struct x509_cert *leaf,
                          struct err *err) {
    const unsigned eku = eku_of(wanted->profile);

    if (eku != 0 && leaf->eku != eku) {
        return err_set(err, ERR_UPSTREAM, "the certificate's extended key usage is not %s's",
                       wanted->profile);
    }
    if (!leaf->names_critical) {
        return err_set(err, ERR_UPSTREAM, "the certificate's subjectAltName is not critical");
    }
    if (leaf->types.count != 1 || !nftypes_has(&leaf->types, wanted->type)) {
        char found[128];
        nftypes_text(&leaf->types, found, sizeof found);
        return err_set(err, ERR_UPSTREAM, "the certificate's NFTypes are \"%s\", not %s", found,
                       wanted->type);
    }
    return true;
}

static bool judge_leaf(const struct nf_check *check, const struct nf_wanted *wanted,
                       const struct x509_cert *leaf, struct err *err) {
    if (leaf->ca) {
        return err_set(err, ERR_UPSTREAM, "the certificate is a CA's");
    }
    if (!names_equal(wanted->names, &leaf->names)) {
        return err_set(err, ERR_UPSTREAM, "the certificate's names are not those asked for");
    }
    EVP_PKEY *key = X509_get0_pubkey(leaf->x509);
    if (key == NULL || EVP_PKEY_eq(key, wanted->key) != 1) {
        return err_set(err, ERR_UPSTREAM, "the certificate is for a key that is not this NF's");
    }
    return check->names_only || judge_profile(wanted, leaf, err);
}

bool nf_check_chain(struct nf_check *check, const struct nf_wanted *wanted, const char *pem,
                    size_t len, X509_CHAIN **ret_chain, struct x509_cert *ret_leaf,
                    struct err *err) {
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;
    struct err why = {0};

    if (!read_and_verify(check, pem, len, wanted->now_s, &chain, err)) {
        return false;
    }
    if (!x509_cert_read(sk_X509_value(chain, 0), &leaf, &why)) {
        return err_set(err, ERR_UPSTREAM, "the certificate cannot be read: %s", why.detail);
    }
    if (!judge_leaf(check, wanted, &leaf, err)) {
        return false;
    }
    *ret_chain = TAKE(chain);
    *ret_leaf = leaf;
    leaf = (struct x509_cert){0};
    return true;
}
