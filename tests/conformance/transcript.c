/* Every request and answer of a case as text, one file a case. */
#include <ctype.h>
#include <string.h>

#include "common/b64.h"
#include "common/clock.h"
#include "tests/conformance/spec_internal.h"

#define SHOWN_MAX 16384 /* octets of a body */

void transcript_open(struct spec *spec) {
    char path[512], name[128];
    size_t len = 0;

    if (spec->target->transcript == NULL) {
        return;
    }
    for (const char *c = spec->row->id; *c != '\0' && len + 1 < sizeof(name); c++) {
        name[len++] = isalnum((unsigned char)*c) || strchr(".-", *c) != NULL ? *c : '_';
    }
    name[len] = '\0';
    (void)snprintf(path, sizeof(path), "%s/%s.txt", spec->target->transcript, name);
    spec->transcript = fopen(path, "we");
    if (spec->transcript != NULL) {
        (void)fprintf(spec->transcript, "%s\n%s\n", spec->row->id, spec->row->text);
    }
}

static void show(FILE *out, const char *indent, const char *octets, size_t len) {
    (void)fputs(indent, out);
    for (size_t i = 0; i < len && i < SHOWN_MAX; i++) {
        unsigned char octet = (unsigned char)octets[i];
        if (octet == '\n') {
            (void)fprintf(out, "\n%s", i + 1 < len ? indent : "");
        } else if (octet == '\r' && i + 1 < len && octets[i + 1] == '\n') {
            continue;
        } else if (octet < ' ' || octet >= 0x7f) {
            (void)fprintf(out, "\\x%02x", octet);
        } else {
            (void)fputc(octet, out);
        }
    }
    (void)fprintf(out, len > SHOWN_MAX ? "… %zu octets in all\n" : "\n", len);
}

/* What protected and payload say, when the body is a flattened JWS. */
static void show_jws(FILE *out, const char *body, size_t len) {
    static const char *const members[] = {"protected", "payload"};
    json_t *jws = json_loadb(body, len, 0, NULL);

    for (unsigned i = 0; i < COUNT(members); i++) {
        const char *text = spec_member(jws, members[i]);
        unsigned char *decoded = NULL;
        size_t decoded_len = 0;
        struct err err = {0};
        if (text[0] != '\0' && b64_decode(text, strlen(text), &decoded, &decoded_len, &err)) {
            (void)fprintf(out, "  (%s:)\n", members[i]);
            show(out, "  ", (const char *)decoded, decoded_len);
            free(decoded);
        }
    }
    json_decref(jws);
}

void transcript_request(struct spec *spec, const char *url, const char *head, const void *body,
                        size_t len) {
    FILE *out = spec->transcript;

    if (out == NULL) {
        return;
    }
    (void)fprintf(out, "\n---- %llu us, to %s\n", (unsigned long long)clock_wall_us(), url);
    show(out, "> ", head, strlen(head));
    if (len > 0 && spec->private) {
        (void)fprintf(out, "> [%zu octets with private material]\n", len);
    } else if (len > 0) {
        show(out, "> ", body, len);
        show_jws(out, body, len);
    }
}

void transcript_answer(struct spec *spec, const struct spec_answer *answer) {
    if (spec->transcript != NULL) {
        show(spec->transcript, "< ", answer->head, strlen(answer->head));
        if (answer->body_len > 0) {
            show(spec->transcript, "< ", answer->body, answer->body_len);
        }
    }
}

void transcript_close(struct spec *spec) {
    static const char *const verdicts[] = {"pass", "fail", "skip"};

    if (spec->transcript != NULL) {
        (void)fprintf(spec->transcript, "\n==== %s %s\n", verdicts[spec->verdict], spec->reason);
        (void)fclose(spec->transcript);
        spec->transcript = NULL;
    }
}
