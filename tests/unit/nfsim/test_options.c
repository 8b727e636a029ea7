#include "nfsim/options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 24

/* A command line as main hands it over: a fresh array, as it is edited in place. */
static bool read_line(enum options_command command, const char *const *words, struct options *ret,
                      int *ret_exit) {
    static char *argv[WORDS_MAX];
    int argc = 0;

    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)words[argc];
    }
    argv[argc] = NULL;
    return options_read(command, argc, argv, ret, ret_exit);
}

START_TEST(set_is_the_scenarios_wherever_it_stands) {
    static const char *const words[] = {"run",
                                        "--set",
                                        "use=none",
                                        "x.yaml",
                                        "--api",
                                        "https",
                                        "--set=fleet[0].count=5",
                                        "--operator-root",
                                        "r.pem",
                                        "--seed",
                                        "9",
                                        NULL};
    AUTO(options_done) struct options options = {0};
    int exit_status = -1;

    ck_assert(read_line(OPTIONS_RUN, words, &options, &exit_status));
    ck_assert_str_eq(options.sets[0], "use=none");
    ck_assert_str_eq(options.sets[1], "fleet[0].count=5");
    ck_assert_str_eq(options.sets[2], "seed=9");
    ck_assert_ptr_null(options.sets[3]);
    ck_assert_str_eq(options.command,
                     "nfsim run --set use=none x.yaml --api https '--set=fleet[0].count=5' "
                     "--operator-root r.pem --seed 9");
}
END_TEST

START_TEST(what_is_missing_is_usage) {
    static const struct {
        enum options_command command;
        const char *words[6];
    } rows[] = {{OPTIONS_RUN, {"run"}},
                {OPTIONS_RUN, {"run", "x.yaml"}},
                {OPTIONS_RUN, {"run", "x.yaml", "--api", "u"}},
                {OPTIONS_INIT, {"init"}},
                {OPTIONS_EXPORT, {"export", "amf-1"}},
                {OPTIONS_REPORT, {"report"}},
                {OPTIONS_SCENARIO, {"scenario"}},
                {OPTIONS_RUN, {"run", "x.yaml", "--set"}},
                {OPTIONS_OAM, {"oam", "--token-lifetime", "never"}},
                {OPTIONS_OAM, {"oam", "--colour", "red"}},
                {OPTIONS_INIT, {"init", "x.yaml", "y.yaml"}}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(options_done) struct options options = {0};
        int exit_status = -1;
        ck_assert_msg(!read_line(rows[i].command, rows[i].words, &options, &exit_status), "row %zu",
                      i);
        ck_assert_msg(exit_status == 2, "row %zu: %d", i, exit_status);
    }
}
END_TEST

START_TEST(the_oam_has_usable_defaults) {
    static const char *const words[] = {"oam", NULL};
    AUTO(options_done) struct options options = {0};
    int exit_status = -1;

    ck_assert(read_line(OPTIONS_OAM, words, &options, &exit_status));
    const struct oam_options oam = options_oam(&options);
    ck_assert_int_eq(oam.token_lifetime_s, 90 * 86400);
    ck_assert_ptr_nonnull(oam.listen);
    ck_assert_ptr_nonnull(oam.state);
    ck_assert_ptr_null(oam.operator_root);
}
END_TEST

START_TEST(commands_are_known_by_their_word) {
    static const char *const words[] = {"init", "oam", "run", "report", "export", "scenario"};
    enum options_command command = OPTIONS__COUNT;

    for (size_t i = 0; i < COUNT(words); i++) {
        ck_assert(options_command(words[i], &command));
        ck_assert_uint_eq(command, i);
    }
    ck_assert(!options_command("nfsim", &command));
    ck_assert(!options_command("", &command));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *cases = tcase_create("options");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, set_is_the_scenarios_wherever_it_stands);
    tcase_add_test(cases, what_is_missing_is_usage);
    tcase_add_test(cases, the_oam_has_usable_defaults);
    tcase_add_test(cases, commands_are_known_by_their_word);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
