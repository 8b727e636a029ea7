/* Reading orders, polling them, and going on from what they say. */
#include "client/engine_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/ossl.h"

#define ENGINE_PROBLEM_POLLS 3 /* after a refused challenge the order has this long to follow */

static bool take_authz(struct live *live, const json_t *list, struct err *err) {
    if (!json_is_array(list) || json_array_size(list) == 0
        || json_array_size(list) > ENGINE_AUTHZ_MAX) {
        return err_set(err, ERR_UPSTREAM, "the order's \"authorizations\" are not 1 to %d URLs",
                       ENGINE_AUTHZ_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *url = json_string_value(json_array_get(list, i));
        if (url == NULL || !directory_url(url) || (live->authz[i] = strdup(url)) == NULL) {
            return err_set(err, ERR_UPSTREAM, "an authorization of the order is not a URL");
        }
        live->authz_count++;
    }
    return true;
}

static bool take_url(const json_t *json, const char *name, char **place, struct err *err) {
    const char *url = json_string_value(json_object_get(json, name));
    char *copy = url == NULL || !directory_url(url) ? NULL : strdup(url);

    if (copy == NULL) {
        return err_set(err, ERR_UPSTREAM, "the order has no usable \"%s\"", name);
    }
    free(*place);
    *place = copy;
    return true;
}

bool engine_order_take(struct live *live, const json_t *json, struct err *err) {
    const char *status = json_string_value(json_object_get(json, "status"));
    const char *expires = json_string_value(json_object_get(json, "expires"));
    uint64_t expires_us = 0;

    if (status == NULL || !order_status_parse(status, &live->order_status)) {
        return err_set(err, ERR_UPSTREAM, "the order's \"status\" is not one of RFC 8555 7.1.6");
    }
    if (expires != NULL && clock_parse(expires, &expires_us)) {
        live->record.expires_us = expires_us;
    }
    if ((live->authz_count == 0 && !take_authz(live, json_object_get(json, "authorizations"), err))
        || (live->record.finalize_url == NULL
            && !take_url(json, "finalize", &live->record.finalize_url, err))
        || (live->order_status == ORDER_VALID
            && !take_url(json, "certificate", &live->certificate_url, err))) {
        return false;
    }
    live->order_known = true;
    return true;
}

/* RFC 8555 7.1.3: what the certificate will be for.  Required there, but a server that leaves it
 * out is met by engine_verify. */
bool engine_order_names(const struct live *live, const json_t *json, struct err *err) {
    const json_t *list = json_object_get(json, "identifiers");
    struct acme_identifier asked;
    unsigned count = 0;

    if (list == NULL) {
        return true;
    }
    for (; enrolment_identifier(&live->record, count, &asked); count++) {
        const json_t *one = NULL;
        bool there = false;
        size_t i = 0;
        json_array_foreach(list, i, one) {
            const char *type = json_string_value(json_object_get(one, "type"));
            const char *value = json_string_value(json_object_get(one, "value"));
            there = there
                    || (type != NULL && value != NULL && strcasecmp(value, asked.value) == 0
                        && strcmp(type, acme_identifier_name(asked.type)) == 0);
        }
        if (!there) {
            return err_set(err, ERR_UPSTREAM, "the order is not for %.80s, which was asked for",
                           asked.value);
        }
    }
    return json_array_size(list) == count
           || err_set(err, ERR_UPSTREAM, "the order is for more names than were asked for");
}

static void poll_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    struct err failure = {0};

    live->request = NULL;
    if (err != NULL || !engine_order_take(live, answer->json, &failure)) {
        engine_fail(live, err != NULL ? err : &failure);
        return;
    }
    engine_order_go(live, answer->json, answer->retry_after_s);
}

void engine_order_poll(struct live *live) {
    (void)engine_request(live, STATS_ORDER, live->record.order_url, NULL, poll_done);
}

static void poll_again(void *ctx) { engine_order_poll(ctx); }

