/* What the server under test asks while it validates: HTTP on --http01-port, TLS on
 * --tlsalpn01-port, DNS on --dns-port, one of each for all cases.  Answers are kept by path or
 * name, so cases running at the same time do not meet. */
#pragma once

#include "common/ossl.h"
#include "tests/conformance/spec.h"

struct responder;

/* Port 0: that responder is not started.  All listen on 127.0.0.1.  ERR_CONFIG: port taken. */
struct responder_options {
    unsigned http01_port, tlsalpn01_port, dns_port;
};
struct responder *responder_start(const struct responder_options *options, struct err *err);
void responder_stop(struct responder *responder);
AUTO_DEFINE(struct responder, responder_stop)

/* What a challenge of this type wants to see for name; skips the case when there is no responder
 * for it. */
void responder_publish(struct spec *spec, const char *type, const char *name, const char *token,
                       const char *key_authorization);

/* GET /.well-known/acme-challenge/TOKEN is answered 200 with this text. */
void spec_http01(struct spec *spec, const char *token, const char *text);
/* A path ("/x?y") is answered with these very octets of HTTP, delay_ms later. */
void spec_http01_raw(struct spec *spec, const char *path, const char *octets, unsigned delay_ms);

struct spec_http01_seen {
    unsigned count;   /* requests for the path so far */
    const char *head; /* request line and headers of the last one */
};
struct spec_http01_seen spec_http01_seen(struct spec *spec, const char *path);
/* "http://127.0.0.1:PORT/path", where that is answered. */
const char *spec_http01_url(struct spec *spec, const char *path);
/* "/.well-known/acme-challenge/TOKEN" */
const char *spec_http01_path(struct spec *spec, const char *token);

/* ---- tls-alpn-01, RFC 8737 ---- */

/* The self-signed certificate a validation connection is shown. */
struct spec_alpn_certificate {
    const char *name;              /* dNSName; NULL: none */
    const char *also;              /* a second dNSName, or NULL */
    const char *ip;                /* iPAddress, RFC 8738, or NULL */
    const char *key_authorization; /* its SHA-256 is in acmeIdentifier; NULL: no such extension */
    bool not_critical;             /* acmeIdentifier */
    const void *extension;         /* its DER value instead of the OCTET STRING */
    size_t extension_len;
    const char *common_name; /* NULL: "ACME" */
    EVP_PKEY *issuer;        /* signs, named "CA"; NULL: self-signed */
};
X509 *spec_alpn_certificate(struct spec *spec, const struct spec_alpn_certificate *parts,
                            EVP_PKEY *key);

struct spec_alpn {
    const char *sni; /* for connections asking for this name */
    X509 *cert;
    EVP_PKEY *key;
    const char *protocol; /* selected; NULL: "acme-tls/1"; "": none */
    int version_max;      /* TLS1_1_VERSION …; 0: any */
};
void spec_alpn(struct spec *spec, const struct spec_alpn *alpn);
/* As it should be: name's certificate for the key authorization. */
void spec_alpn_good(struct spec *spec, const char *name, const char *key_authorization);

struct spec_alpn_seen {
    unsigned count;        /* connections for the name */
    const char *protocols; /* offered by the last, "acme-tls/1" or "h2,http/1.1" */
    int version;           /* negotiated by it; 0: the handshake failed */
    unsigned octets;       /* of application data it sent */
};
struct spec_alpn_seen spec_alpn_seen(struct spec *spec, const char *sni);

/* ---- DNS ---- */

/* Every name has the address 127.0.0.1 and nothing else until a case says more.
 * type "A", "AAAA", "TXT", "CNAME", "CAA"; value "192.0.2.1", "text", "other.name",
 * "0 issue \"ca.test; accounturi=https://…\"" (flags tag "value").  Several add up; the value NULL
 * takes all of that type away (and the default address). */
void spec_dns(struct spec *spec, const char *name, const char *type, const char *value);
/* Every question for name is answered with this RCODE (2 SERVFAIL, 3 NXDOMAIN); SILENT: not at all;
 * type NULL: every type. */
#define SPEC_DNS_SILENT 255
void spec_dns_rcode(struct spec *spec, const char *name, const char *type, unsigned rcode);
unsigned spec_dns_seen(struct spec *spec, const char *name, const char *type); /* questions */
/* "_acme-challenge.NAME" and the base64url digest that dns-01 wants there, RFC 8555 8.4. */
const char *spec_dns01_name(struct spec *spec, const char *name);
const char *spec_dns01_value(struct spec *spec, const char *key_authorization);

/* ---- authority tokens, RFC 9447 and 9448 ---- */

/* What a good token says: exp, jti, iss, nfTypes AMF (TS 33.310), atc of type, value, ca false and
 * account's fingerprint. */
json_t *spec_token_claims(struct spec *spec, const struct spec_account *account, const char *type,
                          const char *value);
/* Signed by --token-authority-key, its certificate in x5c; key: by another one, with no x5c. */
const char *spec_token(struct spec *spec, const json_t *claims, EVP_PKEY *key);
/* --token-authority-key; skips the case when there is none. */
EVP_PKEY *spec_token_key(struct spec *spec);
/* "SHA256 56:3E:…" of the account's key. */
const char *spec_fingerprint(struct spec *spec, const struct spec_account *account);
/* A version 4 UUID nobody used before. */
const char *spec_uuid(struct spec *spec);
