#include "client/engine_verify.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/der.h"
#include "common/key.h"
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

/* RFC 2986 4.1: the CSR's SubjectPublicKeyInfo, with its header; OpenSSL would decode the key. */
static bool csr_key(const struct enrolment *record, struct der *ret) {
    struct der csr = {record->csr, record->csr_len};
    struct der info = {0}, rest = {0};
    unsigned tag = 0;

    return record->csr != NULL && der_take(&csr, DER_SEQUENCE, &rest)
           && der_take(&rest, DER_SEQUENCE, &info) && der_take(&info, DER_INTEGER, &rest)
           && der_take(&info, DER_SEQUENCE, &rest) && der_next(&info, &tag, NULL, ret)
           && tag == DER_SEQUENCE;
}

/* The same octets, as a rule; another encoding of the key is looked at more closely. */
static bool same_key(X509 *leaf, const struct enrolment *record) {
    AUTO(ossl_free) unsigned char *theirs = NULL;
    struct der ours = {0};
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &theirs);

    if (len <= 0 || !csr_key(record, &ours)) {
        return false;
    }
    if (der_is(ours, theirs, (size_t)len)) {
        return true;
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_from_spki(ours.at, ours.len);
    return key != NULL && EVP_PKEY_eq(key, X509_get0_pubkey(leaf)) == 1;
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

/* Did issuer sign subject?  number: the subject's in the chain, from 1. */
static bool linked(X509 *subject, X509 *issuer, int number, struct err *err) {
    EVP_PKEY *key = X509_get0_pubkey(issuer);

    if (key != NULL && X509_check_ca(issuer) != 0 && X509_check_issued(issuer, subject) == X509_V_OK
        && X509_verify(subject, key) == 1) {
        return true;
    }
    (void)err_set(err, ERR_UPSTREAM,
                  "the certificate chain does not link up: its number %d was not issued by number "
                  "%d",
                  number, number + 1);
    return err_cause_openssl(err);
}

void engine_issuers_done(struct engine_issuers *issuers) {
    free(issuers->text);
    chain_free(issuers->chain);
    *issuers = (struct engine_issuers){0};
}

/* Read what follows the leaf, unless it is what followed the last one. */
static bool issuers_take(struct engine_issuers *issuers, const char *text, struct err *err) {
    struct err inner = {0};

    if (issuers->text != NULL && strcmp(issuers->text, text) == 0) {
        return true;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(text, strlen(text), &inner);
    if (chain == NULL) {
        (void)err_set(err, ERR_UPSTREAM, "the certificate cannot be read: %s", inner.detail);
        return err_cause(err, "%s", inner.cause);
    }
    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        if (!linked(sk_X509_value(chain, i), sk_X509_value(chain, i + 1), i + 2, err)) {
            return false;
        }
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    engine_issuers_done(issuers);
    *issuers = (struct engine_issuers){.text = copy, .chain = TAKE(chain)};
    return true;
}

static bool leaf_read(const char *pem, size_t len, struct x509_cert *ret, struct err *err) {
    struct err inner = {0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem, len, &inner);

    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), ret, &inner)) {
        (void)err_set(err, ERR_UPSTREAM, "the certificate cannot be read: %s", inner.detail);
        return err_cause(err, "%s", inner.cause);
    }
    return true;
}

bool engine_verify(struct engine_issuers *issuers, const struct enrolment *record, const char *pem,
                   size_t len, const struct clock *clock, struct enrolment *ret, struct err *err) {
    AUTO(x509_cert_done) struct x509_cert leaf = {0};

    if (strlen(pem) != len || !only_certificates(pem, len)) {
        return err_set(err, ERR_UPSTREAM,
                       "the certificate is not a PEM chain of certificates only");
    }
    const char *first = strstr(pem, end_line);
    const char *rest = first == NULL ? NULL : strstr(first, begin_line);
    const size_t leaf_len = rest == NULL ? len : (size_t)(rest - pem);
    if (!leaf_read(pem, leaf_len, &leaf, err)
        || !leaf_fits(&leaf, record, clock_now_s(clock), err)) {
        return false;
    }
    if (rest != NULL
        && (!issuers_take(issuers, rest, err)
            || !linked(leaf.x509, sk_X509_value(issuers->chain, 0), 1, err))) {
        return false;
    }
    ret->not_before_us = leaf.not_before_s > 0 ? (uint64_t)leaf.not_before_s * US_PER_S : 0;
    ret->not_after_us = (uint64_t)leaf.not_after_s * US_PER_S;
    return true;
}
