#include "client/link.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/directory.h"

/* The parameters of one link up to its comma: is one of its relations "alternate"? */
static bool is_alternate(const char *at, const char **ret_end) {
    bool found = false, quoted = false;

    for (; *at != '\0' && (quoted || *at != ','); at++) {
        if (*at == '"') {
            quoted = !quoted;
        }
        if (!quoted && *at == ';') {
            const char *name = at + 1 + strspn(at + 1, " \t");
            if (strncasecmp(name, "rel=", 4) == 0) {
                const char *value = name + 4 + (name[4] == '"' ? 1 : 0);
                const size_t len = strcspn(value, name[4] == '"' ? "\"" : ";, \t");
                for (size_t i = 0; i < len; i += strcspn(value + i, " \"") + 1) {
                    const size_t word = strcspn(value + i, " \";,\t");
                    found = found || (word == 9 && strncasecmp(value + i, "alternate", 9) == 0);
                }
            }
        }
    }
    *ret_end = at;
    return found;
}

unsigned link_alternates_of(const char *value, char *urls[LINK_ALTERNATES_MAX], unsigned count) {
    const char *open = NULL, *close = NULL;

    while ((open = strchr(value, '<')) != NULL && (close = strchr(open, '>')) != NULL) {
        if (is_alternate(close + 1, &value) && count < LINK_ALTERNATES_MAX) {
            char *url = strndup(open + 1, (size_t)(close - open - 1));
            if (url != NULL && directory_url(url)) {
                urls[count++] = url;
            } else {
                free(url);
            }
        }
    }
    return count;
}

unsigned link_alternates(const struct httpc_answer *answer, char *urls[LINK_ALTERNATES_MAX]) {
    const char *value = NULL;
    unsigned count = 0;

    while ((value = httpc_header_next(answer, "Link", value)) != NULL) {
        count = link_alternates_of(value, urls, count);
    }
    return count;
}
