/* tkauth-01, RFC 9447: an authority token from the OAM, on the strength of the NF's client
 * credentials assertion; or one that the NF has brought itself. */
#pragma once

#include "client/solver.h"
#include "common/err.h"
#include "common/httpc.h"

struct solver_tkauth01_options {
    struct httpc *httpc;       /* with the client's identity towards the OAM; borrowed */
    struct upstream *upstream; /* loop, back-off, spans; borrowed */
    const char *oam_url;       /* "https://oam.example"; borrowed */
};
struct solver_tkauth01 *solver_tkauth01_new(const struct solver_tkauth01_options *options,
                                            struct err *err);
void solver_tkauth01_free(struct solver_tkauth01 *solver);
AUTO_DEFINE(struct solver_tkauth01, solver_tkauth01_free)

/* "SHA256 " and the thumbprint's 32 octets in upper-case colon-separated hex, RFC 9448; false when
 * thumbprint is not one. */
#define SOLVER_FINGERPRINT_SIZE 103
MUST_CHECK bool solver_tkauth01_fingerprint(const char *thumbprint,
                                            char ret[SOLVER_FINGERPRINT_SIZE]);

/* The NF must bring the token: neither is it there, nor an assertion the OAM could judge. */
bool solver_tkauth01_lacks(const struct solvers *solvers, const struct enrolment *enrolment);

extern const struct solver solver_tkauth01_row;
