#include "server/faults.h"

#include "common/config.h"
#include "common/json.h"
#include "server/options.h"
#include "tests/unit/common/suite.h"

static json_t *rule_of(const char *text) {
    struct err err = {0};
    json_t *rule = json_read(text, strlen(text), &err);
    ck_assert_msg(rule != NULL, "%s: %s", text, err.detail);
    return rule;
}

/* ---- reading ---- */

/* clang-format off */
static const struct { const char *name, *rule, *says; } bad[] = {
    {"no object", "[]", "object"},
    {"no place", "{\"do\": {\"empty\": true}}", "at"},
    {"unknown place", "{\"at\": \"finalise\", \"do\": {\"empty\": true}}", "\"at\""},
    {"unknown member", "{\"at\": \"order\", \"often\": 1, \"do\": {\"empty\": true}}", "often"},
    {"no action", "{\"at\": \"order\"}", "do"},
    {"empty action", "{\"at\": \"order\", \"do\": {}}", "nothing to do"},
    {"unknown action", "{\"at\": \"order\", \"do\": {\"explode\": true}}", "explode"},
    {"unknown problem", "{\"at\": \"order\", \"do\": {\"problem\": \"badMood\"}}", "do.problem"},
    {"status too low", "{\"at\": \"order\", \"do\": {\"status\": 200}}", "status"},
    {"status of a wrong type", "{\"at\": \"order\", \"do\": {\"status\": \"500\"}}", "status"},
    {"unknown close", "{\"at\": \"order\", \"do\": {\"close\": \"soon\"}}", "after-commit"},
    {"two Retry-After", "{\"at\": \"order\", \"do\": {\"retry_after\": 1, \"retry_after_date\": 1}}", "retry_after"},
    {"delay without end", "{\"at\": \"order\", \"do\": {\"delay\": \"forever\"}}", "do.delay"},
    {"delay in years", "{\"at\": \"order\", \"do\": {\"delay\": \"9y\"}}", "do.delay"},
    {"share above one", "{\"at\": \"order\", \"probability\": 1.5, \"do\": {\"empty\": true}}", "probability"},
    {"nth zero", "{\"at\": \"order\", \"nth\": 0, \"do\": {\"empty\": true}}", "nth"},
    {"verdict at an order", "{\"at\": \"order\", \"do\": {\"validation\": \"valid\"}}", "do.validation"},
    {"processing at newOrder", "{\"at\": \"newOrder\", \"do\": {\"processing\": \"1s\"}}", "do.processing"},
    {"body at validation", "{\"at\": \"validation\", \"do\": {\"empty\": true}}", "\"do\""},
    {"problem of a valid one", "{\"at\": \"validation\", \"do\": {\"validation\": \"valid\", \"problem\": \"dns\"}}", "do.problem"},
    {"unknown challenge", "{\"at\": \"challenge\", \"challenge\": \"http-02\", \"do\": {\"empty\": true}}", "challenge"},
    {"challenge at an order", "{\"at\": \"order\", \"challenge\": \"http-01\", \"do\": {\"empty\": true}}", "challenge"},
};
/* clang-format on */

START_TEST(a_rule_that_is_none_is_refused_and_the_member_named) {
    for (unsigned i = 0; i < COUNT(bad); i++) {
        AUTO(json_release) json_t *rule = rule_of(bad[i].rule);
        struct fault_rule read = {0};
        struct err err = {0};
        ck_assert_msg(!fault_rule_read(rule, &read, &err), "%s", bad[i].name);
        ck_assert_msg(strstr(err.detail, bad[i].says) != NULL, "%s: %s", bad[i].name, err.detail);
        ck_assert_msg(err.kind == ERR_INVALID || err.kind == ERR_MISSING, "%s", bad[i].name);
    }
}
END_TEST

START_TEST(every_action_is_read) {
    AUTO(json_release)
    json_t *rule =
        rule_of("{\"at\": \"finalize\", \"do\": {\"problem\": \"rateLimited\", \"status\": 503,"
                " \"detail\": \"x\", \"retry_after_date\": 9, \"delay\": \"250ms\", \"close\":"
                " \"after-commit\", \"empty\": true, \"malformed\": true, \"no_nonce\": true,"
                " \"content_type\": \"text/plain\", \"slow\": 5, \"processing\": \"forever\"}}");
    struct fault_rule read = {0};
    struct err err = {0};

    ck_assert_msg(fault_rule_read(rule, &read, &err), "%s", err.detail);
    ck_assert_int_eq(read.operation, METER_FINALIZE);
    ck_assert_int_eq(read.action.kind, ERR_RATE_LIMITED);
    ck_assert_uint_eq(read.action.status, 503);
    ck_assert_uint_eq(read.action.retry_after_s, 9);
    ck_assert(read.action.retry_date && read.action.empty && read.action.malformed);
    ck_assert(read.action.no_nonce);
    ck_assert_uint_eq(read.action.delay_us, 250000);
    ck_assert_int_eq(read.action.close, FAULT_CLOSE_AFTER_COMMIT);
    ck_assert_uint_eq(read.action.octets_per_s, 5);
    ck_assert(read.action.processing_us == FAULT_FOREVER);
    ck_assert_str_eq(read.action.content_type, "text/plain");
}
END_TEST

