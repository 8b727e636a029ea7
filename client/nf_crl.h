/* The revocation lists about NF certificates: files, read at the start, again on SIGHUP and when
 * one of them changes.  Files that cannot be read leave what was in force. */
#pragma once

#include "client/api.h"
#include "common/config.h"
#include "common/err.h"
#include "common/loop.h"

#define NF_CRL_LOOK_US 5000000 /* how often the files are looked at */

struct nf_crl;
/* The files are the texts at path in config, which is borrowed for the life; none is fine.
 * ERR_CONFIG names one that cannot be read. */
struct nf_crl *nf_crl_new(struct loop *loop, const struct config *config, const char *path,
                          struct err *err);
/* After api_stop, and with the loop stopped. */
void nf_crl_free(struct nf_crl *nf_crl);
AUTO_DEFINE(struct nf_crl, nf_crl_free)

/* Their text, for api_start; NULL: none. */
const char *nf_crl_pem(const struct nf_crl *nf_crl);
/* From now on the API hears of changes; it outlives the loop's running. */
void nf_crl_watch(struct nf_crl *nf_crl, struct api *api);
/* Read now; from any thread. */
void nf_crl_reread(struct nf_crl *nf_crl);
