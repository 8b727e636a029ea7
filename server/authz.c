#include "server/authz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void authz_done(struct authz *authz) {
    for (unsigned i = 0; i < authz->count; i++) {
        free(authz->challenges[i].error);
        free(authz->challenges[i].response);
    }
    *authz = (struct authz){0};
}

void authz_done_auto(struct authz *authz) { authz_done(authz); }

/* RFC 8555 7.1.6, the authorization figure: its lowest row is reached from pending too. */
/* clang-format off */
static const struct {
    enum authz_status from;
    enum authz_event on;
    enum authz_status to;
} authz_arrows[] = {
    {AUTHZ_PENDING, AUTHZ_CHALLENGE_VALID,  AUTHZ_VALID},
    {AUTHZ_PENDING, AUTHZ_CHALLENGE_FAILED, AUTHZ_INVALID},
    {AUTHZ_PENDING, AUTHZ_DEACTIVATE,       AUTHZ_DEACTIVATED},
    {AUTHZ_PENDING, AUTHZ_EXPIRE,           AUTHZ_EXPIRED},
    {AUTHZ_PENDING, AUTHZ_REVOKE,           AUTHZ_REVOKED},
    {AUTHZ_VALID,   AUTHZ_DEACTIVATE,       AUTHZ_DEACTIVATED},
    {AUTHZ_VALID,   AUTHZ_EXPIRE,           AUTHZ_EXPIRED},
    {AUTHZ_VALID,   AUTHZ_REVOKE,           AUTHZ_REVOKED},
};

/* RFC 8555 7.1.6, the challenge figure. */
static const struct {
    enum challenge_status from;
    enum challenge_event on;
    enum challenge_status to;
} challenge_arrows[] = {
    {CHALLENGE_PENDING,    CHALLENGE_RESPONSE,  CHALLENGE_PROCESSING},
    {CHALLENGE_PROCESSING, CHALLENGE_RETRY,     CHALLENGE_PROCESSING},
    {CHALLENGE_PROCESSING, CHALLENGE_SUCCEEDED, CHALLENGE_VALID},
    {CHALLENGE_PROCESSING, CHALLENGE_FAILED,    CHALLENGE_INVALID},
};

static const unsigned offers[] = {
    [ACME_ID_DNS]         = 1U << ACME_CHALLENGE_HTTP01 | 1U << ACME_CHALLENGE_TLSALPN01 | 1U << ACME_CHALLENGE_DNS01,
    [ACME_ID_NF_INSTANCE] = 1U << ACME_CHALLENGE_TKAUTH01, /* TS 33.310 Annex J */
    [ACME_ID_IP]          = 1U << ACME_CHALLENGE_HTTP01 | 1U << ACME_CHALLENGE_TLSALPN01, /* RFC 8738 7 */
};
/* clang-format on */
static_assert(COUNT(offers) == ACME_ID__COUNT, "every identifier type can be proved");

bool authz_next(enum authz_status status, enum authz_event event, enum authz_status *ret_next,
                struct err *err) {
    for (unsigned i = 0; i < COUNT(authz_arrows); i++) {
        if (authz_arrows[i].from == status && authz_arrows[i].on == event) {
            *ret_next = authz_arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "the authorization is %s", authz_status_name(status));
}

bool challenge_next(enum challenge_status status, enum challenge_event event,
                    enum challenge_status *ret_next, struct err *err) {
    for (unsigned i = 0; i < COUNT(challenge_arrows); i++) {
        if (challenge_arrows[i].from == status && challenge_arrows[i].on == event) {
            *ret_next = challenge_arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "the challenge is %s", challenge_status_name(status));
}

enum authz_status authz_status_at(const struct authz *authz, uint64_t now_us) {
    enum authz_status status = authz->status;
    struct err none = {0};

    if (now_us >= authz->expires_us) {
        (void)!authz_next(authz->status, AUTHZ_EXPIRE, &status, &none);
    }
    return status;
}

unsigned authz_offers(enum acme_identifier_type type, unsigned flags) {
    return flags == 0 ? offers[type] : offers[type] & 1U << ACME_CHALLENGE_DNS01;
}

void authz_init(struct authz *authz, const struct acme_identifier *identifier, unsigned flags,
                const char *account, const char *order, uint64_t now_us, uint64_t expires_us) {
    unsigned offered = authz_offers(identifier->type, flags);

    *authz = (struct authz){.status = AUTHZ_PENDING,
                            .identifier = *identifier,
                            .flags = flags,
                            .expires_us = expires_us};
    id_new(now_us, authz->id);
    (void)snprintf(authz->account, ID_SIZE, "%s", account);
    (void)snprintf(authz->order, ID_SIZE, "%s", order);
    for (unsigned type = 0; type < ACME_CHALLENGE__COUNT; type++) {
        if ((offered & (1U << type)) != 0) {
            struct challenge *challenge = &authz->challenges[authz->count++];
            challenge->type = (enum acme_challenge_type)type;
            challenge->status = CHALLENGE_PENDING;
            rng_id(challenge->token);
        }
    }
}

struct challenge *authz_challenge(struct authz *authz, enum acme_challenge_type type) {
    for (unsigned i = 0; i < authz->count; i++) {
        if (authz->challenges[i].type == type) {
            return &authz->challenges[i];
        }
    }
    return NULL;
}
