/* Rules that every answer of the run has to keep. */
#include <stdarg.h>
#include <string.h>

#include "common/acme.h"
#include "common/b64.h"
#include "common/utf8.h"
#include "tests/conformance/spec_internal.h"

/* One answer under a rule: kept or broken. */
__attribute__((format(printf, 5, 6))) static void judge(struct spec *spec, enum spec_watch watch,
                                                        bool held, const struct spec_answer *answer,
                                                        const char *what, ...) {
    struct watch_rule *rule = &spec->target->watched[watch];
    char text[192];
    va_list args;

    va_start(args, what);
    (void)vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    (void)pthread_mutex_lock(&spec->target->lock);
    rule->seen++;
    if (!held && rule->broken++ == 0) {
        (void)snprintf(rule->first, sizeof(rule->first), "in %s, %s %.120s (%u): %s", spec->row->id,
                       answer->method, answer->url, answer->status, text);
    }
    (void)pthread_mutex_unlock(&spec->target->lock);
}

static bool is_utf8(const char *text, size_t len) {
    for (size_t i = 0; i < len;) {
        size_t one = (unsigned char)text[i] < 0x80 ? 1 : utf8_len(text + i);
        if (one == 0 || i + one > len) {
            return false;
        }
        i += one;
    }
    return true;
}

