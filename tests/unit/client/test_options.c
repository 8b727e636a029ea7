#include "client/options.h"

#include "tests/unit/common/suite.h"

#include "common/file.h"
#include "common/key.h"
#include "common/x509.h"
#include "folder.h"

static char *trust;

static void begin(void) {
    struct err err = {0};

    folder_make();
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(X509_free)
    X509 *ca = x509_make(&(struct x509_spec){.common_name = "CA",
                                             .not_before_s = 1,
                                             .not_after_s = 4000000000,
                                             .ca = true,
                                             .path_len = -1,
                                             .key = key},
                         NULL, key, &err);
    AUTO(free) char *pem = ca == NULL ? NULL : x509_pem(ca, &err);
    ck_assert_msg(pem != NULL, "%s", err.detail);
    trust = strdup(folder_path("ca.pem"));
    ck_assert(file_write(trust, 0644, pem, strlen(pem), &err));
}

static void end(void) {
    free(trust);
    folder_remove();
}

/* Options from a command line; NULL words end it. */
static bool read_words(const char *const *words, struct options *ret, struct err *err) {
    char *argv[32] = {(char *)"nfacme-client"};
    struct config *config = NULL;
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = strdup(words[argc - 1]);
    }
    enum config_outcome outcome = config_start(&options_program, argc, argv, &config);
    for (int i = 1; i < argc; i++) {
        free(argv[i]);
    }
    ck_assert_int_eq(outcome, CONFIG_RUN);
    return options_read(config, ret, err);
}

#define NEEDED "--directory", "https://ca/dir", "--ca-file", "x.pem", "--nf-trust", trust

START_TEST(the_needed_options_are_enough) {
    struct options options = {0};
    struct err err = {0};

    begin();
    ck_assert_msg(read_words((const char *[]){NEEDED, NULL}, &options, &err), "%s", err.detail);
    ck_assert_str_eq(options.directories[0], "https://ca/dir");
    ck_assert_uint_eq(options.challenges_count, 4);
    ck_assert_int_eq(options.challenges[0], ACME_CHALLENGE_TKAUTH01);
    ck_assert_int_eq(options.identifiers, API_IDENTIFIERS_AUTO);
    ck_assert_int_eq(strncmp(options.nf_trust_pem, "-----BEGIN CERTIFICATE-----", 27), 0);
    ck_assert_uint_eq(options.live_max, 100000);
    options_done(&options);
    end();
}
END_TEST

START_TEST(every_trust_file_is_taken) {
    struct options options = {0};
    struct err err = {0};

    begin();
    ck_assert(read_words((const char *[]){NEEDED, "--nf-trust", trust, "--eab", "kid-1:AQID",
                                          "--challenge", "http-01", "--identifiers", "dns", NULL},
                         &options, &err));
    const char *first = strstr(options.nf_trust_pem, "BEGIN");
    ck_assert_ptr_nonnull(strstr(first + 1, "BEGIN"));
    const struct eab_key *key = eab_keys_of(options.eab, "any");
    ck_assert_ptr_nonnull(key);
    ck_assert_str_eq(key->kid, "kid-1");
    ck_assert_uint_eq(key->len, 3);
    ck_assert_uint_eq(options.challenges_count, 1);
    ck_assert_int_eq(options.identifiers, API_IDENTIFIERS_DNS);
    options_done(&options);
    end();
}
END_TEST

START_TEST(what_does_not_fit_is_refused_by_name) {
    begin();
    /* clang-format off */
    const struct { const char *words[12]; const char *says; } rows[] = {
        {{NULL}, "directory"},
        {{"--directory", "nonsense", NULL}, "directory"},
        {{"--directory", "https://ca/dir", NULL}, "ca_file"},
        {{"--directory", "https://ca/dir", "--ca-file", "x", NULL}, "nf_trust"},
        {{NEEDED, "--tls-cert", "x", NULL}, "--tls-cert"},
        {{NEEDED, "--oam", "https://o", NULL}, "oam"},
        {{NEEDED, "--challenge", "dns-99", NULL}, "challenge"},
        {{NEEDED, "--challenge", "http-01,,tkauth-01", NULL}, "challenge"},
        {{NEEDED, "--eab", "nocolon", NULL}, "eab"},
        {{NEEDED, "--eab", "kid:###", NULL}, "eab"},
        {{NEEDED, "--identifiers", "both", NULL}, "--identifiers"},
        {{NEEDED, "--nf-trust", "/nonexistent", NULL}, "/nonexistent"},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options options = {0};
        struct err err = {0};
        ck_assert_msg(!read_words(rows[i].words, &options, &err), "row %zu", i);
        ck_assert_msg(err.kind == ERR_CONFIG && strstr(err.detail, rows[i].says) != NULL,
                      "row %zu: %s", i, err.detail);
        options_done(&options);
    }
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {the_needed_options_are_enough, every_trust_file_is_taken,
                                  what_does_not_fit_is_refused_by_name};

    return suite_run("client/options", tests, COUNT(tests));
}
