#include <string.h>

#include "common/b64.h"
#include "tests/fuzz/target.h"

/* What decodes is the one encoding of its octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    AUTO(free) unsigned char *octets = NULL;
    size_t len = 0;

    if (!b64_decode((const char *)data, size, &octets, &len, &err)) {
        PROMISE(err.kind == ERR_MALFORMED);
        return 0;
    }
    AUTO(free) char *text = b64_encode(octets, len);
    PROMISE(text != NULL && strlen(text) == size && memcmp(text, data, size) == 0);
    return 0;
}
