/* The operator's own CA: what is taken, and what is refused with which words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "server/ca.h"
#include "tests/unit/common/suite.h"

#define NOW_S ((int64_t)1795000000)
#define DAY_S ((int64_t)86400)
#define ck_good(call)                                                                              \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(good_, "%s: %s", #call, err.detail);                                         \
    } while (0)

static char folder[64];
static const struct clock stopped = {.manual_us = (uint64_t)NOW_S * 1000000};

/* One CA of the chain. */
struct level {
    X509 *x509;
    EVP_PKEY *key;
};

struct faults {
    int path_len;        /* of the middle */
    bool leaf;           /* the issuing certificate is none of a CA */
    int64_t not_after_s; /* of the issuing certificate; 0: years */
    int64_t not_before_s;
};

static struct level level_make(enum key_type type, const char *name, const struct level *above,
                               int path_len, bool ca, int64_t from_s, int64_t to_s) {
    struct err err = {0};
    struct level level = {.key = key_generate(type, &err)};
    struct x509_spec spec = {.country = "XX",
                             .organization = "operator",
                             .common_name = name,
                             .not_before_s = from_s,
                             .not_after_s = to_s,
                             .ca = ca,
                             .path_len = path_len,
                             .key = level.key};

    level.x509 = x509_make(&spec, above == NULL ? NULL : above->x509,
                           above == NULL ? level.key : above->key, &err);
    ck_good(level.x509 != NULL);
    return level;
}

static void level_done(struct level *level) {
    X509_free(level->x509);
    EVP_PKEY_free(level->key);
}

struct hierarchy {
    struct level root, middle, issuing;
};

static struct hierarchy hierarchy_make(enum key_type type, const struct faults *faults) {
    struct hierarchy made;
    int64_t from_s = faults->not_before_s != 0 ? faults->not_before_s : NOW_S - DAY_S;
    int64_t to_s = faults->not_after_s != 0 ? faults->not_after_s : NOW_S + 400 * DAY_S;

    made.root = level_make(type, "Root", NULL, -1, true, NOW_S - 2 * DAY_S, NOW_S + 3000 * DAY_S);
    made.middle = level_make(type, "Middle", &made.root, faults->path_len, true, NOW_S - 2 * DAY_S,
                             NOW_S + 2000 * DAY_S);
    made.issuing = level_make(type, "Issuing", &made.middle, 0, !faults->leaf, from_s, to_s);
    return made;
}

static void hierarchy_done(struct hierarchy *hierarchy) {
    level_done(&hierarchy->root);
    level_done(&hierarchy->middle);
    level_done(&hierarchy->issuing);
}

static void path_of(const char *name, char ret[128]) {
    (void)snprintf(ret, 128, "%s/%s", folder, name);
}

/* parts: of "imr", issuing, middle, root, in the order of the file; key: the one beside it. */
static struct ca *open_parts(const struct hierarchy *hierarchy, const char *parts, EVP_PKEY *key,
                             const char *state, unsigned alternates, struct err *err) {
    char cert_path[128], key_path[128], state_dir[128], text[16384] = "";

    path_of("chain.pem", cert_path);
    path_of("ca.key", key_path);
    path_of(state, state_dir);
    for (; *parts != '\0'; parts++) {
        const struct level *level = *parts == 'i'   ? &hierarchy->issuing
                                    : *parts == 'm' ? &hierarchy->middle
                                                    : &hierarchy->root;
        AUTO(free) char *pem = x509_pem(level->x509, err);
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s", pem);
    }
    ck_assert(file_folder(state_dir, err));
    ck_assert(file_write(cert_path, 0644, text, strlen(text), err));
    ck_assert(key_write_file(key, key_path, err));
    return ca_open(&(struct ca_options){.state_dir = state_dir,
                                        .depth = 2,
                                        .country = "XX",
                                        .domain = "5gc.mnc001.mcc001.3gppnetwork.org",
                                        .import_cert = cert_path,
                                        .import_key = key_path,
                                        .alternates = alternates,
                                        .clock = &stopped},
                   err);
}

static void set_up(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/nfacme-import-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Leaf, issuing and middle; with the root they verify. */
static void check_chain(const char *chain_pem, X509 *root) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(chain_pem, strlen(chain_pem), &err);
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();

    ck_good(chain != NULL);
    (void)X509_up_ref(root);
    (void)sk_X509_push(anchors, root);
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
    ck_good(x509_verify(chain, trust, X509_PURPOSE_SSL_SERVER, NOW_S, &err));
}

