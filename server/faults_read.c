/* A fault rule from JSON, and the configuration's list by way of JSON, so that both are one form.
 */
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/json.h"
#include "common/problem.h"
#include "server/faults.h"

#define COUNT_MAX 1000000000
#define US_PER_S 1000000
#define SECONDS_MAX (366 * 86400)
#define RATE_MAX 1000000

/* clang-format off */
static const char *const rule_members[] = {"at", "account", "identifier", "nf", "challenge", "nth",
    "every", "first", "last", "probability", "do", NULL};
static const char *const do_members[] = {"problem", "status", "detail", "retry_after",
    "retry_after_date", "delay", "close", "empty", "malformed", "no_nonce", "content_type", "slow",
    "processing", "validation", NULL};
/* clang-format on */

static bool bad(struct err *err, const char *member, const char *what) {
    return err_set_param(err, ERR_INVALID, member, "\"%s\": %s", member, what);
}

static bool read_text(const json_t *object, const char *name, char *ret, size_t size,
                      struct err *err) {
    const char *text = NULL;

    if (!json_get_text(object, name, JSON_OPTIONAL, size - 1, &text, err)) {
        return false;
    }
    if (text != NULL) {
        (void)snprintf(ret, size, "%s", text);
    }
    return true;
}

/* ---- when and for whom ---- */

static bool read_at(const json_t *object, struct fault_rule *rule, struct err *err) {
    const char *at = NULL;

    if (!json_get_text(object, "at", JSON_REQUIRED, 64, &at, err)) {
        return false;
    }
    rule->validation = strcmp(at, "validation") == 0;
    rule->any = strcmp(at, "any") == 0;
    bool known = rule->validation || rule->any;
    for (unsigned i = 0; !known && i < METER_OPERATION__COUNT; i++) {
        known = strcmp(at, meter_operation_name((enum meter_operation)i)) == 0;
        rule->operation = (enum meter_operation)i;
    }
    return known || bad(err, "at", "neither an operation nor \"validation\" nor \"any\"");
}

static bool read_address(const json_t *object, struct fault_rule *rule, struct err *err) {
    const char *challenge = NULL;
    enum acme_challenge_type type = ACME_CHALLENGE_HTTP01;

    if (!read_at(object, rule, err)
        || !read_text(object, "account", rule->account, sizeof(rule->account), err)
        || !read_text(object, "identifier", rule->identifier, sizeof(rule->identifier), err)
        || !read_text(object, "nf", rule->nf, sizeof(rule->nf), err)
        || !json_get_text(object, "challenge", JSON_OPTIONAL, 32, &challenge, err)) {
        return false;
    }
    if (challenge == NULL) {
        return true;
    }
    rule->challenge = acme_challenge_parse(challenge, &type) ? (int)type : FAULT_ANY_CHALLENGE;
    if (rule->challenge == FAULT_ANY_CHALLENGE) {
        return bad(err, "challenge", "no such challenge type");
    }
    return rule->validation || rule->operation == METER_CHALLENGE
           || bad(err, "challenge", "only for the operations challenge and validation");
}

