/* ACME renewal information, RFC 9773: a certificate's name, the window the CA suggests, and the
 * moment in it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/x509.h"

#define ARI_CERTID_SIZE 128
#define ARI_EXPLANATION_SIZE 256

/* Section 4.1: base64url(key identifier of the AKI) "." base64url(serial number); false when the
 * certificate has no AKI. */
MUST_CHECK bool ari_certid(X509 *leaf, char ret[ARI_CERTID_SIZE]);
/* The same of the leaf of a PEM chain; NULL: none, or no memory.  Caller owns. */
char *ari_certid_chain(const char *chain_pem);

/* Section 4.2, microseconds of the bed's clock. */
struct ari_window {
    uint64_t start_us, end_us;
    char explanation[ARI_EXPLANATION_SIZE]; /* explanationURL; "" = none */
};
/* ERR_UPSTREAM: not a renewalInfo object, or a window that ends before it starts. */
MUST_CHECK bool ari_parse(const char *body, size_t len, struct ari_window *ret, struct err *err);

/* A moment in the window, evenly spread over seeds: the same for the same window and seed. */
uint64_t ari_pick_us(const struct ari_window *window, uint64_t seed);
