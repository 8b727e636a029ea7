#include "client/enrolment.h"

#include "tests/unit/common/suite.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/ossl.h"

/* Design section 6 and RFC 8555 7.1.6, read again: each state's life as sentences. */
/* clang-format off */
#define NO -1
static const int figure[ENROLMENT_STATE__COUNT][ENROLMENT_EVENT__COUNT] = {
    [ENROLMENT_AUTHORISED] = {[ENROLMENT_ON_ACCOUNT] = ENROLMENT_ACCOUNT, NO, NO, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, [ENROLMENT_ON_FAILOVER] = ENROLMENT_AUTHORISED, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_ACCOUNT] = {NO, [ENROLMENT_ON_ACCOUNT_LOST] = ENROLMENT_AUTHORISED, [ENROLMENT_ON_ORDER] = ENROLMENT_ORDERED, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, [ENROLMENT_ON_FAILOVER] = ENROLMENT_AUTHORISED, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_ORDERED] = {NO, NO, NO, [ENROLMENT_ON_PROVISIONED] = ENROLMENT_CHALLENGED, NO, [ENROLMENT_ON_ORDER_READY] = ENROLMENT_READY, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, [ENROLMENT_ON_ORDER_LOST] = ENROLMENT_ACCOUNT, [ENROLMENT_ON_TOKEN_WANTED] = ENROLMENT_AWAITING_TOKEN, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_AWAITING_TOKEN] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, NO, NO, [ENROLMENT_ON_TOKEN] = ENROLMENT_ORDERED, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_CHALLENGED] = {NO, NO, NO, NO, [ENROLMENT_ON_RESPONDED] = ENROLMENT_VALIDATING, [ENROLMENT_ON_ORDER_READY] = ENROLMENT_READY, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, [ENROLMENT_ON_ORDER_LOST] = ENROLMENT_ACCOUNT, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_VALIDATING] = {NO, NO, NO, NO, NO, [ENROLMENT_ON_ORDER_READY] = ENROLMENT_READY, NO, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, [ENROLMENT_ON_ORDER_LOST] = ENROLMENT_ACCOUNT, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_READY] = {NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_CSR] = ENROLMENT_FINALIZING, NO, NO, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_FINALIZING] = {NO, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_CSR_REFUSED] = ENROLMENT_READY, [ENROLMENT_ON_ISSUED] = ENROLMENT_ISSUED, [ENROLMENT_ON_FAILED] = ENROLMENT_FAILED, NO, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_ISSUED] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_FAILED] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, [ENROLMENT_ON_WITHDRAWN] = ENROLMENT_WITHDRAWN},
    [ENROLMENT_WITHDRAWN] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
};
/* clang-format on */

START_TEST(the_table_is_the_design_in_every_state_and_event) {
    for (unsigned state = 0; state < ENROLMENT_STATE__COUNT; state++) {
        for (unsigned event = 0; event < ENROLMENT_EVENT__COUNT; event++) {
            enum enrolment_state next = ENROLMENT_STATE__COUNT;
            struct err err = {0};
            bool arrow = enrolment_next((enum enrolment_state)state, (enum enrolment_event)event,
                                        &next, &err);
            int want = figure[state][event];
            ck_assert_msg(arrow == (want >= 0), "%s on %u",
                          enrolment_state_name((enum enrolment_state)state), event);
            ck_assert_msg(!arrow || (int)next == want, "%s on %u",
                          enrolment_state_name((enum enrolment_state)state), event);
            ck_assert_msg(arrow || (err.kind == ERR_CONFLICT && next == ENROLMENT_STATE__COUNT),
                          "%s on %u", enrolment_state_name((enum enrolment_state)state), event);
        }
    }
}
END_TEST

