/* A validation under way, from the challenge's response to the end of what it decides. */
#pragma once

#include "server/wfe_request.h"

/* Owns itself until it is settled. */
struct validation {
    struct wfe *wfe;
    struct request *request; /* instant: who waits; else NULL */
    struct authz authz;      /* a copy, as it will be */
    struct challenge *challenge;
    enum challenge_status from; /* in the store */
    struct va_result result;
    struct trace_context trace; /* the span of the validation */
    uint8_t parent[8];
    uint64_t start_us;
    char *error;
    char *response;   /* kept where attempts are repeated; else NULL */
    uint64_t hold_us; /* a rule holds it back for so long */
    bool idle;        /* between two attempts: a drain does not wait for it */
    struct store_tx tx;
};

/* Takes authz; NULL: no memory. */
struct validation *wfe_validation_new(struct wfe *wfe, struct authz *authz,
                                      enum acme_challenge_type type,
                                      const struct trace_context *trace);

/* Hand it to the VA; the outcome is stored, and a request that waits is answered.  thumbprint and
 * response are borrowed for the call. */
void wfe_validation_start(struct validation *validation, const char *thumbprint,
                          const char *response);

/* One line of the event log. */
void wfe_validation_note(const struct validation *validation, const char *event, const char *from,
                         const char *to);

/* The next attempt of a challenge that waits for one is due now. */
void wfe_validation_hasten(const struct wfe *wfe, const struct authz *authz,
                           enum acme_challenge_type type);

/* Seconds until the next attempt of one of the authorization's challenges, at most, for
 * Retry-After; 0: no attempt has failed yet, or none follows. */
unsigned wfe_validation_retry_s(const struct wfe *wfe, const struct authz *authz);

/* 8.2: Retry-After for request->authz when one of its challenges waits for its next attempt. */
void wfe_retry_after(struct request *request);

/* Somebody else settled the challenge or the authorization first: what is there is the answer. */
void wfe_challenge_current(struct request *request, enum acme_challenge_type type);
