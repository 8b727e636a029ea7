#include "server/ari.h"

#include <assert.h>
#include <string.h>

#include "common/b64.h"
#include "common/x509_write.h"

#define SERIAL_OCTETS_MAX 20 /* RFC 5280 4.1.2.2 */
#define REVOKED_WINDOW_S 3600

static_assert(B64_LEN(ARI_KEY_ID_MAX) + 1 + B64_LEN(SERIAL_OCTETS_MAX) < ARI_CERTID_SIZE,
              "a certificate's name fits");

/* DER: the shortest form, and positive. */
static bool serial_good(const unsigned char *octets, size_t len) {
    bool padded = len > 1 && octets[0] == 0;
    return len > 0 && (octets[0] & 0x80) == 0 && (!padded || (octets[1] & 0x80) != 0);
}

bool ari_certid_read(const char *text, X509 *issuer, char ret_serial[X509_SERIAL_SIZE],
                     struct err *err) {
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(issuer);
    unsigned char key_id[ARI_KEY_ID_MAX], serial[SERIAL_OCTETS_MAX];
    size_t key_id_len = 0, serial_len = 0, at = strcspn(text, ".");
    struct err why = {0};

    if (text[at] == '\0' || !b64_decode_into(text, at, key_id, sizeof key_id, &key_id_len, &why)
        || !b64_decode_into(text + at + 1, strlen(text + at + 1), serial, sizeof serial,
                            &serial_len, &why)
        || key_id_len == 0 || !serial_good(serial, serial_len)) {
        return err_set(err, ERR_MALFORMED,
                       "a certificate is named by base64url(keyIdentifier).base64url(serial)");
    }
    if (own == NULL || (size_t)ASN1_STRING_length(own) != key_id_len
        || memcmp(ASN1_STRING_get0_data(own), key_id, key_id_len) != 0) {
        return err_set(err, ERR_NOT_FOUND, "this CA issued no such certificate");
    }
    bool padded = serial_len > 1 && serial[0] == 0;
    x509_hex(serial + padded, serial_len - padded, ret_serial);
    return true;
}

static unsigned nibble(char digit) {
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

void ari_certid_text(X509 *issuer, const char *serial, char ret[ARI_CERTID_SIZE]) {
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(issuer);
    size_t own_len = own == NULL ? 0 : (size_t)ASN1_STRING_length(own), len = 1;
    unsigned char octets[1 + SERIAL_OCTETS_MAX] = {0};

    ret[0] = '\0';
    if (own_len == 0 || own_len > ARI_KEY_ID_MAX || strlen(serial) > 2 * SERIAL_OCTETS_MAX) {
        return;
    }
    for (const char *at = serial; at[0] != '\0' && at[1] != '\0'; at += 2) {
        octets[len++] = (unsigned char)(nibble(at[0]) << 4 | nibble(at[1]));
    }
    size_t skip = len > 1 && (octets[1] & 0x80) == 0 ? 1 : 0; /* its first octet stays positive */
    b64_encode_into(ASN1_STRING_get0_data(own), own_len, ret, ARI_CERTID_SIZE);
    size_t used = strlen(ret);
    ret[used++] = '.';
    b64_encode_into(octets + skip, len - skip, ret + used, ARI_CERTID_SIZE - used);
}

struct ari_window ari_window_fresh(int64_t not_before_s, int64_t not_after_s) {
    int64_t life_s = not_after_s - not_before_s;
    struct ari_window window = {not_before_s + life_s / 3 * 2, not_before_s + life_s / 4 * 3};

    if (window.end_s <= window.start_s) { /* a life of seconds */
        window.end_s = window.start_s + 1;
    }
    return window;
}

struct ari_window ari_window_revoked(int64_t revoked_at_s) {
    return (struct ari_window){revoked_at_s - REVOKED_WINDOW_S, revoked_at_s};
}
