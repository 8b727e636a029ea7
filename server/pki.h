/* The plain HTTP listener certificates point at: CRL distribution point, CA certificates (RFC 5280
 * sections 4.2.1.13 and 4.2.2.1) and OCSP responder. */
#pragma once

#include "server/ca.h"
#include "server/crl.h"
#include "server/ocsp.h"
#include "server/root_crl.h"

/*
 *   /crl/issuing.crl   application/pkix-crl, DER
 *   /crl/root.crl      application/pkix-crl, DER: the root's own; with one level, the same list
 *   /root.crt          application/pkix-cert, DER
 *   /issuing.crt       application/pkix-cert, DER: who signs leaves
 *   /ocsp              pki_ocsp.h
 * GET and HEAD, but for OCSP; with ETag and Last-Modified.
 */
struct pki_options {
    const char *listen; /* "127.0.0.1:0" */
    const struct ca *ca;
    const struct clock *clock;
};

/* What there is to ask for once the listener's URL is known; each may be NULL: its paths answer
 * 404. */
struct pki_sources {
    struct crl *crl;
    struct root_crl *root_crl; /* with one level: NULL, and crl is given */
    struct ocsp *ocsp;
};

struct pki;

/* Listening when it returns; ERR_CONFIG names the address.  ca and clock are borrowed for the life.
 */
struct pki *pki_start(const struct pki_options *options, struct err *err);
void pki_stop(struct pki *pki);
AUTO_DEFINE(struct pki, pki_stop)
/* Borrowed for the rest of the life, what they point to as well; any thread, once. */
void pki_sources_set(struct pki *pki, const struct pki_sources *sources);
unsigned pki_port(const struct pki *pki);
