#include "client/enrolment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/history.h"
#include "client/solver_tkauth01.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/ossl.h"
#include "common/problem.h"
#include "common/rng.h"

/* One row per arrow.  What is not here is forbidden.  Only READY waits for the NF; every state
 * before it is resumed by itself, and only those that still live can fail; anything can be
 * withdrawn. */
/* clang-format off */
static const struct {
    enum enrolment_state from;
    enum enrolment_event on;
    enum enrolment_state to;
} arrows[] = {
    {ENROLMENT_AUTHORISED, ENROLMENT_ON_ACCOUNT,      ENROLMENT_ACCOUNT},
    {ENROLMENT_ACCOUNT,    ENROLMENT_ON_ORDER,        ENROLMENT_ORDERED},
    {ENROLMENT_ACCOUNT,    ENROLMENT_ON_ACCOUNT_LOST, ENROLMENT_AUTHORISED},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_PROVISIONED,  ENROLMENT_CHALLENGED},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_ORDER_READY,  ENROLMENT_READY},      /* nothing pending */
    {ENROLMENT_CHALLENGED, ENROLMENT_ON_RESPONDED,    ENROLMENT_VALIDATING},
    {ENROLMENT_CHALLENGED, ENROLMENT_ON_ORDER_READY,  ENROLMENT_READY},      /* resumed late */
    {ENROLMENT_VALIDATING, ENROLMENT_ON_ORDER_READY,  ENROLMENT_READY},
    {ENROLMENT_READY,      ENROLMENT_ON_CSR,          ENROLMENT_FINALIZING},
    {ENROLMENT_FINALIZING, ENROLMENT_ON_CSR_REFUSED,  ENROLMENT_READY},
    {ENROLMENT_FINALIZING, ENROLMENT_ON_ISSUED,       ENROLMENT_ISSUED},
    {ENROLMENT_AUTHORISED, ENROLMENT_ON_FAILOVER,     ENROLMENT_AUTHORISED},
    {ENROLMENT_ACCOUNT,    ENROLMENT_ON_FAILOVER,     ENROLMENT_AUTHORISED},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_ORDER_LOST,   ENROLMENT_ACCOUNT},
    {ENROLMENT_CHALLENGED, ENROLMENT_ON_ORDER_LOST,   ENROLMENT_ACCOUNT},
    {ENROLMENT_VALIDATING, ENROLMENT_ON_ORDER_LOST,   ENROLMENT_ACCOUNT},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_TOKEN_WANTED, ENROLMENT_AWAITING_TOKEN},
    {ENROLMENT_AWAITING_TOKEN, ENROLMENT_ON_TOKEN,    ENROLMENT_ORDERED},
    {ENROLMENT_AWAITING_TOKEN, ENROLMENT_ON_FAILED,   ENROLMENT_FAILED},     /* order expired */
    {ENROLMENT_AUTHORISED, ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_ACCOUNT,    ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_CHALLENGED, ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_VALIDATING, ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_READY,      ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},     /* order expired */
    {ENROLMENT_FINALIZING, ENROLMENT_ON_FAILED,       ENROLMENT_FAILED},
    {ENROLMENT_AUTHORISED, ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_ACCOUNT,    ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_ORDERED,    ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_AWAITING_TOKEN,ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_CHALLENGED, ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_VALIDATING, ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_READY,      ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_FINALIZING, ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_ISSUED,     ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
    {ENROLMENT_FAILED,     ENROLMENT_ON_WITHDRAWN,    ENROLMENT_WITHDRAWN},
};

static const char *const state_names[] = {
    [ENROLMENT_AUTHORISED]     = "AUTHORISED",
    [ENROLMENT_ACCOUNT]        = "ACCOUNT",
    [ENROLMENT_ORDERED]        = "ORDERED",
    [ENROLMENT_AWAITING_TOKEN] = "AWAITING_TOKEN",
    [ENROLMENT_CHALLENGED]     = "CHALLENGED",
    [ENROLMENT_VALIDATING]     = "VALIDATING",
    [ENROLMENT_READY]          = "READY",
    [ENROLMENT_FINALIZING]     = "FINALIZING",
    [ENROLMENT_ISSUED]         = "ISSUED",
    [ENROLMENT_FAILED]         = "FAILED",
    [ENROLMENT_WITHDRAWN]      = "WITHDRAWN",
};
/* clang-format on */
static_assert(COUNT(state_names) == ENROLMENT_STATE__COUNT, "a state has no name");

bool enrolment_next(enum enrolment_state state, enum enrolment_event event,
                    enum enrolment_state *ret_next, struct err *err) {
    for (size_t i = 0; i < COUNT(arrows); i++) {
        if (arrows[i].from == state && arrows[i].on == event) {
            *ret_next = arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "an enrolment in state %s does not allow this",
                   state_names[state]);
}

bool enrolment_live(enum enrolment_state state) { return state < ENROLMENT_ISSUED; }

const char *enrolment_state_name(enum enrolment_state state) { return state_names[state]; }

bool enrolment_state_parse(const char *name, enum enrolment_state *ret) {
    for (unsigned i = 0; i < COUNT(state_names); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret = (enum enrolment_state)i;
            return true;
        }
    }
    return false;
}

