#include "server/ocsp_signer.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/kept.h"
#include "common/log.h"
#include "common/x509_write.h"

#define BACKDATE_S 60
#define SHA1_OCTETS 20
#define SIGNATURE_MAX 80 /* ECDSA with P-256 */
#define ID_BASIC "\x2B\x06\x01\x05\x05\x07\x30\x01\x01"

struct ocsp_signer {
    const struct ca *ca;
    int64_t lifetime_s;
    int64_t issuer_not_after_s;

    pthread_mutex_t lock; /* of what follows */
    EVP_PKEY *key;
    unsigned char *certificate; /* DER */
    size_t certificate_len;
    unsigned char key_hash[SHA1_OCTETS];
    char serial[X509_SERIAL_SIZE];
    int64_t renew_at_s, not_after_s;
};

/* KeyHash: SHA-1 of the public key's bits without tag, length and unused bits. */
static bool hash_key(EVP_PKEY *key, unsigned char ret[SHA1_OCTETS], struct err *err) {
    unsigned char point[KEY_POINT_MAX];

    return key_point(key, KEY_P256, point, err)
           && (kept_hash(KEPT_SHA1, point, 1 + 2 * key_coordinate_len(KEY_P256), ret)
               || err_set(err, ERR_SERVER_INTERNAL, "could not hash the responder's key"));
}

/* A new key and certificate, once half of the last one's lifetime is over; none follows one that
 * ends with the CA.  With the lock held. */
static bool renew(struct ocsp_signer *signer, int64_t now_s, struct err *err) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    unsigned char hash[SHA1_OCTETS], *der = NULL;
    char serial[X509_SERIAL_SIZE];
    size_t len = 0;
    struct x509_spec spec = {
        .common_name = "OCSP responder",
        .not_before_s = now_s - BACKDATE_S,
        .not_after_s = now_s + signer->lifetime_s,
        .eku = X509_EKU_OCSP,
        .key = key,
    };

    if (now_s >= signer->issuer_not_after_s) {
        return err_set(err, ERR_SERVER_INTERNAL, "the CA's certificate has expired");
    }
    bool last = spec.not_after_s >= signer->issuer_not_after_s;
    if (last) {
        spec.not_after_s = signer->issuer_not_after_s;
    }
    if (key == NULL || !hash_key(key, hash, err)
        || !x509_make_der(&spec, ca_issuer(signer->ca), ca_issuer_key(signer->ca), &der, &len,
                          serial, err)) {
        return false;
    }
    EVP_PKEY_free(signer->key);
    free(signer->certificate);
    signer->key = TAKE(key);
    signer->certificate = der;
    signer->certificate_len = len;
    memcpy(signer->key_hash, hash, sizeof hash);
    memcpy(signer->serial, serial, sizeof serial);
    signer->not_after_s = spec.not_after_s;
    signer->renew_at_s = last ? spec.not_after_s : now_s + signer->lifetime_s / 2;
    return true;
}

struct ocsp_signer *ocsp_signer_new(const struct ca *ca, int64_t lifetime_s, int64_t now_s,
                                    struct err *err) {
    AUTO(x509_cert_done) struct x509_cert issuer = {0};
    AUTO(ocsp_signer_free) struct ocsp_signer *signer = calloc(1, sizeof *signer);

    if (signer == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the OCSP responder");
        return NULL;
    }
    (void)pthread_mutex_init(&signer->lock, NULL);
    if (!x509_cert_read(ca_issuer(ca), &issuer, err)) {
        return NULL;
    }
    signer->ca = ca;
    signer->lifetime_s = lifetime_s;
    signer->issuer_not_after_s = issuer.not_after_s;
    return renew(signer, now_s, err) ? TAKE(signer) : NULL;
}

void ocsp_signer_free(struct ocsp_signer *signer) {
    if (signer != NULL) {
        EVP_PKEY_free(signer->key);
        free(signer->certificate);
        (void)pthread_mutex_destroy(&signer->lock);
        free(signer);
    }
}

/* GeneralizedTime */
static bool put_time(struct buf *out, int64_t s) {
    time_t time = (time_t)s;
    struct tm parts = {0};
    char text[20];

    return gmtime_r(&time, &parts) != NULL && parts.tm_year <= 9999 - 1900
           && strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts) > 0
           && x509_put_text(out, DER_TIME, text);
}

/* CertStatus: [0] good, [1] revoked, [2] unknown.  The reason as in CRLs: RFC 5280 5.3.1. */
static bool put_status(struct buf *out, const struct ocsp_status *status) {
    const unsigned char reason[] = {DER_ENUMERATED, 1, (unsigned char)status->reason};
    size_t at = out->len;

    if (!status->known || status->revoked_at_s == 0) {
        return x509_put(out, status->known ? 0x80 : 0x82, NULL, 0);
    }
    if (!put_time(out, status->revoked_at_s)) {
        return false;
    }
    if (status->reason >= 1 && status->reason <= 10 && status->reason != 7 && status->reason != 8) {
        (void)x509_put(out, 0xA0, reason, sizeof reason);
    }
    x509_wrap_from(out, at, 0xA1);
    return !out->failed;
}