/* clang-format off */
static const struct { const char *yaml, *says; } files[] = {
    {"faults:\n  - at: finalize\n    nth: 3\n    do: {close: after-commit}\n", NULL},
    {"faults:\n  - at: finalize\n    do:\n      close: later\n", "f.yaml:4: faults[0].do.close"},
    {"faults:\n  - at: finalise\n    do: {empty: true}\n", "f.yaml:2: faults[0].at"},
    {"faults:\n  - at: order\n    nht: 3\n    do: {empty: true}\n", "f.yaml:3: faults[0].nht"},
    {"faults:\n  - at: order\n    do:\n      empty: true\n      delay: 3x\n", "do.delay"},
    {"faults:\n  - at: order\n", "f.yaml:2: faults[0]"},
};
/* clang-format on */

START_TEST(a_configuration_s_rules_are_read_and_errors_tell_the_line) {
    for (unsigned i = 0; i < COUNT(files); i++) {
        struct err err = {0};
        AUTO(faults_free) struct faults *faults = faults_new(1, &err);
        AUTO(config_free)
        struct config *config = config_read_text("f.yaml", files[i].yaml, strlen(files[i].yaml),
                                                 options_program.keys, NULL, &err);
        bool read = config != NULL && faults_read_config(faults, config, &err);
        ck_assert_msg(read == (files[i].says == NULL), "%s: %s", files[i].yaml, err.detail);
        ck_assert_msg(read || strstr(err.detail, files[i].says) != NULL, "%s: %s", files[i].yaml,
                      err.detail);
        ck_assert_int_eq(faults_on(faults), read);
    }
}
END_TEST

/* ---- addresses ---- */

/* clang-format off */
static const struct { const char *name, *address; bool fits; } addresses[] = {
    {"its operation", "\"at\": \"finalize\"", true},
    {"another operation", "\"at\": \"order\"", false},
    {"any operation", "\"at\": \"any\"", true},
    {"validations only", "\"at\": \"validation\"", false},
    {"its account", "\"at\": \"any\", \"account\": \"acct\"", true},
    {"another account", "\"at\": \"any\", \"account\": \"acc\"", false},
    {"its name", "\"at\": \"any\", \"identifier\": \"amf17.example.com\"", true},
    {"its name in capitals", "\"at\": \"any\", \"identifier\": \"AMF17.example.com\"", true},
    {"a pattern", "\"at\": \"any\", \"identifier\": \"*.example.com\"", true},
    {"another name", "\"at\": \"any\", \"identifier\": \"example.com\"", false},
    {"its NfInstanceId", "\"at\": \"any\", \"nf\": \"0F0F0F0F-0000-4000-8000-000000000001\"", true},
    {"the NF of that number", "\"at\": \"any\", \"nf\": \"amf-17\"", true},
    {"the NF's label", "\"at\": \"any\", \"nf\": \"amf17\"", true},
    {"an NF of another number", "\"at\": \"any\", \"nf\": \"amf-1\"", false},
    {"an NF of another type", "\"at\": \"any\", \"nf\": \"smf-17\"", false},
    {"all that and its account", "\"at\": \"finalize\", \"nf\": \"amf-17\", \"account\": \"acct\"", true},
    {"a challenge", "\"at\": \"challenge\", \"challenge\": \"http-01\"", false},
};
/* clang-format on */

START_TEST(a_rule_sees_what_its_address_fits) {
    static const struct acme_identifier names[] = {
        {ACME_ID_NF_INSTANCE, "0f0f0f0f-0000-4000-8000-000000000001"},
        {ACME_ID_DNS, "amf17.example.com"}};
    const struct fault_event event = {.operation = METER_FINALIZE,
                                      .account = "acct",
                                      .identifiers = names,
                                      .count = 2,
                                      .challenge = FAULT_ANY_CHALLENGE};

    for (unsigned i = 0; i < COUNT(addresses); i++) {
        struct err err = {0};
        AUTO(faults_free) struct faults *faults = faults_new(1, &err);
        struct fault_action action;
        char text[256];
        unsigned number = 0;

        (void)snprintf(text, sizeof(text), "{%s, \"do\": {%s}}", addresses[i].address,
                       strstr(addresses[i].address, "validation") != NULL ? "\"delay\": 1"
                                                                          : "\"empty\": true");
        AUTO(json_release) json_t *rule = rule_of(text);
        ck_assert_msg(faults_add(faults, rule, &number, &err), "%s: %s", text, err.detail);
        ck_assert_msg(faults_hit(faults, &event, &action) == addresses[i].fits, "%s",
                      addresses[i].name);
        bool named = strstr(text, "\"nf\"") != NULL || strstr(text, "identifier") != NULL;
        ck_assert_int_eq(faults_ask_names(faults, METER_FINALIZE), named);
    }
}
END_TEST

