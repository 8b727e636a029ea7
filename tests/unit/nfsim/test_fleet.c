#include "nfsim/fleet.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"

static struct fleet small(void) {
    return (struct fleet){.seed = 7,
                          .mcc = 1,
                          .mnc = 1,
                          .types_count = 3,
                          .types = {{"AMF", 3}, {"5G_EIR", 1}, {"SMF", 2}}};
}

START_TEST(names_follow_ts_23003) {
    const struct fleet fleet = small();
    struct fleet_nf nf;
    char canonical[ACME_ID_VALUE_MAX + 1], uuid[37];

    fleet_nf(&fleet, 1, &nf);
    ck_assert_str_eq(nf.type, "5G_EIR");
    ck_assert_str_eq(nf.fqdn, "5g-eir1.cluster1.net1.5g-eir.5gc.mnc001.mcc001.3gppnetwork.org");
    ck_assert(acme_dns_canonical(nf.fqdn, canonical));
    ck_assert(acme_uuid_canonical(nf.uuid, uuid));
    ck_assert_str_eq(uuid, nf.uuid);
}
END_TEST

START_TEST(every_type_comes_before_any_comes_twice) {
    static const char *const wanted[] = {"AMF", "5G_EIR", "SMF", "AMF", "SMF", "AMF",
                                         "AMF", "5G_EIR", "SMF", "AMF", "SMF", "AMF"};
    static const char *const labels[] = {"amf1.", "5g-eir1.", "smf1.", "amf2.", "smf2.", "amf3.",
                                         "amf4.", "5g-eir2.", "smf3.", "amf5.", "smf4.", "amf6."};
    const struct fleet fleet = small();

    ck_assert_uint_eq(fleet_total(&fleet), 6);
    for (uint32_t i = 0; i < COUNT(wanted); i++) {
        struct fleet_nf nf;
        fleet_nf(&fleet, i, &nf);
        ck_assert_msg(strcmp(nf.type, wanted[i]) == 0, "NF %u is %s", i, nf.type);
        ck_assert_msg(strncmp(nf.fqdn, labels[i], strlen(labels[i])) == 0, "NF %u is %s", i,
                      nf.fqdn);
    }
}
END_TEST

static int compare(const void *a, const void *b) {
    return strcmp(((const struct fleet_nf *)a)->uuid, ((const struct fleet_nf *)b)->uuid);
}

START_TEST(ids_differ_within_a_fleet_and_between_seeds) {
    struct fleet fleet = small();
    struct fleet_nf *nfs = calloc(5001, sizeof *nfs);
    struct fleet_nf other;

    ck_assert_ptr_nonnull(nfs);
    for (uint32_t i = 0; i < 5000; i++) {
        fleet_nf(&fleet, i, &nfs[i]);
    }
    fleet_extra(&fleet, "NRF", "producer", 1, &nfs[5000]);
    ck_assert_str_eq(nfs[5000].fqdn,
                     "producer1.cluster1.net1.nrf.5gc.mnc001.mcc001.3gppnetwork.org");
    fleet.seed = 8;
    fleet_nf(&fleet, 0, &other);
    ck_assert_str_ne(other.uuid, nfs[0].uuid);
    qsort(nfs, 5001, sizeof *nfs, compare);
    for (uint32_t i = 1; i <= 5000; i++) {
        ck_assert_str_ne(nfs[i - 1].uuid, nfs[i].uuid);
    }
    free(nfs);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_fleet) {
    const struct fleet fleet = small();

    for (uint32_t i = 0; i < 100; i++) {
        struct fleet_nf once, again;
        fleet_nf(&fleet, i, &once);
        fleet_nf(&fleet, i, &again);
        ck_assert_str_eq(once.uuid, again.uuid);
        ck_assert_str_eq(once.fqdn, again.fqdn);
    }
}
END_TEST

START_TEST(a_plmn_is_three_and_two_or_three_digits) {
    static const struct {
        const char *text;
        bool good;
        unsigned mcc, mnc;
    } rows[] = {{"001-01", true, 1, 1},  {"999-70", true, 999, 70}, {"310-410", true, 310, 410},
                {"00101", false, 0, 0},  {"001-1", false, 0, 0},    {"001-0101", false, 0, 0},
                {"0a1-01", false, 0, 0}, {"", false, 0, 0},         {"001-0x", false, 0, 0},
                {"0001-01", false, 0, 0}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fleet fleet = {0};
        struct err err = {0};
        ck_assert_msg(fleet_plmn(rows[i].text, &fleet, &err) == rows[i].good, "%s", rows[i].text);
        ck_assert_uint_eq(fleet.mcc, rows[i].mcc);
        ck_assert_uint_eq(fleet.mnc, rows[i].mnc);
        ck_assert_int_eq(err.kind, rows[i].good ? ERR_NONE : ERR_CONFIG);
    }
}
END_TEST

START_TEST(the_text_tells_fleets_apart) {
    struct fleet a = small(), b = small();
    char left[FLEET_TEXT_SIZE], right[FLEET_TEXT_SIZE];

    fleet_text(&a, left);
    fleet_text(&b, right);
    ck_assert_str_eq(left, right);
    b.types[2].count++;
    fleet_text(&b, right);
    ck_assert_str_ne(left, right);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fleet");
    TCase *cases = tcase_create("fleet");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, names_follow_ts_23003);
    tcase_add_test(cases, every_type_comes_before_any_comes_twice);
    tcase_add_test(cases, ids_differ_within_a_fleet_and_between_seeds);
    tcase_add_test(cases, the_same_seed_gives_the_same_fleet);
    tcase_add_test(cases, a_plmn_is_three_and_two_or_three_digits);
    tcase_add_test(cases, the_text_tells_fleets_apart);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