static bool read_count(const json_t *object, const char *name, uint64_t *ret, struct err *err) {
    int64_t value = 0;

    if (!json_get_int(object, name, JSON_OPTIONAL, 1, COUNT_MAX, &value, err)) {
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

static bool read_occurrence(const json_t *object, struct fault_rule *rule, struct err *err) {
    const json_t *share = json_object_get(object, "probability");

    if (!read_count(object, "nth", &rule->nth, err)
        || !read_count(object, "every", &rule->every, err)
        || !read_count(object, "first", &rule->first, err)
        || !read_count(object, "last", &rule->last, err)) {
        return false;
    }
    rule->probability = share == NULL ? 1 : json_number_value(share);
    if (share != NULL
        && (!json_is_number(share) || rule->probability < 0 || rule->probability > 1)) {
        return bad(err, "probability", "a number from 0 to 1");
    }
    return true;
}

/* ---- what ---- */

static bool read_problem(const json_t *act, struct fault_action *action, struct err *err) {
    int64_t status = 0;
    bool ours = false;

    if (!read_text(act, "problem", action->problem, sizeof(action->problem), err)
        || !read_text(act, "detail", action->detail, sizeof(action->detail), err)
        || !json_get_int(act, "status", JSON_OPTIONAL, 400, 599, &status, err)) {
        return false;
    }
    action->status = (unsigned)status;
    if (action->problem[0] == '\0' && status != 0) { /* RFC 9457 4.2.1: the status says it all */
        (void)snprintf(action->problem, sizeof(action->problem), "about:blank");
    }
    action->kind = ERR_SERVER_INTERNAL;
    for (int kind = ERR_NONE + 1; kind < ERR__COUNT && !ours; kind++) {
        const char *name = problem_type((enum err_kind)kind)->name;
        ours = name != NULL && strcmp(name, action->problem) == 0;
        action->kind = ours ? (enum err_kind)kind : action->kind;
    }
    return ours || action->problem[0] == '\0' || strchr(action->problem, ':') != NULL
           || bad(err, "do.problem", "neither an error type of ACME nor a URI");
}

/* "2s", "250ms", or a number of seconds; where it may be, "forever". */
static bool read_duration(const json_t *act, const char *name, bool endless, uint64_t *ret_us,
                          struct err *err) {
    const json_t *value = json_object_get(act, name);
    char member[32];
    bool read = value == NULL;

    if (json_is_number(value)) {
        double seconds = json_number_value(value);
        read = seconds >= 0 && seconds <= SECONDS_MAX;
        *ret_us = read ? (uint64_t)(seconds * US_PER_S) : 0;
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        if (endless && strcmp(text, "forever") == 0) {
            *ret_us = FAULT_FOREVER;
            return true;
        }
        read = config_parse_duration(text, ret_us) && *ret_us <= (uint64_t)SECONDS_MAX * US_PER_S;
    }
    (void)snprintf(member, sizeof(member), "do.%s", name);
    return read
           || bad(err, member,
                  endless ? "a duration such as 2s, or \"forever\"" : "a duration such as 2s");
}

static bool read_retry_after(const json_t *act, struct fault_action *action, struct err *err) {
    int64_t seconds = 0, date = 0;

    if (!json_get_int(act, "retry_after", JSON_OPTIONAL, 1, SECONDS_MAX, &seconds, err)
        || !json_get_int(act, "retry_after_date", JSON_OPTIONAL, 1, SECONDS_MAX, &date, err)) {
        return false;
    }
    if (seconds != 0 && date != 0) {
        return bad(err, "do.retry_after_date", "not beside \"retry_after\"");
    }
    action->retry_after_s = (uint32_t)(date != 0 ? date : seconds);
    action->retry_date = date != 0;
    return true;
}

/* The index of a text among choices that end with NULL; the first stands for absent. */
static bool read_choice(const json_t *act, const char *name, const char *const *choices,
                        unsigned *ret, struct err *err) {
    const char *text = NULL;
    char member[32];

    if (!json_get_text(act, name, JSON_OPTIONAL, 32, &text, err)) {
        return false;
    }
    *ret = 0;
    for (unsigned i = 1; text != NULL && choices[i] != NULL; i++) {
        *ret = strcmp(text, choices[i]) == 0 ? i : *ret;
    }
    (void)snprintf(member, sizeof(member), "do.%s", name);
    if (text != NULL && *ret == 0) {
        return err_set_param(err, ERR_INVALID, member, "\"%s\": %s or %s", member, choices[1],
                             choices[2]);
    }
    return true;
}

static bool read_body(const json_t *act, struct fault_action *action, struct err *err) {
    static const char *const closes[] = {"", "before-commit", "after-commit", NULL};
    static const char *const verdicts[] = {"", "valid", "invalid", NULL};
    unsigned close = 0, verdict = 0;
    int64_t slow = 0;

    if (!json_get_bool(act, "empty", JSON_OPTIONAL, &action->empty, err)
        || !json_get_bool(act, "malformed", JSON_OPTIONAL, &action->malformed, err)
        || !json_get_bool(act, "no_nonce", JSON_OPTIONAL, &action->no_nonce, err)
        || !read_text(act, "content_type", action->content_type, sizeof(action->content_type), err)
        || !json_get_int(act, "slow", JSON_OPTIONAL, 1, RATE_MAX, &slow, err)
        || !read_choice(act, "close", closes, &close, err)
        || !read_choice(act, "validation", verdicts, &verdict, err)) {
        return false;
    }
    action->octets_per_s = (unsigned)slow;
    action->close = (enum fault_close)close;
    action->verdict = (enum fault_verdict)verdict;
    return true;
}

/* What goes with which operation. */
static bool check_place(const struct fault_rule *rule, struct err *err) {
    const struct fault_action *action = &rule->action;
    bool holds = !rule->validation && !rule->any
                 && (rule->operation == METER_FINALIZE || rule->operation == METER_ORDER
                     || rule->operation == METER_CHALLENGE);

    if (action->processing_us != 0 && !holds) {
        return bad(err, "do.processing", "only at finalize, order or challenge");
    }
    if (action->verdict != FAULT_JUDGE && !rule->validation) {
        return bad(err, "do.validation", "only at validation");
    }
    if (!rule->validation) {
        return true;
    }
    if (action->verdict != FAULT_INVALID && action->problem[0] != '\0') {
        return bad(err, "do.problem", "at validation only beside \"validation\": \"invalid\"");
    }
    return (action->verdict != FAULT_JUDGE || action->delay_us != 0)
           || bad(err, "do", "at validation: \"validation\", \"delay\" or both");
}

bool fault_rule_read(const json_t *object, struct fault_rule *ret, struct err *err) {
    const json_t *act = NULL;
    struct fault_rule rule = {.challenge = FAULT_ANY_CHALLENGE};

    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "a fault rule is an object");
    }
    if (!json_only(object, rule_members, err) || !read_address(object, &rule, err)
        || !read_occurrence(object, &rule, err)
        || !json_get_object(object, "do", JSON_REQUIRED, &act, err)
        || !json_only(act, do_members, err) || !read_problem(act, &rule.action, err)
        || !read_retry_after(act, &rule.action, err)
        || !read_duration(act, "delay", false, &rule.action.delay_us, err)
        || !read_duration(act, "processing", true, &rule.action.processing_us, err)
        || !read_body(act, &rule.action, err)) {
        return false;
    }
    if (json_object_size(act) == 0) {
        return bad(err, "do", "says nothing to do");
    }
    if (!check_place(&rule, err)) {
        return false;
    }
    *ret = rule;
    return true;
}