START_TEST(every_state_has_the_name_of_the_contract) {
    static const char *const names[] = {"AUTHORISED", "ACCOUNT",    "ORDERED",  "AWAITING_TOKEN",
                                        "CHALLENGED", "VALIDATING", "READY",    "FINALIZING",
                                        "ISSUED",     "FAILED",     "WITHDRAWN"};
    enum enrolment_state state = ENROLMENT_STATE__COUNT;

    ck_assert_uint_eq(COUNT(names), ENROLMENT_STATE__COUNT);
    for (unsigned i = 0; i < COUNT(names); i++) {
        ck_assert_str_eq(enrolment_state_name((enum enrolment_state)i), names[i]);
        ck_assert(enrolment_state_parse(names[i], &state) && state == (enum enrolment_state)i);
        ck_assert(enrolment_live((enum enrolment_state)i) == (i < ENROLMENT_ISSUED));
    }
    ck_assert(!enrolment_state_parse("ready", &state));
}
END_TEST

static struct enrolment sample(void) {
    struct enrolment sample = {.nf = "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11",
                               .nf_type = "AMF",
                               .with_nf_instance = true,
                               .thumbprint = "thumb"};

    enrolment_id_make(42, sample.id);
    return sample;
}

START_TEST(the_default_profile_follows_the_names) {
    struct enrolment one = sample();
    char fqdn[] = "a.example", own[] = "mine";

    ck_assert_str_eq(enrolment_profile(&one), "nf-client");
    one.with_dns = true;
    one.fqdn = fqdn;
    ck_assert_str_eq(enrolment_profile(&one), "nf-both");
    one.with_nf_instance = false;
    ck_assert_str_eq(enrolment_profile(&one), "tls-server");
    one.profile = own;
    ck_assert_str_eq(enrolment_profile(&one), "mine");
}
END_TEST

START_TEST(identifiers_are_nf_instance_first_and_only_what_is_ordered) {
    struct enrolment one = sample();
    struct acme_identifier identifier;
    char fqdn[] = "a.example";

    one.fqdn = fqdn;
    ck_assert(enrolment_identifier(&one, 0, &identifier));
    ck_assert_int_eq(identifier.type, ACME_ID_NF_INSTANCE);
    ck_assert(!enrolment_identifier(&one, 1, &identifier));
    one.with_dns = true;
    ck_assert(enrolment_identifier(&one, 1, &identifier));
    ck_assert_int_eq(identifier.type, ACME_ID_DNS);
    ck_assert_str_eq(identifier.value, "a.example");
    one.with_nf_instance = false;
    ck_assert(enrolment_identifier(&one, 0, &identifier));
    ck_assert_int_eq(identifier.type, ACME_ID_DNS);
}
END_TEST

static const char *member(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));

    return text == NULL ? "" : text;
}

START_TEST(the_resource_says_what_the_nf_needs) {
    struct enrolment one = sample();
    struct err err = {0};
    char url[] = "https://ca.example/acct/1", reason[] = "the assertion is out of date";

    one.state = ENROLMENT_FAILED;
    one.account_url = url;
    one.expires_us = UINT64_C(1795443980000000);
    one.reason_kind = ERR_CCA;
    one.reason = reason;
    AUTO(free) char *text = enrolment_render(&one);
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &err);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(member(json, "state"), "FAILED");
    ck_assert_str_eq(member(json, "reason"), reason);
    ck_assert_str_eq(member(json, "cause"), "CCA_VERIFICATION_FAILURE");
    ck_assert_str_eq(member(json, "accountUrl"), url);
    ck_assert_str_eq(member(json, "accountThumbprint"), "thumb");
    ck_assert_str_eq(member(json, "enrolmentId"), one.id);
    ck_assert_uint_eq(strlen(member(json, "expires")), 20);
    ck_assert_ptr_null(json_object_get(json, "fqdn"));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "identifiers")), 1);
}
END_TEST

