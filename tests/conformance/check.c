/* Assertions on answers: what was expected, what came. */
#include <string.h>

#include "common/acme.h"
#include "tests/conformance/spec_internal.h"

bool spec_is(const struct spec_answer *answer, const char *type) {
    const char *seen = spec_member(answer->json, "type");
    size_t prefix = strlen(ACME_ERROR_URN);

    return answer->status >= 400 && strncmp(seen, ACME_ERROR_URN, prefix) == 0
           && strcmp(seen + prefix, type) == 0;
}

/* "POST https://… came 400 malformed (detail)" */
static const char *came(struct spec *spec, const struct spec_answer *answer) {
    const char *path = strstr(answer->url, "://");
    const char *type = spec_member(answer->json, "type");

    path = path == NULL ? answer->url : path + 3 + strcspn(path + 3, "/");
    if (answer->status == 0) {
        return spec_text(spec, "%s %s: no answer (%s)", answer->method, path, answer->error);
    }
    return spec_text(spec, "%s %.80s: came %u%s%s%s%.120s%s", answer->method, path, answer->status,
                     type[0] == '\0' ? "" : " ",
                     strncmp(type, ACME_ERROR_URN, strlen(ACME_ERROR_URN)) == 0
                         ? type + strlen(ACME_ERROR_URN)
                         : type,
                     type[0] == '\0' ? "" : " (", spec_member(answer->json, "detail"),
                     type[0] == '\0' ? "" : ")");
}

static bool status_fits(unsigned seen, unsigned status) {
    return status < 10 ? seen / 100 == status : seen == status;
}

static const char *status_name(struct spec *spec, unsigned status) {
    return status < 10 ? spec_text(spec, "%uxx", status) : spec_text(spec, "%u", status);
}

bool spec_status(struct spec *spec, const struct spec_answer *answer, unsigned status) {
    return spec_check(spec, status_fits(answer->status, status), "%s, expected %s",
                      came(spec, answer), status_name(spec, status));
}

/* Is one of the words of list, separated by `separator`, this word? */
static bool among(const char *list, const char *separator, const char *word, size_t len) {
    for (const char *at = list; at != NULL;) {
        const char *end = strstr(at, separator);
        size_t one = end == NULL ? strlen(at) : (size_t)(end - at);
        if (one == len && strncmp(at, word, len) == 0) {
            return true;
        }
        at = end == NULL ? NULL : end + strlen(separator);
    }
    return false;
}

static bool type_fits(const struct spec_answer *answer, const char *types, const char *separator) {
    const char *seen = spec_member(answer->json, "type");
    size_t prefix = strlen(ACME_ERROR_URN);

    return strncmp(seen, ACME_ERROR_URN, prefix) == 0
           && (strcmp(types, "*") == 0
               || among(types, separator, seen + prefix, strlen(seen + prefix)));
}

bool spec_problem(struct spec *spec, const struct spec_answer *answer, unsigned status,
                  const char *types) {
    return spec_check(spec, status_fits(answer->status, status) && type_fits(answer, types, "|"),
                      "%s, expected %s %s", came(spec, answer), status_name(spec, status), types);
}

static bool status_among(const char *list, unsigned status) {
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", status);
    if (strncmp(list, "any", 3) == 0 || among(list, " or ", text, strlen(text))) {
        return true;
    }
    (void)snprintf(text, sizeof(text), "%uxx", status / 100);
    return among(list, " or ", text, strlen(text));
}

bool spec_expect(struct spec *spec, const struct spec_answer *answer, const char *status,
                 const char *types) {
    bool closed = answer->status == 0 && strstr(status, "close") != NULL;
    bool error = answer->status >= 400;
    bool fits = closed || (answer->status != 0 && status_among(status, answer->status));

    if (fits && error && strcmp(types, "-") != 0 && strcmp(types, "*") != 0) {
        fits = type_fits(answer, types, " or ");
    }
    return spec_check(spec, fits, "%s, expected %s %s", came(spec, answer), status, types);
}
