/* The revocation lists about NF certificates: files, read at the start, again on SIGHUP and when
 * one of them changes.  Files that cannot be read leave what was in force. */
#pragma once

#include "common/config.h"
#include "common/err.h"
#include "common/loop.h"

#define NF_CRL_LOOK_US 5000000 /* how often the files are looked at */

struct nf_crl;
/* The files are the texts at path in config, which is borrowed for the life; none is fine.
 * ERR_CONFIG names one that cannot be read. */
struct nf_crl *nf_crl_new(struct loop *loop, const struct config *config, const char *path,
                          struct err *err);
/* With the loop stopped. */
void nf_crl_free(struct nf_crl *nf_crl);
AUTO_DEFINE(struct nf_crl, nf_crl_free)

/* Their text; NULL: none. */
const char *nf_crl_pem(const struct nf_crl *nf_crl);
/* From now on the user is given the text when it has changed, on the loop's thread; false and err:
 * it is no use. */
typedef bool nf_crl_user(void *ctx, const char *pem, struct err *err);
void nf_crl_watch(struct nf_crl *nf_crl, nf_crl_user *user, void *ctx);
/* Read now; from any thread. */
void nf_crl_reread(struct nf_crl *nf_crl);
