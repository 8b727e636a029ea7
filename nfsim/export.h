/* One NF as files, so that a person can be an NF with curl. */
#pragma once

#include <stdio.h>

#include "common/clock.h"
#include "common/err.h"

struct export_options {
    const char *nf;          /* id, FQDN, index, or type and number ("amf-1") */
    const char *state;       /* of the OAM */
    const char *out;         /* made when absent */
    const char *client_name; /* NULL: the registered shared client's */
    bool fqdn;               /* ask for the FQDN, too */
    const char *bind;        /* a PEM file: the assertion names this key; or NULL */
    const char *profile;     /* NULL: the client's choice */
    const struct clock *clock;
};

/* Write nf.pem, nf.key, oam-ca.pem, cca.jwt (good for an hour) and nf.json (the body of step 1),
 * and say on `say` how they are used. */
MUST_CHECK bool export_nf(const struct export_options *options, FILE *say, struct err *err);
