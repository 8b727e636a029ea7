#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/nftypes.h"

static struct nftypes list(const char *const *names) {
    struct nftypes types = {0};
    for (; *names != NULL; names++) {
        ck_assert(nftypes_add(&types, *names));
    }
    return types;
}

START_TEST(one_amf_is_the_rfcs_seven_octets) {
    static const unsigned char amf[] = {0x30, 0x05, 0x16, 0x03, 0x41, 0x4D, 0x46};
    struct nftypes types = list((const char *const[]){"AMF", NULL}), back = {0};
    struct err err = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    ck_assert(nftypes_encode(&types, &der, &len, &err));
    ck_assert_uint_eq(len, sizeof amf);
    ck_assert_mem_eq(der, amf, len);
    ck_assert(nftypes_decode(der, len, &back, &err));
    ck_assert_uint_eq(back.count, 1);
    ck_assert_str_eq(back.name[0], "AMF");
}
END_TEST

START_TEST(the_longest_list_comes_back_in_order) {
    struct nftypes types = {0}, back = {0};
    struct err err = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    char name[] = "A0123456789ABCDEF0123456789ABCDE"; /* 32 characters */

    for (unsigned i = 0; i < NFTYPES_MAX; i++) {
        name[0] = (char)('A' + i);
        ck_assert(nftypes_add(&types, name));
    }
    ck_assert(!nftypes_add(&types, "AMF"));
    ck_assert(nftypes_add(&types, name)); /* is there already */
    ck_assert_uint_eq(types.count, NFTYPES_MAX);
    ck_assert(nftypes_encode(&types, &der, &len, &err));
    ck_assert(nftypes_decode(der, len, &back, &err));
    ck_assert_mem_eq(&back, &types, sizeof types);
}
END_TEST

/* clang-format off */
static const struct { const char *name; const char *der; size_t len; } bad[] = {
    {"nothing", "", 0},
    {"empty sequence", "\x30\x00", 2},
    {"empty name", "\x30\x02\x16\x00", 4},
    {"a set", "\x31\x05\x16\x03" "AMF", 7},
    {"a UTF8String", "\x30\x05\x0c\x03" "AMF", 7},
    {"a PrintableString", "\x30\x05\x13\x03" "AMF", 7},
    {"octets behind", "\x30\x05\x16\x03" "AMF\x00", 8},
    {"cut short", "\x30\x05\x16\x03" "AM", 6},
    {"name longer than the sequence", "\x30\x05\x16\x04" "AMF", 7},
    {"long length form", "\x30\x81\x05\x16\x03" "AMF", 8},
    {"indefinite length", "\x30\x80\x16\x03" "AMF\x00\x00", 9},
    {"lower case", "\x30\x05\x16\x03" "amf", 7},
    {"space", "\x30\x05\x16\x03" "A F", 7},
    {"NUL", "\x30\x05\x16\x03" "A\0F", 7},
    {"33 characters", "\x30\x23\x16\x21" "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 37},
};
/* clang-format on */

START_TEST(what_is_not_nf_types_is_malformed) {
    struct nftypes types = {.count = 7};
    struct err err = {0};

    ck_assert_msg(!nftypes_decode((const unsigned char *)bad[_i].der, bad[_i].len, &types, &err),
                  "%s was accepted", bad[_i].name);
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_uint_eq(types.count, 7);
}
END_TEST

START_TEST(seventeen_types_are_too_many) {
    unsigned char der[2 + 17 * 3] = {0x30, 17 * 3};
    struct nftypes types = {0};
    struct err err = {0};

    for (unsigned i = 0; i < 17; i++) {
        memcpy(der + 2 + 3 * i, (unsigned char[]){0x16, 1, (unsigned char)('A' + i)}, 3);
    }
    ck_assert(!nftypes_decode(der, sizeof der, &types, &err));
    err = (struct err){0};
    der[1] = 16 * 3;
    ck_assert(nftypes_decode(der, sizeof der - 3, &types, &err));
    ck_assert_uint_eq(types.count, 16);
}
END_TEST

START_TEST(an_empty_list_is_not_encoded) {
    struct nftypes types = {0};
    struct err err = {0};
    unsigned char *der = NULL;
    size_t len = 0;

    ck_assert(!nftypes_encode(&types, &der, &len, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_ptr_null(der);
}
END_TEST

START_TEST(names_are_known_and_well_formed) {
    const char *const good[] = {"AMF", "5G_EIR", "5G_DDNMF", "SLPKMF", "MB_SMF", "NRF"};
    const char *const foreign[] = {"XYZ", "A", "CUSTOM_9"};
    const char *const wrong[] = {"",    "amf", "_A",
                                 "A-B", "A B", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (unsigned i = 0; i < COUNT(good); i++) {
        ck_assert(nftypes_known(good[i]) && nftypes_wellformed(good[i]));
    }
    for (unsigned i = 0; i < COUNT(foreign); i++) {
        ck_assert(!nftypes_known(foreign[i]) && nftypes_wellformed(foreign[i]));
    }
    for (unsigned i = 0; i < COUNT(wrong); i++) {
        struct nftypes types = {0};
        ck_assert(!nftypes_known(wrong[i]) && !nftypes_wellformed(wrong[i]));
        ck_assert(!nftypes_add(&types, wrong[i]));
        ck_assert_uint_eq(types.count, 0);
    }
}
END_TEST

START_TEST(lists_are_compared_as_sets) {
    struct nftypes small = list((const char *const[]){"SMF", NULL});
    struct nftypes large = list((const char *const[]){"AMF", "SMF", NULL}), none = {0};

    ck_assert(nftypes_within(&small, &large));
    ck_assert(!nftypes_within(&large, &small));
    ck_assert(nftypes_within(&none, &small));
    ck_assert(nftypes_has(&large, "AMF"));
    ck_assert(!nftypes_has(&large, "AM"));
}
END_TEST

START_TEST(a_text_is_cut_at_a_name) {
    struct nftypes types = list((const char *const[]){"AMF", "SMF", NULL});
    char out[16];

    nftypes_text(&types, out, sizeof out);
    ck_assert_str_eq(out, "AMF,SMF");
    nftypes_text(&types, out, 8);
    ck_assert_str_eq(out, "AMF,SMF");
    nftypes_text(&types, out, 7);
    ck_assert_str_eq(out, "AMF");
    nftypes_text(&types, out, 1);
    ck_assert_str_eq(out, "");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nftypes");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, one_amf_is_the_rfcs_seven_octets);
    tcase_add_test(all, the_longest_list_comes_back_in_order);
    tcase_add_loop_test(all, what_is_not_nf_types_is_malformed, 0, (int)COUNT(bad));
    tcase_add_test(all, seventeen_types_are_too_many);
    tcase_add_test(all, an_empty_list_is_not_encoded);
    tcase_add_test(all, names_are_known_and_well_formed);
    tcase_add_test(all, lists_are_compared_as_sets);
    tcase_add_test(all, a_text_is_cut_at_a_name);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
