#include "server/ca.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/ca_alternates.h"
#include "server/ca_state.h"

#define DAY_S ((int64_t)86400)
#define YEARS_3_S (3 * 365 * DAY_S) /* TS 33.310 6.1.3c: at most 3 years */
#define BACKDATE_S 60               /* relying parties' clocks may be a little behind */
#define PAST_MAX_S DAY_S            /* how far back an order's own notBefore may lie */
#define TLS_ADDRESSES_MAX 16
#define CHAIN_TEXT_MAX (64 * 1024)

struct ca {
    struct ca_state state;
    struct ca_alternates alternates;
    const struct clock *clock;
    char *country, *domain;
    char *chain_tail; /* PEM after the leaf */
    int64_t issuer_not_after_s;
    char crl_url[512], issuer_url[512], ocsp_url[512]; /* "" until the PKI listener's URL is known */
};

static bool ca_fill(struct ca *ca, const struct ca_options *options, struct err *err) {
    AUTO(x509_cert_done) struct x509_cert issuer = {0};

    ca->clock = options->clock;
    ca->country = strdup(options->country);
    ca->domain = strdup(options->domain);
    if (ca->country == NULL || ca->domain == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the CA");
    }
    if (!ca_state_open(options, &ca->state, err)
        || !x509_cert_read(ca->state.issuer, &issuer, err)) {
        return false;
    }
    ca->issuer_not_after_s = issuer.not_after_s;
    /* At depth 1 the root stands in the chain too: RFC 8555 7.4.2 lets it, and clients exist that
     * want at least two certificates. */
    ca->chain_tail = ca_state_tail(&ca->state, err);
    return ca->chain_tail != NULL
           && ca_alternates_open(options, ca->state.issuer, &ca->alternates, err);
}

struct ca *ca_open(const struct ca_options *options, struct err *err) {
    AUTO(ca_free) struct ca *ca = calloc(1, sizeof *ca);

    if (ca == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the CA");
        return NULL;
    }
    if (!ca_fill(ca, options, err)) {
        return NULL;
    }
    /* OpenSSL reads a certificate's extensions at their first use: now, while one thread has it */
    (void)X509_check_purpose(ca->state.issuer, -1, 0);
    return TAKE(ca);
}

void ca_free(struct ca *ca) {
    if (ca == NULL) {
        return;
    }
    ca_alternates_done(&ca->alternates);
    ca_state_done(&ca->state);
    free(ca->country);
    free(ca->domain);
    free(ca->chain_tail);
    free(ca);
}

void ca_pki_url_set(struct ca *ca, const char *url) {
    (void)snprintf(ca->crl_url, sizeof ca->crl_url, "%s/crl/issuing.crl", url);
    (void)snprintf(ca->issuer_url, sizeof ca->issuer_url, "%s/issuing.crt", url);
    (void)snprintf(ca->ocsp_url, sizeof ca->ocsp_url, "%s/ocsp", url);
}

X509 *ca_root(const struct ca *ca) { return ca->state.root; }
X509 *ca_issuer(const struct ca *ca) { return ca->state.issuer; }
EVP_PKEY *ca_issuer_key(const struct ca *ca) { return ca->state.issuer_key; }
unsigned ca_alternate_count(const struct ca *ca) { return ca->alternates.count; }
X509 *ca_alternate_root(const struct ca *ca, unsigned n) { return ca->alternates.at[n - 1].root; }
X509 *ca_alternate_cross(const struct ca *ca, unsigned n) { return ca->alternates.at[n - 1].cross; }

/* Length of the leaf in the chain; 0: the chain goes on otherwise than ours. */
static size_t leaf_len(const struct ca *ca, const char *chain_pem) {
    size_t len = strlen(chain_pem), tail = strlen(ca->chain_tail);
    return len > tail && strcmp(chain_pem + len - tail, ca->chain_tail) == 0 ? len - tail : 0;
}

bool ca_is_issuer_of(const struct ca *ca, const char *chain_pem) {
    return leaf_len(ca, chain_pem) > 0;
}

char *ca_alternate_chain(const struct ca *ca, unsigned n, const char *chain_pem) {
    AUTO(buf_done) struct buf chain = buf_new(CHAIN_TEXT_MAX);

    return buf_add(&chain, chain_pem, leaf_len(ca, chain_pem))
                   && buf_text(&chain, ca->alternates.at[n - 1].tail)
               ? buf_take(&chain)
               : NULL;
}

