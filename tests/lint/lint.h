/* A linter for NF certificates, written from TS 33.310 6.1.3c, RFC 5280, RFC 9310 and RFC 9509, and
 * from nothing of the server's. */
#pragma once

#include <openssl/x509v3.h>
#include <stdbool.h>

typedef void lint_sink(void *ctx, const char *rule, const char *what);

/* How many rules the certificate of that profile breaks, each told to sink; -1: no such profile. */
int lint(const char *profile, X509 *cert, X509 *issuer, lint_sink *sink, void *ctx);

/* Is every rule found broken in a certificate that breaks it alone?  Tells what is not. */
bool lint_self_test(void);