/* ---- occurrence ---- */

/* clang-format off */
static const struct { const char *when, *hits; } occurrences[] = {
    {"\"nth\": 3",                              "..x........."},
    {"\"every\": 4",                            "...x...x...x"},
    {"\"first\": 10",                           ".........xxx"},
    {"\"last\": 2",                             "xx.........."},
    {"\"first\": 3, \"last\": 8, \"every\": 2", "...x.x.x...."},
    {"\"probability\": 0",                      "............"},
    {"\"probability\": 1",                      "xxxxxxxxxxxx"},
};
/* clang-format on */

static void run_events(struct faults *faults, char hits[13]) {
    const struct fault_event event = {.operation = METER_ORDER, .challenge = FAULT_ANY_CHALLENGE};
    struct fault_action action;

    for (unsigned i = 0; i < 12; i++) {
        hits[i] = faults_hit(faults, &event, &action) ? 'x' : '.';
    }
    hits[12] = '\0';
}

static void add(struct faults *faults, const char *text) {
    AUTO(json_release) json_t *rule = rule_of(text);
    struct err err = {0};
    unsigned number = 0;
    ck_assert_msg(faults_add(faults, rule, &number, &err), "%s: %s", text, err.detail);
}

START_TEST(a_rule_hits_when_it_says_and_counts) {
    for (unsigned i = 0; i < COUNT(occurrences); i++) {
        struct err err = {0};
        AUTO(faults_free) struct faults *faults = faults_new(1, &err);
        char text[128], hits[13];
        unsigned wanted = 0;

        (void)snprintf(text, sizeof(text), "{\"at\": \"order\", %s, \"do\": {\"empty\": true}}",
                       occurrences[i].when);
        add(faults, text);
        run_events(faults, hits);
        ck_assert_str_eq(hits, occurrences[i].hits);
        for (const char *c = hits; *c != '\0'; c++) {
            wanted += *c == 'x';
        }
        AUTO(json_release) json_t *json = faults_json(faults);
        const json_t *rule = json_array_get(json_object_get(json, "faults"), 0);
        ck_assert_int_eq(json_integer_value(json_object_get(rule, "seen")), 12);
        ck_assert_int_eq(json_integer_value(json_object_get(rule, "hits")), wanted);
    }
}
END_TEST

START_TEST(chance_depends_on_the_seed_and_on_nothing_else) {
    static const char half[] =
        "{\"at\": \"order\", \"probability\": 0.5, \"do\": {\"empty\": true}}";
    char hits[4][13];
    static const uint64_t seeds[] = {7, 7, 7, 8};

    for (unsigned i = 0; i < COUNT(seeds); i++) {
        struct err err = {0};
        AUTO(faults_free) struct faults *faults = faults_new(seeds[i], &err);
        add(faults, half);
        if (i == 2) { /* a neighbour of the rule changes nothing */
            add(faults, "{\"at\": \"finalize\", \"probability\": 0.5, \"do\": {\"empty\": true}}");
        }
        run_events(faults, hits[i]);
    }
    ck_assert_str_eq(hits[0], hits[1]);
    ck_assert_str_eq(hits[0], hits[2]);
    ck_assert_str_ne(hits[0], hits[3]);
}
END_TEST

START_TEST(what_two_rules_want_is_done_together_and_the_earlier_wins) {
    const struct fault_event event = {.operation = METER_ORDER, .challenge = FAULT_ANY_CHALLENGE};
    struct err err = {0};
    AUTO(faults_free) struct faults *faults = faults_new(1, &err);
    struct fault_action action;

    add(faults, "{\"at\": \"order\", \"do\": {\"delay\": 1, \"content_type\": \"a/b\"}}");
    add(faults, "{\"at\": \"any\", \"do\": {\"delay\": 2, \"no_nonce\": true, \"slow\": 3}}");
    ck_assert(faults_hit(faults, &event, &action));
    ck_assert_uint_eq(action.delay_us, 1000000);
    ck_assert_str_eq(action.content_type, "a/b");
    ck_assert(action.no_nonce);
    ck_assert_uint_eq(action.octets_per_s, 3);
}
END_TEST

