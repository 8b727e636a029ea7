#include "common/ocsp_request.h"

#include "tests/unit/common/suite.h"

/* A CertID by SHA-1 with the serial 0A; its octets 2 and on are the algorithm. */
#define HASH "\x04\x04zzzz"
#define SHA1 "\x30\x09\x06\x05\x2B\x0E\x03\x02\x1A\x05\x00"
#define SHA1_BARE "\x30\x07\x06\x05\x2B\x0E\x03\x02\x1A"
#define ID "\x30\x1A" SHA1 HASH HASH "\x02\x01\x0A"
#define ONE "\x30\x1C" ID
#define NONCE_OID "\x06\x09\x2B\x06\x01\x05\x05\x07\x30\x01\x02"
#define EXTENSION(len, rest) "\x30" len rest

/* clang-format off */
#define ROW(name, der, kind, count, nonce) {name, der, sizeof(der) - 1, kind, count, nonce}
static const struct { const char *name, *der; size_t len; enum err_kind kind; unsigned count; bool nonce; } rows[] = {
    ROW("one",               "\x30\x22\x30\x20\x30\x1E" ONE, ERR_NONE, 1, false),
    ROW("version 1",         "\x30\x27\x30\x25\xA0\x03\x02\x01\x00\x30\x1E" ONE, ERR_NONE, 1, false),
    ROW("version 2",         "\x30\x27\x30\x25\xA0\x03\x02\x01\x01\x30\x1E" ONE, ERR_MALFORMED, 0, false),
    ROW("two",               "\x30\x40\x30\x3E\x30\x3C" ONE ONE, ERR_NONE, 2, false),
    ROW("no parameters",     "\x30\x20\x30\x1E\x30\x1C\x30\x1A\x30\x18" SHA1_BARE HASH HASH "\x02\x01\x0A", ERR_NONE, 1, false),
    ROW("none",              "\x30\x04\x30\x02\x30\x00", ERR_MALFORMED, 0, false),
    ROW("empty",             "", ERR_MALFORMED, 0, false),
    ROW("trailing",          "\x30\x22\x30\x20\x30\x1E" ONE "\x00", ERR_MALFORMED, 0, false),
    ROW("trailing inside",   "\x30\x24\x30\x20\x30\x1E" ONE "\x05\x00", ERR_MALFORMED, 0, false),
    ROW("serial not minimal", "\x30\x23\x30\x21\x30\x1F\x30\x1D\x30\x1B" SHA1 HASH HASH "\x02\x02\x00\x0A", ERR_MALFORMED, 0, false),
    ROW("nonce",             "\x30\x3D\x30\x3B\x30\x1E" ONE "\xA2\x19\x30\x17" EXTENSION("\x15", NONCE_OID "\x04\x08\x04\x06nonces"), ERR_NONE, 1, true),
    ROW("nonce of nothing",  "\x30\x37\x30\x35\x30\x1E" ONE "\xA2\x13\x30\x11" EXTENSION("\x0F", NONCE_OID "\x04\x02\x04\x00"), ERR_MALFORMED, 0, false),
    ROW("nonce bare",        "\x30\x3B\x30\x39\x30\x1E" ONE "\xA2\x17\x30\x15" EXTENSION("\x13", NONCE_OID "\x04\x06nonces"), ERR_MALFORMED, 0, false),
    ROW("unknown",           "\x30\x2F\x30\x2D\x30\x1E" ONE "\xA2\x0B\x30\x09" EXTENSION("\x07", "\x06\x01\x2A\x04\x02\x05\x00"), ERR_NONE, 1, false),
    ROW("unknown critical",  "\x30\x32\x30\x30\x30\x1E" ONE "\xA2\x0E\x30\x0C" EXTENSION("\x0A", "\x06\x01\x2A\x01\x01\xFF\x04\x02\x05\x00"), ERR_MALFORMED, 0, false),
    ROW("no extension",      "\x30\x26\x30\x24\x30\x1E" ONE "\xA2\x02\x30\x00", ERR_MALFORMED, 0, false),
    ROW("signature",         "\x30\x26\x30\x20\x30\x1E" ONE "\xA0\x02\x30\x00", ERR_NONE, 1, false),
};
/* clang-format on */

START_TEST(requests_are_read_strictly) {
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct ocsp_request request = {0};
        struct err err = {0};
        bool good =
            ocsp_request_read((const unsigned char *)rows[i].der, rows[i].len, &request, &err);
        ck_assert_msg(good == (rows[i].kind == ERR_NONE), "%s", rows[i].name);
        ck_assert_msg(err.kind == rows[i].kind, "%s", rows[i].name);
        ck_assert_msg(request.count == rows[i].count, "%s", rows[i].name);
        ck_assert_msg((request.nonce.len > 0) == rows[i].nonce, "%s", rows[i].name);
        if (good) {
            ck_assert_str_eq(request.ids[0].serial, "0a");
            ck_assert_int_eq(request.ids[0].hash, KEPT_SHA1);
        }
    }
}
END_TEST

START_TEST(sixteen_certificates_are_enough) {
    unsigned char der[12 + (OCSP_IDS_MAX + 1) * 30];
    struct ocsp_request request = {0};
    struct err err = {0};

    for (unsigned count = OCSP_IDS_MAX; count <= OCSP_IDS_MAX + 1; count++) {
        const size_t list = count * (size_t)30, body = list + 4, whole = body + 4;
        const unsigned char heads[] = {0x30, 0x82, (unsigned char)(body >> 8), (unsigned char)body,
                                       0x30, 0x82, (unsigned char)(list >> 8), (unsigned char)list};
        der[0] = 0x30;
        der[1] = 0x82;
        der[2] = (unsigned char)(whole >> 8);
        der[3] = (unsigned char)whole;
        memcpy(der + 4, heads, sizeof heads);
        for (unsigned i = 0; i < count; i++) {
            memcpy(der + 12 + i * (size_t)30, ONE, 30);
        }
        ck_assert(ocsp_request_read(der, 12 + list, &request, &err) == (count == OCSP_IDS_MAX));
    }
    ck_assert_uint_eq(request.count, OCSP_IDS_MAX);
    ck_assert_int_eq(err.kind, ERR_OVERLOAD);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {requests_are_read_strictly, sixteen_certificates_are_enough};
    return suite_run("common/ocsp_request", tests, COUNT(tests));
}
