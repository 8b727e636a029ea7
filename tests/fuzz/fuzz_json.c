/* Any octets as JSON: what is read is written, and reads back as the same value. */
#include <string.h>

#include "common/json.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read((const char *)data, size, &err);

    PROMISE((json == NULL) == (err.kind != ERR_NONE));
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
