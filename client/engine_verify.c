#include "client/engine_verify.h"

#include <string.h>
#include <strings.h>

#include "common/ossl.h"
#include "common/x509.h"

#define US_PER_S 1000000

static const char begin_line[] = "-----BEGIN CERTIFICATE-----";
static const char end_line[] = "-----END CERTIFICATE-----";

static bool is_line(const char *line, size_t len, const char *wanted) {
    return len == strlen(wanted) && memcmp(line, wanted, len) == 0;
}

static bool is_base64(const char *line, size_t len) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

    return len > 0 && strspn(line, letters) >= len;
}

/* RFC 8555 9.1, RFC 7468 figure 3: certificates and nothing else; empty lines are let pass. */
static bool only_certificates(const char *pem, size_t len) {
    const char *at = pem;
    bool inside = false;

    while (at < pem + len) {
        const char *end = memchr(at, '\n', (size_t)(pem + len - at));
        size_t line = (size_t)((end == NULL ? pem + len : end) - at);
        const char *next = at + line + (end == NULL ? 0 : 1);
        line -= line > 0 && at[line - 1] == '\r' ? 1 : 0;
        if (inside ? is_line(at, line, end_line) : is_line(at, line, begin_line)) {
            inside = !inside;
        } else if (inside ? !is_base64(at, line) : line > 0) {
            return false;
        }
        at = next;
    }
    return !inside;
}

/* The same octets, as a rule; another encoding of the key is looked at more closely. */
static bool same_key(X509 *leaf, const struct enrolment *record) {
    const unsigned char *at = record->csr;
    AUTO(X509_REQ_free)
    X509_REQ *csr = at == NULL ? NULL : d2i_X509_REQ(NULL, &at, (long)record->csr_len);
    AUTO(ossl_free) unsigned char *one = NULL;
    AUTO(ossl_free) unsigned char *other = NULL;

    if (csr == NULL) {
        return false;
    }
    int one_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &one);
    int other_len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &other);
    if (one_len > 0 && one_len == other_len && memcmp(one, other, (size_t)one_len) == 0) {
        return true;
    }
    EVP_PKEY *ours = X509_REQ_get0_pubkey(csr);
    EVP_PKEY *theirs = X509_get0_pubkey(leaf);
    return ours != NULL && theirs != NULL && EVP_PKEY_eq(ours, theirs) == 1;
}

static bool same_names(const struct x509_names *names, const struct enrolment *record) {
    const char *uuid = record->with_nf_instance ? record->nf : "";
    const unsigned dns_count = record->with_dns ? 1 : 0;

    return strcmp(names->uuid, uuid) == 0 && names->dns_count == dns_count
           && (dns_count == 0 || strcasecmp(names->dns[0], record->fqdn) == 0)
           && names->ip_count == 0 && names->others == 0;
}

static bool leaf_fits(const struct x509_cert *leaf, const struct enrolment *record, int64_t now_s,
                      struct err *err) {
    if (!same_key(leaf->x509, record)) {
        return err_set(err, ERR_UPSTREAM, "the certificate is for another key than the CSR's");
    }
    if (!same_names(&leaf->names, record)) {
        return err_set(err, ERR_UPSTREAM, "the certificate is for other names than the order's");
    }
    if (leaf->types.count > 0 && !nftypes_has(&leaf->types, record->nf_type)) {
        return err_set(err, ERR_UPSTREAM, "the certificate is for another NF type");
    }
    if (leaf->ca) {
        return err_set(err, ERR_UPSTREAM, "the certificate is one of a CA");
    }
    if (leaf->not_before_s > now_s + ENGINE_VERIFY_SKEW_S) {
        return err_set(err, ERR_UPSTREAM, "the certificate is not valid yet");
    }
    return leaf->not_after_s >= now_s
           || err_set(err, ERR_UPSTREAM, "the certificate has expired already");
}

static bool links(X509_CHAIN *chain, struct err *err) {
    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        X509 *subject = sk_X509_value(chain, i);
        X509 *issuer = sk_X509_value(chain, i + 1);
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (key == NULL || X509_check_ca(issuer) == 0
            || X509_check_issued(issuer, subject) != X509_V_OK || X509_verify(subject, key) != 1) {
            (void)err_set(err, ERR_UPSTREAM,
                          "the certificate chain does not link up: its number %d was not issued "
                          "by number %d",
                          i + 1, i + 2);
            return err_cause_openssl(err);
        }
    }
    return true;
}

bool engine_verify(const struct enrolment *record, const char *pem, size_t len,
                   const struct clock *clock, struct enrolment *ret, struct err *err) {
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    struct err inner = {0};

    if (memchr(pem, '\0', len) != NULL || !only_certificates(pem, len)) {
        return err_set(err, ERR_UPSTREAM,
                       "the certificate is not a PEM chain of certificates only");
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem, len, &inner);
    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), &leaf, &inner)) {
        (void)err_set(err, ERR_UPSTREAM, "the certificate cannot be read: %s", inner.detail);
        return err_cause(err, "%s", inner.cause);
    }
    if (!leaf_fits(&leaf, record, clock_now_s(clock), err) || !links(chain, err)) {
        return false;
    }
    ret->not_before_us = leaf.not_before_s > 0 ? (uint64_t)leaf.not_before_s * US_PER_S : 0;
    ret->not_after_us = (uint64_t)leaf.not_after_s * US_PER_S;
    return true;
}
