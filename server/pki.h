/* The plain HTTP listener certificates point at: CRL distribution point and CA certificates,
 * RFC 5280 sections 4.2.1.13 and 4.2.2.1.  GET and HEAD only. */
#pragma once

#include "server/ca.h"
#include "server/crl.h"

/*
 *   /crl/issuing.crl   application/pkix-crl, DER
 *   /root.crt          application/pkix-cert, DER
 *   /issuing.crt       application/pkix-cert, DER: who signs leaves
 */
struct pki_options {
    const char *listen; /* "127.0.0.1:0" */
    const struct ca *ca;
    struct crl *crl; /* NULL: no list yet, its path answers 404 until pki_crl_set */
};

struct pki;

/* Listening when it returns; ERR_CONFIG names the address.  ca and crl are borrowed for the life.
 */
struct pki *pki_start(const struct pki_options *options, struct err *err);
void pki_stop(struct pki *pki);
AUTO_DEFINE(struct pki, pki_stop)
void pki_crl_set(struct pki *pki, struct crl *crl); /* any thread, once */
unsigned pki_port(const struct pki *pki);