START_TEST(a_ca_of_every_key_type_signs_and_stays) {
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_RSA2048, KEY_ED25519};
    struct hierarchy made = hierarchy_make(types[_i], &(struct faults){.path_len = -1});

    set_up();
    for (unsigned turn = 0; turn < 2; turn++) { /* the second: a restart */
        struct err err = {0};
        AUTO(ca_free) struct ca *ca = open_parts(&made, "imr", made.issuing.key, "state", 2, &err);
        AUTO(free) char *chain = NULL, *key = NULL;
        ck_good(ca != NULL);
        ck_assert_int_eq(X509_cmp(ca_root(ca), made.root.x509), 0);
        ck_assert_int_eq(X509_cmp(ca_issuer(ca), made.issuing.x509), 0);
        ck_good(ca_tls(ca, NULL, &chain, &key, &err));
        check_chain(chain, made.root.x509);
        ck_assert_uint_eq(ca_alternate_count(ca), 2);
        ck_assert(ca_is_issuer_of(ca, chain));
        for (unsigned n = 1; n <= 2; n++) {
            AUTO(free) char *other = ca_alternate_chain(ca, n, chain);
            check_chain(other, ca_alternate_root(ca, n));
            ck_assert_int_eq(strncmp(other, chain, 400), 0); /* the same leaf */
        }
        ck_assert(!ca_is_issuer_of(ca, "-----BEGIN CERTIFICATE-----\n"));
    }
    hierarchy_done(&made);
    tear_down();
}
END_TEST

/* clang-format off */
static const struct { const char *parts; char key; struct faults faults; const char *why; } rows[] = {
    {"imr", 'm', {-1, false, 0, 0}, "is not the key of the first certificate"},
    {"im",  'i', {-1, false, 0, 0}, "is the last and not a root"},
    {"ir",  'i', {-1, false, 0, 0}, "is not signed by the next"},
    {"irm", 'i', {-1, false, 0, 0}, "the last and not a root"},
    {"imr", 'i', {0, false, 0, 0}, "certificate 2 allows fewer CAs"},
    {"imr", 'i', {-1, true, 0, 0}, "certificate 1 is not a CA's"},
    {"imr", 'i', {-1, false, NOW_S - 10, 0}, "certificate 1 has expired"},
    {"imr", 'i', {-1, false, 0, NOW_S + 10}, "certificate 1 is not valid yet"},
};
/* clang-format on */

START_TEST(a_fault_is_named) {
    struct hierarchy made = hierarchy_make(KEY_P256, &rows[_i].faults);
    struct err err = {0};

    set_up();
    struct ca *ca =
        open_parts(&made, rows[_i].parts, rows[_i].key == 'm' ? made.middle.key : made.issuing.key,
                   "state", 0, &err);
    ck_assert_ptr_null(ca);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    bool named = strstr(err.detail, rows[_i].why) != NULL
                 || (strcmp(rows[_i].parts, "irm") == 0 && strstr(err.detail, "not signed"));
    ck_assert_msg(named, "row %d: %s", _i, err.detail);
    hierarchy_done(&made);
    tear_down();
}
END_TEST

START_TEST(another_root_is_refused_where_one_is_trusted) {
    struct hierarchy one = hierarchy_make(KEY_P256, &(struct faults){.path_len = -1});
    struct hierarchy other = hierarchy_make(KEY_P256, &(struct faults){.path_len = -1});
    struct err err = {0};

    set_up();
    struct ca *ca = open_parts(&one, "imr", one.issuing.key, "state", 0, &err);
    ck_good(ca != NULL);
    ca_free(ca);
    /* its state directory is trusted for the first root */
    ck_assert_ptr_null(open_parts(&other, "imr", other.issuing.key, "state", 0, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "is another root"));
    err = (struct err){0};
    ca = open_parts(&other, "r", other.root.key, "directly", 1, &err); /* the root signs */
    ck_good(ca != NULL);
    ck_assert_ptr_eq(ca_root(ca), ca_issuer(ca));
    ca_free(ca);
    /* an alternate's certificate of another issuing CA */
    AUTO(free) char *stale = NULL;
    size_t len = 0;
    char from[160], to[160];
    path_of("directly/alternate-1-issuing.pem", from);
    ca = open_parts(&one, "imr", one.issuing.key, "state", 1, &err);
    ck_good(ca != NULL);
    ca_free(ca);
    path_of("state/alternate-1-issuing.pem", to);
    stale = file_read(from, &len, &err);
    ck_good(stale != NULL && file_write(to, 0644, stale, len, &err));
    ck_assert_ptr_null(open_parts(&one, "imr", one.issuing.key, "state", 1, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "is not of this CA"));
    hierarchy_done(&one);
    hierarchy_done(&other);
    tear_down();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ca_import");
    TCase *cases = tcase_create("ca_import");

    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, a_ca_of_every_key_type_signs_and_stays, 0, 4);
    tcase_add_loop_test(cases, a_fault_is_named, 0, (int)COUNT(rows));
    tcase_add_test(cases, another_root_is_refused_where_one_is_trusted);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