/* What every certificate of this CA has in common. */
static struct x509_spec spec_new(const struct ca *ca) {
    return (struct x509_spec){
        .country = ca->country,
        .organization = ca->domain,
        .crl_url = ca->crl_url[0] == '\0' ? NULL : ca->crl_url,
        .issuer_url = ca->issuer_url[0] == '\0' ? NULL : ca->issuer_url,
        .ocsp_url = ca->ocsp_url[0] == '\0' ? NULL : ca->ocsp_url,
    };
}

/* Make a certificate and its chain in PEM; caller owns, free(). */
static char *chain_make(const struct ca *ca, const struct x509_spec *spec,
                        char ret_serial[X509_SERIAL_SIZE], struct err *err) {
    AUTO(buf_done) struct buf chain = buf_new(CHAIN_TEXT_MAX);
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    if (!x509_make_der(spec, ca->state.issuer, ca->state.issuer_key, &der, &len, ret_serial, err)) {
        return NULL;
    }
    if (!x509_pem_add(&chain, der, len) || !buf_text(&chain, ca->chain_tail)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a chain");
        return NULL;
    }
    return buf_take(&chain);
}

static bool is_address(const char *text) {
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool dns_add(struct x509_names *names, const char *name, struct err *err) {
    if (names->dns_count == X509_DNS_MAX || strlen(name) >= sizeof names->dns[0]) {
        return err_set(err, ERR_CONFIG, "%.100s: at most %d names of at most 253 characters", name,
                       X509_DNS_MAX);
    }
    char *out = names->dns[names->dns_count++];
    for (size_t i = 0; i <= strlen(name); i++) {
        out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    }
    return true;
}

/* localhost, the loopback addresses, and names sorted into DNS names and addresses. */
static bool tls_names(const char *const *names, struct x509_names *ret_dns,
                      const char *ret_ips[TLS_ADDRESSES_MAX + 1], struct err *err) {
    unsigned ips = 0;

    ret_ips[ips++] = "127.0.0.1";
    ret_ips[ips++] = "::1";
    if (!dns_add(ret_dns, "localhost", err)) {
        return false;
    }
    for (; names != NULL && *names != NULL; names++) {
        if (!is_address(*names)) {
            if (strcasecmp(*names, "localhost") != 0 && !dns_add(ret_dns, *names, err)) {
                return false;
            }
        } else if (ips == TLS_ADDRESSES_MAX) {
            return err_set(err, ERR_CONFIG, "%s: at most %d addresses", *names, TLS_ADDRESSES_MAX);
        } else {
            ret_ips[ips++] = *names;
        }
    }
    ret_ips[ips] = NULL;
    return true;
}

static char *key_text(EVP_PKEY *key, struct err *err) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL;

    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not write the TLS key");
        (void)err_cause_openssl(err);
        return NULL;
    }
    long len = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)len);
    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the TLS key");
    }
    return text;
}

bool ca_tls(struct ca *ca, const char *const *names, char **ret_chain_pem, char **ret_key_pem,
            struct err *err) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    struct x509_names dns = {0};
    const char *ips[TLS_ADDRESSES_MAX + 1];
    char serial[X509_SERIAL_SIZE];
    struct x509_spec spec = spec_new(ca);
    int64_t now_s = clock_now_s(ca->clock);

    if (key == NULL || !tls_names(names, &dns, ips, err)) {
        return false;
    }
    spec.names = &dns;
    spec.ips = ips;
    spec.eku = X509_EKU_SERVER;
    spec.key = key;
    spec.not_before_s = now_s - BACKDATE_S;
    spec.not_after_s = now_s - BACKDATE_S + YEARS_3_S;
    if (spec.not_after_s > ca->issuer_not_after_s) {
        spec.not_after_s = ca->issuer_not_after_s;
    }
    AUTO(free) char *chain = chain_make(ca, &spec, serial, err);
    char *key_pem = chain == NULL ? NULL : key_text(key, err);
    if (key_pem == NULL) {
        return false;
    }
    *ret_chain_pem = TAKE(chain);
    *ret_key_pem = key_pem;
    return true;
}

