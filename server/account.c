#include "server/account.h"

#include <stdlib.h>

void account_done(struct account *account) {
    free(account->jwk);
    free(account->contact);
    free(account->eab);
    free(account->eab_kid);
    free(account->terms);
    *account = (struct account){0};
}

void account_done_auto(struct account *account) { account_done(account); }

/* RFC 8555 7.1.6, the account figure. */
/* clang-format off */
static const struct {
    enum account_status from;
    enum account_event on;
    enum account_status to;
} arrows[] = {
    {ACCOUNT_VALID, ACCOUNT_DEACTIVATE, ACCOUNT_DEACTIVATED},
    {ACCOUNT_VALID, ACCOUNT_REVOKE,     ACCOUNT_REVOKED},
};
/* clang-format on */

bool account_next(enum account_status status, enum account_event event,
                  enum account_status *ret_next, struct err *err) {
    for (unsigned i = 0; i < COUNT(arrows); i++) {
        if (arrows[i].from == status && arrows[i].on == event) {
            *ret_next = arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "the account is %s", account_status_name(status));
}
