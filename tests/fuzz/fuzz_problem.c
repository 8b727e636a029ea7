/* Any octets as a problem document: an error always comes out, and renders on both sides. */
#include <string.h>

#include "common/json.h"
#include "common/problem.h"
#include "target.h"

static void render(char *text) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(text, strlen(text), &err);
    PROMISE(json != NULL && json_is_integer(json_object_get(json, "status")));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned statuses[] = {400, 403, 404, 409, 429, 500, 501, 503};

    for (unsigned i = 0; i < COUNT(statuses); i++) {
        struct err err = {0};
        problem_read(&err, statuses[i], (const char *)data, size, i);
        PROMISE(err.kind != ERR_NONE && err.retry_after_s == i);
        render(problem_render(&err));
        render(problem_render_sbi(&err));
    }
    return 0;
}
