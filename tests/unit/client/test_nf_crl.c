#include "client/nf_crl.h"

#include "client/options.h"
#include "common/file.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/client/folder.h"
#include "tests/unit/common/crl_bed.h"
#include "tests/unit/common/suite.h"

static EVP_PKEY *key;
static X509 *ca;
static struct loop *loop;
static struct config *config;
static struct nf_crl *nf_crl;
static unsigned heard;
static char *last;

static void put(const char *name, const char *text) {
    struct err err = {0};

    ck_assert(file_write(folder_path(name), 0600, text, strlen(text), &err));
}

/* A list of the CA, with the CA itself on it or nobody. */
static char *list(bool revoked) {
    return crl_bed_pem(crl_bed_make(ca, key, revoked ? ca : NULL, 1000, 2000));
}

static void begin(void) {
    struct err err = {0};

    folder_make();
    key = key_generate(KEY_P256, &err);
    ca = x509_make(&(struct x509_spec){.common_name = "ca",
                                       .ca = true,
                                       .path_len = -1,
                                       .not_before_s = 1000,
                                       .not_after_s = 2000,
                                       .key = key},
                   NULL, key, &err);
    loop = loop_new(&err);
    ck_assert(ca != NULL && loop != NULL);
}

static void end(void) {
    nf_crl_free(nf_crl);
    config_free(config);
    loop_free(loop);
    X509_free(ca);
    EVP_PKEY_free(key);
    free(last);
    folder_remove();
}

/* With --nf-crl once for each name. */
static bool open_with(const char *one, const char *other, struct err *err) {
    char *argv[5] = {(char *)"nfacme-client"};
    int argc = 1;

    for (const char *name = one; name != NULL; name = name == one ? other : NULL) {
        argv[argc++] = (char *)"--nf-crl";
        argv[argc++] = strdup(folder_path(name));
    }
    ck_assert_int_eq(config_start(&options_program, argc, argv, &config), CONFIG_RUN);
    for (int i = 2; i < argc; i += 2) {
        free(argv[i]);
    }
    nf_crl = nf_crl_new(loop, config, "nf_crl", err);
    return nf_crl != NULL;
}

static bool hear(void *ctx, const char *pem, struct err *err) {
    (void)ctx;
    (void)err;
    heard++;
    free(last);
    last = strdup(pem);
    return true;
}

static void halt(void *ctx) { loop_stop(ctx); }

/* What was posted until now is done. */
static void turn(void) {
    loop_post(loop, halt, loop);
    loop_run(loop);
}

START_TEST(without_files_there_is_nothing_to_read) {
    struct err err = {0};

    begin();
    ck_assert(open_with(NULL, NULL, &err));
    ck_assert_ptr_null(nf_crl_pem(nf_crl));
    nf_crl_watch(nf_crl, hear, NULL);
    nf_crl_reread(nf_crl);
    turn();
    ck_assert_uint_eq(heard, 0);
    end();
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named) {
    struct err err = {0};

    begin();
    ck_assert(!open_with("none.crl", NULL, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, "none.crl"));
    end();
}
END_TEST

START_TEST(all_files_are_read_and_again_when_one_has_changed) {
    struct err err = {0};

    begin();
    AUTO(free) char *before = list(false);
    AUTO(free) char *after = list(true);
    put("one.crl", before);
    put("other.crl", before);
    ck_assert_msg(open_with("one.crl", "other.crl", &err), "%s", err.detail);
    ck_assert_uint_eq(strlen(nf_crl_pem(nf_crl)), 2 * strlen(before));
    put("other.crl", after);
    nf_crl_watch(nf_crl, hear, NULL);
    turn();
    ck_assert_uint_eq(heard, 1);
    ck_assert_ptr_nonnull(strstr(last, before));
    ck_assert_ptr_nonnull(strstr(last, after));
    end();
}
END_TEST

START_TEST(a_file_that_became_rubbish_leaves_what_was_in_force) {
    struct err err = {0};

    begin();
    AUTO(free) char *before = list(true);
    put("one.crl", before);
    ck_assert(open_with("one.crl", NULL, &err));
    nf_crl_watch(nf_crl, hear, NULL);
    turn();
    ck_assert_uint_eq(heard, 0);
    put("one.crl", "rubbish");
    struct caught caught = catch_start(STDERR_FILENO);
    nf_crl_reread(nf_crl);
    turn();
    AUTO(free) char *said = catch_end(&caught);
    ck_assert_uint_eq(heard, 0);
    ck_assert_str_eq(nf_crl_pem(nf_crl), before);
    ck_assert_ptr_nonnull(strstr(said, "event=unread"));
    put("one.crl", before);
    nf_crl_reread(nf_crl);
    turn();
    ck_assert_uint_eq(heard, 1);
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        without_files_there_is_nothing_to_read,
        a_file_that_cannot_be_read_is_named,
        all_files_are_read_and_again_when_one_has_changed,
        a_file_that_became_rubbish_leaves_what_was_in_force,
    };

    return suite_run("client/nf_crl", tests, COUNT(tests));
}
