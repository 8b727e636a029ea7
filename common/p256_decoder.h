/* A decoder of P-256 public keys (RFC 5480) for an OpenSSL provider.
 *
 * OpenSSL builds the curve anew for every certificate it reads; this one copies a curve made once,
 * which is five times cheaper.  The point is checked to be on the curve either way. */
#pragma once

#include <openssl/core.h>
#include <openssl/provider.h>
#include <stdbool.h>

/*
 * Put the decoder in the place of another.  Before threads; once.
 *
 * whole    the provider whose EC keys are made; outlives all decoding.
 * in_out   its decoder of EC SubjectPublicKeyInfo; asked about all that is not P-256.
 * False: in_out is as it was.
 */
bool p256_decoder_put(OSSL_PROVIDER *whole, OSSL_ALGORITHM *in_out);

/* What the core gave the provider that offers the decoder; without, the other one does all. */
void p256_decoder_core(const OSSL_DISPATCH *core);
