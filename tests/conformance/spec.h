/* What a case of acmespec is written with.
 *
 * A case is a row of a table and a `static void name(struct spec *spec)`.  Nothing it calls has to
 * be checked: the first failure is kept with its reason, after it every function returns at once,
 * no pointer returned here is ever NULL and texts are "" where there is none.  Everything returned
 * belongs to the spec and is freed with it.  README.md shows how. */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/key.h"

struct spec;

/* ---- the table ---- */

enum spec_level { SPEC_MUST, SPEC_SHOULD, SPEC_MAY, SPEC_LEVEL__COUNT };

/* What a case needs of the target; absent: it is skipped with that reason.  The first group is seen
 * by itself, the second is stated with --has WORD (the tests start a server for each word). */
enum spec_need {
    NEED_HTTP01 = 1u << 0,       /* --http01-port */
    NEED_TLSALPN01 = 1u << 1,    /* --tlsalpn01-port */
    NEED_DNS = 1u << 2,          /* --dns-port, which the target asks */
    NEED_TOKEN = 1u << 3,        /* --token-authority-key */
    NEED_EAB = 1u << 4,          /* --eab */
    NEED_ADMIN = 1u << 5,        /* --admin */
    NEED_EAB_REQUIRED = 1u << 6, /* meta.externalAccountRequired is true */
    NEED_NO_EAB = 1u << 7,       /* it is not */
    NEED_TOS = 1u << 8,          /* meta.termsOfService */
    NEED_NEW_AUTHZ = 1u << 9,    /* newAuthz in the directory */
    NEED_ARI = 1u << 10,         /* renewalInfo in the directory */
    NEED_PROFILES = 1u << 11,    /* meta.profiles */
    NEED_SUBDOMAIN = 1u << 12,   /* meta.subdomainAuthAllowed is true */
    NEED_SHORT = 1u << 16,       /* --has short: orders and authorizations end within seconds */
    NEED_LIMITS = 1u << 17,      /* --has limits: rate limits reached within a few requests */
    NEED_FAULTS = 1u << 18,      /* --has faults: the admin listener takes fault rules */
    NEED_ASYNC = 1u << 19,       /* --has async: finalize answers "processing" first */
    NEED_ALTERNATES = 1u << 20,  /* --has alternates: several chains */
    NEED_CAA = 1u << 21,         /* --has caa: CAA is looked up at --dns-port */
    NEED_RESTRICTED = 1u << 22,  /* --has restricted: names below .refused.test are refused */
    NEED_IP = 1u << 23,          /* --has ip: ip identifiers, 127.0.0.1 reachable */
    NEED_OCSP = 1u << 24,        /* --has ocsp */
    NEED_PLAIN = 1u << 25,       /* --has plain: what can be switched off of the extensions is */
    NEED_RETRIES = 1u << 26      /* --has retries: a failed query is repeated, seconds later */
};

/* What is watched in every answer of the whole run; such a row has no run function. */
enum spec_watch {
    WATCH_NONE,
    WATCH_UTF8,             /* every body */
    WATCH_NONCE_ON_SUCCESS, /* every 2xx to a POST */
    WATCH_NONCE_ON_ERROR,   /* every 4xx to a signed POST */
    WATCH_NONCE_ALPHABET,
    WATCH_NONCE_ONCE,
    WATCH_LINK_INDEX,
    WATCH_PROBLEM_MEDIA,
    WATCH_PROBLEM_TYPE_KNOWN,
    WATCH_PROBLEM_TYPE_TEXT,
    WATCH_PROBLEM_DETAIL,
    WATCH_PROBLEM_LEAK,
    WATCH_PROBLEM_STATUS,
    WATCH_PROBLEM_IDENTIFIER,
    WATCH_PROBLEM_SUBPROBLEMS,
    WATCH_NO_5XX,
    WATCH_ALLOW,
    WATCH__COUNT
};

