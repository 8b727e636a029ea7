/* The web front end: RFC 8555's resources over HTTPS.  Routes are a table; the dispatcher answers
 * 404 and 405 from it, runs the gate, adds the headers every answer needs, renders problems and
 * writes the one log line.
 *
 * URLs follow the Host header when it names this server, in lower case and with the port it came
 * with; another Host is refused with 403 unauthorized (RFC 8555 6.4).  Orders, authorizations,
 * challenges and certificates of another account answer 404, as if they did not exist. */
#pragma once

#include "common/clock.h"
#include "common/httpd.h"
#include "common/trace.h"
#include "server/audit.h"
#include "server/ca.h"
#include "server/eab.h"
#include "server/faults.h"
#include "server/gate.h"
#include "server/key_policy.h"
#include "server/meter.h"
#include "server/profile_offer.h"
#include "server/revoker.h"
#include "server/store.h"
#include "server/terms.h"
#include "server/throttle.h"
#include "server/va.h"

struct wfe;

struct wfe_options { /* all borrowed for the life */
    const struct clock *clock;
    struct store *store;
    struct gate gate;
    struct ca *ca;
    struct va *va;
    struct revoker *revoker;
    struct eab_keys *eab;
    bool require_eab;
    struct key_policy *keys;
    const struct profile_offer *profiles; /* or NULL: all */
    struct terms *terms;
    struct throttle *throttle;
    const char *limits_help;           /* a URL, or NULL */
    const char *website;               /* likewise */
    const char *const *caa_identities; /* NULL-terminated */
    const char *const *names;          /* of our certificate, NULL-terminated, lower case */
    struct meter *meter;
    struct audit *audit; /* or NULL */
    struct faults *faults; /* or NULL */
    struct trace *trace; /* or NULL */
    uint64_t caa_reuse_us; /* how long what CAA said at validation holds */
    uint64_t order_lifetime_us;
    uint64_t authz_lifetime_us; /* once valid; a token's end comes first */
    bool ari;                   /* renewal information is offered, RFC 9773 */
    uint64_t ari_retry_us;      /* how often clients shall ask for it */
    unsigned authz_reuse;       /* of a hundred names, those that use an earlier order's */
    bool subdomains;            /* RFC 9444 */
    uint64_t finalize_delay_us; /* 0: finalize answers with the certificate issued */
};

struct wfe *wfe_new(const struct wfe_options *options, struct err *err);
void wfe_free(struct wfe *wfe);
AUTO_DEFINE(struct wfe, wfe_free)

/* The ACME listener's handler; ctx is the struct wfe. */
void wfe_handle(void *ctx, struct httpd_exchange *exchange);

/* Submit to the VA what an earlier life had accepted and not finished. */
MUST_CHECK bool wfe_resume(struct wfe *wfe, struct err *err);

/* Refuse new requests with 503 and wait until those under way are answered and their validations
 * stored; at most timeout_us.  true: nothing is left. */
bool wfe_drain(struct wfe *wfe, uint64_t timeout_us);
/* Orders that wait in `processing` for their certificate (finalize_delay_us); any thread. */
unsigned wfe_processing(const struct wfe *wfe);
