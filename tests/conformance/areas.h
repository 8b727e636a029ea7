/* Every area of cases.  A new case_<area>.c adds a line here, one in areas.c and its name in
 * meson.build. */
#pragma once

#include "tests/conformance/spec.h"

extern const struct spec_area case_account;
extern const struct spec_area case_account_change;
extern const struct spec_area case_ari;
extern const struct spec_area case_authz;
extern const struct spec_area case_caa;
extern const struct spec_area case_certificate;
extern const struct spec_area case_challenge;
extern const struct spec_area case_directory;
extern const struct spec_area case_dns01;
extern const struct spec_area case_eab;
extern const struct spec_area case_errors;
extern const struct spec_area case_finalize;
extern const struct spec_area case_http01;
extern const struct spec_area case_identifiers;
extern const struct spec_area case_ip;
extern const struct spec_area case_jose;
extern const struct spec_area case_jws;
extern const struct spec_area case_keychange;
extern const struct spec_area case_nonce;
extern const struct spec_area case_order;
extern const struct spec_area case_problem;
extern const struct spec_area case_profiles;
extern const struct spec_area case_revocation;
extern const struct spec_area case_security;
extern const struct spec_area case_subdomain;
extern const struct spec_area case_tkauth;
extern const struct spec_area case_tls_alpn;
extern const struct spec_area case_transport;

/* Rows of a data file. */
MUST_CHECK bool case_jws_negative_load(const char *catalogue, struct spec_area *ret,
                                       struct err *err);
void case_jws_negative_unload(void);

#define AREAS_MAX 64
/* All of them, those of data files too; ret[AREAS_MAX].  catalogue is where the data files are. */
MUST_CHECK bool areas_load(const char *catalogue, struct spec_area *ret, size_t *ret_count,
                           struct err *err);
void areas_unload(void);
