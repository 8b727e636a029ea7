/* Valid authorizations used again: those made beforehand always (RFC 8555 7.4.1), those of earlier
 * orders when the operator wants it, for a share of the names.  Most accounts have none of the
 * first and most servers none of the second: then nothing is looked for. */
#include <stdio.h>
#include <string.h>

#include "server/cover.h"
#include "server/names.h"
#include "server/wfe_request.h"

#define IDS_MAX 16 /* authorizations looked at for one name: the latest, of those that fit */

struct ids {
    unsigned count;
    char id[IDS_MAX][ID_SIZE];
};

static bool add_id(void *ctx, const char *account, const char *id, unsigned type, struct err *err) {
    struct ids *ids = ctx;

    (void)account;
    (void)type;
    (void)err;
    (void)snprintf(ids->id[ids->count++ % IDS_MAX], ID_SIZE, "%s", id);
    return true;
}

bool wfe_subdomains(const struct wfe *wfe) {
    return wfe->options.subdomains && authz_offers(ACME_ID_DNS, AUTHZ_SUBDOMAINS) != 0;
}

/* An even share of the chances, the same in every run. */
static bool reuses_now(struct wfe *wfe) {
    unsigned share = wfe->options.authz_reuse;
    unsigned chance = share == 0 ? 0 : atomic_fetch_add(&wfe->reuses, 1) % 100;

    return (chance + 1) * share / 100 != chance * share / 100;
}

/* One of the ids that covers the name. */
static bool choose(struct request *request, const struct ids *ids,
                   const struct acme_identifier *identifier, struct authz *ret, bool *ret_found,
                   struct err *err) {
    for (unsigned i = 0; !*ret_found && i < ids->count && i < IDS_MAX; i++) {
        if (!store_authz_get(request->wfe->options.store, request_account(request), ids->id[i], ret,
                             err)) {
            return false;
        }
        /* one bound to a key is good for the order it was made for alone */
        *ret_found = ret->jkt[0] == '\0' && cover_by(ret, identifier, request->order.created_us);
        if (!*ret_found) {
            authz_done(ret);
        }
    }
    return true;
}

/* Those for one name, which is the identifier's own or one above it. */
static bool look(struct request *request, const struct acme_identifier *name, bool earlier,
                 struct ids *ids, struct err *err) {
    struct store *store = request->wfe->options.store;
    const char *account = request_account(request);

    return (!request->pass.account.prepared
            || store_authz_prepared_each(store, account, name, add_id, ids, err))
           && (!earlier || store_authz_valid_each(store, account, name, add_id, ids, err));
}

bool wfe_reusable(struct request *request, const struct acme_identifier *identifier,
                  struct authz *ret, bool *ret_found, struct err *err) {
    bool earlier = reuses_now(request->wfe);
    struct cover_need need = cover_need(identifier);
    const char *name = need.identifier.value;

    *ret_found = false;
    if (!earlier && !request->pass.account.prepared) {
        return true;
    }
    for (;;) {
        struct acme_identifier at = {.type = identifier->type};
        struct ids ids = {0};
        (void)snprintf(at.value, sizeof(at.value), "%s", name);
        if (!look(request, &at, earlier, &ids, err)
            || !choose(request, &ids, identifier, ret, ret_found, err)) {
            return false;
        }
        const char *dot = identifier->type == ACME_ID_DNS ? strchr(name, '.') : NULL;
        if (*ret_found || dot == NULL || strchr(dot + 1, '.') == NULL) {
            return true;
        }
        name = dot + 1;
    }
}
