#include "server/audit_line.h"

#include <stdio.h>
#include <string.h>

#include "common/problem.h"

#define US_PER_S 1000000
#define HEX_SIZE (2 * 32 + 1)

static json_t *line_new(uint64_t at_us, const char *event) {
    char text[CLOCK_TEXT_SIZE];

    clock_text(at_us, text);
    return json_pack("{s:s, s:s}", "time", text, "event", event);
}

static json_t *names_new(const struct order *order) {
    json_t *names = json_array();

    for (unsigned i = 0; i < order->count; i++) {
        (void)json_array_append_new(
            names, json_pack("{s:s, s:s}", "type", acme_identifier_name(order->identifiers[i].type),
                             "value", order->identifiers[i].value));
    }
    return names;
}

json_t *audit_line_issued(uint64_t at_us, const struct store_issued *issued) {
    json_t *line = line_new(at_us, "issued");
    char key[HEX_SIZE], not_after[CLOCK_TEXT_SIZE];

    for (unsigned i = 0; i < sizeof(issued->spki_sha256); i++) {
        (void)snprintf(key + 2 * i, 3, "%02x", issued->spki_sha256[i]);
    }
    clock_text((uint64_t)issued->not_after_s * US_PER_S, not_after);
    (void)json_object_set_new(line, "n", json_integer(issued->n));
    (void)json_object_set_new(line, "serial", json_string(issued->serial));
    (void)json_object_set_new(line, "account", json_string(issued->account));
    (void)json_object_set_new(line, "order", json_string(issued->order));
    if (issued->names != NULL) {
        (void)json_object_set_new(line, "profile", json_string(issued->names->profile));
        (void)json_object_set_new(line, "identifiers", names_new(issued->names));
    }
    (void)json_object_set_new(line, "notAfter", json_string(not_after));
    (void)json_object_set_new(line, "key", json_string(key));
    return line;
}

json_t *audit_line_revoked(uint64_t at_us, const char *serial, int64_t at_s, int reason) {
    json_t *line = line_new(at_us, "revoked");
    char text[CLOCK_TEXT_SIZE];

    clock_text((uint64_t)at_s * US_PER_S, text);
    (void)json_object_set_new(line, "serial", json_string(serial));
    (void)json_object_set_new(line, "revoked", json_string(text));
    (void)json_object_set_new(line, "reason", json_integer(reason < 0 ? 0 : reason));
    return line;
}

json_t *audit_line_refused(const struct audit_refusal *refusal) {
    json_t *line = line_new(refusal->at_us, "refused");
    const char *type = problem_type(refusal->kind)->name;

    (void)json_object_set_new(line, "operation",
                              json_string(meter_operation_name(refusal->operation)));
    (void)json_object_set_new(line, "problem", json_string(type == NULL ? "serverInternal" : type));
    if (refusal->account[0] != '\0') {
        (void)json_object_set_new(line, "account", json_string(refusal->account));
    }
    (void)json_object_set_new(line, "peer", json_string(refusal->peer));
    (void)json_object_set_new(line, "detail", json_string(refusal->detail));
    return line;
}

json_t *audit_line_lost(uint64_t at_us, uint64_t refusals) {
    json_t *line = line_new(at_us, "lost");

    (void)json_object_set_new(line, "refusals", json_integer((json_int_t)refusals));
    return line;
}

json_t *audit_line_continued(uint64_t at_us, int64_t issued) {
    json_t *line = line_new(at_us, "continued");

    (void)json_object_set_new(line, "n", json_integer(issued));
    return line;
}

/* The last line that ends before data[end]: its beginning. */
static const char *line_before(const char *data, const char *end) {
    const char *at = end > data ? memrchr(data, '\n', (size_t)(end - data)) : NULL;

    return at == NULL ? data : at + 1;
}

static bool read_line(const char *line, size_t len, struct audit_tail *tail, bool last,
                      struct err *err) {
    AUTO(json_release) json_t *json = json_loadb(line, len, 0, NULL);
    const char *event = json_string_value(json_object_get(json, "event"));

    if (event == NULL) {
        return err_set(err, ERR_CONFIG, "the audit log has a line that is not its own");
    }
    if (last) {
        uint64_t at_us = 0;
        const char *time = json_string_value(json_object_get(json, "time"));
        if (time != NULL && clock_parse(time, &at_us)) {
            tail->at_s = (int64_t)(at_us / US_PER_S);
        }
    }
    if (tail->issued == 0 && (strcmp(event, "issued") == 0 || strcmp(event, "continued") == 0)) {
        tail->issued = json_integer_value(json_object_get(json, "n"));
    }
    return true;
}

bool audit_tail_read(const char *data, size_t len, struct audit_tail *ret, struct err *err) {
    *ret = (struct audit_tail){.digest = "00000000000000000000000000000000"};
    const char *end = len > 0 && data[len - 1] != '\n' ? line_before(data, data + len) : data + len;
    ret->whole = (size_t)(end - data);
    bool last = true;

    while (end > data && ret->issued == 0) {
        const char *line = line_before(data, end - 1);
        if (!read_line(line, (size_t)(end - 1 - line), ret, last, err)) {
            return false;
        }
        if (last) {
            audit_digest(line, (size_t)(end - 1 - line), ret->digest);
        }
        last = false;
        end = line;
    }
    return true;
}

bool audit_has_revocation(const char *data, size_t len, const char *serial) {
    char wanted[X509_SERIAL_SIZE + 40];
    int wanted_len =
        snprintf(wanted, sizeof(wanted), "\"event\":\"revoked\",\"serial\":\"%s\"", serial);

    return len > 0 && memmem(data, len, wanted, (size_t)wanted_len) != NULL;
}
