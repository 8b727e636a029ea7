/* What the engine's own rooms share; nobody else includes this. */
#pragma once

#include "client/engine.h"
#include "client/jobs.h"
#include "client/link.h"
#include "client/map.h"
#include "client/request.h"

#define ENGINE_AUTHZ_MAX 8
#define ENGINE_POLLS_MAX 200        /* polls of an order that does not move */
#define ENGINE_POLL_FIRST_US 100000 /* then half as long again each time */
#define ENGINE_POLL_MAX_US 5000000
#define ENGINE_FINALIZE_TRIES 4
#define ENGINE_SAVE_RETRY_US 1000000
#define ENGINE_SAVE_PATIENCE_US 5000000 /* a call waits this long for the disk */

struct engine {
    struct engine_options options;
    struct map *by_id, *by_nf; /* struct live */
    struct loop_timer failover;
    struct map *accounts; /* those that are shared: engine_account.c's */
    struct engine_issuers issuers;
    struct jobs_users users;
    bool stopping;
};

/* Challenges being met, between ORDERED and READY. */
struct provision {
    unsigned at; /* next authorization, then next response */
    unsigned count;
    bool responded[ENGINE_AUTHZ_MAX]; /* told to the server in an earlier life */
    struct solver_task tasks[ENGINE_AUTHZ_MAX];
};

/* A live enrolment. */
struct live {
    struct engine *engine;
    struct enrolment record;
    EVP_PKEY *key;
    struct store_account account;    /* to insert; empty when the account is there already */
    enum enrolment_state stored;     /* as on disk */
    enum enrolment_state told_state; /* as logged last, once `told` */
    bool inserted, saving, told;
    const struct ca *ca; /* where it enrols */
    bool moving;         /* to another CA: its account there is being looked up */
    bool account_waits;  /* for another to make the account they share */
    struct live *account_next;
    bool leaving;               /* to be withdrawn as soon as nothing is being saved */
    struct call *calls;         /* held */
    struct request *request;    /* under way */
    struct loop_timer timer;    /* poll, expiry of the order, another save */
    unsigned priority;          /* 3gpp-Sbi-Message-Priority: the most important call's */
    struct trace_context trace; /* of the call that drives it */
    bool resumed;               /* and what its order went through meanwhile is not known */
    bool order_known;           /* authorizations read in this life */
    enum order_status order_status;
    char *authz[ENGINE_AUTHZ_MAX];
    unsigned authz_count;
    char *certificate_url;
    char *alternates[LINK_ALTERNATES_MAX]; /* of the chain, not read yet */
    unsigned alternates_count, alternates_at;
    struct provision *provision;
    unsigned polls, finalize_tries;
    bool walked;                   /* every authorization was read and none was pending */
    struct upstream_waiter waiter; /* for the directory */
    bool diagnosing;               /* reading authorizations for the reason of a failure */
    bool replaced;                 /* newOrder must not name the certificate it replaces */
    bool account_lost;             /* newAccount was repeated once */
    struct err problem;            /* of a challenge */
    char why[64];                  /* it was begun, for its history; "" = an NF asked */
    struct err refusal;            /* of the last finalize; tells READY from READY again */
};

/* engine.c: life and transitions */
struct live *engine_live_new(struct engine *engine, struct err *err);
/* Into the maps; false: out of memory, or it is there. */
MUST_CHECK bool engine_live_add(struct live *live);
/* Out of the maps and gone. */
void engine_live_drop(struct live *live);
/* Note the transition, save it, then answer and go on. */
void engine_move(struct live *live, enum enrolment_event event);
/* Note it without saving, and go on. */
/* Take the arrow in memory; false: there is none. */
MUST_CHECK bool engine_turn(struct live *live, enum enrolment_event event);
/* Save what was turned to. */
void engine_save(struct live *live);
void engine_move_unsaved(struct live *live, enum enrolment_event event);
void engine_insert(struct live *live);
void engine_fail(struct live *live, const struct err *err);
/* Do what the state asks for next. */
void engine_step(struct live *live);
uint64_t engine_now_us(void);

/* engine_calls.c: what NFs ask */
void engine_call(struct engine *engine, struct call *call);
/* Answer the calls whose wait is over. */
void engine_settle(struct live *live);
/* Answer all with err. */
void engine_settle_all(struct live *live, const struct err *err);

