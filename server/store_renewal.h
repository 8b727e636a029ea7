/* What the store keeps for RFC 9773: which order replaces which certificate, and the renewal
 * windows operators set.  Both leave with their certificate. */
#pragma once

#include "server/store.h"

/*
 *   STORE_REPLACE   account, order, replace.serial, replace.at_us = now.  ERR_ALREADY_REPLACED: an
 *                   order that is not invalid has it.
 *   STORE_REPLACED  order, replace.serial, replace.at_us
 *   STORE_WINDOW    window; start_s 0: take it back
 */

#define RENEWAL_URL_SIZE 256
struct renewal_window {
    char serial[X509_SERIAL_SIZE]; /* "" = of every certificate */
    int64_t start_s, end_s;
    int64_t set_at_s;
    char url[RENEWAL_URL_SIZE]; /* why; "" = not said */
};

/* Has an order that stands at now_us the certificate?  account is the certificate's. */
MUST_CHECK bool store_replaced_get(struct store *store, const char *serial, const char *account,
                                   uint64_t now_us, bool *ret, struct err *err);

#define RENEWAL_WINDOWS_MAX 2
/* The certificate's own window, then everybody's; *ret_count of them. */
MUST_CHECK bool store_windows_get(struct store *store, const char *serial,
                                  struct renewal_window ret[RENEWAL_WINDOWS_MAX],
                                  unsigned *ret_count, struct err *err);