START_TEST(the_resource_tells_its_story) {
    struct enrolment one = sample();
    struct err err = {0};
    char history[] = "1795443980000000 AUTHORISED\n1795443981000000 FAILED caa: it may not\n";
    char problem[] = "{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"it may not\"}";

    one.state = ENROLMENT_FAILED;
    one.history = history;
    one.problem = problem;
    AUTO(free) char *text = enrolment_render(&one);
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &err);
    const json_t *last = json_array_get(json_object_get(json, "history"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 2);
    ck_assert_str_eq(member(json, "since"), member(last, "at"));
    ck_assert_str_eq(member(last, "state"), "FAILED");
    ck_assert_str_eq(member(last, "cause"), "caa: it may not");
    ck_assert_str_eq(member(json_object_get(json, "problem"), "detail"), "it may not");
}
END_TEST

START_TEST(a_record_without_a_history_is_as_old_as_its_last_instant) {
    struct enrolment one = sample();
    struct err err = {0};
    char want[CLOCK_TEXT_SIZE];

    one.t_us[1] = UINT64_C(1795443980000000);
    one.t_us[3] = UINT64_C(1795443985000000);
    clock_text(one.t_us[3], want);
    AUTO(free) char *text = enrolment_render(&one);
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &err);
    ck_assert_str_eq(member(json, "since"), want);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 0);
}
END_TEST

START_TEST(the_timeline_holds_known_instants_only) {
    struct enrolment one = sample();
    char text[ENROLMENT_TIMELINE_SIZE];

    enrolment_timeline(&one, text);
    ck_assert_str_eq(text, "");
    one.t_us[1] = 1795443980000001;
    one.t_us[3] = 3;
    one.t_us[8] = 8;
    one.state = ENROLMENT_FINALIZING;
    enrolment_timeline(&one, text);
    ck_assert_str_eq(text, "t1=1795443980000001,t3=3");
    one.state = ENROLMENT_ISSUED;
    enrolment_timeline(&one, text);
    ck_assert_str_eq(text, "t1=1795443980000001,t3=3,t8=8");
    for (unsigned i = 0; i < ENROLMENT_INSTANTS; i++) {
        one.t_us[i] = UINT64_MAX;
    }
    enrolment_timeline(&one, text);
    ck_assert_uint_lt(strlen(text), ENROLMENT_TIMELINE_SIZE - 1);
}
END_TEST

START_TEST(an_id_names_its_row_and_nothing_else_does) {
    /* clang-format off */
    static const char *const bad[] = {"", "1", "0123456789012345678901", "0123456789012345678901x",
        "01234567890123456789010", "012345678901234567890112345678901234567890"};
    /* clang-format on */
    char id[ENROLMENT_ID_SIZE], other[ENROLMENT_ID_SIZE];
    int64_t row = 0;

    enrolment_id_make(1234567, id);
    enrolment_id_make(1234567, other);
    ck_assert_str_ne(id, other);
    ck_assert(enrolment_id_row(id, &row) && row == 1234567);
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(!enrolment_id_row(bad[i], &row), "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_copy_owns_its_own_and_leaves_the_large_parts) {
    struct enrolment one = sample(), copy = {0};
    struct err err = {0};

    one.fqdn = strdup("a.example");
    one.cca = strdup("a.b.c");
    one.chain = strdup("chain");
    one.csr = (unsigned char *)strdup("csr");
    one.csr_len = 3;
    ck_assert(enrolment_copy(&one, &copy, &err));
    enrolment_done(&one);
    ck_assert_str_eq(copy.fqdn, "a.example");
    ck_assert_int_eq(memcmp(copy.csr, "csr", 3), 0);
    ck_assert_ptr_null(copy.cca);
    ck_assert_ptr_null(copy.chain);
    enrolment_done(&copy);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_table_is_the_design_in_every_state_and_event,
        every_state_has_the_name_of_the_contract,
        the_default_profile_follows_the_names,
        identifiers_are_nf_instance_first_and_only_what_is_ordered,
        the_resource_says_what_the_nf_needs,
        the_resource_tells_its_story,
        a_record_without_a_history_is_as_old_as_its_last_instant,
        the_timeline_holds_known_instants_only,
        an_id_names_its_row_and_nothing_else_does,
        a_copy_owns_its_own_and_leaves_the_large_parts,
    };

    return suite_run("client/enrolment", tests, COUNT(tests));
}
