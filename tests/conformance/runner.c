#include "tests/conformance/runner.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "common/clock.h"
#include "common/run.h"
#include "tests/conformance/spec_internal.h"

#define CASES_MAX 4096
#define JOBS_MAX 64

/* clang-format off */
static const struct { unsigned bit; const char *word, *lacking; } needs[] = {
    {NEED_HTTP01,       "http-01",      "needs --http01-port"},
    {NEED_TLSALPN01,    "tls-alpn-01",  "needs --tlsalpn01-port"},
    {NEED_DNS,          "dns",          "needs --dns-port"},
    {NEED_TOKEN,        "token",        "needs --token-authority-key"},
    {NEED_EAB,          "eab",          "needs --eab"},
    {NEED_ADMIN,        "admin",        "needs --admin"},
    {NEED_EAB_REQUIRED, "eab-required", "the directory does not say externalAccountRequired"},
    {NEED_NO_EAB,       "no-eab",       "the directory says externalAccountRequired"},
    {NEED_TOS,          "terms",        "the directory has no termsOfService"},
    {NEED_NEW_AUTHZ,    "new-authz",    "the directory has no newAuthz"},
    {NEED_ARI,          "ari",          "the directory has no renewalInfo"},
    {NEED_PROFILES,     "profiles",     "the directory has no profiles"},
    {NEED_SUBDOMAIN,    "subdomain",    "the directory does not say subdomainAuthAllowed"},
    {NEED_SHORT,        "short",        "needs a target with short lifetimes (--has short)"},
    {NEED_LIMITS,       "limits",       "needs a target with low rate limits (--has limits)"},
    {NEED_FAULTS,       "faults",       "needs a target that takes fault rules (--has faults)"},
    {NEED_ASYNC,        "async",        "needs a target that issues later (--has async)"},
    {NEED_ALTERNATES,   "alternates",   "needs a target with several chains (--has alternates)"},
    {NEED_CAA,          "caa",          "needs a target that looks CAA up (--has caa)"},
    {NEED_RESTRICTED,   "restricted",   "needs a target that refuses .refused.test (--has restricted)"},
    {NEED_IP,           "ip",           "needs a target for ip identifiers (--has ip)"},
    {NEED_PLAIN,        "plain",        "needs a target without extensions (--has plain)"},
    {NEED_RETRIES,      "retries",      "needs a target that repeats failed queries (--has retries)"},
    {NEED_OCSP,         "ocsp",         "needs a target with OCSP (--has ocsp)"},
};
/* clang-format on */

unsigned need_parse(const char *word) {
    for (unsigned i = 0; i < COUNT(needs); i++) {
        if (strcmp(needs[i].word, word) == 0) {
            return needs[i].bit;
        }
    }
    return 0;
}

const char *need_name(unsigned bit) {
    for (unsigned i = 0; i < COUNT(needs); i++) {
        if (needs[i].bit == bit) {
            return needs[i].word;
        }
    }
    return "";
}

static const char *lacking(unsigned bits) {
    for (unsigned i = 0; i < COUNT(needs); i++) {
        if ((bits & needs[i].bit) != 0) {
            return needs[i].lacking;
        }
    }
    return "";
}

const char *level_name(enum spec_level level) {
    static const char *const names[] = {"MUST", "SHOULD", "MAY"};
    static_assert(COUNT(names) == SPEC_LEVEL__COUNT, "a level without a name");
    return names[level];
}

const char *outcome_name(enum outcome_status status) {
    static const char *const names[] = {"pass", "fail", "skip"};
    return names[status];
}

