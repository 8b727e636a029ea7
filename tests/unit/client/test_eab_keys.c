#include "client/eab_keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/common/suite.h"

#include "common/file.h"
#include "folder.h"

static struct eab_keys *keys_of(const char *text, unsigned mode, const char *one, struct err *err) {
    ck_assert(text == NULL || file_write(folder_path("eab.yaml"), mode, text, strlen(text), err));
    ck_assert(text == NULL || chmod(folder_path("eab.yaml"), mode) == 0);
    return eab_keys_read(text == NULL ? NULL : folder_path("eab.yaml"), one, err);
}

START_TEST(the_first_that_fits_is_the_accounts_key_and_the_one_is_for_the_rest) {
    struct err err = {0};

    folder_make();
    AUTO(eab_keys_free)
    struct eab_keys *keys = keys_of("eab:\n"
                                    "  - {account: 'type:AMF', kid: amf, key: AQID}\n"
                                    "  - {account: 'type:*', kid: types, key: BAUG}\n",
                                    0600, "rest:BwgJ", &err);
    ck_assert_msg(keys != NULL, "%s", err.detail);
    ck_assert_str_eq(eab_keys_of(keys, "type:AMF")->kid, "amf");
    ck_assert_mem_eq(eab_keys_of(keys, "type:AMF")->key, "\x01\x02\x03", 3);
    ck_assert_str_eq(eab_keys_of(keys, "type:SMF")->kid, "types");
    ck_assert_str_eq(eab_keys_of(keys, "shared")->kid, "rest");
    folder_remove();
}
END_TEST

START_TEST(without_keys_nothing_is_bound) {
    struct err err = {0};
    AUTO(eab_keys_free) struct eab_keys *keys = eab_keys_read(NULL, NULL, &err);

    ck_assert_ptr_nonnull(keys);
    ck_assert_ptr_null(eab_keys_of(keys, "shared"));
    ck_assert_ptr_null(eab_keys_of(NULL, "shared"));
}
END_TEST

START_TEST(what_is_no_key_is_named_with_its_place) {
    static const struct {
        const char *text, *one, *said;
        unsigned mode;
    } wrong[] = {
        {"eab:\n  - {account: 'a', kid: k, key: '?'}\n", NULL, "eab.yaml:2", 0600},
        {"eab:\n  - {account: 'a', key: AQID}\n", NULL, "eab.yaml:2", 0600},
        {"eab:\n  - {kid: k, key: AQID}\n", NULL, "eab", 0600},
        {"eab:\n  - {account: 'a', kid: k, key: AQID}\n", NULL, "may read it", 0640},
        {NULL, "nothing", "--eab", 0},
        {NULL, ":AQID", "--eab", 0},
    };

    folder_make();
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct err err = {0};
        struct eab_keys *keys = keys_of(wrong[i].text, wrong[i].mode, wrong[i].one, &err);
        ck_assert_msg(keys == NULL, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strstr(err.detail, wrong[i].said) != NULL, "%s", err.detail);
    }
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_first_that_fits_is_the_accounts_key_and_the_one_is_for_the_rest,
        without_keys_nothing_is_bound,
        what_is_no_key_is_named_with_its_place,
    };

    return suite_run("client/eab_keys", tests, COUNT(tests));
}
