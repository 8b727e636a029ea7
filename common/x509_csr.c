/* Requests are walked by hand: X509_REQ would decode the key by the slow path and reads BER. */
#include <openssl/err.h>
#include <string.h>

#include "common/kept.h"
#include "common/key.h"
#include "common/x509.h"
#include "common/x509_parts.h"

#define CSR_OCTETS_MAX 16384

/* The parts of a CertificationRequest, RFC 2986 section 4; borrowed. */
struct request {
    struct der info, subject, key, attributes;
    struct der algorithm, signature;
};

/* Whom a signature algorithm is for and what it hashes. */
/* clang-format off */
static const struct algorithm {
    unsigned char oid[9];
    size_t oid_len;
    int key;                 /* EVP_PKEY_… */
    enum kept_digest digest; /* KEPT_DIGEST__COUNT: none */
} algorithms[] = {
    {{0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2},          8, EVP_PKEY_EC,      KEPT_SHA256},
    {{0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 3},          8, EVP_PKEY_EC,      KEPT_SHA384},
    {{0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 4},          8, EVP_PKEY_EC,      KEPT_SHA512},
    {{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0B}, 9, EVP_PKEY_RSA,     KEPT_SHA256},
    {{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0C}, 9, EVP_PKEY_RSA,     KEPT_SHA384},
    {{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0D}, 9, EVP_PKEY_RSA,     KEPT_SHA512},
    {{0x2B, 0x65, 0x70},                               3, EVP_PKEY_ED25519, KEPT_DIGEST__COUNT},
};
/* clang-format on */

void x509_csr_done(struct x509_csr *csr) {
    EVP_PKEY_free(csr->key);
    *csr = (struct x509_csr){0};
}

void x509_csr_done_auto(struct x509_csr *csr) { x509_csr_done(csr); }

/* Take an element of this tag, header included. */
static bool take_whole(struct der *in, unsigned tag, struct der *ret) {
    unsigned got = 0;

    return der_next(in, &got, NULL, ret) && got == tag;
}

static bool open_request(struct der in, struct request *ret, struct err *err) {
    struct der outer = {0}, info = {0}, version = {0}, bits = {0};

    if (!der_wellformed(in) || !der_take(&in, DER_SEQUENCE, &outer) || in.len != 0
        || !take_whole(&outer, DER_SEQUENCE, &ret->info)
        || !der_take(&outer, DER_SEQUENCE, &ret->algorithm) || !der_take(&outer, DER_BITS, &bits)
        || outer.len != 0 || bits.len < 2 || bits.at[0] != 0) {
        return err_set(err, ERR_BAD_CSR, "not a certification request in DER");
    }
    ret->signature = (struct der){bits.at + 1, bits.len - 1};
    struct der whole = ret->info;
    if (!der_take(&whole, DER_SEQUENCE, &info) || !der_take(&info, DER_INTEGER, &version)
        || !take_whole(&info, DER_SEQUENCE, &ret->subject)
        || !take_whole(&info, DER_SEQUENCE, &ret->key) || !der_take(&info, 0xA0, &ret->attributes)
        || info.len != 0) {
        return err_set(err, ERR_BAD_CSR, "not a certification request in DER");
    }
    if (!der_is(version, "\0", 1)) {
        return err_set(err, ERR_BAD_CSR, "the request's version is not 1");
    }
    return true;
}

static bool verify(const struct request *request, EVP_PKEY *key,
                   const struct algorithm *algorithm) {
    const struct der info = request->info, signature = request->signature;

    if (algorithm->key == EVP_PKEY_EC) {
        return kept_verify(key, algorithm->digest, info.at, info.len, signature.at, signature.len);
    }
    EVP_MD_CTX *ctx = kept_md_ctx();
    const EVP_MD *md = algorithm->digest == KEPT_DIGEST__COUNT ? NULL : kept_md(algorithm->digest);
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1
              && EVP_DigestVerify(ctx, signature.at, signature.len, info.at, info.len) == 1;
    kept_md_ctx_done();
    return ok;
}

/* Judge the signature algorithm and the key, then the signature by that key. */
static bool check_signature(const struct request *request, EVP_PKEY *key, struct err *err) {
    struct der algorithm = request->algorithm, oid = {0};
    unsigned i = 0;

    if (!der_take(&algorithm, DER_OID, &oid)) {
        return err_set(err, ERR_BAD_CSR, "the request's signature algorithm is not well-formed");
    }
    while (i < COUNT(algorithms) && !der_is(oid, algorithms[i].oid, algorithms[i].oid_len)) {
        i++;
    }
    if (i == COUNT(algorithms) || algorithms[i].key != EVP_PKEY_get_base_id(key)) {
        return err_set(err, ERR_BAD_CSR,
                       "the request's signature algorithm is not supported or not its key's");
    }
    /* RFC 4055 section 5: NULL for RSA; RFC 5758 and 8410: absent. */
    if (algorithm.len != 0
        && !(algorithms[i].key == EVP_PKEY_RSA && der_is(algorithm, "\x05\0", 2))) {
        return err_set(err, ERR_BAD_CSR, "the request's signature algorithm has parameters");
    }
    if (!verify(request, key, &algorithms[i])) {
        ERR_clear_error();
        return err_set(err, ERR_BAD_CSR, "the request's signature is wrong");
    }
    return true;
}

