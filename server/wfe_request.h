/* Inside the web front end: a request from its gate to its answer, shared by the wfe_* rooms. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "common/json.h"
#include "common/route.h"
#include "server/wfe.h"

struct wfe {
    struct wfe_options options;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned live; /* requests and validations under way */
    bool draining;
    struct finalizing *finalizing;
    atomic_uint reuses; /* chances to reuse an authorization so far */
};

#define REQUEST_BASE_SIZE 280 /* "https://" host ":" port */

struct request {
    struct wfe *wfe;
    struct httpd_exchange *exchange;
    enum meter_operation operation;
    struct route_params params;
    char base[REQUEST_BASE_SIZE]; /* "https://localhost:14000" */
    struct gate_pass pass;
    bool deactivated;           /* the refusal is 401, RFC 8555 7.3.6 */
    bool nonce;                 /* the answer carries one */
    bool deferred;              /* the connection is suspended */
    struct fault_action *fault; /* what rules want done with it; or NULL */
    char *instance;             /* of a userActionRequired: the terms of service; else NULL */
    struct trace_context trace;
    uint8_t parent[8];

    /* the answer: a problem when err is set */
    struct err err;
    json_t *subproblems;     /* of err, RFC 8555 6.7.1; or NULL */
    unsigned problem_status; /* where the RFC wants another than err's kind has; 0 = it does not */
    unsigned status;
    const char *type;
    char *body;
    size_t body_len;

    /* what handlers work on, freed with the request */
    struct account account;
    struct order order;
    struct authz *authzs; /* authz_count of them: the new ones */
    unsigned authz_count;
    struct authz authz;
    struct certificate certificate;
    char *text;
    bool caa_permits;  /* asked just now */
    bool bound_stored; /* the new account uses up a key of the store */
    struct store_tx tx;
    struct revoker_wait wait;
    void (*committed)(struct request *request); /* after the commit, or its failure in err */
};

/* true: the answer (or err) is there; false: somebody else finishes the request, do not touch it.
 */
typedef bool request_handler(struct request *request);

struct request *request_new(struct wfe *wfe, struct httpd_exchange *exchange);
/* Answer and free; from any thread. */
void request_finish(struct request *request);

/* Fill the answer.  json is taken; NULL: no memory.  All return true, for handlers to return. */
bool request_json(struct request *request, unsigned status, json_t *json);
bool request_text(struct request *request, unsigned status, const char *type, char *body);
bool request_fail(struct request *request, enum err_kind kind, const char *detail);

/* Suspend the connection; false: err says that too many are.  */
bool request_defer(struct request *request);
/*
 * Defer, commit request->tx, then call committed (on the store's thread), which ends in
 * request_finish.  The value is what the handler returns.
 */
bool request_commit(struct request *request, void (*committed)(struct request *request));

/* base and path parts as one URL in text[size]. */
__attribute__((format(printf, 4, 5))) void request_url(const struct request *request, char *text,
                                                       size_t size, const char *fmt, ...);
/* Such a URL as a JSON text. */
__attribute__((format(printf, 2, 3))) json_t *request_url_new(const struct request *request,
                                                              const char *fmt, ...);
/* Answer header `name` with such a URL; link: "<URL>;rel=…" when rel is not NULL. */
__attribute__((format(printf, 4, 5))) void request_header_url(struct request *request,
                                                              const char *name, const char *rel,
                                                              const char *fmt, ...);
uint64_t request_now_us(const struct request *request);
const char *request_account(const struct request *request); /* id of who asks, or "" */

/* One more thing, or one less, that a drain waits for. */
void wfe_hold(struct wfe *wfe);
void wfe_let_go(struct wfe *wfe);
void wfe_event(const struct wfe *wfe, const struct trace_event *event);

/* RFC 3339 as JSON. */
json_t *wfe_time_new(uint64_t us);
/* JSON text we stored, as JSON; NULL when text is. */
json_t *wfe_stored_new(const char *text);

/* wfe_admit.c.  False: err tells why.  Rate limits by the client's address; for an account about to
 * be made, which dismiss takes back; for the order that was read; for an authorization beforehand,
 * which counts as an order.  Terms of service: may this
 * request be served before its account agrees?  demand_terms refuses. */
bool wfe_admit_address(struct request *request);
bool wfe_admit_account(struct request *request);
void wfe_dismiss_account(struct request *request);
bool wfe_admit_order(struct request *request);
bool wfe_admit_authz(struct request *request, const struct acme_identifier *identifier);
bool wfe_admit_terms(struct request *request);
bool wfe_demand_terms(struct request *request);

/* Answer with request->account. */
bool wfe_answer_account(struct request *request, unsigned status);

/* Handlers, one file per resource. */
request_handler wfe_new_account, wfe_account, wfe_orders;
request_handler wfe_new_authz, wfe_new_order, wfe_order;
request_handler wfe_finalize, wfe_certificate;
request_handler wfe_authz, wfe_challenge;
request_handler wfe_revoke, wfe_key_change;
request_handler wfe_renewal_info;

/* RFC 9773 5, nothing unless the order has `replaces`.  Read it into request->order; add the claim
 * to the order's transaction, and its fulfilment to the certificate's; show it in the order. */
MUST_CHECK bool wfe_replaces_read(struct request *request, struct err *err);
void wfe_replaces_claim(struct request *request);
void wfe_replaces_done(struct request *request);
void wfe_replaces_show(const struct request *request, const struct order *order, json_t *object);

/* wfe_caa.c: may the names of request->order, whose authorizations are valid, be issued now as far
 * as CAA goes?  true: yes, or err is set.  false: it is being asked, and go_on is called (on
 * another thread) when request->caa_permits or err is set; it ends in request_finish. */
bool wfe_caa(struct request *request, void (*go_on)(struct request *request));

/* The order object as it is now. */
json_t *wfe_order_json(const struct request *request, const struct order *order);
/* May whole subtrees be authorized, RFC 9444? */
bool wfe_subdomains(const struct wfe *wfe);
/* The authorization object as it is now. */
json_t *wfe_authz_json(const struct request *request, const struct authz *authz);
/* wfe_reuse.c: a valid authorization of the account that covers a name, for an order made now; a
 * copy into *ret.  *ret_found false: there is none, or it is not to be used. */
MUST_CHECK bool wfe_reusable(struct request *request, const struct acme_identifier *identifier,
                             struct authz *ret, bool *ret_found, struct err *err);
/* The challenge object, within its authorization. */
json_t *wfe_challenge_json(const struct request *request, const struct authz *authz,
                           const struct challenge *challenge);
