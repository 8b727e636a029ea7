/* Who asks for a certificate in a load run: identifiers, their CSR, their authority token. */
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "common/ossl.h"
#include "common/rng.h"

enum load_kind { LOAD_DNS, LOAD_NF, LOAD_IP, LOAD_KIND__COUNT };
bool load_kind_parse(const char *name, enum load_kind *ret); /* "dns", "nf", "ip" */

#define LOAD_NAMES_MAX 8
#define LOAD_NAME_SIZE 64
struct load_names {
    enum load_kind kind;
    unsigned count;
    char value[LOAD_NAMES_MAX][LOAD_NAME_SIZE];
};

/* New ones, never seen before: count of them for dns, one for the other kinds (ip: 127.0.0.1). */
void load_names_make(struct load_names *names, enum load_kind kind, unsigned count,
                     struct rng *rng);
/* {"identifiers": [...]}; caller owns, free(). */
char *load_names_order(const struct load_names *names);
/* {"csr": "..."}; caller owns, free(). */
char *load_names_csr(const struct load_names *names, EVP_PKEY *key, struct err *err);

/* A Token Authority of our own, RFC 9447. */
struct load_authority {
    EVP_PKEY *key;     /* NULL: there is none */
    X509_CHAIN *chain; /* to go into x5c */
};
/* {"tkauth": "..."} for an NfInstanceId and the account of that thumbprint; caller owns, free(). */
char *load_token(const struct load_authority *authority, const char *uuid, const char *thumbprint,
                 struct err *err);