static int64_t lifetime_s(const struct ca_request *request) {
    return request->profile->lifetime_s < YEARS_3_S ? request->profile->lifetime_s : YEARS_3_S;
}

/* The latest notAfter of a certificate that begins at from_s, and what sets it. */
static int64_t not_after_limit(const struct ca *ca, const struct ca_request *request,
                               int64_t from_s, const char **ret_why) {
    int64_t limit_s = from_s + lifetime_s(request);

    *ret_why = "the profile";
    if (request->not_after_max_s != 0 && request->not_after_max_s < limit_s) {
        limit_s = request->not_after_max_s; /* RFC 9447 7 */
        *ret_why = "the authority token";
    }
    if (ca->issuer_not_after_s < limit_s) {
        limit_s = ca->issuer_not_after_s;
        *ret_why = "the CA certificate";
    }
    return limit_s;
}

/* What an order asked for is met exactly or refused (RFC 8555 7.4); a start it leaves to us is
 * backdated, as far as the lifetime has room. */
static bool validity(const struct ca *ca, const struct ca_request *request, struct x509_spec *spec,
                     struct err *err) {
    int64_t now_s = clock_now_s(ca->clock);
    int64_t begin_s = request->not_before_s != 0 ? request->not_before_s : now_s - BACKDATE_S;
    int64_t from_s = request->not_before_s == 0 && request->not_after_s != 0 ? now_s : begin_s;
    const char *why = NULL;
    int64_t limit_s = not_after_limit(ca, request, from_s, &why);

    if (begin_s < now_s - PAST_MAX_S) {
        return err_set(err, ERR_UNAUTHORIZED, "the order's notBefore lies more than a day back");
    }
    if (request->not_after_s > limit_s) {
        return err_set(err, ERR_UNAUTHORIZED, "the order's notAfter is later than %s allows", why);
    }
    spec->not_after_s = request->not_after_s != 0 ? request->not_after_s : limit_s;
    spec->not_before_s = begin_s;
    if (request->not_before_s == 0 && begin_s < spec->not_after_s - lifetime_s(request)) {
        spec->not_before_s = spec->not_after_s - lifetime_s(request);
    }
    if (spec->not_after_s <= now_s || spec->not_after_s <= spec->not_before_s) {
        return err_set(err, ERR_UNAUTHORIZED, "no validity is left: %s ends before it begins", why);
    }
    return true;
}

/* The order's identifiers, which the CSR has been found to hold exactly. */
static bool names_of(const struct ca_request *request, struct x509_names *ret, struct err *err) {
    *ret = (struct x509_names){0};
    for (unsigned i = 0; i < request->identifier_count; i++) {
        const struct acme_identifier *identifier = &request->identifiers[i];
        if (identifier->type == ACME_ID_NF_INSTANCE) {
            memcpy(ret->uuid, identifier->value, sizeof ret->uuid);
        } else if (identifier->type == ACME_ID_IP) {
            if (ret->ip_count == X509_IP_MAX) {
                return err_set(err, ERR_BAD_CSR, "at most %d addresses", X509_IP_MAX);
            }
            memcpy(ret->ip[ret->ip_count++], identifier->value, sizeof ret->ip[0]);
        } else if (!dns_add(ret, identifier->value, err)) {
            return false;
        }
    }
    return true;
}

bool ca_issue(struct ca *ca, const struct ca_request *request, struct ca_certificate *ret,
              struct err *err) {
    const struct profile *profile = request->profile;
    struct x509_spec spec = spec_new(ca);
    struct x509_names names;
    struct ca_certificate made = {0};

    if (!ca_csr_fits(request, err) || !names_of(request, &names, err)
        || !validity(ca, request, &spec, err)) {
        return false;
    }
    spec.names = &names;
    spec.names_critical = profile->nf;
    spec.types = profile->nf ? &request->nftypes : NULL;
    spec.eku = profile->eku;
    spec.key = request->csr->key;
    if (!key_spki_sha256(spec.key, made.spki_sha256, err)) {
        return false;
    }
    made.not_before_s = spec.not_before_s;
    made.not_after_s = spec.not_after_s;
    made.chain_pem = chain_make(ca, &spec, made.serial, err);
    if (made.chain_pem == NULL) {
        return false;
    }
    *ret = made;
    return true;
}
