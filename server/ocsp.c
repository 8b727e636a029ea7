#include "server/ocsp.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/kept.h"
#include "common/ocsp_request.h"
#include "server/ocsp_cache.h"
#include "server/ocsp_signer.h"

#define SIGNER_LIFETIME_S ((int64_t)7 * 86400)
#define DIGEST_MAX 32

/* RFC 6960 4.2.1: OCSPResponseStatus */
enum ocsp_failure {
    OCSP_MALFORMED = 1,
    OCSP_INTERNAL = 2,
    OCSP_TRY_LATER = 3,
    OCSP_UNAUTHORIZED = 6
};

/* The issuer as CertIDs name it, by SHA-1 and by SHA-256. */
struct issuer {
    unsigned char name[2][DIGEST_MAX], key[2][DIGEST_MAX];
};

static const struct {
    enum kept_digest digest;
    size_t len;
} digests[2] = {{KEPT_SHA1, 20}, {KEPT_SHA256, 32}};

struct ocsp {
    struct ocsp_options options;
    struct issuer issuer;
    struct ocsp_cache *cache;
    struct ocsp_signer *signer;
    unsigned own_count;
    char own[OCSP_OWN_MAX][X509_SERIAL_SIZE];
    _Atomic uint64_t kept, made, refused;
};

static bool issuer_read(X509 *x509, struct issuer *ret, struct err *err) {
    const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(x509);
    const unsigned char *name = NULL;
    size_t len = 0;
    bool good = key != NULL && X509_NAME_get0_der(X509_get_subject_name(x509), &name, &len) == 1;

    for (unsigned i = 0; good && i < COUNT(digests); i++) {
        good = kept_hash(digests[i].digest, name, len, ret->name[i])
               && kept_hash(digests[i].digest, ASN1_STRING_get0_data(key),
                            (size_t)ASN1_STRING_length(key), ret->key[i]);
    }
    return good || err_set(err, ERR_SERVER_INTERNAL, "could not hash the issuer");
}

struct ocsp *ocsp_new(const struct ocsp_options *options, struct err *err) {
    AUTO(ocsp_free) struct ocsp *ocsp = calloc(1, sizeof *ocsp);

    if (ocsp == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the OCSP responder");
        return NULL;
    }
    ocsp->options = *options;
    if (ocsp->options.lifetime_s == 0) {
        ocsp->options.lifetime_s = OCSP_LIFETIME_S;
    }
    if (!issuer_read(ca_issuer(options->ca), &ocsp->issuer, err)
        || (ocsp->cache = ocsp_cache_new(err)) == NULL) {
        return NULL;
    }
    /* every answer ends before the certificate it was signed under */
    ocsp->signer = ocsp_signer_new(options->ca, SIGNER_LIFETIME_S + 2 * ocsp->options.lifetime_s,
                                   clock_now_s(options->clock), err);
    return ocsp->signer == NULL ? NULL : TAKE(ocsp);
}

void ocsp_free(struct ocsp *ocsp) {
    if (ocsp != NULL) {
        ocsp_signer_free(ocsp->signer);
        ocsp_cache_free(ocsp->cache);
        free(ocsp);
    }
}

bool ocsp_own_add(struct ocsp *ocsp, const char *serial, struct err *err) {
    if (ocsp->own_count == OCSP_OWN_MAX) {
        return err_set(err, ERR_SERVER_INTERNAL, "at most %d certificates of its own",
                       OCSP_OWN_MAX);
    }
    (void)snprintf(ocsp->own[ocsp->own_count++], X509_SERIAL_SIZE, "%s", serial);
    return true;
}

/* An answer without content. */
static bool refuse(struct ocsp *ocsp, enum ocsp_failure failure, struct ocsp_answer *ret,
                   struct err *err) {
    const unsigned char der[] = {0x30, 3, DER_ENUMERATED, 1, (unsigned char)failure};

    *ret = (struct ocsp_answer){.der = malloc(sizeof der), .len = sizeof der};
    if (ret->der == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an OCSP answer");
    }
    memcpy(ret->der, der, sizeof der);
    atomic_fetch_add(&ocsp->refused, 1);
    return true;
}

static bool of_issuer(const struct issuer *issuer, const struct ocsp_cert_id *id) {
    for (unsigned i = 0; i < COUNT(digests); i++) {
        if (id->hash == digests[i].digest) {
            return der_is(id->name_hash, issuer->name[i], digests[i].len)
                   && der_is(id->key_hash, issuer->key[i], digests[i].len);
        }
    }
    return false;
}

