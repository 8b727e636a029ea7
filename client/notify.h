/* Telling an NF something at its notificationUri: one POST over mutual TLS, no redirects, and only
 * to a peer whose certificate names that NF. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/ossl.h"

#define NOTIFY_TIMEOUT_MS 10000
#define NOTIFY_URI_MAX 512

struct notify_options {
    struct loop *loop;
    X509_STORE *trust;         /* anchors of NF certificates; borrowed, and held by each call */
    X509_CHAIN *chain;         /* own certificate; likewise */
    EVP_PKEY *key;             /* likewise */
    const struct clock *clock; /* likewise */
};

/* err NULL: the NF took it (2xx). */
typedef void notify_done(void *ctx, const struct err *err);

struct notify_message {
    const char *uri, *nf;
    const char *callback; /* value of 3gpp-Sbi-Callback, TS 29.500 5.2.3.2.3 */
    const char *body;     /* JSON */
};

struct notify_call;
/* done is called once, later, on the loop's thread; the handle is valid until then.  Everything of
 * the message is copied.  options are borrowed until done.  NULL and err: nothing was started. */
struct notify_call *notify_send(const struct notify_options *options,
                                const struct notify_message *message, notify_done *done, void *ctx,
                                struct err *err);
/* Stop it; done is not called.  NULL is harmless. */
void notify_cancel(struct notify_call *call);

/*
 * May this NF be told there?  https; the host is one of the peer certificate's own FQDNs, or the
 * address the connection came from ("127.0.0.1:4711"); no user information, no fragment.
 * ERR_INVALID names notificationUri.
 */
struct x509_cert;
MUST_CHECK bool notify_allows(const char *uri, const struct x509_cert *peer,
                              const char *peer_address, struct err *err);
