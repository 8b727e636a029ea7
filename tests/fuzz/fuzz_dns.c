/* Any octets as a name server's answer: the first says which type was asked for.  What is read lies
 * within them, and the records give texts and CAA properties, judged. */
#include <string.h>

#include "server/caa.h"
#include "target.h"

static const char *const identities[] = {"ca.example", NULL};
static const char *const hosts[] = {"localhost", "::1", NULL};

static void use_text(const struct dns_record *record) {
    char text[300];
    size_t len = 0;

    if (dns_text(record, text, sizeof text, &len)) {
        PROMISE(len < record->len && len <= sizeof text);
    }
}

static void use_caa(const struct dns_answer *answer) {
    const struct caa_policy policy = {identities, hosts};
    struct caa_question question = {.name = "a.example", .method = ACME_CHALLENGE_DNS01};
    struct err err = {0};

    for (unsigned i = 0; i < answer->count; i++) {
        struct dns_caa caa;
        if (dns_caa(&answer->record[i], &caa)) {
            PROMISE(caa.tag_len > 0 && 2 + caa.tag_len + caa.value_len == answer->record[i].len);
        }
    }
    bool permitted =
        caa_permits(&policy, &question, "a.example", answer->record, answer->count, &err);
    PROMISE(permitted == (err.kind == ERR_NONE));
    PROMISE(permitted || answer->count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dns_answer answer;
    struct err err = {0};

    if (size == 0) {
        return 0;
    }
    unsigned type = data[0] % 2 == 0 ? DNS_TYPE_TXT : DNS_TYPE_CAA;
    if (!dns_answer_read(data + 1, size - 1, "a.example", type, &answer, &err)) {
        PROMISE(err.kind == ERR_DNS && err.detail[0] != '\0');
        return 0;
    }
    PROMISE(answer.count <= DNS_RECORDS_MAX && answer.aliases <= DNS_ALIASES_MAX);
    PROMISE(strlen(answer.name) < DNS_NAME_SIZE && answer.rcode < 16);
    for (unsigned i = 0; i < answer.count; i++) {
        PROMISE(answer.record[i].data > data
                && answer.record[i].data + answer.record[i].len <= data + size);
        use_text(&answer.record[i]);
    }
    if (type == DNS_TYPE_CAA) {
        use_caa(&answer);
    }
    return 0;
}
