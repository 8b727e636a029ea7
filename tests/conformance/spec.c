#include "tests/conformance/spec_internal.h"

#include <stdarg.h>
#include <string.h>

#include "common/b64.h"
#include "common/clock.h"
#include "common/jwk.h"

#define US_PER_S 1000000ull

static void fail_v(struct spec *spec, enum spec_verdict verdict, const char *fmt, va_list args) {
    if (spec->verdict == VERDICT_PASS) {
        spec->verdict = verdict;
        (void)vsnprintf(spec->reason, sizeof(spec->reason), fmt, args);
    }
}

void spec_fail(struct spec *spec, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail_v(spec, VERDICT_FAIL, fmt, args);
    va_end(args);
}

void spec_skip(struct spec *spec, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail_v(spec, VERDICT_SKIP, fmt, args);
    va_end(args);
}

bool spec_over(const struct spec *spec) { return spec->verdict != VERDICT_PASS; }

bool spec_check(struct spec *spec, bool held, const char *what, ...) {
    va_list args;

    if (!held) {
        va_start(args, what);
        fail_v(spec, VERDICT_FAIL, what, args);
        va_end(args);
    }
    return held && !spec_over(spec);
}

bool spec_same(struct spec *spec, const char *what, const char *seen, const char *wanted) {
    return spec_check(spec, strcmp(seen, wanted) == 0, "%s: expected \"%.160s\", came \"%.160s\"",
                      what, wanted, seen);
}

const void *spec_data(const struct spec *spec) { return spec->row->data; }

uint64_t spec_deadline_us(const struct spec *spec) { return spec->deadline_us; }

void *spec_keep(struct spec *spec, void *memory, void (*release)(void *)) {
    struct spec_kept *kept = malloc(sizeof(*kept));

    if (kept == NULL || memory == NULL) {
        abort(); /* a test program without memory has no verdict to give */
    }
    *kept = (struct spec_kept){spec->kept, memory, release};
    spec->kept = kept;
    return memory;
}

char *spec_text(struct spec *spec, const char *fmt, ...) {
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        text = NULL;
    }
    va_end(args);
    return spec_keep(spec, text, free);
}

char *spec_repeat(struct spec *spec, const char *text, size_t times) {
    size_t len = strlen(text);
    char *all = spec_keep(spec, malloc(len * times + 1), free);

    for (size_t i = 0; i < times; i++) {
        memcpy(all + i * len, text, len);
    }
    all[len * times] = '\0';
    return all;
}

static void release_json(void *json) { json_decref(json); }
static void release_key(void *key) { EVP_PKEY_free(key); }

json_t *spec_json(struct spec *spec, json_t *json) {
    if (json == NULL) {
        spec_fail(spec, "the case builds no JSON");
        return json_null();
    }
    return spec_keep(spec, json, release_json);
}

json_t *spec_pack(struct spec *spec, const char *format, ...) {
    va_list args;
    va_start(args, format);
    json_t *json = json_vpack_ex(NULL, 0, format, args);
    va_end(args);
    return spec_json(spec, json);
}

char *spec_b64(struct spec *spec, const void *data, size_t len) {
    return spec_keep(spec, b64_encode(data, len), free);
}

EVP_PKEY *spec_key(struct spec *spec, enum key_type type) {
    struct err err = {0};
    return spec_keep(spec, key_generate(type, &err), release_key);
}

json_t *spec_jwk(struct spec *spec, EVP_PKEY *key) {
    struct err err = {0};
    return spec_json(spec, jwk_write(key, &err));
}

const char *spec_member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

bool spec_is_url(const char *text) {
    return strncmp(text, "https://", 8) == 0 && text[8] != '\0' && text[8] != '/'
           && strpbrk(text, " \t\r\n<>\"") == NULL;
}

void spec_wait_ms(struct spec *spec, unsigned ms) {
    uint64_t until = clock_wall_us() + ms * 1000ull;

    if (spec_over(spec)) {
        return;
    }
    if (until > spec->deadline_us) {
        spec_fail(spec, "the deadline of the case passed");
        return;
    }
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

void spec_init(struct spec *spec, const struct spec_case *row, struct spec_target *target) {
    unsigned seconds = row->deadline_s == 0 ? SPEC_CASE_S : row->deadline_s;

    *spec = (struct spec){
        .row = row, .target = target, .deadline_us = clock_wall_us() + seconds * US_PER_S};
    transcript_open(spec);
}

void spec_done(struct spec *spec) {
    transcript_close(spec);
    wire_close(spec->idle);
    spec->idle = NULL;
    while (spec->kept != NULL) {
        struct spec_kept *kept = spec->kept;
        spec->kept = kept->next;
        kept->release(kept->memory);
        free(kept);
    }
}
