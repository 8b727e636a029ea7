/* The checks that stop attacks, by name.  GUARD(name, condition) is the condition, nothing else.
 *
 * Only the programs the attack tests build for themselves (tests/attacks; never installed) define
 * NFACME_GUARDS_SWITCHABLE: there NFACME_GUARD_OFF=NAME in the environment makes that one check say
 * yes, so that each attack shows which check stops it. */
#pragma once

#include <stdbool.h>

#ifdef NFACME_GUARDS_SWITCHABLE
/* Is that check switched off? */
bool guard_off(const char *name);
/* Say in the log that this program's checks can be switched off. */
void guard_warn(void);
/* The guard of a fault X509_verify_cert has found (X509_V_ERR_…), that deep in the path. */
const char *guard_of_fault(int code, int depth);
#define GUARD(name, condition) (guard_off(name) || (condition))
#else
#define GUARD(name, condition) (condition)
#endif