/* ---- the list ---- */

START_TEST(rules_are_removed_cleared_and_replaced_as_a_whole) {
    struct err err = {0};
    AUTO(faults_free) struct faults *faults = faults_new(1, &err);
    AUTO(json_release)
    json_t *good = rule_of("[{\"at\": \"order\", \"do\": {\"empty\": true}}]");
    AUTO(json_release)
    json_t *half = rule_of("[{\"at\": \"order\", \"do\": {\"empty\": true}}, {\"at\": \"order\"}]");

    ck_assert(!faults_on(NULL) && !faults_on(faults));
    add(faults, "{\"at\": \"order\", \"do\": {\"empty\": true}}");
    add(faults, "{\"at\": \"authz\", \"do\": {\"empty\": true}}");
    ck_assert(faults_remove(faults, 1));
    ck_assert(!faults_remove(faults, 1));
    ck_assert(!faults_replace(faults, half, &err));
    AUTO(json_release) json_t *before = faults_json(faults);
    ck_assert_uint_eq(json_array_size(json_object_get(before, "faults")), 1);
    err = (struct err){0};
    ck_assert(faults_replace(faults, good, &err));
    AUTO(json_release) json_t *after = faults_json(faults);
    const json_t *rule = json_array_get(json_object_get(after, "faults"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(rule, "id")), 1);
    faults_clear(faults);
    ck_assert(!faults_on(faults));
}
END_TEST

START_TEST(there_is_a_most_of_rules) {
    struct err err = {0};
    AUTO(faults_free) struct faults *faults = faults_new(1, &err);
    AUTO(json_release) json_t *rule = rule_of("{\"at\": \"order\", \"do\": {\"empty\": true}}");
    unsigned number = 0;

    for (unsigned i = 0; i < FAULTS_MAX; i++) {
        ck_assert(faults_add(faults, rule, &number, &err));
    }
    ck_assert(!faults_add(faults, rule, &number, &err));
    ck_assert_int_eq(err.kind, ERR_CONFLICT);
}
END_TEST

START_TEST(an_order_is_stuck_until_its_time_and_the_oldest_is_let_go) {
    struct err err = {0};
    AUTO(faults_free) struct faults *faults = faults_new(1, &err);
    char id[ID_SIZE];

    ck_assert(!faults_stuck(NULL, "a", 1) && !faults_stuck(faults, "a", 1));
    faults_stick(faults, "a", 100);
    faults_stick(faults, "b", FAULT_FOREVER);
    ck_assert(faults_stuck(faults, "a", 99) && !faults_stuck(faults, "a", 100));
    ck_assert(faults_stuck(faults, "b", 1000000) && !faults_stuck(faults, "c", 1));
    for (unsigned i = 0; i < FAULTS_STUCK_MAX - 1; i++) {
        (void)snprintf(id, sizeof(id), "%u", i);
        faults_stick(faults, id, FAULT_FOREVER);
    }
    ck_assert(!faults_stuck(faults, "a", 1) && faults_stuck(faults, "b", 1));
    faults_clear(faults);
    ck_assert(!faults_stuck(faults, "b", 1));
}
END_TEST

START_TEST(counters_are_rendered_by_rule) {
    const struct fault_event event = {.operation = METER_ORDER, .challenge = FAULT_ANY_CHALLENGE};
    struct err err = {0};
    AUTO(faults_free) struct faults *faults = faults_new(1, &err);
    struct fault_action action;
    struct buf buf = buf_new(4096);

    ck_assert(faults_render(faults, &buf));
    ck_assert_uint_eq(buf.len, 0);
    add(faults, "{\"at\": \"order\", \"do\": {\"empty\": true}}");
    ck_assert(faults_hit(faults, &event, &action));
    ck_assert(faults_render(faults, &buf));
    ck_assert_ptr_nonnull(
        strstr(buf.data, "\nnfacme_server_faults_total{rule=\"1\",at=\"order\"} 1\n"));
    buf_done(&buf);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_rule_that_is_none_is_refused_and_the_member_named,
        every_action_is_read,
        a_configuration_s_rules_are_read_and_errors_tell_the_line,
        a_rule_sees_what_its_address_fits,
        a_rule_hits_when_it_says_and_counts,
        chance_depends_on_the_seed_and_on_nothing_else,
        what_two_rules_want_is_done_together_and_the_earlier_wins,
        rules_are_removed_cleared_and_replaced_as_a_whole,
        there_is_a_most_of_rules,
        an_order_is_stuck_until_its_time_and_the_oldest_is_let_go,
        counters_are_rendered_by_rule,
    };
    return suite_run("server/faults", tests, COUNT(tests));
}