/* The order did not move yet: Retry-After, else 100 ms growing to 5 s. */
static void poll_later(struct live *live, uint32_t retry_after_s) {
    const struct engine_options *options = &live->engine->options;
    uint64_t wait_us = ENGINE_POLL_FIRST_US;

    if (live->polls++ >= ENGINE_POLLS_MAX) {
        engine_fail(live, &(struct err){.kind = ERR_TIMEOUT,
                                        .detail = "the ACME server does not finish the order"});
        return;
    }
    for (unsigned i = 1; i < live->polls && wait_us < ENGINE_POLL_MAX_US; i++) {
        wait_us += wait_us / 2;
    }
    wait_us = wait_us < ENGINE_POLL_MAX_US ? wait_us : ENGINE_POLL_MAX_US;
    if (retry_after_s > 0) {
        retry_after_s =
            retry_after_s < REQUEST_RETRY_AFTER_MAX_S ? retry_after_s : REQUEST_RETRY_AFTER_MAX_S;
        wait_us = clock_real_delay_us(options->clock, (uint64_t)retry_after_s * 1000000);
    }
    loop_timer_set(options->loop, &live->timer, engine_now_us() + wait_us, poll_again, live);
}

bool engine_order_again(struct live *live) {
    struct enrolment *record = &live->record;

    if (!live->resumed || record->state == ENROLMENT_FINALIZING
        || record->state == ENROLMENT_READY) {
        return false;
    }
    engine_provision_free(live);
    for (unsigned i = 0; i < live->authz_count; i++) {
        free(live->authz[i]);
    }
    free(record->order_url);
    free(record->finalize_url);
    record->order_url = record->finalize_url = NULL;
    record->expires_us = 0;
    live->authz_count = live->polls = 0;
    live->resumed = live->order_known = live->walked = false;
    live->problem = (struct err){0};
    engine_move(live, ENROLMENT_ON_ORDER_LOST);
    return true;
}

/* The reason: what a challenge said, what the order says, or what its authorizations say. */
static void order_invalid(struct live *live, const json_t *json) {
    if (engine_order_again(live)) {
        return;
    }
    if (live->problem.kind == ERR_NONE && json_object_get(json, "error") != NULL) {
        engine_problem(live, json_object_get(json, "error"), &live->problem);
    }
    if (live->problem.kind != ERR_NONE || live->record.state == ENROLMENT_FINALIZING) {
        (void)err_set(&live->problem, ERR_UPSTREAM, "the order is invalid");
        engine_fail(live, &live->problem);
        return;
    }
    engine_provision_free(live);
    live->diagnosing = true;
    engine_step_authz(live);
}

static void order_pending(struct live *live, uint32_t retry_after_s) {
    if (live->problem.kind != ERR_NONE && live->polls >= ENGINE_PROBLEM_POLLS) {
        engine_fail(live, &live->problem); /* the challenge was refused and nothing follows */
    } else if (live->record.state == ENROLMENT_VALIDATING || live->walked) {
        poll_later(live, retry_after_s);
    } else if (live->record.state != ENROLMENT_FINALIZING) {
        engine_step_authz(live);
    } else {
        engine_fail(
            live, &(struct err){.kind = ERR_UPSTREAM, .detail = "the order went back to pending"});
    }
}

static void order_ready(struct live *live) {
    uint64_t *t_us = live->record.t_us;

    if (live->record.state == ENROLMENT_FINALIZING) {
        engine_step_finalize(live);
        return;
    }
    t_us[6] = engine_now_us();
    t_us[4] = t_us[4] == 0 ? t_us[3] : t_us[4]; /* nothing was pending */
    t_us[5] = t_us[5] == 0 ? t_us[4] : t_us[5];
    engine_move(live, ENROLMENT_ON_ORDER_READY);
}

void engine_order_go(struct live *live, const json_t *json, uint32_t retry_after_s) {
    const bool finalizing = live->record.state == ENROLMENT_FINALIZING;

    switch (live->order_status) {
    case ORDER_PENDING:
        order_pending(live, retry_after_s);
        return;
    case ORDER_READY:
        order_ready(live);
        return;
    case ORDER_INVALID:
        order_invalid(live, json);
        return;
    case ORDER_PROCESSING:
    case ORDER_VALID:
        if (!finalizing) {
            engine_fail(live, &(struct err){.kind = ERR_UPSTREAM,
                                            .detail = "the order went on without a CSR"});
        } else if (live->order_status == ORDER_PROCESSING) {
            poll_later(live, retry_after_s);
        } else {
            engine_step_certificate(live);
        }
        return;
    case ORDER_STATUS__COUNT:
        return;
    }
}
