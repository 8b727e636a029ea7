#include "client/state.h"

#include "tests/unit/common/suite.h"

#include "common/file.h"
#include "common/key.h"
#include "folder.h"
#include "loop_bed.h"

#define NF "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"
#define KEY_1 "0123456789abcdef0123456789abcdef"
#define KEY_2 "0123456789abcdef0123456789abcdeF"

static void saved(void *ctx, const struct err *err) {
    (void)ctx;
    ck_assert_ptr_null(err);
    loop_stop(bed_loop);
}

/* Open, put an account there when asked to, and close again. */
static bool open_once(const char *vault_key, bool put, struct err *err) {
    const struct options options = {.state_dir = folder, .vault_key = vault_key};
    struct vault *vault = NULL;
    struct store *store = NULL;

    bed_loop_new();
    const bool good = state_open(&options, bed_loop, &vault, &store, err);
    if (good && put) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
        struct store_account account = {.name = NF, .thumbprint = "thumb"};
        struct enrolment one = {.nf = NF, .nf_type = "AMF", .account = NF};
        one.row = store_row_next(store);
        enrolment_id_make(one.row, one.id);
        ck_assert(vault_seal(vault, NF, key, &account.sealed, &account.sealed_len, err));
        ck_assert(store_insert(store, &one, &account, saved, NULL, err));
        bed_run();
        store_account_done(&account);
    }
    store_close(store);
    vault_close(vault);
    loop_free(bed_loop);
    return good;
}

START_TEST(a_key_is_made_in_the_state_directory_and_found_again) {
    struct err err = {0};

    folder_make();
    ck_assert_msg(open_once(NULL, true, &err), "%s", err.detail);
    ck_assert_int_eq(access(folder_path("vault.key"), F_OK), 0);
    ck_assert_msg(open_once(NULL, false, &err), "%s", err.detail);
    folder_remove();
}
END_TEST

START_TEST(another_key_is_refused_before_anything_is_done_with_it) {
    struct err err = {0}, wrong = {0}, none = {0};

    folder_make();
    ck_assert(file_write(folder_path("one"), 0600, KEY_1, 32, &err));
    ck_assert(file_write(folder_path("two"), 0600, KEY_2, 32, &err));
    ck_assert_msg(open_once(folder_path("one"), true, &err), "%s", err.detail);
    ck_assert_int_ne(access(folder_path("vault.key"), F_OK), 0);
    ck_assert(!open_once(folder_path("two"), false, &wrong));
    ck_assert_int_eq(wrong.kind, ERR_CONFIG);
    ck_assert(!open_once(folder_path("three"), false, &none));
    ck_assert_int_eq(none.kind, ERR_CONFIG);
    ck_assert_msg(open_once(folder_path("one"), false, &err), "%s", err.detail);
    folder_remove();
}
END_TEST

START_TEST(a_credential_of_systemd_goes_before_the_state_directory) {
    struct err err = {0};
    char path[STATE_PATH_SIZE];
    const struct options options = {.state_dir = folder};

    folder_make();
    ck_assert_int_eq(state_key_path(&options, path), STATE_KEY_OWN);
    ck_assert(file_folder(folder_path("credentials"), &err));
    ck_assert(file_write(folder_path("credentials/vault.key"), 0440, KEY_1, 32, &err));
    (void)setenv("CREDENTIALS_DIRECTORY", folder_path("credentials"), 1);
    ck_assert_int_eq(state_key_path(&options, path), STATE_KEY_CREDENTIAL);
    ck_assert_msg(open_once(NULL, true, &err), "%s", err.detail);
    ck_assert_int_ne(access(folder_path("vault.key"), F_OK), 0);
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_key_is_made_in_the_state_directory_and_found_again,
        another_key_is_refused_before_anything_is_done_with_it,
        a_credential_of_systemd_goes_before_the_state_directory,
    };

    return suite_run("client/state", tests, COUNT(tests));
}
