/* Misbehaviour on purpose: rules that say at which operation, for whom and how often the server
 * does something wrong.  Addressed, seeded, counted, and off unless asked (docs/server.md).
 *
 * A rule sees an event when its address fits; it hits when its occurrence says so, which depends on
 * nothing but the seed, the rule's number and the order of the events it saw.  The actions of all
 * rules that hit are done together; what an earlier rule says wins. */
#pragma once

#include <jansson.h>

#include "common/acme.h"
#include "common/buf.h"
#include "common/err.h"
#include "server/id.h"
#include "server/meter.h"

#define FAULTS_MAX 256        /* rules */
#define FAULTS_STUCK_MAX 4096 /* orders kept processing; the oldest is let go */
#define FAULT_FOREVER UINT64_MAX
#define FAULT_ANY_CHALLENGE (-1)

enum fault_close { FAULT_CLOSE_NEVER, FAULT_CLOSE_BEFORE_COMMIT, FAULT_CLOSE_AFTER_COMMIT };
enum fault_verdict { FAULT_JUDGE, FAULT_VALID, FAULT_INVALID };

/* What to do; {0} is nothing. */
struct fault_action {
    char problem[128];          /* type of a problem document sent instead of handling; "" = none */
    enum err_kind kind;         /* the kind it is, or the nearest */
    unsigned status;            /* of the problem; 0 = the kind's */
    char detail[160];           /* of the problem */
    uint32_t retry_after_s;     /* 0 = none */
    bool retry_date;            /* as an HTTP-date */
    uint64_t delay_us;          /* of the answer, or of a validation */
    enum fault_close close;     /* instead of an answer */
    bool empty;                 /* 200 without a body */
    bool malformed;             /* half of the body */
    bool no_nonce;              /* no Replay-Nonce */
    char content_type[64];      /* "" = the right one */
    unsigned octets_per_s;      /* of the body; 0 = as fast as it goes */
    uint64_t processing_us;     /* order or challenge stays so for so long; FAULT_FOREVER */
    enum fault_verdict verdict; /* of a validation */
};

struct fault_rule {                         /* plain data */
    bool validation;                        /* of a challenge, not a request */
    bool any;                               /* every operation */
    enum meter_operation operation;         /* unless validation or any */
    char account[ID_SIZE];                  /* "" = all */
    char identifier[ACME_ID_VALUE_MAX + 1]; /* a pattern with "*"; "" = all */
    char nf[ACME_ID_VALUE_MAX + 1];         /* NfInstanceId, or first label of a dns name */
    int challenge;                          /* enum acme_challenge_type or FAULT_ANY_CHALLENGE */
    uint64_t nth, every, first, last;       /* of the events seen, from 1; 0 = not said */
    double probability;                     /* 1 = always */
    struct fault_action action;
};

/* Read from JSON: {"at", "account", "identifier", "nf", "challenge", "nth", "every", "first",
 * "last", "probability", "do": {…}}.  ERR_INVALID and ERR_MISSING name the member. */
MUST_CHECK bool fault_rule_read(const json_t *object, struct fault_rule *ret, struct err *err);

struct config;
struct later;
struct faults;

struct faults *faults_new(uint64_t seed, struct err *err);
void faults_free(struct faults *faults);
AUTO_DEFINE(struct faults, faults_free)

/* The list `faults` of a configuration; ERR_CONFIG names file, line and key. */
MUST_CHECK bool faults_read_config(struct faults *faults, const struct config *config,
                                   struct err *err);

/* Rules, as JSON objects that are borrowed.  What is added is told by its number. */
MUST_CHECK bool faults_add(struct faults *faults, const json_t *rule, unsigned *ret_number,
                           struct err *err);
/* All of the list or nothing; numbers begin at 1 again. */
MUST_CHECK bool faults_replace(struct faults *faults, const json_t *list, struct err *err);
MUST_CHECK bool faults_remove(struct faults *faults, unsigned number); /* false: not there */
void faults_clear(struct faults *faults);
/* {"seed", "faults": [rule with "id", "seen" and "hits"]}; NULL: no memory. */
json_t *faults_json(struct faults *faults);
bool faults_render(struct faults *faults, struct buf *buf); /* counters */

/* Is there any rule?  One atomic read; faults may be NULL. */
bool faults_on(const struct faults *faults);
/* Does a rule for that operation ask for identifiers? */
bool faults_ask_names(struct faults *faults, enum meter_operation operation);

struct fault_event { /* borrowed */
    bool validation;
    enum meter_operation operation;
    const char *account;
    const struct acme_identifier *identifiers;
    unsigned count;
    int challenge; /* or FAULT_ANY_CHALLENGE: none */
};
/* Show the event to the rules; true: do what is in *ret. */
bool faults_hit(struct faults *faults, const struct fault_event *event, struct fault_action *ret);

/* Timers for what is held back; stopped first of all. */
struct later *faults_later(struct faults *faults);

/* Orders that look processing though they are valid. */
void faults_stick(struct faults *faults, const char *order, uint64_t until_us);
bool faults_stuck(struct faults *faults, const char *order, uint64_t now_us);
