#include "nfsim/inventory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/nfsim/state.h"

static struct state state;

static void begin(void) { state_make(&state); }

static void end(void) { state_remove(&state); }

static struct inventory *open_it(void) {
    struct err err = {0};
    struct inventory *inventory = inventory_open(state.folder, false, &err);

    ck_assert_msg(inventory != NULL, "%s", err.detail);
    return inventory;
}

START_TEST(init_again_changes_nothing_and_more_nfs_are_added) {
    struct err err = {0};
    struct inventory_nf before = {0}, after = {0};
    uint32_t count = 0;
    struct init_options init = {.state = state.folder,
                                .fleet = state.fleet,
                                .nfs = 5,
                                .clock = &state.clock,
                                .quiet = true};

    {
        AUTO(inventory_close) struct inventory *inventory = open_it();
        ck_assert(inventory_get(inventory, 1, &before, &err));
    }
    ck_assert_msg(init_state(&init, &err), "%s", err.detail);
    init.nfs = 2;
    ck_assert_msg(init_state(&init, &err), "%s", err.detail);
    AUTO(inventory_close) struct inventory *inventory = open_it();
    ck_assert(inventory_get(inventory, 1, &after, &err));
    ck_assert_str_eq(before.id.uuid, after.id.uuid);
    ck_assert_uint_eq(before.cert_len, after.cert_len);
    ck_assert_mem_eq(before.cert_der, after.cert_der, after.cert_len);
    ck_assert(inventory_count(inventory, &count, &err));
    ck_assert_uint_eq(count, 5);
    inventory_nf_done(&before);
    inventory_nf_done(&after);
}
END_TEST

START_TEST(a_folder_keeps_its_fleet) {
    struct err err = {0};
    struct init_options init = {.state = state.folder,
                                .fleet = state.fleet,
                                .nfs = 2,
                                .clock = &state.clock,
                                .quiet = true};

    init.fleet.seed++;
    ck_assert(!init_state(&init, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(bootstrap_certificates_about_to_end_are_made_anew) {
    struct err err = {0};
    struct inventory_nf before = {0}, after = {0};
    struct clock later = {.scale = 1, .manual_us = clock_now_us(&state.clock)};
    const struct init_options init = {
        .state = state.folder, .fleet = state.fleet, .nfs = 2, .clock = &later, .quiet = true};
    AUTO(inventory_close) struct inventory *inventory = open_it();

    ck_assert(inventory_get(inventory, 0, &before, &err));
    later.manual_us += 5ull * 86400 * 1000000;
    ck_assert(init_state(&init, &err));
    ck_assert(inventory_get(inventory, 0, &after, &err));
    ck_assert_int_eq(before.not_after_s, after.not_after_s);
    inventory_nf_done(&after);
    later.manual_us += 2ull * 86400 * 1000000;
    ck_assert_msg(init_state(&init, &err), "%s", err.detail);
    ck_assert(inventory_get(inventory, 0, &after, &err));
    /* issued 7 days after the first, on a clock that started when this test did, moments later */
    ck_assert_int_ge(after.not_after_s, before.not_after_s + 7 * 86400);
    ck_assert_int_le(after.not_after_s, before.not_after_s + 7 * 86400 + 3600);
    ck_assert_uint_eq(before.key_len, after.key_len);
    ck_assert_mem_eq(before.key_der, after.key_der, after.key_len);
    inventory_nf_done(&before);
    inventory_nf_done(&after);
}
END_TEST

START_TEST(an_nf_is_found_by_many_names) {
    static const struct {
        const char *word, *type;
    } rows[] = {{"0", "AMF"},
                {"1", "SMF"},
                {"amf-1", "AMF"},
                {"amf1", "AMF"},
                {"AMF-1", "AMF"},
                {"smf1.cluster1.net1.smf.5gc.mnc001.mcc001.3gppnetwork.org", "SMF"},
                {"producer-1", "NRF"},
                {"amf-2", NULL},
                {"2", NULL},
                {"%", NULL},
                {"", NULL}};
    AUTO(inventory_close) struct inventory *inventory = open_it();

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(inventory_nf_done) struct inventory_nf nf = {0};
        struct err err = {0};
        const bool found = inventory_search(inventory, rows[i].word, &nf, &err);
        ck_assert_msg(found == (rows[i].type != NULL), "%s", rows[i].word);
        ck_assert_msg(!found || strcmp(nf.id.type, rows[i].type) == 0, "%s is %s", rows[i].word,
                      nf.id.type);
        ck_assert_int_eq(err.kind, found ? ERR_NONE : ERR_NOT_FOUND);
    }
}
END_TEST

START_TEST(an_assertion_belongs_to_one_fingerprint) {
    static const struct {
        const char *sub, *jti, *fingerprint;
        bool good;
    } rows[] = {{"a", "1", "X", true},  {"a", "1", "X", true}, {"a", "1", "Y", false},
                {"b", "1", "Y", true},  {"a", "2", "Y", true}, {"a", "1", "X", true},
                {"b", "1", "X", false}, {"b", "1", "Y", true}};
    AUTO(inventory_close) struct inventory *inventory = open_it();
    struct err err = {0};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err why = {0};
        ck_assert_msg(
            inventory_jti(inventory, rows[i].sub, rows[i].jti, rows[i].fingerprint, 100, &why)
                == rows[i].good,
            "row %zu", i);
        ck_assert_int_eq(why.kind, rows[i].good ? ERR_NONE : ERR_CCA);
    }
    ck_assert(inventory_jti_purge(inventory, 100, &err));
    ck_assert(!inventory_jti(inventory, "a", "1", "Y", 100, &err));
    err = (struct err){0};
    ck_assert(inventory_jti_purge(inventory, 101, &err));
    ck_assert(inventory_jti(inventory, "a", "1", "Y", 100, &err));
}
END_TEST

START_TEST(the_shared_client_is_registered_by_its_own_name_alone) {
    AUTO(inventory_close) struct inventory *inventory = open_it();
    char name[FLEET_FQDN_SIZE];
    struct err err = {0};

    ck_assert(inventory_client(inventory, 0, name, &err));
    ck_assert_str_eq(name, STATE_CLIENT);
    ck_assert(!inventory_client(inventory, 1, name, &err));
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_folder_without_a_fleet_is_said_so) {
    struct err err = {0};

    ck_assert_ptr_null(inventory_open("/nonexistent", false, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("inventory");
    TCase *cases = tcase_create("inventory");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, init_again_changes_nothing_and_more_nfs_are_added);
    tcase_add_test(cases, a_folder_keeps_its_fleet);
    tcase_add_test(cases, bootstrap_certificates_about_to_end_are_made_anew);
    tcase_add_test(cases, an_nf_is_found_by_many_names);
    tcase_add_test(cases, an_assertion_belongs_to_one_fingerprint);
    tcase_add_test(cases, the_shared_client_is_registered_by_its_own_name_alone);
    tcase_add_test(cases, a_folder_without_a_fleet_is_said_so);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
