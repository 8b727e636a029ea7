#include "client/admin_list.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/history.h"
#include "client/store_sql.h"
#include "common/acme.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/ossl.h"
#include "common/problem.h"

#define DIGITS_MAX 18

struct listing {
    struct admin_lists *lists;
    struct listing *next, **place;
    struct httpd_exchange *exchange;
    enum enrolment_state wanted; /* COUNT = any */
    char state[24], nf[37];      /* on disk; "" = any */
    int64_t before, limit;
    /* the reader's */
    json_t *rows;
    int64_t lowest, seen; /* of the rows looked at */
};

struct admin_lists {
    struct loop *loop;
    struct store *store;
    struct engine *engine;
    pthread_mutex_t lock;
    struct listing *first; /* under way */
};

static void listing_free(struct listing *listing) {
    json_decref(listing->rows);
    free(listing);
}

static void unlist(struct listing *listing) {
    struct admin_lists *lists = listing->lists;

    (void)pthread_mutex_lock(&lists->lock);
    *listing->place = listing->next;
    if (listing->next != NULL) {
        listing->next->place = listing->place;
    }
    (void)pthread_mutex_unlock(&lists->lock);
    listing_free(listing);
}

static void fail(struct httpd_exchange *exchange, const struct err *err) {
    char *text = problem_render_sbi(err);

    httpd_answer(exchange, problem_type(err->kind)->sbi_status, ACME_PROBLEM_TYPE, text,
                 text == NULL ? 0 : strlen(text));
}

static bool set_text(json_t *object, const char *name, const char *value) {
    return value == NULL || value[0] == '\0'
           || json_object_set_new(object, name, json_string(value)) == 0;
}

static bool set_instant(json_t *object, const char *name, int64_t us) {
    char text[CLOCK_TEXT_SIZE] = "";

    if (us > 0) {
        clock_text((uint64_t)us, text);
    }
    return set_text(object, name, text);
}

/* One enrolment; on the reader's thread. */
static bool add_row(void *ctx, const struct store_row *row, struct err *err) {
    struct listing *listing = ctx;
    const uint64_t since_us = history_last_us(store_row_text(row, 7));
    json_t *one = json_object();

    listing->lowest = store_row_int(row, 0);
    if (set_text(one, "enrolmentId", store_row_text(row, 1))
        && set_text(one, "nfInstanceId", store_row_text(row, 2))
        && set_text(one, "nfType", store_row_text(row, 3))
        && set_text(one, "fqdn", store_row_text(row, 4))
        && set_text(one, "state", store_row_text(row, 5))
        && set_instant(one, "since", since_us != 0 ? (int64_t)since_us : store_row_int(row, 8))
        && set_text(one, "failure", store_row_text(row, 6))
        && set_text(one, "reason", store_row_text(row, 9))
        && set_instant(one, "notAfter", store_row_int(row, 10))
        && json_array_append(listing->rows, one) == 0) {
        json_decref(one);
        return true;
    }
    json_decref(one);
    return err_set(err, ERR_NO_MEMORY, "out of memory");
}

static bool add_extent(void *ctx, const struct store_row *row, struct err *err) {
    struct listing *listing = ctx;

    (void)err;
    listing->seen = store_row_int(row, 0);
    listing->lowest = store_row_int(row, 1);
    return true;
}

#define WANTED                                                                                     \
    "SELECT e.row, e.id, e.nf, e.nf_type, e.fqdn, p.state, p.reason_kind, p.history,"              \
    " coalesce(p.t8, p.t6, p.t5, p.t4, p.t3, p.t2, p.t1), p.reason, c.not_after FROM "
#define JOINED                                                                                     \
    " e JOIN progress p ON p.row=e.row LEFT JOIN certificate c ON c.row=e.row"                     \
    " WHERE (?3='' OR p.state=?3) ORDER BY e.row DESC LIMIT ?4"

/* On the reader's thread. */
static bool work(struct store_sql *sql, void *ctx, struct err *err) {
    static const char all[] =
        WANTED "(SELECT * FROM enrolment WHERE row<?1 ORDER BY row DESC LIMIT ?2)" JOINED;
    static const char of_nf[] =
        WANTED "(SELECT * FROM enrolment WHERE nf=?5 AND row<?1 ORDER BY row DESC LIMIT ?2)" JOINED;
    static const char extent[] = "SELECT count(*), min(row) FROM"
                                 " (SELECT row FROM enrolment WHERE row<? ORDER BY row DESC LIMIT"
                                 " ?)";
    struct listing *listing = ctx;
    const bool any = listing->nf[0] == '\0';
    const struct store_value values[] = {STORE_INT(listing->before), STORE_INT(ADMIN_LIST_SCAN),
                                         STORE_TEXT(listing->state), STORE_INT(listing->limit),
                                         STORE_TEXT(listing->nf)};

    if (!store_sql_each(sql, any ? all : of_nf, values, any ? 4 : 5, add_row, listing, err)) {
        return false;
    }
    if ((int64_t)json_array_size(listing->rows) == listing->limit) {
        listing->seen = ADMIN_LIST_SCAN;
        return true;
    }
    return !any || store_sql_each(sql, extent, values, 2, add_extent, listing, err);
}

