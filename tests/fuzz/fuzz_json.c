/* Any octets as JSON: what is read is written, and reads back as the same value; and all of it is
 * what the JSON library alone would read and write. */
#include <string.h>

#include "common/json.h"
#include "common/json_fast.h"
#include "target.h"

static void compare(const char *text, size_t len, const json_t *json, const struct err *err) {
    json_error_t error;
    json_auto_t *fast = json_fast_read(text, len);
    json_auto_t *slow = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

    PROMISE(fast == NULL || (slow != NULL && json != NULL));
    if (json == NULL) {
        PROMISE(slow == NULL || strstr(err->detail, "nested deeper") != NULL);
        return;
    }
    PROMISE(slow != NULL && json_equal(json, slow));
    AUTO(free) char *made = json_text(json);
    AUTO(free) char *wanted = json_dumps(slow, JSON_COMPACT | JSON_ENCODE_ANY);
    PROMISE(made != NULL && wanted != NULL && strcmp(made, wanted) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read((const char *)data, size, &err);

    PROMISE((json == NULL) == (err.kind != ERR_NONE));
    compare((const char *)data, size, json, &err);
    if (json == NULL) {
        return 0;
    }
    AUTO(free) char *text = json_text(json);
    AUTO(json_release) json_t *back = json_read(text, strlen(text), &err);
    PROMISE(back != NULL && json_equal(json, back));
    const char *value = NULL;
    struct err missing = {0};
    PROMISE(json_get_text(json, "value", JSON_REQUIRED, 8, &value, &missing) == (value != NULL));
    return 0;
}
