#include "common/x509_crl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/buf.h"
#include "common/file.h"

static bool put(X509_CRL *crl, struct buf *out) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio == NULL || PEM_write_bio_X509_CRL(bio, crl) != 1) {
        return false;
    }
    const long len = BIO_get_mem_data(bio, &text);
    return len > 0 && buf_add(out, text, (size_t)len);
}

bool x509_crl_read_file(const char *path, struct buf *out, struct err *err) {
    size_t len = 0;
    unsigned count = 0;
    AUTO(free) char *text = file_read(path, &len, err);

    if (text == NULL) {
        return false;
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    const bool pem = strstr(text, "-----BEGIN ") != NULL;
    while (bio != NULL && count < X509_CRL_FILES_MAX && (pem || count == 0)) {
        AUTO(X509_CRL_free)
        X509_CRL *crl =
            pem ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : d2i_X509_CRL_bio(bio, NULL);
        if (crl == NULL) {
            break;
        }
        if (!put(crl, out)) {
            return err_set(err, ERR_CONFIG, "%s: too many revocation lists", path);
        }
        count++;
    }
    const bool ended = !pem || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return (count > 0 && ended)
           || err_set(err, ERR_CONFIG, "%s: not a certificate revocation list", path);
}

bool x509_crl_trust(X509_STORE *store, const char *pem, struct err *err) {
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
    unsigned count = 0;

    while (bio != NULL) {
        AUTO(X509_CRL_free) X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (crl == NULL) {
            break;
        }
        if (X509_STORE_add_crl(store, crl) != 1) {
            (void)err_set(err, ERR_CONFIG, "could not take a revocation list");
            return err_cause_openssl(err);
        }
        count++;
    }
    ERR_clear_error();
    return count == 0
           || X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1
           || err_set(err, ERR_SERVER_INTERNAL, "could not make a trust store");
}

bool x509_crl_lets_pass(int code) {
    return code == X509_V_ERR_UNABLE_TO_GET_CRL || code == X509_V_ERR_CRL_HAS_EXPIRED;
}