struct spec_case {
    const char *id;   /* "rfc8555/6.5/3": document, section, number within it; unique */
    const char *rows; /* ids of catalogue/, separated by spaces, that a pass proves */
    const char *area; /* as in the catalogue */
    const char *text; /* one sentence: what must hold */
    enum spec_level level;
    unsigned needs;      /* of NEED_… */
    unsigned deadline_s; /* 0 = 30 */
    void (*run)(struct spec *spec);
    enum spec_watch watch; /* instead of run */
    const void *data;      /* for run, spec_data() */
};

struct spec_area {
    const struct spec_case *cases;
    size_t count;
};

/* ---- the verdict ---- */

/* The case fails for this reason, unless it has failed or skipped before. */
__attribute__((format(printf, 2, 3))) void spec_fail(struct spec *spec, const char *fmt, ...);
/* It does not apply here; takes precedence over nothing but an earlier failure's absence. */
__attribute__((format(printf, 2, 3))) void spec_skip(struct spec *spec, const char *fmt, ...);
/* Failed or skipped: only loops need to ask. */
bool spec_over(const struct spec *spec);
/* spec_fail with what unless held; returns held. */
__attribute__((format(printf, 3, 4))) bool spec_check(struct spec *spec, bool held,
                                                      const char *what, ...);
const void *spec_data(const struct spec *spec);

/* ---- memory ---- */

void *spec_keep(struct spec *spec, void *memory, void (*release)(void *)); /* returns memory */
__attribute__((format(printf, 2, 3))) char *spec_text(struct spec *spec, const char *fmt, ...);
char *spec_repeat(struct spec *spec, const char *text, size_t times);
json_t *spec_json(struct spec *spec, json_t *json); /* takes; e.g. json_pack(…); NULL fails */
/* json_pack's format, kept; a wrong format fails the case. */
json_t *spec_pack(struct spec *spec, const char *format, ...);
char *spec_b64(struct spec *spec, const void *data, size_t len);
EVP_PKEY *spec_key(struct spec *spec, enum key_type type); /* a new one */
json_t *spec_jwk(struct spec *spec, EVP_PKEY *key);        /* public */

/* ---- requests and answers ---- */

struct spec_answer {
    unsigned status; /* 0: no answer came, see error */
    const char *method, *url;
    const char *head; /* status line and header lines */
    const char *body;
    size_t body_len;
    const json_t *json; /* the body; JSON null when it is not JSON */
    const char *error;  /* why there is no answer */
};
/* First header of that name, "" when absent; spec_headers counts them. */
const char *spec_header(struct spec *spec, const struct spec_answer *answer, const char *name);
unsigned spec_headers(const struct spec_answer *answer, const char *name);
/* The target of the first Link with that rel; "" when absent.  after: continue behind it; NULL. */
const char *spec_link(struct spec *spec, const struct spec_answer *answer, const char *rel,
                      const char *after);
/* Text member; "" when absent or no text. */
const char *spec_member(const json_t *object, const char *name);

const char *spec_directory_url(const struct spec *spec);
const json_t *spec_directory(struct spec *spec);
/* "newNonce", "newOrder" …; fails the case when the directory has none. */
const char *spec_url(struct spec *spec, const char *resource);
/* A fresh one by HEAD newNonce. */
const char *spec_nonce(struct spec *spec);

const struct spec_answer *spec_get(struct spec *spec, const char *url);
/* Any method; headers "Name: value" ended by NULL, or NULL; body may be NULL. */
const struct spec_answer *spec_request(struct spec *spec, const char *method, const char *url,
                                       const char *const *headers, const void *body, size_t len);
/* These very octets to the host of url on a new connection, and what comes back; not watched.
 * No answer at all is no failure: look at status 0 and error.  wait_ms 0: until the deadline. */
const struct spec_answer *spec_raw(struct spec *spec, const char *url, const void *octets,
                                   size_t len, unsigned wait_ms);
/* The same on a connection that offers this protocol alone; no connection: no answer, either. */
const struct spec_answer *spec_raw_alpn(struct spec *spec, const char *url, const char *protocol,
                                        const void *octets, size_t len, unsigned wait_ms);

#define SPEC_OMIT "\x01omit" /* in a text member below: leave it out */

struct spec_account {
    EVP_PKEY *key;
    const char *url; /* the kid */
    const struct spec_answer *answer;
};

