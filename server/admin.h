/* The operators' listener, plain HTTP: GET /healthz, /readyz and /metrics, and the calls of the
 * table in admin.c, which speak JSON (docs/server.md). */
#pragma once

#include "common/httpd.h"
#include "common/json.h"
#include "common/route.h"
#include "server/audit.h"
#include "server/ca.h"
#include "server/eab.h"
#include "server/faults.h"
#include "server/housekeeper.h"
#include "server/keyring.h"
#include "server/meter.h"
#include "server/nonce.h"
#include "server/pki.h"
#include "server/profile_offer.h"
#include "server/store.h"
#include "server/terms.h"
#include "server/throttle.h"
#include "server/va.h"
#include "server/wfe.h"

struct admin;

struct admin_options { /* all borrowed for the life */
    const char *listen;
    struct meter *meter;
    struct faults *faults;
    struct history *history; /* NULL: not kept */
    struct nonce_pool *nonces;
    struct store *store;
    struct va *va;
    struct keyring *keyring;
    struct eab_keys *eab;
    struct profile_offer *profiles;
    struct terms *terms;
    struct throttle *throttle;
    const struct httpd *acme;
    const struct ca *ca;
    /* for the metrics alone; NULL: theirs are left out */
    const struct pki_sources *status;
    const struct wfe *wfe;
    struct audit *audit;
    struct housekeeper *housekeeper;
    const struct clock *clock;
};

/* Listening when it returns; ERR_CONFIG names the address. */
struct admin *admin_start(const struct admin_options *options, struct err *err);
void admin_stop(struct admin *admin);
AUTO_DEFINE(struct admin, admin_stop)
unsigned admin_port(const struct admin *admin);

/* One call under way: what its handler works with.  A handler answers exactly once. */
struct admin_call {
    const struct admin_options *options;
    struct httpd_exchange *exchange;
    struct route_params params;
    json_t *body; /* of POST and PUT: an object; else NULL; borrowed */
};
typedef void admin_handler(const struct admin_call *call);

/* json is taken; NULL: no memory, 503. */
void admin_answer(const struct admin_call *call, unsigned status, json_t *json);
/* A problem document with the status of its kind. */
void admin_fail(const struct admin_call *call, const struct err *err);

/* admin_account.c: accounts, the keys that bind them, the terms they agree to. */
admin_handler admin_account_show, admin_account_revoke;
admin_handler admin_eab_list, admin_eab_make, admin_eab_remove;
admin_handler admin_terms_show, admin_terms_change;

/* admin_profile.c: GET /profiles, PUT /profiles/{name} {"offered": BOOL}. */
admin_handler admin_profile_list, admin_profile_offer;