/* The problem types of the IANA registry. */
static bool is_registered(const char *type) {
    static const char *const names[] = {"accountDoesNotExist",
                                        "alreadyReplaced",
                                        "alreadyRevoked",
                                        "autoRenewalCanceled",
                                        "autoRenewalExpired",
                                        "autoRenewalCancellationInvalid",
                                        "autoRenewalRevocationNotSupported",
                                        "badCSR",
                                        "badNonce",
                                        "badPublicKey",
                                        "badRevocationReason",
                                        "badSignatureAlgorithm",
                                        "caa",
                                        "compound",
                                        "connection",
                                        "dns",
                                        "externalAccountRequired",
                                        "incorrectResponse",
                                        "invalidContact",
                                        "invalidProfile",
                                        "malformed",
                                        "onionCAARequired",
                                        "orderNotReady",
                                        "rateLimited",
                                        "rejectedIdentifier",
                                        "serverInternal",
                                        "tls",
                                        "unauthorized",
                                        "unknownDelegation",
                                        "unsupportedContact",
                                        "unsupportedIdentifier",
                                        "userActionRequired"};

    for (unsigned i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static bool subproblems_fit(const json_t *problem) {
    const json_t *list = json_object_get(problem, "subproblems"), *one;
    size_t i;

    if (list != NULL && !json_is_array(list)) {
        return false;
    }
    json_array_foreach(list, i, one) {
        const json_t *identifier = json_object_get(one, "identifier");
        if (!json_is_object(one)
            || (identifier != NULL
                && (!json_is_string(json_object_get(identifier, "type"))
                    || !json_is_string(json_object_get(identifier, "value"))))) {
            return false;
        }
    }
    return true;
}

/* Words of source files, paths, stack traces and SQL, which no problem may tell. */
static const char *leak_of(const char *text) {
    static const char *const words[] = {"panic",   ".go:",   ".c:",       ".py",     "/home/",
                                        "/tmp/",   "/usr/",  "/var/",     "SELECT ", "INSERT ",
                                        "UPDATE ", "sqlite", "Traceback", "errno"};

    for (unsigned i = 0; i < COUNT(words); i++) {
        if (strstr(text, words[i]) != NULL) {
            return words[i];
        }
    }
    return NULL;
}

static void watch_problem(struct spec *spec, const struct spec_answer *answer) {
    const json_t *type = json_object_get(answer->json, "type");
    const json_t *status = json_object_get(answer->json, "status");
    const char *media = spec_header(spec, answer, "Content-Type"), *name = json_string_value(type);
    bool ours = name != NULL && strncmp(name, ACME_ERROR_URN, strlen(ACME_ERROR_URN)) == 0;

    judge(spec, WATCH_PROBLEM_MEDIA, strcmp(media, ACME_PROBLEM_TYPE) == 0, answer,
          "Content-Type \"%s\"", media);
    judge(spec, WATCH_NO_5XX, answer->status < 500 || (spec->row->needs & NEED_FAULTS) != 0, answer,
          "status %u", answer->status);
    if (answer->status == 405) {
        judge(spec, WATCH_ALLOW, spec_header(spec, answer, "Allow")[0] != '\0', answer, "no Allow");
    }
    if (!json_is_object(answer->json)) {
        return;
    }
    judge(spec, WATCH_PROBLEM_TYPE_TEXT, type == NULL || name != NULL, answer, "type is no text");
    if (ours) {
        judge(spec, WATCH_PROBLEM_TYPE_KNOWN, is_registered(name + strlen(ACME_ERROR_URN)), answer,
              "type %.100s", name);
    }
    judge(spec, WATCH_PROBLEM_DETAIL, spec_member(answer->json, "detail")[0] != '\0', answer,
          "no detail");
    const char *leak = leak_of(spec_member(answer->json, "detail"));
    judge(spec, WATCH_PROBLEM_LEAK, leak == NULL, answer, "\"%s\" in the detail", leak);
    if (status != NULL) {
        judge(spec, WATCH_PROBLEM_STATUS, json_integer_value(status) == answer->status, answer,
              "member status %lld", (long long)json_integer_value(status));
    }
    judge(spec, WATCH_PROBLEM_IDENTIFIER, json_object_get(answer->json, "identifier") == NULL,
          answer, "identifier at the top level");
    if (json_object_get(answer->json, "subproblems") != NULL) {
        judge(spec, WATCH_PROBLEM_SUBPROBLEMS, subproblems_fit(answer->json), answer,
              "subproblems of another form");
    }
}

static void watch_nonce(struct spec *spec, const struct spec_answer *answer) {
    unsigned count = spec_headers(answer, "Replay-Nonce"), status = answer->status;
    const char *nonce = spec_header(spec, answer, "Replay-Nonce");
    /* refused before the JWS was looked at */
    bool early = status == 404 || status == 405 || status == 413 || status == 415;

    if (count > 0) {
        judge(spec, WATCH_NONCE_ONCE, count == 1, answer, "%u Replay-Nonce", count);
        judge(spec, WATCH_NONCE_ALPHABET, b64_is(nonce, strlen(nonce)), answer, "\"%s\"", nonce);
    }
    if (strcmp(answer->method, "POST") == 0 && status / 100 == 2) {
        judge(spec, WATCH_NONCE_ON_SUCCESS, count > 0, answer, "no Replay-Nonce");
    }
    if (spec->signed_post && status / 100 == 4 && !early) {
        judge(spec, WATCH_NONCE_ON_ERROR, count > 0, answer, "no Replay-Nonce");
    }
}

/* The same scheme, host and port as the directory? */
static bool of_the_server(const struct spec_target *target, const char *url) {
    const char *host = strstr(target->directory_url, "://");
    size_t len =
        host == NULL ? 0 : (size_t)(host - target->directory_url) + 3 + strcspn(host + 3, "/");

    return strncmp(url, target->directory_url, len) == 0;
}

void watch_answer(struct spec *spec, const struct spec_answer *answer) {
    const char *directory = spec->target->directory_url;

    if (spec->unwatched || !of_the_server(spec->target, answer->url)) {
        return;
    }
    if (answer->body_len > 0) {
        judge(spec, WATCH_UTF8, is_utf8(answer->body, answer->body_len), answer, "not UTF-8");
    }
    watch_nonce(spec, answer);
    if (answer->status / 100 == 2 && strcmp(answer->url, directory) != 0) {
        const char *index = spec_link(spec, answer, "index", NULL);
        judge(spec, WATCH_LINK_INDEX, strcmp(index, directory) == 0, answer, "index is \"%.100s\"",
              index);
    }
    if (answer->status >= 400) {
        watch_problem(spec, answer);
    }
}

enum spec_verdict watch_verdict(struct spec_target *target, enum spec_watch watch,
                                char reason[SPEC_REASON_SIZE]) {
    const struct watch_rule *rule = &target->watched[watch];

    if (rule->seen == 0) {
        (void)snprintf(reason, SPEC_REASON_SIZE, "no answer of this run falls under the rule");
        return VERDICT_SKIP;
    }
    if (rule->broken > 0) {
        (void)snprintf(reason, SPEC_REASON_SIZE, "%lu of %lu answers; first %.400s", rule->broken,
                       rule->seen, rule->first);
        return VERDICT_FAIL;
    }
    return VERDICT_PASS;
}
