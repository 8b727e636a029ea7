#include "client/solver.h"

#include "tests/unit/common/suite.h"

#include "common/json.h"
#include "common/ossl.h"

static char solver_there; /* only its address is looked at */
static struct solvers solvers = {
    .count = 2,
    .order = {ACME_CHALLENGE_TKAUTH01, ACME_CHALLENGE_HTTP01},
    .http01 = (struct solver_http01 *)&solver_there,
    .tkauth01 = (struct solver_tkauth01 *)&solver_there,
};
static const struct acme_identifier name = {ACME_ID_DNS, "a.example"};
static const struct acme_identifier nf = {ACME_ID_NF_INSTANCE,
                                          "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"};

#define HTTP01 "{\"type\":\"http-01\",\"url\":\"https://a/1\",\"token\":\"t1\"}"
#define TKAUTH "{\"type\":\"tkauth-01\",\"url\":\"https://a/2\",\"tkauth-type\":\"atc\"}"
#define DNS01 "{\"type\":\"dns-01\",\"url\":\"https://a/3\",\"token\":\"t3\"}"

static bool choose(const struct acme_identifier *identifier, const char *text,
                   struct solver_task *task, struct err *err) {
    AUTO(json_release) json_t *json = json_loads(text, 0, NULL);

    ck_assert_ptr_nonnull(json);
    return solver_choose(&solvers, identifier, json, task, err);
}

START_TEST(each_kind_of_name_gets_the_challenge_that_proves_it) {
    struct solver_task one = {0}, two = {0};
    struct err err = {0};

    ck_assert(choose(&name, "[" DNS01 "," HTTP01 "," TKAUTH "]", &one, &err));
    ck_assert_int_eq(one.type, ACME_CHALLENGE_HTTP01);
    ck_assert_str_eq(one.url, "https://a/1");
    ck_assert_str_eq(one.token, "t1");
    ck_assert(choose(&nf, "[" HTTP01 "," TKAUTH "]", &two, &err));
    ck_assert_int_eq(two.type, ACME_CHALLENGE_TKAUTH01);
    ck_assert_ptr_null(two.token);
    solver_task_done(&one);
    solver_task_done(&two);
}
END_TEST

/* clang-format off */
static const struct { const char *what, *challenges; const struct acme_identifier *identifier; } none[] = {
    {"nothing offered",     "[]",                    &name},
    {"not known",           "[" DNS01 "]",           &name},
    {"for another name",    "[" TKAUTH "]",          &name},
    {"http for an NF",      "[" HTTP01 "]",          &nf},
    {"no url",              "[{\"type\":\"http-01\",\"token\":\"t\"}]", &name},
    {"a url that is none",  "[{\"type\":\"http-01\",\"url\":\"x\"}]", &name},
    {"not objects",         "[1,\"http-01\",null]",  &name},
};
/* clang-format on */

START_TEST(where_none_fits_both_lists_are_named) {
    for (size_t i = 0; i < COUNT(none); i++) {
        struct solver_task task = {0};
        struct err err = {0};

        ck_assert_msg(!choose(none[i].identifier, none[i].challenges, &task, &err), "%s",
                      none[i].what);
        ck_assert_msg(err.kind == ERR_UPSTREAM, "%s", none[i].what);
        solver_task_done(&task);
    }
    struct solver_task task = {0};
    struct err err = {0};
    ck_assert(!choose(&name, "[" DNS01 "," TKAUTH "]", &task, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "the server offers dns-01,tkauth-01"));
    ck_assert_ptr_nonnull(strstr(err.detail, "we can tkauth-01,http-01"));
}
END_TEST

START_TEST(what_is_not_configured_is_not_chosen) {
    struct solver_task task = {0};
    struct err err = {0};

    ck_assert(solver_for(&solvers, ACME_ID_DNS) && solver_for(&solvers, ACME_ID_NF_INSTANCE));
    solvers.http01 = NULL;
    ck_assert(!solver_for(&solvers, ACME_ID_DNS) && solver_for(&solvers, ACME_ID_NF_INSTANCE));
    ck_assert(!choose(&name, "[" HTTP01 "]", &task, &err));
    solvers.count = 0;
    ck_assert(!solver_for(&solvers, ACME_ID_NF_INSTANCE));
}
END_TEST

/* clang-format off */
static const struct { enum acme_challenge_type type; unsigned proves; } proves[] = {
    {ACME_CHALLENGE_HTTP01,    SOLVER_PROVES(ACME_ID_DNS) | SOLVER_PROVES(ACME_ID_IP)}, /* RFC 8738 7 */
    {ACME_CHALLENGE_TLSALPN01, SOLVER_PROVES(ACME_ID_DNS) | SOLVER_PROVES(ACME_ID_IP)},
    {ACME_CHALLENGE_DNS01,     SOLVER_PROVES(ACME_ID_DNS)},
    {ACME_CHALLENGE_TKAUTH01,  SOLVER_PROVES(ACME_ID_NF_INSTANCE)},
};
/* clang-format on */

START_TEST(one_challenge_type_may_prove_several_kinds_of_name) {
    const struct acme_identifier address = {ACME_ID_IP, "192.0.2.1"};
    struct solver_task task = {0};
    struct err err = {0};

    for (size_t i = 0; i < COUNT(proves); i++) {
        ck_assert_uint_eq(solver_of(proves[i].type)->identifiers, proves[i].proves);
    }
    ck_assert(choose(&address, "[" DNS01 "," HTTP01 "]", &task, &err));
    ck_assert_int_eq(task.type, ACME_CHALLENGE_HTTP01);
    solver_task_done(&task);
}
END_TEST

START_TEST(names_authorised_beforehand_need_no_solver) {
    const struct solvers nobody = {.none = true};
    struct solver_task task = {0};
    struct err err = {0};
    AUTO(json_release) json_t *json = json_loads("[" HTTP01 "]", 0, NULL);

    for (unsigned type = 0; type < ACME_ID__COUNT; type++) {
        ck_assert(solver_for(&nobody, (enum acme_identifier_type)type));
    }
    ck_assert(!solver_choose(&nobody, &name, json, &task, &err)); /* pending after all */
    ck_assert_ptr_nonnull(strstr(err.detail, "the server offers http-01, we can none"));
}
END_TEST

START_TEST(a_row_is_found_by_its_challenge_type) {
    for (unsigned type = 0; type < ACME_CHALLENGE__COUNT; type++) {
        const struct solver *solver = solver_of((enum acme_challenge_type)type);
        ck_assert(solver == NULL || solver->type == type);
    }
    ck_assert_ptr_nonnull(solver_of(ACME_CHALLENGE_HTTP01));
    ck_assert_ptr_nonnull(solver_of(ACME_CHALLENGE_TKAUTH01));
    ck_assert_ptr_nonnull(solver_of(ACME_CHALLENGE_TLSALPN01));
    ck_assert_ptr_nonnull(solver_of(ACME_CHALLENGE_DNS01));
    ck_assert_ptr_null(solver_of(ACME_CHALLENGE__COUNT));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {each_kind_of_name_gets_the_challenge_that_proves_it,
                                  where_none_fits_both_lists_are_named,
                                  what_is_not_configured_is_not_chosen,
                                  one_challenge_type_may_prove_several_kinds_of_name,
                                  names_authorised_beforehand_need_no_solver,
                                  a_row_is_found_by_its_challenge_type};

    return suite_run("client/solver", tests, COUNT(tests));
}
