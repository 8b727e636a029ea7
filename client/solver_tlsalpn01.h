/* tls-alpn-01, RFC 8737 (for addresses RFC 8738): one responder on the loop answers for all NFs. */
#pragma once

#include "client/solver.h"
#include "common/err.h"
#include "common/loop.h"

#define SOLVER_TLSALPN01_MAX 100000 /* answers published at a time */

/* Listen on ADDR:PORT; before the loop runs.  ERR_CONFIG.  Caller owns. */
struct solver_tlsalpn01 *solver_tlsalpn01_start(struct loop *loop, const char *listen,
                                                uint64_t seed, struct err *err);
/* No task may be presented any more; the loop does not run. */
void solver_tlsalpn01_stop(struct solver_tlsalpn01 *solver);
AUTO_DEFINE(struct solver_tlsalpn01, solver_tlsalpn01_stop)
unsigned solver_tlsalpn01_port(const struct solver_tlsalpn01 *solver);

/* What the client hello will name: the name itself, or an address's in-addr.arpa or ip6.arpa name
 * (RFC 8738 section 6). */
#define SOLVER_SNI_SIZE 254
void solver_tlsalpn01_sni(const struct acme_identifier *identifier, char ret[SOLVER_SNI_SIZE]);

extern const struct solver solver_tlsalpn01_row;
