#include "server/va_query.h"

#include <stdio.h>
#include <string.h>

void va_query_tell(const struct va_observer *observer, const struct va_query *query,
                   const struct resolver_answer *addresses, unsigned index, unsigned port,
                   uint64_t begun_us, const struct clock *clock) {
    const char *list[RESOLVER_ADDRESSES_MAX];
    char tried[RESOLVER_ADDRESS_SIZE + 10];
    struct va_query whole = *query;

    if (observer->query == NULL) {
        return;
    }
    whole.at_us = clock == NULL ? clock_wall_us() : clock_now_us(clock);
    whole.us = clock_wall_us() - begun_us;
    if (whole.answer_len > VA_ANSWER_SEEN) {
        whole.answer_len = VA_ANSWER_SEEN;
    }
    for (unsigned i = 0; i < addresses->count; i++) {
        list[i] = addresses->address[i];
    }
    whole.addresses = addresses->count;
    whole.address = list;
    if (index < addresses->count) {
        bool ip6 = strchr(list[index], ':') != NULL;
        (void)snprintf(tried, sizeof tried, "%s%s%s:%u", ip6 ? "[" : "", list[index],
                       ip6 ? "]" : "", port);
        whole.tried = tried;
    }
    observer->query(observer->ctx, &whole);
}
