/* OCSP answers signed before: a table of OCSP_CACHE_MAX places, one answer each; the newer one
 * stays. */
#pragma once

#include "common/der.h"
#include "server/ocsp.h"

#define OCSP_CACHE_MAX 8192 /* answers; about 1 KiB each */

struct ocsp_cache;

struct ocsp_cache *ocsp_cache_new(struct err *err);
void ocsp_cache_free(struct ocsp_cache *cache);
AUTO_DEFINE(struct ocsp_cache, ocsp_cache_free)

/* A copy of the answer for the CertID, when there is one that says this and is still fresh.
 * Any thread. */
bool ocsp_cache_get(struct ocsp_cache *cache, struct der id, const struct ocsp_status *status,
                    int64_t now_s, struct ocsp_answer *ret);
/* Keep a copy; without memory nothing is kept. */
void ocsp_cache_put(struct ocsp_cache *cache, struct der id, const struct ocsp_status *status,
                    const struct ocsp_answer *answer);
