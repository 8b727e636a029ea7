#include "client/overload.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define US_PER_S 1000000
#define METRIC_LEAST 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint64_t since_us;
    unsigned asked, refused;
} lately;

static void roll(uint64_t now_us) {
    if (now_us - lately.since_us > (uint64_t)OVERLOAD_VALIDITY_S * US_PER_S) {
        lately.since_us = now_us;
        lately.asked = lately.refused = 0;
    }
}

void overload_count(uint64_t now_us, int refused) {
    (void)pthread_mutex_lock(&lock);
    roll(now_us);
    lately.asked++;
    lately.refused += refused != 0 ? 1 : 0;
    (void)pthread_mutex_unlock(&lock);
}

static unsigned metric(uint64_t now_us) {
    (void)pthread_mutex_lock(&lock);
    roll(now_us);
    const unsigned share = lately.asked == 0 ? 0 : lately.refused * 100 / lately.asked;
    (void)pthread_mutex_unlock(&lock);
    return share < METRIC_LEAST ? METRIC_LEAST : share;
}

void overload_oci(uint64_t now_us, const char *nf_instance, char text[OVERLOAD_TEXT_SIZE]) {
    const time_t now_s = (time_t)(now_us / US_PER_S);
    char date[40] = "";
    struct tm tm;

    if (gmtime_r(&now_s, &tm) != NULL) {
        (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    const int with = nf_instance != NULL && nf_instance[0] != '\0';
    (void)snprintf(
        text, OVERLOAD_TEXT_SIZE,
        "Timestamp: \"%s\"; Period-of-Validity: %us; Overload-Reduction-Metric: %u%%; %s: %.60s",
        date, OVERLOAD_VALIDITY_S, metric(now_us), with ? "NF-Instance" : "Service-Name",
        with ? nf_instance : "nacme-enrolment");
}
