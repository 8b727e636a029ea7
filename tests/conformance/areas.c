#include "tests/conformance/areas.h"

bool areas_load(const char *catalogue, struct spec_area *ret, size_t *ret_count, struct err *err) {
    /* clang-format off */
    static const struct spec_area *const areas[] = {
        &case_account,
        &case_account_change,
        &case_ari,
        &case_authz,
        &case_caa,
        &case_certificate,
        &case_challenge,
        &case_directory,
        &case_dns01,
        &case_eab,
        &case_errors,
        &case_finalize,
        &case_http01,
        &case_identifiers,
        &case_ip,
        &case_jose,
        &case_jws,
        &case_keychange,
        &case_nonce,
        &case_order,
        &case_problem,
        &case_profiles,
        &case_revocation,
        &case_security,
        &case_subdomain,
        &case_tkauth,
        &case_tls_alpn,
        &case_transport,
    };
    /* clang-format on */
    *ret_count = 1;
    for (size_t i = 0; i < COUNT(areas) && i < AREAS_MAX; i++) {
        ret[(*ret_count)++] = *areas[i];
    }
    return case_jws_negative_load(catalogue, &ret[0], err);
}

void areas_unload(void) { case_jws_negative_unload(); }