/* May this call see the enrolment?  Others' are not there at all. */
bool engine_owns(const struct call *call, const struct enrolment *record);
/* What was found is the enrolment asked for by its whole id, and the caller's. */
bool engine_meant(const struct call *call, const struct store_found *found);
void engine_call_by_id(struct engine *engine, struct call *call);
/* Hold a call at its enrolment, or answer it at once. */
void engine_attach(struct live *live, struct call *call);

/* engine_token.c: tokens that NFs bring */
/* Wait for one, until the order expires. */
void engine_step_token(struct live *live);
void engine_call_token(struct live *live, struct call *call);

/* What is asked for stands in call->asked: join what is under way, or begin. */
void engine_enrol(struct engine *engine, struct call *call);

/* engine_retry.c */
void engine_call_retry(struct engine *engine, struct call *call);

/* engine_failover.c */
void engine_failover_begin(struct engine *engine);

/* engine_leave.c: revocation and withdrawal */
void engine_call_revoke(struct engine *engine, struct call *call);
/* Of one that is over, found in the store (moved out). */
void engine_withdraw_found(struct call *call, struct enrolment *record);
/* Of a live one; when something is being saved, after that. */
void engine_withdraw(struct live *live);

/* Tell the jobs who uses accounts. */
void engine_uses_accounts(struct engine *engine);
/* The key of an account about to be used may be due for a change. */
void engine_account_aged(struct engine *engine, const struct store_account *account);

/* engine_notes.c: a line of the history; the same for a state turned to, with what it came from. */
void engine_note(struct live *live, const char *cause);
void engine_note_turn(struct live *live);
/* Why a new one is begun, for its first line. */
void engine_note_why(struct live *live, const struct call *call);
/* Keep what the server said; ctx is live. */
void engine_problem_said(void *ctx, unsigned status, const char *body, size_t len);
/* A problem document inside an order or a challenge: into ret, and kept. */
void engine_problem(struct live *live, const json_t *error, struct err *ret);

/* engine_waits.c: fill record.waits_for. */
void engine_waits(struct live *live);

/* engine_account.c */
void engine_account_name(enum account_model model, struct enrolment *record);
/* The account's key: the stored one, that of another enrolment, or a new one. */
MUST_CHECK bool engine_account_take(struct live *live, struct store_found *found, struct err *err);
/* Its URL is on disk: those who share it go on. */
void engine_account_known(struct live *live);
/* The enrolment has nothing to do with making it any more. */
void engine_account_left(struct live *live);
/* The server does not know it any more. */
void engine_account_lost(struct live *live);
/* Its key has changed, or it has ended: what the store says counts. */
void engine_account_forget(struct engine *engine, const char *name, const char *directory);
void engine_accounts_free(struct engine *engine);
void engine_step_account(struct live *live);

/* engine_steps.c: order, authorizations, challenges */
void engine_step_order(struct live *live);
void engine_step_authz(struct live *live);
void engine_step_respond(struct live *live);
void engine_provision_free(struct live *live);
/* Send; ctx of done is live.  payload taken.  False: the enrolment has failed. */
bool engine_request(struct live *live, enum stats_op op, const char *url, char *payload,
                    request_done *done);

/* engine_order.c: reading and polling orders */
/* Members of an order object into live. */
MUST_CHECK bool engine_order_take(struct live *live, const json_t *json, struct err *err);
/* Is the new order for the names asked for? */
MUST_CHECK bool engine_order_names(const struct live *live, const json_t *json, struct err *err);
/* Its order failed in the time between two lives, when nobody answered its challenges: another one,
 * once.  False: it did not. */
MUST_CHECK bool engine_order_again(struct live *live);
/* Go on from what the order says now. */
void engine_order_go(struct live *live, const json_t *json, uint32_t retry_after_s);
void engine_order_poll(struct live *live);
/* engine_finalize.c */
void engine_step_finalize(struct live *live);
void engine_step_certificate(struct live *live);

/* engine_chain.c: which of several chains.  A verified one came (it is record.chain): go on to
 * ISSUED, after having looked for the preferred one. */
void engine_chain_choose(struct live *live, const struct request_answer *answer);
