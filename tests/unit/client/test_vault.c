#include "client/vault.h"

#include "tests/unit/common/suite.h"

#include <sys/stat.h>

#include "common/file.h"
#include "common/key.h"
#include "common/ossl.h"
#include "folder.h"

static struct vault *vault;
static EVP_PKEY *key;
static unsigned char *sealed;
static size_t len;

static void begin(void) {
    struct err err = {0};

    folder_make();
    vault = vault_open(folder_path("vault.key"), &err);
    ck_assert_msg(vault != NULL, "%s", err.detail);
    key = key_generate(KEY_P256, &err);
    ck_assert_ptr_nonnull(key);
    ck_assert(vault_seal(vault, "nf-1", key, &sealed, &len, &err));
}

static void end(void) {
    vault_close(vault);
    EVP_PKEY_free(key);
    free(sealed);
    folder_remove();
}

START_TEST(a_sealed_key_opens_after_a_restart) {
    struct err err = {0};
    struct stat status;

    begin();
    vault_close(vault);
    vault = vault_open(folder_path("vault.key"), &err);
    ck_assert_ptr_nonnull(vault);
    EVP_PKEY *opened = vault_open_key(vault, "nf-1", sealed, len, &err);
    ck_assert_ptr_nonnull(opened);
    ck_assert_int_eq(EVP_PKEY_eq(opened, key), 1);
    EVP_PKEY_free(opened);
    ck_assert_int_eq(stat(folder_path("vault.key"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    end();
}
END_TEST

START_TEST(every_altered_octet_is_refused) {
    begin();
    for (size_t i = 0; i < len; i++) {
        struct err err = {0};
        sealed[i] ^= 1;
        ck_assert_msg(vault_open_key(vault, "nf-1", sealed, len, &err) == NULL, "octet %zu", i);
        ck_assert_int_eq(err.kind, ERR_STORE);
        sealed[i] ^= 1;
    }
    for (size_t cut = 0; cut < len; cut++) {
        struct err err = {0};
        ck_assert_ptr_null(vault_open_key(vault, "nf-1", sealed, cut, &err));
    }
    end();
}
END_TEST

START_TEST(a_key_moved_to_another_record_does_not_open) {
    struct err err = {0};

    begin();
    ck_assert_ptr_null(vault_open_key(vault, "nf-2", sealed, len, &err));
    ck_assert_int_eq(err.kind, ERR_STORE);
    end();
}
END_TEST

START_TEST(no_iv_is_used_twice) {
    struct err err = {0};
    unsigned char *again = NULL;
    size_t again_len = 0;

    begin();
    ck_assert(vault_seal(vault, "nf-1", key, &again, &again_len, &err));
    ck_assert_uint_eq(len, again_len);
    ck_assert_int_ne(memcmp(sealed + 1, again + 1, 12), 0);
    ck_assert_int_ne(memcmp(sealed + 13, again + 13, len - 13), 0);
    free(again);
    end();
}
END_TEST

START_TEST(the_private_number_is_not_in_the_record) {
    struct err err = {0};
    unsigned char *der = NULL;
    size_t der_len = 0;

    begin();
    ck_assert(key_private_der(key, &der, &der_len, &err));
    ck_assert_ptr_null(memmem(sealed, len, der + der_len / 2, 16));
    OPENSSL_clear_free(der, der_len);
    end();
}
END_TEST

START_TEST(a_key_file_others_may_read_or_of_another_size_is_refused) {
    struct err err = {0}, other = {0};

    folder_make();
    ck_assert(file_write(folder_path("open"), 0644, "0123456789abcdef0123456789abcdef", 32, &err));
    ck_assert_ptr_null(vault_open(folder_path("open"), &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert(file_write(folder_path("short"), 0600, "0123", 4, &other));
    ck_assert_ptr_null(vault_open(folder_path("short"), &other));
    ck_assert_int_eq(other.kind, ERR_CONFIG);
    folder_remove();
}
END_TEST

START_TEST(a_key_file_that_was_named_is_never_made) {
    struct err err = {0}, other = {0};

    folder_make();
    ck_assert_ptr_null(vault_open_file(folder_path("none"), true, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_int_ne(access(folder_path("none"), F_OK), 0);
    ck_assert(file_write(folder_path("open"), 0640, "0123456789abcdef0123456789abcdef", 32, &err)
              || err.kind == ERR_CONFIG);
    ck_assert_ptr_null(vault_open_file(folder_path("open"), true, &other));
    AUTO(vault_close) struct vault *handed = vault_open_file(folder_path("open"), false, &other);
    ck_assert_ptr_nonnull(handed);
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_sealed_key_opens_after_a_restart,
        every_altered_octet_is_refused,
        a_key_moved_to_another_record_does_not_open,
        no_iv_is_used_twice,
        the_private_number_is_not_in_the_record,
        a_key_file_others_may_read_or_of_another_size_is_refused,
        a_key_file_that_was_named_is_never_made,
    };

    return suite_run("client/vault", tests, COUNT(tests));
}