/* A whole word of a list separated by spaces? */
static bool listed(const char *list, const char *word) {
    size_t len = strlen(word);

    for (const char *at = list == NULL ? NULL : strstr(list, word); at != NULL;
         at = strstr(at + 1, word)) {
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool means(const char *word, const struct spec_case *row) {
    size_t len = strlen(word);

    return len > 0
           && (strcmp(word, row->area) == 0 || listed(row->rows, word)
               || (strncmp(row->id, word, len) == 0
                   && (row->id[len] == '\0' || row->id[len] == '/')));
}

bool selection_wants(const struct selection *selection, const struct spec_case *row) {
    if (selection->needing != 0 && (row->needs & selection->needing) == 0) {
        return false;
    }
    for (size_t i = 0; i < selection->only_count; i++) {
        if (means(selection->only[i], row)) {
            return true;
        }
    }
    return selection->only_count == 0;
}

void run_list_done(struct run_list *list) {
    free(list->outcomes);
    *list = (struct run_list){0};
}

static bool known_words(const struct spec_area *areas, size_t area_count,
                        const struct selection *selection, struct err *err) {
    for (size_t i = 0; i < selection->only_count; i++) {
        bool found = false;
        for (size_t a = 0; a < area_count && !found; a++) {
            for (size_t c = 0; c < areas[a].count && !found; c++) {
                found = means(selection->only[i], &areas[a].cases[c]);
            }
        }
        if (!found) {
            return err_set(err, ERR_CONFIG, "--only %.60s: no such case, area or row",
                           selection->only[i]);
        }
    }
    return true;
}

static bool twice(const struct spec_area *areas, size_t area_count, const struct spec_case *row) {
    unsigned count = 0;

    for (size_t a = 0; a < area_count; a++) {
        for (size_t c = 0; c < areas[a].count; c++) {
            count += strcmp(areas[a].cases[c].id, row->id) == 0;
        }
    }
    return count > 1;
}

bool runner_select(const struct spec_area *areas, size_t area_count,
                   const struct selection *selection, struct run_list *ret, struct err *err) {
    struct run_list list = {.outcomes = calloc(CASES_MAX, sizeof(*list.outcomes))};

    if (list.outcomes == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    for (size_t a = 0; a < area_count; a++) {
        for (size_t c = 0; c < areas[a].count && list.count < CASES_MAX; c++) {
            const struct spec_case *row = &areas[a].cases[c];
            if (twice(areas, area_count, row)) {
                (void)err_set(err, ERR_CONFIG, "two cases are called %s", row->id);
            }
            if (selection_wants(selection, row)) {
                list.outcomes[list.count++].row = row;
            }
        }
    }
    if (err->kind != ERR_NONE || !known_words(areas, area_count, selection, err)) {
        run_list_done(&list);
        return false;
    }
    *ret = list;
    return true;
}

struct work {
    struct run_list *list;
    struct spec_target *target;
    atomic_size_t next;
};

static void run_case(struct outcome *outcome, struct spec_target *target) {
    struct spec spec;
    uint64_t start_us = clock_wall_us();
    unsigned absent = outcome->row->needs & ~target->has;

    spec_init(&spec, outcome->row, target);
    if (absent != 0) {
        spec_skip(&spec, "%s", lacking(absent));
    } else {
        outcome->row->run(&spec);
        if (clock_wall_us() > spec.deadline_us) {
            spec_fail(&spec, "the deadline of the case passed");
        }
    }
    outcome->status = (enum outcome_status)spec.verdict;
    (void)snprintf(outcome->reason, sizeof(outcome->reason), "%s", spec.reason);
    spec_done(&spec);
    outcome->seconds = (double)(clock_wall_us() - start_us) / 1e6;
}

static void *work_off(void *context) {
    struct work *work = context;

    for (size_t i = atomic_fetch_add(&work->next, 1); i < work->list->count;
         i = atomic_fetch_add(&work->next, 1)) {
        if (work->list->outcomes[i].row->watch == WATCH_NONE) {
            run_case(&work->list->outcomes[i], work->target);
        }
    }
    return NULL;
}

void runner_run(struct run_list *list, struct spec_target *target, unsigned jobs) {
    struct work work = {.list = list, .target = target};
    pthread_t threads[JOBS_MAX];
    unsigned started = 0;

    while (started < jobs && started < JOBS_MAX
           && pthread_create(&threads[started], NULL, work_off, &work) == 0) {
        started++;
    }
    if (started == 0) {
        (void)work_off(&work);
    }
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < list->count; i++) {
        struct outcome *outcome = &list->outcomes[i];
        if (outcome->row->watch != WATCH_NONE) {
            outcome->status =
                (enum outcome_status)watch_verdict(target, outcome->row->watch, outcome->reason);
        }
    }
}

bool runner_expect(struct run_list *list, const char *text, struct err *err) {
    for (const char *line = text; *line != '\0';
         line += strcspn(line, "\n"), line += *line == '\n') {
        size_t len = strcspn(line, " \t\r\n#");
        bool found = len == 0;
        for (size_t i = 0; i < list->count; i++) {
            const char *id = list->outcomes[i].row->id;
            if (len > 0 && strlen(id) == len && strncmp(id, line, len) == 0) {
                list->outcomes[i].expected = found = true;
            }
        }
        if (!found) {
            return err_set(err, ERR_CONFIG, "--expect: no case %.*s", (int)len, line);
        }
    }
    return true;
}

bool outcome_fails(const struct outcome *outcome, bool strict) {
    bool counts =
        outcome->row->level == SPEC_MUST || (strict && outcome->row->level == SPEC_SHOULD);

    if (outcome->expected) {
        return outcome->status == OUTCOME_PASS;
    }
    return counts && outcome->status == OUTCOME_FAIL;
}

int runner_exit(const struct run_list *list, bool strict) {
    bool ran = false, failed = false;

    for (size_t i = 0; i < list->count; i++) {
        ran = ran || list->outcomes[i].status != OUTCOME_SKIP;
        failed = failed || outcome_fails(&list->outcomes[i], strict);
    }
    return failed ? RUN_FAILED : (ran ? RUN_OK : RUN_NOTHING);
}
