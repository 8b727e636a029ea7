/* Who does the work of dns-01: a name server (dns01_server) or a command (dns01_hook). */
#pragma once

#include "client/dns_message.h"
#include "common/err.h"

enum dns01_op { DNS01_ADD, DNS01_REMOVE, DNS01_LOOK };

/* One TXT record of one name; borrowed until it is done. */
struct dns01_job {
    enum dns01_op op;
    const char *name, *value;
};

/* Called once, on the loop's thread, never from within start.  err is given unless DNS_DONE. */
typedef void dns01_done(void *ctx, enum dns_verdict verdict, const struct err *err);

struct dns01_runner {
    /* NULL: done is not called; ERR_CONFIG and ERR_DNS will not pass by themselves. */
    void *(*start)(void *self, const struct dns01_job *job, dns01_done *done, void *ctx,
                   struct err *err);
    /* done is not called any more. */
    void (*cancel)(void *run);
    void *self;
};
