#include "client/cas.h"

#include <string.h>

const struct ca *cas_of(const struct cas *cas, const char *directory) {
    for (unsigned i = 0; directory != NULL && i < cas->count; i++) {
        if (strcmp(cas->list[i].directory, directory) == 0) {
            return &cas->list[i];
        }
    }
    return &cas->list[0];
}

bool cas_down(const struct ca *ca, uint64_t now_us, uint64_t after_us) {
    const uint64_t since_us = upstream_down_since_us(ca->upstream);

    return since_us != 0 && now_us >= since_us + after_us;
}

const struct ca *cas_choose(const struct cas *cas, uint64_t now_us, uint64_t after_us) {
    for (unsigned i = 0; i < cas->count; i++) {
        if (!cas_down(&cas->list[i], now_us, after_us)) {
            return &cas->list[i];
        }
    }
    return &cas->list[0];
}
