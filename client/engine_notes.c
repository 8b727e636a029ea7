/* What an enrolment remembers for whoever looks at it later: each transition with its cause, and
 * the last problem document of the ACME server while it matters. */
#include "client/engine_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/history.h"
#include "common/acme.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/problem.h"

#define CAUSE_SIZE 400

void engine_note(struct live *live, const char *cause) {
    struct enrolment *record = &live->record;

    if (!history_add(&record->history, clock_now_us(live->engine->options.clock),
                     enrolment_state_name(record->state), cause)) {
        /* the transition itself matters more than its line */
        log_line(LOG_ERROR, "engine", "unnoted", "nf=%s enrolment=%s", record->nf, record->id);
    }
}

void engine_note_why(struct live *live, const struct call *call) {
    if (call->kind == CALL_RETRY) {
        (void)snprintf(live->why, sizeof live->why, "tries %s again", call->id);
    } else if (live->record.renews != NULL) {
        (void)snprintf(live->why, sizeof live->why, "renews %s", live->record.renews);
    }
}

/* "after rateLimited": a problem that was got over. */
static void overcome(const struct enrolment *record, char cause[CAUSE_SIZE]) {
    struct err ignored = {0};
    AUTO(json_release)
    json_t *problem = json_read_object(record->problem, strlen(record->problem), &ignored);
    const char *type = json_string_value(json_object_get(problem, "type"));
    const int status = (int)json_integer_value(json_object_get(problem, "status"));

    if (type != NULL && strncmp(type, ACME_ERROR_URN, strlen(ACME_ERROR_URN)) == 0) {
        type += strlen(ACME_ERROR_URN);
    }
    if (type != NULL) {
        (void)snprintf(cause, CAUSE_SIZE, "after %.100s", type);
    } else {
        (void)snprintf(cause, CAUSE_SIZE, "after status %d", status);
    }
}

void engine_note_turn(struct live *live) {
    struct enrolment *record = &live->record;
    char cause[CAUSE_SIZE] = "";
    const bool stopped = record->state == ENROLMENT_FAILED
                         || (record->state == ENROLMENT_READY && record->reason_kind != ERR_NONE);

    if (stopped) {
        (void)snprintf(cause, sizeof cause, "%s: %s", err_name(record->reason_kind),
                       record->reason == NULL ? "" : record->reason);
    } else if (record->problem != NULL) {
        overcome(record, cause);
        free(record->problem);
        record->problem = NULL;
    }
    engine_note(live, cause);
}

void engine_problem_said(void *ctx, unsigned status, const char *body, size_t len) {
    struct live *live = ctx;
    char *problem = history_problem(status, body, len);

    if (problem != NULL) {
        free(live->record.problem);
        live->record.problem = problem;
    }
}

void engine_problem(struct live *live, const json_t *error, struct err *ret) {
    AUTO(free) char *text = json_text(error);
    const char *body = text == NULL ? "" : text;
    struct err problem = {0};

    engine_problem_said(live, (unsigned)json_integer_value(json_object_get(error, "status")), body,
                        strlen(body));
    problem_read(&problem, 403, body, strlen(body), 0);
    problem.retry_after_s = 0;
    *ret = problem;
}