/* Live ones may have gone on, and wait for something; false: not of the wanted state any more. */
static bool overlay(const struct listing *listing, json_t *one) {
    const char *id = json_string_value(json_object_get(one, "enrolmentId"));
    char waits_for[ENROLMENT_WAITS_SIZE];
    enum enrolment_state state = ENROLMENT_STATE__COUNT;

    if (!engine_glance(listing->lists->engine, id, &state, waits_for)) {
        return listing->wanted != ENROLMENT_VALIDATING;
    }
    (void)json_object_set_new(one, "state", json_string(enrolment_state_name(state)));
    (void)set_text(one, "waitsFor", waits_for);
    return listing->wanted == ENROLMENT_STATE__COUNT || listing->wanted == state;
}

static char *render(struct listing *listing) {
    AUTO(json_release) json_t *list = json_array();
    json_t *one = NULL;
    size_t i = 0;
    char next[24] = "";

    json_array_foreach(listing->rows, i, one) {
        if (overlay(listing, one) && json_array_append(list, one) != 0) {
            return NULL;
        }
    }
    if (listing->seen >= ADMIN_LIST_SCAN) {
        (void)snprintf(next, sizeof next, "%" PRId64, listing->lowest);
    }
    AUTO(json_release) json_t *page = json_pack("{s:O}", "enrolments", list);
    return page != NULL && set_text(page, "next", next) ? json_text(page) : NULL;
}

static void done(void *ctx, const struct err *err) {
    struct listing *listing = ctx;
    struct httpd_exchange *exchange = listing->exchange;
    char *text = err == NULL ? render(listing) : NULL;

    if (err != NULL) {
        fail(exchange, err);
    } else {
        httpd_answer(exchange, text == NULL ? 500 : 200, "application/json", text,
                     text == NULL ? 0 : strlen(text));
    }
    unlist(listing);
}

static void begin(void *ctx) {
    struct listing *listing = ctx;
    struct err err = {0};

    if (!store_read(listing->lists->store, work, done, listing, &err)) {
        done(listing, &err);
    }
}

static bool read_number(const struct httpd_exchange *exchange, const char *name, int64_t most,
                        int64_t *ret, struct err *err) {
    const char *text = httpd_query(exchange, name);
    int64_t value = 0;

    if (text == NULL) {
        return true;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || at - text >= DIGITS_MAX) {
            return err_set_param(err, ERR_INVALID, name, "not a number");
        }
        value = value * 10 + (*at - '0');
    }
    if (value < 1 || value > most) {
        return err_set_param(err, ERR_INVALID, name, "not from 1 to %" PRId64, most);
    }
    *ret = value;
    return true;
}

static bool read_query(struct listing *listing, const struct httpd_exchange *exchange,
                       struct err *err) {
    const char *state = httpd_query(exchange, "state"), *nf = httpd_query(exchange, "nf");

    listing->wanted = ENROLMENT_STATE__COUNT;
    if (state != NULL && !enrolment_state_parse(state, &listing->wanted)) {
        return err_set_param(err, ERR_INVALID, "state", "no state of an enrolment");
    }
    if (nf != NULL && strlen(nf) >= sizeof listing->nf) {
        return err_set_param(err, ERR_INVALID, "nf", "not a UUID");
    }
    /* VALIDATING is never on disk */
    (void)snprintf(listing->state, sizeof listing->state, "%s",
                   state == NULL ? ""
                   : listing->wanted == ENROLMENT_VALIDATING
                       ? enrolment_state_name(ENROLMENT_CHALLENGED)
                       : state);
    (void)snprintf(listing->nf, sizeof listing->nf, "%s", nf == NULL ? "" : nf);
    listing->before = INT64_MAX;
    listing->limit = ADMIN_LIST_LIMIT;
    return read_number(exchange, "limit", ADMIN_LIST_LIMIT_MAX, &listing->limit, err)
           && read_number(exchange, "after", INT64_MAX, &listing->before, err);
}

void admin_list(struct admin_lists *lists, struct httpd_exchange *exchange) {
    struct listing *listing = calloc(1, sizeof *listing);
    struct err err = {0};

    if (listing == NULL || (listing->rows = json_array()) == NULL) {
        (void)err_set(&err, ERR_NO_MEMORY, "out of memory");
    } else if (read_query(listing, exchange, &err) && !httpd_defer(exchange)) {
        (void)err_set(&err, ERR_OVERLOAD, "too many requests are held open");
    }
    if (err.kind != ERR_NONE) {
        if (listing != NULL) {
            listing_free(listing);
        }
        fail(exchange, &err);
        return;
    }
    listing->lists = lists;
    listing->exchange = exchange;
    (void)pthread_mutex_lock(&lists->lock);
    listing->place = &lists->first;
    listing->next = lists->first;
    if (listing->next != NULL) {
        listing->next->place = &listing->next;
    }
    lists->first = listing;
    (void)pthread_mutex_unlock(&lists->lock);
    loop_post(lists->loop, begin, listing);
}

struct admin_lists *admin_lists_new(struct loop *loop, struct store *store, struct engine *engine,
                                    struct err *err) {
    struct admin_lists *lists = calloc(1, sizeof *lists);

    if (lists == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    lists->loop = loop;
    lists->store = store;
    lists->engine = engine;
    (void)pthread_mutex_init(&lists->lock, NULL);
    return lists;
}

void admin_lists_free(struct admin_lists *lists) {
    if (lists == NULL) {
        return;
    }
    for (struct listing *at = lists->first, *next = NULL; at != NULL; at = next) {
        next = at->next;
        listing_free(at);
    }
    (void)pthread_mutex_destroy(&lists->lock);
    free(lists);
}