static bool put_single(struct buf *out, const struct ocsp_response *response,
                       const struct ocsp_single *single) {
    size_t at = out->len;

    if (!buf_add(out, single->id.at, single->id.len) || !put_status(out, &single->status)
        || !put_time(out, response->this_update_s)) {
        return false;
    }
    size_t next = out->len;
    if (!put_time(out, response->next_update_s)) {
        return false;
    }
    x509_wrap_from(out, next, 0xA0);
    x509_wrap_from(out, at, DER_SEQUENCE);
    return !out->failed;
}

/* ResponseData, the responder named by its key */
static bool put_data(struct buf *out, const struct ocsp_signer *signer,
                     const struct ocsp_response *response) {
    if (!x509_put(out, DER_OCTETS, signer->key_hash, sizeof signer->key_hash)) {
        return false;
    }
    x509_wrap(out, 0xA2);
    if (!put_time(out, response->produced_at_s)) {
        return false;
    }
    size_t at = out->len;
    for (unsigned i = 0; i < response->count; i++) {
        if (!put_single(out, response, &response->singles[i])) {
            return false;
        }
    }
    x509_wrap_from(out, at, DER_SEQUENCE);
    if (response->nonce.len > 0) {
        at = out->len;
        (void)buf_add(out, response->nonce.at, response->nonce.len);
        x509_wrap_from(out, at, DER_SEQUENCE);
        x509_wrap_from(out, at, 0xA1);
    }
    x509_wrap(out, DER_SEQUENCE);
    return !out->failed;
}

/* BasicOCSPResponse: the data, its signature, and the certificate that verifies it */
static bool put_basic(struct buf *out, const struct ocsp_signer *signer,
                      const struct ocsp_response *response) {
    unsigned char bits[1 + SIGNATURE_MAX] = {0}; /* no unused bits */
    size_t len = SIGNATURE_MAX;

    if (!put_data(out, signer, response)
        || !kept_sign(signer->key, KEPT_SHA256, out->data, out->len, bits + 1, &len)
        || !x509_put_algorithm(signer->key, out) || !x509_put(out, DER_BITS, bits, 1 + len)) {
        return false;
    }
    size_t at = out->len;
    (void)buf_add(out, signer->certificate, signer->certificate_len);
    x509_wrap_from(out, at, DER_SEQUENCE);
    x509_wrap_from(out, at, 0xA0);
    x509_wrap(out, DER_SEQUENCE);
    return !out->failed;
}

/* OCSPResponse: successful, with ResponseBytes */
static bool put_response(struct buf *out, const struct ocsp_signer *signer,
                         const struct ocsp_response *response) {
    static const unsigned char type[] = {DER_OID, sizeof ID_BASIC - 1};
    static const unsigned char successful[] = {DER_ENUMERATED, 1, 0};

    if (!put_basic(out, signer, response)) {
        return false;
    }
    x509_wrap(out, DER_OCTETS);
    x509_insert(out, 0, ID_BASIC, sizeof ID_BASIC - 1);
    x509_insert(out, 0, type, sizeof type);
    x509_wrap(out, DER_SEQUENCE);
    x509_wrap(out, 0xA0);
    x509_insert(out, 0, successful, sizeof successful);
    x509_wrap(out, DER_SEQUENCE);
    return !out->failed;
}

/* A certificate for what is signed now; an old one still serves when a new one cannot be had. */
static bool certified(struct ocsp_signer *signer, int64_t now_s, struct err *err) {
    struct err why = {0};

    if (now_s < signer->renew_at_s || renew(signer, now_s, &why)) {
        return true;
    }
    log_line(LOG_ERROR, "ocsp", "certify", "kind=%s", err_name(why.kind));
    if (now_s < signer->not_after_s) {
        return true;
    }
    *err = why;
    return false;
}

bool ocsp_sign(struct ocsp_signer *signer, struct ocsp_response *response, unsigned char **ret_der,
               size_t *ret_len, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(OCSP_RESPONSE_MAX);

    (void)pthread_mutex_lock(&signer->lock);
    bool good = certified(signer, response->produced_at_s, err);
    if (good && response->next_update_s > signer->not_after_s) {
        response->next_update_s = signer->not_after_s;
    }
    if (good && !put_response(&out, signer, response)) {
        good = err_set(err, ERR_SERVER_INTERNAL, "could not sign an OCSP answer");
        (void)err_cause_openssl(err);
    }
    (void)pthread_mutex_unlock(&signer->lock);
    if (!good) {
        return false;
    }
    *ret_len = out.len;
    *ret_der = (unsigned char *)buf_take(&out);
    return true;
}

bool ocsp_signer_is(struct ocsp_signer *signer, const char *serial) {
    (void)pthread_mutex_lock(&signer->lock);
    bool same = strcmp(signer->serial, serial) == 0;
    (void)pthread_mutex_unlock(&signer->lock);
    return same;
}