/* A signed POST, right in everything that is not stated. */
struct spec_post {
    const char *url;                    /* requested */
    const struct spec_account *account; /* key and kid; NULL: key and jwk */
    EVP_PKEY *key;                      /* signs instead of the account's */
    bool use_jwk;                       /* jwk instead of kid */

    const json_t *payload; /* NULL and no bytes: POST-as-GET */
    const void *bytes;     /* payload as bytes */
    size_t bytes_len;

    /* protected header; NULL: the right value; SPEC_OMIT: absent */
    const char *alg, *nonce, *header_url, *kid;
    const json_t *jwk;
    const json_t *extra;        /* members added or replaced, whatever their type */
    const char *protected_text; /* instead of all that; %NONCE% is replaced */
    const char *protected_b64;  /* as sent and as signed; likewise payload_b64 */
    const char *payload_b64;
    const char *signature_b64; /* instead of the signature */
    const void *mac_key;       /* HMAC of alg instead of a signature */
    size_t mac_key_len;

    const json_t *envelope; /* members added to or replaced in the flattened JWS; a JSON
                               null stays, SPEC_OMIT as text removes */
    const char *body;       /* instead of the JWS */
    size_t body_len;
    const char *method;         /* instead of POST */
    const char *content_type;   /* SPEC_OMIT: none */
    const char *const *headers; /* further ones, ended by NULL */
};
/* Send it.  A badNonce that the case did not provoke (nonce is NULL) is tried once more. */
const struct spec_answer *spec_post(struct spec *spec, const struct spec_post *post);
/* The flattened JWS as text, not sent: inner JWSs (nonce SPEC_OMIT), repetition. */
const char *spec_jws(struct spec *spec, const struct spec_post *post);
/* Bodies sent at the same moment on connections of their own. */
#define SPEC_TOGETHER_MAX 16
void spec_together(struct spec *spec, const struct spec_post *posts, unsigned count,
                   const struct spec_answer *ret[]);
/* payload NULL: POST-as-GET. */
const struct spec_answer *spec_post_json(struct spec *spec, const struct spec_account *account,
                                         const char *url, const json_t *payload);
/* POST-as-GET that must give 200. */
const struct spec_answer *spec_fetch(struct spec *spec, const struct spec_account *account,
                                     const char *url);

/* ---- assertions: the reason says what was expected and what came ---- */

/* status: one, or several as 4xx = 400..499 via SPEC_4XX; 0 accepted nowhere. */
#define SPEC_2XX 2
#define SPEC_4XX 4
bool spec_status(struct spec *spec, const struct spec_answer *answer, unsigned status);
/* An error of that status (or SPEC_4XX) with one of these types ("malformed|badNonce"; "*": any).
 */
bool spec_problem(struct spec *spec, const struct spec_answer *answer, unsigned status,
                  const char *types);
/* As written in the catalogue: status "400 or 401", "4xx", "2xx", "any"; types "a or b", "-". */
bool spec_expect(struct spec *spec, const struct spec_answer *answer, const char *status,
                 const char *types);
/* Does the answer's problem have this type (without the URN)? */
bool spec_is(const struct spec_answer *answer, const char *type);
bool spec_same(struct spec *spec, const char *what, const char *seen, const char *wanted);
bool spec_is_url(const char *text); /* absolute https */

/* ---- accounts, orders, certificates ---- */

/* newAccount with a fresh key; agrees to terms, binds with --eab where the directory demands it. */
const struct spec_account *spec_account(struct spec *spec, enum key_type type);
/* With this payload (members added to the above) and key (NULL: P-256); the answer is not judged:
 * url is "" unless 200 or 201. */
const struct spec_account *spec_account_try(struct spec *spec, EVP_PKEY *key,
                                            const json_t *members);
/* The externalAccountBinding of --eab for key. */
json_t *spec_eab(struct spec *spec, EVP_PKEY *account_key);

/* A name nobody used before, below the domain of this run ("x1y2.acmespec.test"). */
const char *spec_name(struct spec *spec);
/* {"identifiers": [dns…]} of names ended by NULL. */
json_t *spec_identifiers(struct spec *spec, const char *name, ...) __attribute__((sentinel));

