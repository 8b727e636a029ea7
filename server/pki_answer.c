#include "server/pki_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/kept.h"
#include "common/x509_write.h"

#define US_PER_S 1000000
#define DATE_SIZE 32
#define CONTROL_SIZE 96
#define TAG_OCTETS 16

/* RFC 9110 5.6.7: IMF-fixdate; the C locale is the only one these programs have. */
static void add_date(struct httpd_exchange *exchange, const char *name, int64_t s) {
    time_t time = (time_t)s;
    struct tm parts = {0};
    char text[DATE_SIZE];

    if (s != 0 && gmtime_r(&time, &parts) != NULL
        && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0) {
        httpd_header_add(exchange, name, text);
    }
}

static void add_control(struct httpd_exchange *exchange, const struct clock *clock,
                        const struct pki_answer *answer) {
    int64_t left_s = answer->fresh_until_s - clock_now_s(clock);
    char text[CONTROL_SIZE];

    if (answer->fresh_until_s == 0 || left_s <= 0) {
        httpd_header_add(exchange, "Cache-Control", "no-cache");
        return;
    }
    /* caches live in real time */
    uint64_t real_s = clock_real_delay_us(clock, (uint64_t)left_s * US_PER_S) / US_PER_S;
    (void)snprintf(text, sizeof(text), "max-age=%llu, public, no-transform%s",
                   (unsigned long long)real_s, answer->must_revalidate ? ", must-revalidate" : "");
    httpd_header_add(exchange, "Cache-Control", text);
}

/* Is the tag among those of If-None-Match? */
static bool has_tag(const struct httpd_exchange *exchange, const char *tag) {
    const char *known = httpd_header(exchange, "If-None-Match");

    return known != NULL && strstr(known, tag) != NULL;
}

void pki_answer_give(struct httpd_exchange *exchange, const struct clock *clock,
                     struct pki_answer *answer) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    char tag[2 * TAG_OCTETS + 3] = "\"";

    add_control(exchange, clock, answer);
    add_date(exchange, "Last-Modified", answer->modified_s);
    add_date(exchange, "Expires", answer->expires_s);
    if (kept_hash(KEPT_SHA256, answer->body, answer->len, hash)) {
        x509_hex(hash, TAG_OCTETS, tag + 1);
        memcpy(tag + 1 + 2 * TAG_OCTETS, "\"", 2);
        httpd_header_add(exchange, "ETag", tag);
        if (has_tag(exchange, tag)) {
            free(answer->body);
            httpd_answer(exchange, 304, NULL, NULL, 0);
            return;
        }
    }
    httpd_answer(exchange, 200, answer->type, answer->body, answer->len);
}
