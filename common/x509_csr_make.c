/* Requests are written by hand: X509_REQ would encode and decode the key by the slow path. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "common/key.h"
#include "common/x509_parts.h"
#include "common/x509_write.h"

/* Append an Extension of a request. */
static bool add_extension(struct buf *out, const void *oid, size_t oid_len, bool critical,
                          const void *value, size_t len) {
    AUTO(buf_done) struct buf one = buf_new(out->max);

    (void)x509_put(&one, DER_OID, oid, oid_len);
    if (critical) {
        (void)x509_put(&one, DER_BOOLEAN, "\xFF", 1);
    }
    (void)x509_put(&one, DER_OCTETS, value, len);
    return !one.failed && x509_put(out, DER_SEQUENCE, one.data, one.len);
}

/* Attributes, RFC 2986: the extensions asked for, or none. */
static bool attributes(const struct x509_names *names, const struct nftypes *types, struct buf *out,
                       struct err *err) {
    static const unsigned char request[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 0x0E};
    static const unsigned char names_oid[] = {0x55, 0x1D, 0x11};
    AUTO(buf_done) struct buf value = buf_new(X509_VALUE_MAX);
    AUTO(buf_done) struct buf attribute = buf_new(X509_VALUE_MAX);
    AUTO(free) unsigned char *types_der = NULL;
    const ASN1_OBJECT *types_oid = x509_nftypes_object();
    size_t types_len = 0;

    if (!x509_put_names(names, NULL, &value)
        || (value.len > 0
            && !add_extension(out, names_oid, sizeof names_oid, true, value.data, value.len))) {
        return err_set(err, ERR_SERVER_INTERNAL, "the names do not fit into a request");
    }
    if (types != NULL && types->count > 0
        && (!nftypes_encode(types, &types_der, &types_len, err) || types_oid == NULL
            || !add_extension(out, OBJ_get0_data(types_oid), OBJ_length(types_oid), false,
                              types_der, types_len))) {
        return err_set(err, ERR_SERVER_INTERNAL, "the NF types do not fit into a request");
    }
    if (out->len > 0) {
        x509_wrap(out, DER_SEQUENCE);
        x509_wrap(out, DER_SET);
        (void)x509_put(&attribute, DER_OID, request, sizeof request);
        (void)buf_add(&attribute, out->data, out->len);
        out->len = 0;
        (void)x509_put(out, DER_SEQUENCE, attribute.data, attribute.len);
    }
    x509_wrap(out, 0xA0);
    return !out->failed && !attribute.failed;
}

/* CertificationRequestInfo. */
static bool request_info(EVP_PKEY *key, const struct x509_names *names, const struct nftypes *types,
                         struct buf *out, struct err *err) {
    AUTO(buf_done) struct buf rest = buf_new(X509_VALUE_MAX);
    AUTO(ossl_free) unsigned char *spki = NULL;
    size_t len = 0;

    if (!key_spki(key, &spki, &len, err) || !attributes(names, types, &rest, err)) {
        return false;
    }
    (void)x509_put(out, DER_INTEGER, "\0", 1);
    (void)x509_put(out, DER_SEQUENCE, NULL, 0);
    (void)buf_add(out, spki, len);
    (void)buf_add(out, rest.data, rest.len);
    x509_wrap(out, DER_SEQUENCE);
    return !out->failed;
}

bool x509_csr_make(EVP_PKEY *key, const struct x509_names *names, const struct nftypes *types,
                   unsigned char **ret_der, size_t *ret_len, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(X509_VALUE_MAX);

    if (!request_info(key, names, types, &out, err) || !x509_seal(key, &out)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a certification request");
        return err_cause_openssl(err);
    }
    *ret_len = out.len;
    *ret_der = (unsigned char *)buf_take(&out);
    return true;
}
