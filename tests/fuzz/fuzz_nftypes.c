#include <string.h>

#include "common/nftypes.h"
#include "tests/fuzz/target.h"

/* What decodes can be encoded, never longer, and is then the same list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct nftypes types = {0}, again = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    char text[NFTYPES_MAX * NFTYPES_NAME_SIZE];

    if (!nftypes_decode(data, size, &types, &err)) {
        PROMISE(err.kind == ERR_MALFORMED);
        return 0;
    }
    PROMISE(types.count > 0 && nftypes_encode(&types, &der, &len, &err) && len <= size);
    PROMISE(nftypes_decode(der, len, &again, &err));
    PROMISE(memcmp(&types, &again, sizeof types) == 0);
    nftypes_text(&types, text, sizeof text);
    PROMISE(strlen(text) > 0);
    return 0;
}
