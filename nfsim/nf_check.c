#include "nfsim/nf_check.h"

#include <stdlib.h>
#include <string.h>

struct nf_check {
    X509_STORE *trust;
    bool names_only;
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

void nf_check_free(struct nf_check *check) { free(check); }

static bool names_equal(const struct x509_names *a, const struct x509_names *b) {
    if (strcasecmp(a->uuid, b->uuid) != 0 || a->dns_count != b->dns_count || b->others != 0) {
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
    struct err why = {0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem, len, &why);

    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), &leaf, &why)) {
        (void)err_set(err, ERR_UPSTREAM, "the chain cannot be read: %s", why.detail);
        return err_cause(err, "%s", why.cause);
    }
    if (!x509_verify(chain, check->trust, X509_PURPOSE_ANY, wanted->now_s, &why)) {
        return err_set(err, ERR_UPSTREAM, "the chain does not verify: %s", why.detail);
    }
    if (!judge_leaf(check, wanted, &leaf, err)) {
        return false;
    }
    *ret_chain = TAKE(chain);
    *ret_leaf = leaf;
    leaf = (struct x509_cert){0};
    return true;
}