static bool is_own(const struct ocsp *ocsp, const char *serial) {
    for (unsigned i = 0; i < ocsp->own_count; i++) {
        if (strcmp(ocsp->own[i], serial) == 0) {
            return true;
        }
    }
    return ocsp_signer_is(ocsp->signer, serial);
}

static bool status_of(struct ocsp *ocsp, const char *serial, struct ocsp_status *ret,
                      struct err *err) {
    *ret = (struct ocsp_status){.reason = -1};
    if (serial[0] == '\0') {
        return true;
    }
    if (!ocsp->options.source(ocsp->options.ctx, serial, ret, err)) {
        return false;
    }
    if (!ret->known && is_own(ocsp, serial)) {
        *ret = (struct ocsp_status){.known = true, .reason = -1};
    }
    return true;
}

/* Sign an answer to the request for what was found. */
static bool make(struct ocsp *ocsp, const struct ocsp_request *request,
                 const struct ocsp_single *singles, int64_t now_s, struct ocsp_answer *ret,
                 struct err *err) {
    struct ocsp_response response = {
        .count = request->count,
        .singles = singles,
        .nonce = request->nonce,
        .produced_at_s = now_s,
        .this_update_s = now_s,
        .next_update_s = now_s + ocsp->options.lifetime_s,
    };

    *ret = (struct ocsp_answer){.this_update_s = now_s};
    if (!ocsp_sign(ocsp->signer, &response, &ret->der, &ret->len, err)) {
        return false;
    }
    ret->next_update_s = response.next_update_s;
    ret->fresh_until_s = now_s + (response.next_update_s - now_s) / 2;
    atomic_fetch_add(&ocsp->made, 1);
    return true;
}

/* One certificate, no nonce: RFC 5019. */
static bool answer_one(struct ocsp *ocsp, const struct ocsp_request *request,
                       const struct ocsp_single *single, int64_t now_s, struct ocsp_answer *ret,
                       struct err *err) {
    if (!single->status.known) { /* serials nobody was given are too many to keep */
        return make(ocsp, request, single, now_s, ret, err);
    }
    if (ocsp_cache_get(ocsp->cache, single->id, &single->status, now_s, ret)) {
        atomic_fetch_add(&ocsp->kept, 1);
        return true;
    }
    if (!make(ocsp, request, single, now_s, ret, err)) {
        return false;
    }
    ret->kept = true;
    ocsp_cache_put(ocsp->cache, single->id, &single->status, ret);
    return true;
}

bool ocsp_answer(struct ocsp *ocsp, const unsigned char *data, size_t len, struct ocsp_answer *ret,
                 struct err *err) {
    struct ocsp_single singles[OCSP_IDS_MAX];
    struct ocsp_request request = {0};
    int64_t now_s = clock_now_s(ocsp->options.clock);
    unsigned ours = 0;
    struct err why = {0};

    if (!ocsp_request_read(data, len, &request, &why)) {
        return refuse(ocsp, why.kind == ERR_OVERLOAD ? OCSP_UNAUTHORIZED : OCSP_MALFORMED, ret,
                      err);
    }
    for (unsigned i = 0; i < request.count; i++) {
        const struct ocsp_cert_id *id = &request.ids[i];
        bool mine = of_issuer(&ocsp->issuer, id);
        singles[i] = (struct ocsp_single){.id = id->whole, .status = {.reason = -1}};
        if (mine && !status_of(ocsp, id->serial, &singles[i].status, &why)) {
            return refuse(ocsp, OCSP_TRY_LATER, ret, err);
        }
        ours += mine;
    }
    if (ours == 0) { /* RFC 5019 2.2.3 */
        return refuse(ocsp, OCSP_UNAUTHORIZED, ret, err);
    }
    bool good = request.count == 1 && request.nonce.len == 0
                    ? answer_one(ocsp, &request, &singles[0], now_s, ret, &why)
                    : make(ocsp, &request, singles, now_s, ret, &why);
    return good || refuse(ocsp, OCSP_INTERNAL, ret, err);
}

struct ocsp_counts ocsp_counts(struct ocsp *ocsp) {
    return (struct ocsp_counts){.kept = atomic_load(&ocsp->kept),
                                .made = atomic_load(&ocsp->made),
                                .refused = atomic_load(&ocsp->refused)};
}
