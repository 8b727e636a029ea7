#include "server/va_dns01.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "server/va_query.h"

#define KEY_AUTHORIZATION_SIZE (64 + 1 + 44)
#define DIGEST_SIZE 44 /* base64url of SHA-256 */
#define TEXT_MAX 512   /* of a record; the digest has 43 octets */
#define FOUND_SIZE 32  /* of a wrong record, for the detail */

struct look {
    struct look *next, *previous;
    struct va_dns01 *owner;
    const struct va_task *task;
    va_done *done;
    void *ctx;
    uint64_t begun_us;
    char name[DNS_NAME_SIZE];
};

struct va_dns01 {
    struct resolver *resolver;
    struct va_observer observer;
    const struct clock *clock;
    struct look *looks;
};

struct va_dns01 *va_dns01_new(const struct va_options *options, struct resolver *resolver,
                              struct err *err) {
    struct va_dns01 *va_dns01 = calloc(1, sizeof *va_dns01);

    if (va_dns01 == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for dns-01");
        return NULL;
    }
    va_dns01->resolver = resolver;
    va_dns01->observer = options->observer;
    va_dns01->clock = options->clock;
    return va_dns01;
}

static void look_free(struct look *look) {
    *(look->previous != NULL ? &look->previous->next : &look->owner->looks) = look->next;
    if (look->next != NULL) {
        look->next->previous = look->previous;
    }
    free(look);
}

void va_dns01_free(struct va_dns01 *va_dns01) {
    if (va_dns01 != NULL) {
        while (va_dns01->looks != NULL) {
            look_free(va_dns01->looks);
        }
        free(va_dns01);
    }
}

/* Report and forget; the look is gone afterwards.  err's kind ERR_NONE: valid. */
static void finish(struct look *look, const struct err *err) {
    const struct va_result result = {.valid = err->kind == ERR_NONE, .err = *err};
    va_done *done = look->done;
    void *ctx = look->ctx;

    look_free(look);
    done(ctx, &result);
}

/* The texts seen, for an observer: a line each. */
static size_t texts(const struct dns_answer *answer, char seen[VA_ANSWER_SEEN]) {
    size_t len = 0;

    for (unsigned i = 0; answer != NULL && i < answer->count; i++) {
        size_t part = 0;
        if (len > 0 && len < VA_ANSWER_SEEN) {
            seen[len++] = '\n';
        }
        if (!dns_text(&answer->record[i], seen + len, VA_ANSWER_SEEN - len, &part)) {
            break;
        }
        len += part;
    }
    return len;
}

static void observe(const struct look *look, const struct dns_answer *answer, unsigned rcode,
                    const struct err *err) {
    const struct va_dns01 *owner = look->owner;
    char asked[DNS_NAME_SIZE + 8], seen[VA_ANSWER_SEEN];

    if (owner->observer.query == NULL) {
        return;
    }
    (void)snprintf(asked, sizeof asked, "TXT %s", look->name);
    va_query_tell(&owner->observer,
                  &(struct va_query){.type = ACME_CHALLENGE_DNS01,
                                     .identifier = &look->task->identifier,
                                     .asked = asked,
                                     .tried = resolver_server(owner->resolver),
                                     .status = rcode,
                                     .connected = answer != NULL,
                                     .answer = seen,
                                     .answer_len = texts(answer, seen),
                                     .err = err},
                  &(struct resolver_answer){0}, 0, 0, look->begun_us, owner->clock);
}

/* RFC 8555 8.4: base64url of the key authorization's SHA-256. */
static void digest_of(const struct va_task *task, char digest[DIGEST_SIZE]) {
    unsigned char octets[SHA256_DIGEST_LENGTH];
    char text[KEY_AUTHORIZATION_SIZE];

    int len = snprintf(text, sizeof text, "%s.%s", task->token, task->account_thumbprint);
    (void)SHA256((const unsigned char *)text, (size_t)len, octets);
    b64_encode_into(octets, sizeof octets, digest, DIGEST_SIZE);
}

/* What a record says, fit for a detail. */
static void found_text(const char *text, size_t len, char found[FOUND_SIZE]) {
    size_t shown = len < FOUND_SIZE - 4 ? len : FOUND_SIZE - 4;

    for (size_t i = 0; i < shown; i++) {
        found[i] = (char)(text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' ? text[i] : '?');
    }
    memcpy(found + shown, shown < len ? "..." : "", shown < len ? 4 : 1);
}

static bool judge(const struct look *look, const struct dns_answer *answer, struct err *err) {
    char digest[DIGEST_SIZE], text[TEXT_MAX], found[FOUND_SIZE] = "";

    if (answer->rcode == DNS_RCODE_NXDOMAIN) {
        return err_set(err, ERR_DNS, "%.40s says there is no %.100s: NXDOMAIN",
                       resolver_server(look->owner->resolver), look->name);
    }
    if (answer->count == 0) {
        return err_set(err, ERR_INCORRECT_RESPONSE, "there is no TXT record at %.120s", look->name);
    }
    digest_of(look->task, digest);
    for (unsigned i = 0; i < answer->count; i++) {
        size_t len = 0;
        if (!dns_text(&answer->record[i], text, sizeof text, &len)) {
            continue; /* longer than any digest */
        }
        if (len == strlen(digest) && memcmp(text, digest, len) == 0) {
            return true;
        }
        found_text(text, len, found);
    }
    return err_set(err, ERR_INCORRECT_RESPONSE,
                   "%u TXT record%s at %.90s, none is the key authorization's digest: \"%s\"",
                   answer->count, answer->count == 1 ? "" : "s", look->name, found);
}

static void on_answer(void *ctx, const struct dns_answer *answer, unsigned rcode,
                      const struct err *cause) {
    struct look *look = ctx;
    struct err err = *cause;

    if (answer != NULL) {
        (void)!judge(look, answer, &err);
    }
    observe(look, answer, rcode, &err);
    finish(look, &err);
}

void va_dns01_start(struct va_dns01 *va_dns01, const struct va_task *task, va_done *done,
                    void *ctx) {
    struct look *look = calloc(1, sizeof *look);
    struct err err = {0};

    if (look == NULL) {
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for a validation");
        done(ctx, &(struct va_result){.err = err});
        return;
    }
    *look = (struct look){.next = va_dns01->looks,
                          .owner = va_dns01,
                          .task = task,
                          .done = done,
                          .ctx = ctx,
                          .begun_us = clock_wall_us()};
    if (look->next != NULL) {
        look->next->previous = look;
    }
    va_dns01->looks = look;
    if (task->identifier.type != ACME_ID_DNS) {
        (void)err_set(&err, ERR_UNAUTHORIZED, "dns-01 validates dns identifiers only");
    } else if (snprintf(look->name, sizeof look->name, VA_DNS01_LABEL ".%s", task->identifier.value)
               > ACME_ID_VALUE_MAX) {
        (void)err_set(&err, ERR_DNS, "%.100s is too long to have a name below it",
                      task->identifier.value);
    }
    if (err.kind != ERR_NONE) {
        finish(look, &err);
        return;
    }
    resolver_ask(va_dns01->resolver, look->name, DNS_TYPE_TXT, on_answer, look);
}