/* ---- from the configuration ---- */

enum form { FORM_TEXT, FORM_COUNT, FORM_SHARE, FORM_FLAG };

static json_t *value_new(const struct config *config, const char *path, enum form form) {
    switch (form) {
    case FORM_COUNT:
        return json_integer(config_int(config, path));
    case FORM_SHARE:
        return json_real(config_number(config, path));
    case FORM_FLAG:
        return json_boolean(config_bool(config, path));
    case FORM_TEXT:
        break;
    }
    return json_string(config_text(config, path));
}

/* What is not text. */
static enum form form_of(const char *name) {
    /* clang-format off */
    static const struct { const char *name; enum form form; } forms[] = {
        {"nth", FORM_COUNT}, {"every", FORM_COUNT}, {"first", FORM_COUNT}, {"last", FORM_COUNT},
        {"status", FORM_COUNT}, {"retry_after", FORM_COUNT}, {"retry_after_date", FORM_COUNT},
        {"slow", FORM_COUNT}, {"probability", FORM_SHARE}, {"empty", FORM_FLAG},
        {"malformed", FORM_FLAG}, {"no_nonce", FORM_FLAG},
    };
    /* clang-format on */
    for (unsigned i = 0; i < COUNT(forms); i++) {
        if (strcmp(forms[i].name, name) == 0) {
            return forms[i].form;
        }
    }
    return FORM_TEXT;
}

static json_t *members_new(const struct config *config, const char *at,
                           const char *const *members) {
    json_t *object = json_object();
    char path[96];

    for (const char *const *name = members; *name != NULL; name++) {
        (void)snprintf(path, sizeof(path), "%s.%s", at, *name);
        if (strcmp(*name, "do") != 0 && config_is_set(config, path)) {
            (void)json_object_set_new(object, *name, value_new(config, path, form_of(*name)));
        }
    }
    return object;
}

/* Where in the file the member is that why.param names. */
static void place(const struct config *config, const char *at, const json_t *rule,
                  const char *member, char *out, size_t size) {
    bool inner = json_object_get(json_object_get(rule, "do"), member) != NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s.%s%s", at, inner ? "do." : "", member);
    config_where(config, member[0] != '\0' && config_is_set(config, path) ? path : at, out, size);
}

bool faults_read_config(struct faults *faults, const struct config *config, struct err *err) {
    for (size_t i = 0; i < config_count(config, "faults"); i++) {
        char at[48], act[56], where[192];
        struct err why = {0};
        unsigned number = 0;

        (void)snprintf(at, sizeof(at), "faults[%zu]", i);
        (void)snprintf(act, sizeof(act), "%s.do", at);
        AUTO(json_release) json_t *rule = members_new(config, at, rule_members);
        (void)json_object_set_new(rule, "do", members_new(config, act, do_members));
        if (!faults_add(faults, rule, &number, &why)) {
            place(config, at, rule, why.param, where, sizeof(where));
            return err_set(err, ERR_CONFIG, "%s: %s", where, why.detail);
        }
    }
    return true;
}
