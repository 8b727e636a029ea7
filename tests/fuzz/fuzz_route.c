/* Any octets as a path: whatever fits, its parameters are parts of the path. */
#include <string.h>

#include "common/cleanup.h"
#include "common/route.h"
#include "target.h"

#define TEXT_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const patterns[] = {"/", "/directory", "/order/{id}", "/order/{id}/finalize",
                                           "/{a}/{b}/{c}/{d}"};
    char path[TEXT_MAX + 1];
    size_t len = size < TEXT_MAX ? size : TEXT_MAX;

    memcpy(path, data, len);
    path[len] = '\0';
    for (unsigned i = 0; i < COUNT(patterns); i++) {
        struct route_params params = {0};
        if (!route_match(patterns[i], path, &params)) {
            PROMISE(params.count == 0);
            continue;
        }
        PROMISE(params.count <= ROUTE_PARAMS_MAX);
        for (unsigned j = 0; j < params.count; j++) {
            PROMISE(params.value[j][0] != '\0' && strchr(params.value[j], '/') == NULL);
            PROMISE(strstr(path, params.value[j]) != NULL);
        }
    }
    return 0;
}
