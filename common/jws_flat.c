#include "common/jws_flat.h"

#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/json_rest.h"

/* A string of base64url, which no escape can be in. */
static bool take_text(struct rest *rest, const char **ret_text, size_t *ret_len) {
    if (!rest_take(rest, '"')) {
        return false;
    }
    const char *text = rest->at;
    const char *quote = memchr(text, '"', (size_t)(rest->end - text));
    if (quote == NULL || (quote != text && !b64_is(text, (size_t)(quote - text)))) {
        return false;
    }
    *ret_text = text;
    *ret_len = (size_t)(quote - text);
    rest->at = quote + 1;
    return true;
}

bool jws_flat_open(const char *text, size_t len, struct jws_parts *ret) {
    static const char *const names[] = {"protected", "payload", "signature"};
    struct jws_parts parts = {0};
    const char **texts[] = {&parts.header, &parts.payload, &parts.signature};
    size_t *lens[] = {&parts.header_len, &parts.payload_len, &parts.signature_len};
    struct rest rest = {text, text + len};
    const char *name = NULL;
    size_t name_len = 0;

    for (unsigned i = 0; i < COUNT(names); i++) {
        if (!rest_take(&rest, i == 0 ? '{' : ',') || !take_text(&rest, &name, &name_len)) {
            return false;
        }
        unsigned which = 0;
        while (which < COUNT(names)
               && (strlen(names[which]) != name_len || memcmp(names[which], name, name_len) != 0)) {
            which++;
        }
        if (which == COUNT(names) || *texts[which] != NULL || !rest_take(&rest, ':')
            || !take_text(&rest, texts[which], lens[which])) {
            return false;
        }
    }
    if (!rest_take(&rest, '}')) {
        return false;
    }
    rest_skip_space(&rest);
    if (rest.at != rest.end) {
        return false;
    }
    *ret = parts;
    return true;
}

char *jws_flat_make(const struct jws_parts *parts) {
    /* base64url is its own JSON: nothing to escape */
    static const char open[] = "{\"protected\":\"", payload[] = "\",\"payload\":\"",
                      signature[] = "\",\"signature\":\"", shut[] = "\"}";
    const size_t frame = sizeof open + sizeof payload + sizeof signature + sizeof shut;
    char *text = malloc(frame + parts->header_len + parts->payload_len + parts->signature_len);

    if (text == NULL) {
        return NULL;
    }
    char *end = mempcpy(text, open, sizeof open - 1);
    end = mempcpy(end, parts->header, parts->header_len);
    end = mempcpy(end, payload, sizeof payload - 1);
    end = mempcpy(end, parts->payload, parts->payload_len);
    end = mempcpy(end, signature, sizeof signature - 1);
    end = mempcpy(end, parts->signature, parts->signature_len);
    memcpy(end, shut, sizeof shut);
    return text;
}