void enrolment_done(struct enrolment *enrolment) {
    free(enrolment->fqdn);
    free(enrolment->profile);
    free(enrolment->idempotency);
    free(enrolment->cca);
    free(enrolment->directory);
    free(enrolment->notification_uri);
    free(enrolment->renews);
    free(enrolment->replaces);
    free(enrolment->reason);
    free(enrolment->account_url);
    free(enrolment->order_url);
    free(enrolment->finalize_url);
    free(enrolment->csr);
    free(enrolment->token);
    free(enrolment->problem);
    free(enrolment->history);
    free(enrolment->chain);
    *enrolment = (struct enrolment){0};
}

void enrolment_done_auto(struct enrolment *enrolment) { enrolment_done(enrolment); }

static bool copy_text(const char *from, char **ret) {
    *ret = from == NULL ? NULL : strdup(from);
    return from == NULL || *ret != NULL;
}

bool enrolment_copy(const struct enrolment *from, struct enrolment *ret, struct err *err) {
    struct enrolment copy = *from;
    bool good = true;

    copy.cca = copy.chain = copy.token = NULL;
    copy.csr = from->csr == NULL ? NULL : malloc(from->csr_len);
    good = (copy.csr != NULL) == (from->csr != NULL);
    if (copy.csr != NULL) {
        memcpy(copy.csr, from->csr, from->csr_len);
    }
    good = copy_text(from->fqdn, &copy.fqdn) && good;
    good = copy_text(from->profile, &copy.profile) && good;
    good = copy_text(from->idempotency, &copy.idempotency) && good;
    good = copy_text(from->reason, &copy.reason) && good;
    good = copy_text(from->account_url, &copy.account_url) && good;
    good = copy_text(from->order_url, &copy.order_url) && good;
    good = copy_text(from->finalize_url, &copy.finalize_url) && good;
    good = copy_text(from->directory, &copy.directory) && good;
    good = copy_text(from->notification_uri, &copy.notification_uri) && good;
    good = copy_text(from->renews, &copy.renews) && good;
    good = copy_text(from->replaces, &copy.replaces) && good;
    good = copy_text(from->problem, &copy.problem) && good;
    good = copy_text(from->history, &copy.history) && good;
    if (!good) {
        enrolment_done(&copy);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    *ret = copy;
    return true;
}

bool enrolment_identifier(const struct enrolment *enrolment, unsigned index,
                          struct acme_identifier *ret) {
    bool nf_instance = enrolment->with_nf_instance && index == 0;

    if (index >= (unsigned)enrolment->with_nf_instance + (unsigned)enrolment->with_dns) {
        return false;
    }
    ret->type = nf_instance ? ACME_ID_NF_INSTANCE : ACME_ID_DNS;
    (void)snprintf(ret->value, sizeof ret->value, "%s",
                   nf_instance ? enrolment->nf : enrolment->fqdn);
    return true;
}

json_t *enrolment_identifiers(const struct enrolment *enrolment) {
    AUTO(json_release) json_t *list = json_array();
    struct acme_identifier identifier;

    for (unsigned i = 0; enrolment_identifier(enrolment, i, &identifier); i++) {
        if (json_array_append_new(list, json_pack("{s:s,s:s}", "type",
                                                  acme_identifier_name(identifier.type), "value",
                                                  identifier.value))
            != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

const char *enrolment_profile(const struct enrolment *enrolment) {
    if (enrolment->profile != NULL) {
        return enrolment->profile;
    }
    if (!enrolment->with_nf_instance) {
        return "tls-server";
    }
    return enrolment->with_dns ? "nf-both" : "nf-client";
}

static bool set_text(json_t *object, const char *name, const char *value) {
    return value == NULL || value[0] == '\0'
           || json_object_set_new(object, name, json_string(value)) == 0;
}

static bool set_instant(json_t *object, const char *name, uint64_t us) {
    char text[CLOCK_TEXT_SIZE] = "";

    if (us != 0) {
        clock_text(us, text);
    }
    return set_text(object, name, text);
}

/* The certificate's life, and when it ought to be renewed. */
static bool set_renewal(json_t *object, const struct enrolment *enrolment) {
    AUTO(json_release) json_t *renewal = json_object();

    if (!set_text(object, "renews", enrolment->renews)
        || !set_text(object, "notificationUri", enrolment->notification_uri)
        || !set_instant(object, "notBefore", enrolment->not_before_us)
        || !set_instant(object, "notAfter", enrolment->not_after_us)
        || !set_instant(object, "revoked", enrolment->revoked_us)
        || (enrolment->revoked_us != 0
            && json_object_set_new(object, "revocationReason",
                                   json_integer(enrolment->revocation_reason))
                   != 0)
        || !set_instant(renewal, "nextCheck", enrolment->renewal_due_us)
        || !set_instant(renewal, "windowStart", enrolment->renewal_start_us)
        || !set_instant(renewal, "windowEnd", enrolment->renewal_end_us)) {
        return false;
    }
    return json_object_size(renewal) == 0 || json_object_set(object, "renewal", renewal) == 0;
}

/* What the token must say, RFC 9447 section 3; the NF asks its authority for it. */
static bool set_token_wanted(json_t *object, const struct enrolment *enrolment) {
    char fingerprint[SOLVER_FINGERPRINT_SIZE];

    return enrolment->state != ENROLMENT_AWAITING_TOKEN
           || !solver_tkauth01_fingerprint(enrolment->thumbprint, fingerprint)
           || json_object_set_new(object, "tokenWanted",
                                  json_pack("{s:s,s:s,s:s}", "tktype",
                                            acme_identifier_name(ACME_ID_NF_INSTANCE), "tkvalue",
                                            enrolment->nf, "fingerprint", fingerprint))
                  == 0;
}

static bool set_reason(json_t *object, const struct enrolment *enrolment) {
    const struct problem_type *type = problem_type(enrolment->reason_kind);

    if (enrolment->reason_kind == ERR_NONE) {
        return true;
    }
    return set_text(object, "reason", enrolment->reason)
           && set_text(object, "cause", type->sbi_cause)
           && set_text(object, "failure", err_name(enrolment->reason_kind));
}

/* Since when it is in its state; records older than the history have their instants. */
static uint64_t since_us(const struct enrolment *enrolment) {
    uint64_t us = history_last_us(enrolment->history);

    for (unsigned i = 0; us == 0 && i < ENROLMENT_INSTANTS; i++) {
        const uint64_t at_us = enrolment->t_us[ENROLMENT_INSTANTS - 1 - i];
        us = at_us != 0 ? at_us : 0;
    }
    return us;
}

/* Where it is since when, how it came there, and what the ACME server said last. */
static bool set_story(json_t *object, const struct enrolment *enrolment) {
    struct err ignored = {0};
    const char *text = enrolment->problem;
    json_t *problem = text == NULL ? NULL : json_read_object(text, strlen(text), &ignored);

    return set_instant(object, "since", since_us(enrolment))
           && (problem == NULL || json_object_set_new(object, "problem", problem) == 0)
           && json_object_set_new(object, "history", history_render(enrolment->history)) == 0;
}

char *enrolment_render(const struct enrolment *enrolment) {
    AUTO(json_release)
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:o}", "enrolmentId", enrolment->id, "state",
        state_names[enrolment->state], "nfInstanceId", enrolment->nf, "nfType", enrolment->nf_type,
        "profile", enrolment_profile(enrolment), "identifiers", enrolment_identifiers(enrolment));

    if (object == NULL || !set_text(object, "fqdn", enrolment->fqdn)
        || !set_text(object, "accountUrl", enrolment->account_url)
        || !set_text(object, "accountThumbprint", enrolment->thumbprint)
        || !set_instant(object, "expires", enrolment->expires_us)
        || !set_text(object, "waitsFor", enrolment->waits_for) || !set_renewal(object, enrolment)
        || !set_token_wanted(object, enrolment) || !set_reason(object, enrolment)
        || !set_story(object, enrolment)) {
        return NULL;
    }
    return json_text(object);
}

void enrolment_timeline(const struct enrolment *enrolment, char text[ENROLMENT_TIMELINE_SIZE]) {
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 1; i < ENROLMENT_INSTANTS; i++) {
        /* t8 is of the finalize that succeeded: not known before */
        if (enrolment->t_us[i] != 0 && (i < 8 || enrolment->state == ENROLMENT_ISSUED)) {
            len += (size_t)snprintf(text + len, ENROLMENT_TIMELINE_SIZE - len, "%st%u=%" PRIu64,
                                    len == 0 ? "" : ",", i, enrolment->t_us[i]);
        }
    }
}

void enrolment_failure(const struct enrolment *enrolment, struct err *err) {
    enum err_kind kind = enrolment->reason_kind == ERR_NONE ? ERR_UPSTREAM : enrolment->reason_kind;

    (void)err_set(err, kind, "%s", enrolment->reason == NULL ? "" : enrolment->reason);
}

void enrolment_id_make(int64_t row, char ret[ENROLMENT_ID_SIZE]) {
    char random[RNG_ID_SIZE];

    rng_id(random);
    (void)snprintf(ret, ENROLMENT_ID_SIZE, "%s%" PRId64, random, row);
}

bool enrolment_id_row(const char *id, int64_t *ret_row) {
    size_t len = strlen(id);
    int64_t row = 0;

    if (len < RNG_ID_SIZE || len >= ENROLMENT_ID_SIZE || len > RNG_ID_SIZE + 17
        || id[RNG_ID_SIZE - 1] == '0') {
        return false;
    }
    for (const char *at = id + RNG_ID_SIZE - 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        row = row * 10 + (*at - '0');
    }
    *ret_row = row;
    return true;
}
