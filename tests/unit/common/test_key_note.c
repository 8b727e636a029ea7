#include <check.h>
#include <openssl/core_names.h>

#include "common/key_note.h"
#include "common/ossl.h"
#include "tests/unit/common/suite.h"

START_TEST(a_key_we_made_is_noted_as_openssl_knows_it) {
    for (enum key_type type = KEY_P256; type <= KEY_P521; type++) {
        struct err err = {0};
        unsigned char point[KEY_POINT_MAX];
        size_t len = 0;
        AUTO(EVP_PKEY_free) EVP_PKEY *made = key_generate(type, &err);
        const struct key_note *note = key_note_get(made);
        ck_assert_ptr_nonnull(note);
        ck_assert_int_eq(note->type, type);
        ck_assert_int_eq(EVP_PKEY_get_octet_string_param(made, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof point, &len),
                         1);
        ck_assert_uint_eq(len, 1 + 2 * key_coordinate_len(type));
        ck_assert_mem_eq(note->point, point, len);
        AUTO(EVP_PKEY_free) EVP_PKEY *read = key_from_point(type, point, len);
        ck_assert_ptr_nonnull(key_note_get(read));
        ck_assert_int_eq(key_note_get(read)->type, type);
        ck_assert_mem_eq(key_note_get(read)->point, point, len);
    }
}
END_TEST

START_TEST(a_private_key_read_back_is_noted) {
    struct err err = {0};
    unsigned char *der = NULL;
    size_t len = 0;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);

    ck_assert(key_private_der(key, &der, &len, &err));
    AUTO(EVP_PKEY_free) EVP_PKEY *back = key_from_private_der(der, len, &err);
    OPENSSL_clear_free(der, len);
    ck_assert_ptr_nonnull(back);
    ck_assert_ptr_nonnull(key_note_get(back));
    ck_assert_mem_eq(key_note_get(back)->point, key_note_get(key)->point, 65);
}
END_TEST

START_TEST(keys_of_others_and_copies_have_no_note) {
    struct err err = {0};
    enum key_type type = KEY__COUNT;
    unsigned char point[KEY_POINT_MAX];
    AUTO(EVP_PKEY_free) EVP_PKEY *rsa = key_generate(KEY_RSA2048, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P384, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *copy = EVP_PKEY_dup(key);
    AUTO(EVP_PKEY_free) EVP_PKEY *foreign = EVP_EC_gen("P-384");

    ck_assert_ptr_null(key_note_get(rsa));
    ck_assert_ptr_null(key_note_get(copy));
    ck_assert_ptr_null(key_note_get(foreign));
    ck_assert(!key_curve(rsa, &type));
    ck_assert(key_curve(copy, &type) && type == KEY_P384);
    ck_assert(key_point(copy, type, point, &err));
    ck_assert_mem_eq(point, key_note_get(key)->point, 1 + 2 * key_coordinate_len(type));
    ck_assert(key_curve(foreign, &type) && type == KEY_P384);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_key_we_made_is_noted_as_openssl_knows_it,
                                  a_private_key_read_back_is_noted,
                                  keys_of_others_and_copies_have_no_note};

    return suite_run("common/key_note", tests, COUNT(tests));
}