#define SPEC_AUTHZ_MAX 32
struct spec_order {
    const struct spec_account *account;
    const char *url, *finalize;
    const char *authz[SPEC_AUTHZ_MAX];
    unsigned authz_count;
    const char *name; /* first identifier's value */
    const struct spec_answer *answer;
};
/* newOrder for one dns name (NULL: a new one), or with any payload; 201 demanded. */
const struct spec_order *spec_order(struct spec *spec, const struct spec_account *account,
                                    const char *name);
const struct spec_order *spec_order_of(struct spec *spec, const struct spec_account *account,
                                       const json_t *payload);
/* The challenge object of that type within an authorization (JSON null when absent). */
const json_t *spec_challenge(const json_t *authz, const char *type);
/* Key authorization: token "." thumbprint. */
const char *spec_key_authorization(struct spec *spec, const struct spec_account *account,
                                   const char *token);
/* POST-as-GET every 50 ms until status is none of `until`'s absent: "valid|invalid"; fails at the
 * deadline of the case.  Retry-After is honoured up to 1 s. */
const struct spec_answer *spec_poll(struct spec *spec, const struct spec_account *account,
                                    const char *url, const char *until);
/* Publish the answer of a challenge of that type ("http-01"), POST {}, poll until it is decided;
 * returns the authorization.  spec_prove demands valid. */
const struct spec_answer *spec_answer_challenge(struct spec *spec,
                                                const struct spec_account *account,
                                                const char *authz_url, const char *type);
const struct spec_answer *spec_prove(struct spec *spec, const struct spec_account *account,
                                     const char *authz_url, const char *type);
/* One challenge of a type, of a pending authorization; what is published for it is the case's. */
struct spec_trial {
    const struct spec_account *account;
    const struct spec_order *order;
    const char *authz, *url, *token, *name, *key_authorization;
};
/* The order's first authorization's challenge. */
const struct spec_trial *spec_trial(struct spec *spec, const struct spec_order *order,
                                    const char *type);
/* POST {} (200 demanded) and poll; the authorization once it is decided. */
const struct spec_answer *spec_try(struct spec *spec, const struct spec_trial *trial);
/* The same, valid demanded; or invalid, with one of these errors ("dns|connection") at the
 * challenge. */
const struct spec_answer *spec_try_valid(struct spec *spec, const struct spec_trial *trial);
const struct spec_answer *spec_try_invalid(struct spec *spec, const struct spec_trial *trial,
                                           const char *types);
/* The challenge of that URL within an authorization (JSON null when absent). */
const json_t *spec_trial_challenge(const struct spec_trial *trial, const json_t *authz);
/* An order whose authorizations are all valid through http-01 (dns names; NULL: a new one). */
const struct spec_order *spec_ready(struct spec *spec, const struct spec_account *account,
                                    const char *name);
/* base64url CSR for names ended by NULL, P-256 key NULL: a new one. */
const char *spec_csr(struct spec *spec, EVP_PKEY *key, const char *name, ...)
    __attribute__((sentinel));
/* POST csr to finalize; the answer is not judged. */
const struct spec_answer *spec_finalize(struct spec *spec, const struct spec_order *order,
                                        const char *csr);

struct spec_certificate {
    const struct spec_order *order;
    const char *url;
    const char *pem;   /* the chain */
    const char *der64; /* the leaf, base64url: revokeCert */
    EVP_PKEY *key;
    const struct spec_answer *answer;
};
/* All of it: order, http-01, finalize, download. */
const struct spec_certificate *spec_issue(struct spec *spec, const struct spec_account *account,
                                          const char *name);
/* Finalize a ready order with key (NULL: new) and download. */
const struct spec_certificate *spec_complete(struct spec *spec, const struct spec_order *order,
                                             EVP_PKEY *key);

/* ---- outside ---- */

/* A call of the target's admin listener (--admin); not watched. */
const struct spec_answer *spec_admin(struct spec *spec, const char *method, const char *path,
                                     const json_t *body);
void spec_wait_ms(struct spec *spec, unsigned ms); /* only for what is defined by time */
uint64_t spec_deadline_us(const struct spec *spec);
