#include "server/options.h"

#include "tests/unit/common/suite.h"

static bool read_with(const char *const *sets, struct options *options, struct err *err) {
    struct config *config = config_read_text("test", "{}", 2, options_program.keys, sets, err);
    return config != NULL && options_read(config, options, err);
}

START_TEST(nothing_given_is_enough) {
    AUTO(options_done) struct options options = {0};
    struct err err = {0};

    ck_assert_msg(read_with(NULL, &options, &err), "%s", err.detail);
    ck_assert_str_eq(options.listen, "127.0.0.1:14000");
    ck_assert_str_eq(options.pki, "127.0.0.1:14080");
    ck_assert_str_eq(options.admin, "127.0.0.1:15000");
    ck_assert_str_eq(options.state_dir, "./nfacme-server.state");
    ck_assert_str_eq(options.domain, "5gc.mnc001.mcc001.3gppnetwork.org");
    ck_assert_str_eq(options.names[0], "localhost");
    ck_assert_str_eq(options.names[2], "::1");
    ck_assert_ptr_null(options.names[3]);
    ck_assert(!options.memory && !options.require_eab);
    ck_assert_uint_eq(options.ca_depth, 2);
    ck_assert_uint_eq(options.http01_port, 80);
}
END_TEST

START_TEST(excluded_ranges_are_a_list) {
    const char *const sets[] = {"validation.exclude=[127.0.0.0/8, \"::1\"]", NULL};
    AUTO(options_done) struct options options = {0};
    struct err err = {0};

    ck_assert_msg(read_with(sets, &options, &err), "%s", err.detail);
    ck_assert_str_eq(options.exclude[0], "127.0.0.0/8");
    ck_assert_str_eq(options.exclude[1], "::1");
    ck_assert_ptr_null(options.exclude[2]);
    ck_assert_uint_eq(options.tlsalpn01_port, 443);
    ck_assert_uint_eq(options.retries, 0);
    ck_assert_uint_eq(options.retry_interval_us, 5000000);
}
END_TEST

START_TEST(names_are_lower_case_and_once) {
    const char *const sets[] = {"names=[ACME.Example, localhost, acme.example]", NULL};
    AUTO(options_done) struct options options = {0};
    struct err err = {0};

    ck_assert_msg(read_with(sets, &options, &err), "%s", err.detail);
    ck_assert_str_eq(options.names[3], "acme.example");
    ck_assert_ptr_null(options.names[4]);
}
END_TEST

START_TEST(a_plmn_becomes_its_domain) {
    static const struct {
        const char *set, *domain; /* NULL: refused */
    } rows[] = {
        {"ca.plmn=262-01", "5gc.mnc001.mcc262.3gppnetwork.org"},
        {"ca.plmn=310-410", "5gc.mnc410.mcc310.3gppnetwork.org"},
        {"ca.plmn=26201", NULL},
        {"ca.plmn=262-1", NULL},
        {"ca.plmn=262-0123", NULL},
        {"ca.plmn=26-012", NULL},
        {"ca.plmn=abc-de", NULL},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        const char *const sets[] = {rows[i].set, NULL};
        AUTO(options_done) struct options options = {0};
        struct err err = {0};
        bool good = read_with(sets, &options, &err);
        ck_assert_msg(good == (rows[i].domain != NULL), "%s", rows[i].set);
        ck_assert_msg(!good || strcmp(options.domain, rows[i].domain) == 0, "%s", rows[i].set);
        ck_assert_msg(good || err.kind == ERR_CONFIG, "%s", rows[i].set);
    }
}
END_TEST

START_TEST(bad_values_are_config_errors) {
    static const char *const rows[] = {"ca.country=xx",
                                       "ca.country=DEU",
                                       "ca.key=p999",
                                       "names=[\"a b\"]",
                                       "names=[\"*.x\"]",
                                       "ca.depth=3",
                                       "store=postgres",
                                       "nonsense=1",
                                       "threads=0",
                                       "lifetimes.order=soon",
                                       "validation.exclude=[10.0.0.0/33]",
                                       "validation.exclude=[localhost]",
                                       "validation.tlsalpn01_port=0",
                                       "validation.retry_interval=0",
                                       "ca.key_uri=file:/ca.key",
                                       "ca.key_uri='pkcs11:token=ca;pin-value=4321'"};

    for (unsigned i = 0; i < COUNT(rows); i++) {
        const char *const sets[] = {rows[i], NULL};
        AUTO(options_done) struct options options = {0};
        struct err err = {0};
        ck_assert_msg(!read_with(sets, &options, &err), "%s", rows[i]);
        ck_assert_msg(err.kind == ERR_CONFIG && err.detail[0] != '\0', "%s", rows[i]);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {nothing_given_is_enough, excluded_ranges_are_a_list,
                                  names_are_lower_case_and_once, a_plmn_becomes_its_domain,
                                  bad_values_are_config_errors};
    return suite_run("server/options", tests, COUNT(tests));
}