/* The one common name as printable ASCII. */
static bool read_common_name(unsigned tag, struct der text, struct x509_csr *csr, struct err *err) {
    if (csr->common_name[0] != '\0') {
        return err_set(err, ERR_BAD_CSR, "the request has more than one common name");
    }
    /* UTF8String, PrintableString, IA5String; not those a look-alike could hide in. */
    bool ok = (tag == 0x0C || tag == 0x13 || tag == 0x16) && text.len > 0
              && text.len < sizeof csr->common_name;
    for (size_t i = 0; ok && i < text.len; i++) {
        ok = text.at[i] >= 0x20 && text.at[i] < 0x7F;
    }
    if (!ok) {
        return err_set(err, ERR_BAD_CSR, "the request's common name is not ASCII text");
    }
    memcpy(csr->common_name, text.at, text.len);
    csr->common_name[text.len] = '\0';
    return true;
}

/* Name, RFC 5280 section 4.1.2.4. */
static bool read_subject(struct der subject, struct x509_csr *csr, struct err *err) {
    static const unsigned char common_name[] = {0x55, 4, 3};
    struct der names = {0}, set = {0}, pair = {0}, oid = {0}, text = {0};
    unsigned tag = 0;

    if (!der_take(&subject, DER_SEQUENCE, &names)) {
        return err_set(err, ERR_BAD_CSR, "the request's subject is not well-formed");
    }
    while (names.len > 0) {
        if (!der_take(&names, DER_SET, &set) || set.len == 0) {
            return err_set(err, ERR_BAD_CSR, "the request's subject is not well-formed");
        }
        while (set.len > 0) {
            if (!der_take(&set, DER_SEQUENCE, &pair) || !der_take(&pair, DER_OID, &oid)
                || !der_next(&pair, &tag, &text, NULL) || pair.len != 0) {
                return err_set(err, ERR_BAD_CSR, "the request's subject is not well-formed");
            }
            if (der_is(oid, common_name, sizeof common_name)
                && !read_common_name(tag, text, csr, err)) {
                return false;
            }
        }
    }
    return true;
}

/* One Extension: its identifier, whether critical, and its value. */
static bool open_extension(struct der *list, struct der *ret_oid, bool *ret_critical,
                           struct der *ret_value) {
    struct der extension = {0}, flag = {0};

    if (!der_take(list, DER_SEQUENCE, &extension) || !der_take(&extension, DER_OID, ret_oid)) {
        return false;
    }
    *ret_critical = der_take(&extension, DER_BOOLEAN, &flag);
    return (!*ret_critical || der_is(flag, "\xFF", 1))
           && der_take(&extension, DER_OCTETS, ret_value) && extension.len == 0;
}

/* Extensions, RFC 5280 section 4.1.2.9; none may be there twice. */
static bool read_extensions(struct der value, struct x509_csr *csr, struct err *err) {
    struct der list = {0}, oids[X509_EXTENSIONS_MAX], octets = {0};
    struct x509_parts parts = {0};
    unsigned count = 0;
    bool critical = false;

    if (!der_take(&value, DER_SEQUENCE, &list) || value.len != 0) {
        return err_set(err, ERR_BAD_CSR, "the request's extensions are not well-formed");
    }
    while (list.len > 0) {
        if (count == COUNT(oids)) {
            return err_set(err, ERR_BAD_CSR, "the request has more than %zu extensions",
                           COUNT(oids));
        }
        if (!open_extension(&list, &oids[count], &critical, &octets)) {
            return err_set(err, ERR_BAD_CSR, "the request's extensions are not well-formed");
        }
        for (unsigned i = 0; i < count; i++) {
            if (der_is(oids[i], oids[count].at, oids[count].len)) {
                return err_set(err, ERR_BAD_CSR, "the request has an extension twice");
            }
        }
        if (!x509_parts_add(&parts, oids[count++], critical, octets, ERR_BAD_CSR, err)) {
            return false;
        }
    }
    csr->names = parts.names;
    csr->types = parts.types;
    csr->asks_ca = parts.ca;
    return true;
}

/* Attributes, RFC 2986 section 4.1: of these only RFC 2985's extensionRequest says anything. */
static bool read_attributes(struct der attributes, struct x509_csr *csr, struct err *err) {
    static const unsigned char wanted[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 0x0E};
    struct der attribute = {0}, oid = {0}, values = {0}, value = {0};
    bool seen = false;

    while (attributes.len > 0) {
        if (!der_take(&attributes, DER_SEQUENCE, &attribute) || !der_take(&attribute, DER_OID, &oid)
            || !der_take(&attribute, DER_SET, &values) || attribute.len != 0) {
            return err_set(err, ERR_BAD_CSR, "the request's attributes are not well-formed");
        }
        if (!der_is(oid, wanted, sizeof wanted)) {
            continue;
        }
        if (seen || !take_whole(&values, DER_SEQUENCE, &value) || values.len != 0) {
            return err_set(err, ERR_BAD_CSR, "the request must have its extensions once");
        }
        seen = true;
        if (!read_extensions(value, csr, err)) {
            return false;
        }
    }
    return true;
}

bool x509_csr_read(const unsigned char *der, size_t len, struct x509_csr *ret, struct err *err) {
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    struct request request = {0};

    if (len > CSR_OCTETS_MAX) {
        return err_set(err, ERR_BAD_CSR, "the request has more than %d octets", CSR_OCTETS_MAX);
    }
    if (!open_request((struct der){der, len}, &request, err)
        || !read_subject(request.subject, &csr, err)
        || !read_attributes(request.attributes, &csr, err)) {
        return false;
    }
    csr.key = key_from_spki(request.key.at, request.key.len);
    if (csr.key == NULL) {
        return err_set(err, ERR_BAD_CSR, "the request's key could not be read");
    }
    if (!key_acceptable(csr.key, ERR_BAD_CSR, err) || !check_signature(&request, csr.key, err)) {
        return false;
    }
    *ret = csr;
    csr = (struct x509_csr){0};
    return true;
}
