/* Alternate chains, RFC 8555 7.4.2: the one preferred, else the one that came first. */
#include "client/engine_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "common/ossl.h"
#include "common/x509.h"

#define NAME_SIZE 128

/* The common name of who issued the chain's last certificate. */
static bool leads_to(const char *pem, const char *name) {
    struct err ignored = {0};
    char found[NAME_SIZE] = "";
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem, strlen(pem), &ignored);

    if (chain == NULL) {
        return false;
    }
    const X509 *last = sk_X509_value(chain, sk_X509_num(chain) - 1);
    return X509_NAME_get_text_by_NID(X509_get_issuer_name(last), NID_commonName, found,
                                     sizeof found)
               > 0
           && strcasecmp(found, name) == 0;
}

static void next(struct live *live);

static void alternate_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    const struct engine_options *options = &live->engine->options;
    struct err wrong = {0};

    live->request = NULL;
    if (err == NULL && leads_to(answer->body, options->preferred_chain)
        && options->verify(&live->engine->issuers, &live->record, answer->body, answer->body_len,
                           options->clock, &live->record, &wrong)) {
        char *chain = strdup(answer->body);
        if (chain != NULL) {
            free(live->record.chain);
            live->record.chain = chain;
            engine_move(live, ENROLMENT_ON_ISSUED);
            return;
        }
    }
    next(live);
}

/* The next alternate; when there is none, what came first will do. */
static void next(struct live *live) {
    if (live->alternates_at < live->alternates_count) {
        (void)engine_request(live, STATS_CERTIFICATE, live->alternates[live->alternates_at++], NULL,
                             alternate_done);
        return;
    }
    log_line(LOG_WARNING, "engine", "chain", "nf=%s enrolment=%s preferred=0 alternates=%u",
             live->record.nf, live->record.id, live->alternates_count);
    engine_move(live, ENROLMENT_ON_ISSUED);
}

void engine_chain_choose(struct live *live, const struct request_answer *answer) {
    const char *preferred = live->engine->options.preferred_chain;

    if (preferred == NULL || leads_to(live->record.chain, preferred)) {
        engine_move(live, ENROLMENT_ON_ISSUED);
        return;
    }
    live->alternates_count = link_alternates(answer->http, live->alternates);
    next(live);
}
