#include "common/ocsp_request.h"

#include <string.h>

#include "common/x509_write.h"

#define TAG_VERSION 0xA0   /* [0] version, explicit */
#define TAG_REQUESTOR 0xA1 /* [1] requestorName */
#define TAG_EXTENSIONS 0xA2
#define TAG_SINGLE 0xA0    /* [0] singleRequestExtensions */
#define TAG_SIGNATURE 0xA0 /* [0] optionalSignature */
#define SERIAL_OCTETS 20

static const unsigned char oid_nonce[] = {0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2};

static bool malformed(struct err *err) {
    return err_set(err, ERR_MALFORMED, "this is not an OCSP request");
}

/* Take the element if it is of that tag; false: it is not there. */
static bool take_if(struct der *in, unsigned tag, struct der *ret_content) {
    return in->len > 0 && in->at[0] == tag && der_take(in, tag, ret_content);
}

/* AlgorithmIdentifier without parameters, or with NULL. */
static bool read_hash(struct der algorithm, enum kept_digest *ret) {
    static const unsigned char sha1[] = {0x2B, 0x0E, 3, 2, 0x1A};
    static const unsigned char sha256[] = {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1};
    struct der oid = {0}, null = {0};

    if (!der_take(&algorithm, DER_OID, &oid)) {
        return false;
    }
    *ret = der_is(oid, sha1, sizeof sha1)       ? KEPT_SHA1
           : der_is(oid, sha256, sizeof sha256) ? KEPT_SHA256
                                                : KEPT_DIGEST__COUNT;
    if (*ret == KEPT_DIGEST__COUNT) {
        return true;
    }
    (void)take_if(&algorithm, DER_NULL, &null);
    return algorithm.len == 0 && null.len == 0;
}

/* A minimal INTEGER; what no CA of ours gives out leaves out "". */
static bool read_serial(struct der number, char out[X509_SERIAL_SIZE]) {
    if (number.len == 0
        || (number.len > 1 && (number.at[0] == 0x00 || number.at[0] == 0xFF)
            && (number.at[0] & 0x80) == (number.at[1] & 0x80))) {
        return false;
    }
    if ((number.at[0] & 0x80) != 0) {
        return true; /* negative */
    }
    if (number.len > 1 && number.at[0] == 0) {
        number.at++;
        number.len--;
    }
    if (number.len <= SERIAL_OCTETS) {
        x509_hex(number.at, number.len, out);
    }
    return true;
}

static bool read_id(struct der *request, struct ocsp_cert_id *ret) {
    struct der id = {0}, algorithm = {0}, serial = {0};
    unsigned tag = 0;

    return der_next(request, &tag, &id, &ret->whole) && tag == DER_SEQUENCE
           && der_take(&id, DER_SEQUENCE, &algorithm) && read_hash(algorithm, &ret->hash)
           && der_take(&id, DER_OCTETS, &ret->name_hash)
           && der_take(&id, DER_OCTETS, &ret->key_hash) && der_take(&id, DER_INTEGER, &serial)
           && read_serial(serial, ret->serial) && id.len == 0;
}

/* RFC 9654 2.1: the value is an OCTET STRING of 1 to 128 octets. */
static bool nonce_good(struct der value) {
    struct der nonce = {0};

    return der_take(&value, DER_OCTETS, &nonce) && value.len == 0 && nonce.len > 0
           && nonce.len <= OCSP_NONCE_MAX;
}

/* One Extension; the nonce is kept when there is a place for it. */
static bool read_extension(struct der *in, struct der *ret_nonce) {
    struct der extension = {0}, whole = {0}, oid = {0}, critical = {0}, value = {0};
    unsigned tag = 0;

    if (!der_next(in, &tag, &extension, &whole) || tag != DER_SEQUENCE
        || !der_take(&extension, DER_OID, &oid)) {
        return false;
    }
    bool flagged = take_if(&extension, DER_BOOLEAN, &critical);
    if ((flagged && (critical.len != 1 || critical.at[0] != 0xFF))
        || !der_take(&extension, DER_OCTETS, &value) || extension.len != 0) {
        return false;
    }
    if (ret_nonce == NULL || !der_is(oid, oid_nonce, sizeof oid_nonce)) {
        return !flagged; /* RFC 6960 4.4: critical, and not known here */
    }
    if (ret_nonce->len != 0 || !nonce_good(value)) {
        return false;
    }
    *ret_nonce = whole;
    return true;
}

/* Extensions ::= SEQUENCE SIZE (1..MAX), inside their explicit tag. */
static bool read_extensions(struct der content, struct der *ret_nonce) {
    struct der list = {0};

    if (!der_take(&content, DER_SEQUENCE, &list) || content.len != 0 || list.len == 0) {
        return false;
    }
    while (list.len > 0) {
        if (!read_extension(&list, ret_nonce)) {
            return false;
        }
    }
    return true;
}

static bool read_list(struct der list, struct ocsp_request *request, struct err *err) {
    struct der one = {0}, extensions = {0};

    while (list.len > 0) {
        if (request->count == OCSP_IDS_MAX) {
            return err_set(err, ERR_OVERLOAD, "at most %d certificates", OCSP_IDS_MAX);
        }
        if (!der_take(&list, DER_SEQUENCE, &one) || !read_id(&one, &request->ids[request->count++])
            || (take_if(&one, TAG_SINGLE, &extensions) && !read_extensions(extensions, NULL))
            || one.len != 0) {
            return malformed(err);
        }
    }
    return request->count > 0 || malformed(err);
}

/* TBSRequest */
static bool read_body(struct der body, struct ocsp_request *request, struct err *err) {
    static const unsigned char v1[] = {2, 1, 0};
    struct der part = {0}, list = {0};

    if ((take_if(&body, TAG_VERSION, &part) && !der_is(part, v1, sizeof v1))
        || (take_if(&body, TAG_REQUESTOR, &part) && !der_wellformed(part))
        || !der_take(&body, DER_SEQUENCE, &list)) {
        return malformed(err);
    }
    if (!read_list(list, request, err)) {
        return false;
    }
    if ((take_if(&body, TAG_EXTENSIONS, &part) && !read_extensions(part, &request->nonce))
        || body.len != 0) {
        return malformed(err);
    }
    return true;
}

bool ocsp_request_read(const unsigned char *data, size_t len, struct ocsp_request *ret,
                       struct err *err) {
    struct der in = {data, len}, whole = {0}, body = {0}, signature = {0};
    struct ocsp_request request = {0};

    if (len > OCSP_REQUEST_MAX || !der_take(&in, DER_SEQUENCE, &whole) || in.len != 0
        || !der_take(&whole, DER_SEQUENCE, &body)) {
        return malformed(err);
    }
    if (!read_body(body, &request, err)) {
        return false;
    }
    if ((take_if(&whole, TAG_SIGNATURE, &signature) && !der_wellformed(signature))
        || whole.len != 0) {
        return malformed(err);
    }
    *ret = request;
    return true;
}
