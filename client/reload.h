/* SIGHUP: certificates, keys and trust anchors are read again, and what of the configuration can
 * change while NFs are served; the rest is named in the log as needing a restart. */
#pragma once

#include "client/api.h"
#include "client/credentials.h"
#include "client/engine.h"
#include "client/housekeeper.h"
#include "client/nf_crl.h"
#include "client/notify.h"
#include "client/options.h"
#include "common/httpc.h"

/* What there is to be changed: the client's rooms and what they borrow, on the loop's thread. */
struct reload_rooms {
    struct loop *loop;
    struct api *api;
    struct nf_crl *nf_crl;
    struct httpc *acme, *oam; /* oam: or NULL */
    struct notify_options *notify;
    struct engine *engine;
    struct housekeeper *housekeeper;
    struct schedule_policy *policy;
    struct credentials *credentials;
    X509_STORE **acme_trust, **oam_trust, **nf_trust;
    char **nf_trust_pem;
};

/* A line in the log for each key whose value is another one. */
void reload_compare(const struct config *old, const struct config *fresh);

/* Everything is read before anything is changed: ERR_CONFIG leaves all as it was.  The change
 * itself follows on the loop.  fresh is borrowed for the call. */
MUST_CHECK bool reload_begin(const struct reload_rooms *rooms, const struct options *fresh,
                             struct err *err);
/* The line in the log. */
void reload_refused(const struct err *err);
