#include "client/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin_list.h"
#include "client/options.h"
#include "common/httpc.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/ossl.h"
#include "common/problem.h"
#include "common/run.h"

#define URL_SIZE 512
#define TIMEOUT_MS 30000
#define ANSWER_MAX (4 * 1024 * 1024)

struct remote {
    const struct config *config;
    struct loop *loop;
    struct httpc *httpc;
    bool raw; /* --json */
    /* of the last answer */
    unsigned status;
    char *body;
    size_t len;
    struct err err;
};

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct remote *remote = ctx;

    remote->status = answer == NULL ? 0 : answer->status;
    if (answer == NULL) {
        remote->err = *err;
    } else if (answer->status >= 300) {
        problem_read(&remote->err, answer->status, answer->body, answer->body_len, 0);
    }
    free(remote->body);
    remote->body = answer == NULL ? NULL : strdup(answer->body);
    remote->len = answer == NULL ? 0 : answer->body_len;
    loop_stop(remote->loop);
}

/* Ask; false: err says what is wrong, status 0: nobody answered. */
static bool ask(struct remote *remote, const char *method, const char *path) {
    const char *address = config_text(remote->config, "admin");
    char url[URL_SIZE];

    remote->status = 0;
    remote->err = (struct err){0};
    if ((size_t)snprintf(url, sizeof url, "http://%s%s", address, path) >= sizeof url) {
        return err_set(&remote->err, ERR_CONFIG, "--admin: too long an address");
    }
    const struct httpc_request request = {
        .method = method, .url = url, .timeout_ms = TIMEOUT_MS, .answer_max = ANSWER_MAX};
    if (httpc_start(remote->httpc, &request, answered, remote, &remote->err) == NULL) {
        return false;
    }
    loop_run(remote->loop);
    if (remote->status == 0) { /* the address says more than "could not be reached" */
        struct err err = {0};
        (void)err_set(&err, remote->err.kind, "%s: %.140s", address, remote->err.detail);
        remote->err = err;
    }
    return remote->err.kind == ERR_NONE;
}

static int failed(const struct remote *remote) {
    run_complain(options_program.name, &remote->err);
    return remote->err.kind == ERR_CONFIG || remote->err.kind == ERR_INVALID ? RUN_USAGE
           : remote->status == 0                                             ? RUN_SETUP
                                                                             : RUN_FAILED;
}

static const char *member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static const char *or_dash(const char *text) { return text[0] == '\0' ? "-" : text; }

static void print_row(const json_t *one) {
    const char *why = member(one, "waitsFor");

    why = why[0] != '\0' ? why : member(one, "reason");
    (void)printf("%-24s  %-36s  %-6s  %-14s  %-20s  %s\n", member(one, "enrolmentId"),
                 member(one, "nfInstanceId"), member(one, "nfType"), member(one, "state"),
                 or_dash(member(one, "since")), or_dash(why));
}

static void print_page(const struct remote *remote, const json_t *page, int64_t *shown) {
    const json_t *list = json_object_get(page, "enrolments");
    const json_t *one = NULL;
    size_t i = 0;

    if (remote->raw) {
        (void)printf("%s\n", remote->body);
    } else if (*shown == 0) {
        (void)printf("%-24s  %-36s  %-6s  %-14s  %-20s  %s\n", "ENROLMENT", "NF", "TYPE", "STATE",
                     "SINCE", "WAITS FOR, REASON");
    }
    *shown += (int64_t)json_array_size(list);
    if (!remote->raw) {
        json_array_foreach(list, i, one) { print_row(one); }
    }
}

/* A word is a state when it looks like one, else an NF. */
static bool list_path(const struct remote *remote, int64_t limit, const char *after,
                      char path[URL_SIZE]) {
    size_t len = (size_t)snprintf(path, URL_SIZE, "/enrolments?limit=%" PRId64, limit);

    for (unsigned i = 1; i <= 2 && config_positional(remote->config, i) != NULL; i++) {
        const char *word = config_positional(remote->config, i);
        enum enrolment_state state = ENROLMENT_STATE__COUNT;
        if (word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz0123456789-")]
            != '\0') {
            return false;
        }
        len += (size_t)snprintf(
            path + len, URL_SIZE - len, "&%s=%.100s",
            enrolment_state_parse(word, &state) || strchr(word, '-') == NULL ? "state" : "nf",
            word);
    }
    (void)snprintf(path + len, URL_SIZE - len, "%s%s", after[0] == '\0' ? "" : "&after=", after);
    return true;
}

static int list(struct remote *remote) {
    const int64_t limit = config_int(remote->config, "limit");
    int64_t shown = 0;
    char after[32] = "", path[URL_SIZE];

    do {
        const int64_t left = limit == 0 ? ADMIN_LIST_LIMIT_MAX : limit - shown;
        if (!list_path(remote, left < ADMIN_LIST_LIMIT_MAX ? left : ADMIN_LIST_LIMIT_MAX, after,
                       path)) {
            (void)err_set(&remote->err, ERR_CONFIG,
                          "list [STATE] [NF]: neither a state nor a UUID");
            return failed(remote);
        }
        if (!ask(remote, "GET", path)) {
            return failed(remote);
        }
        AUTO(json_release) json_t *page = json_read_object(remote->body, remote->len, &remote->err);
        if (page == NULL) {
            return failed(remote);
        }
        print_page(remote, page, &shown);
        (void)snprintf(after, sizeof after, "%s", member(page, "next"));
    } while (after[0] != '\0' && (limit == 0 || shown < limit));
    if (after[0] != '\0') {
        (void)fprintf(stderr, "%s: %" PRId64 " shown, there are more (--limit)\n",
                      options_program.name, shown);
    }
    return RUN_OK;
}

static void print_member(const char *name, const json_t *value) {
    if (json_is_string(value)) {
        (void)printf("%-18s %s\n", name, json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)printf("%-18s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    } else {
        AUTO(free) char *text = json_text(value);
        (void)printf("%-18s %s\n", name, text == NULL ? "" : text);
    }
}

static void print_enrolment(const json_t *object) {
    const json_t *history = json_object_get(object, "history"), *line = NULL;
    const char *name = NULL;
    json_t *value = NULL;
    size_t i = 0;

    json_object_foreach((json_t *)object, name, value) {
        if (value != history) {
            print_member(name, value);
        }
    }
    json_array_foreach(history, i, line) {
        (void)printf("%-18s %-20s  %-14s  %s\n", i == 0 ? "history" : "", member(line, "at"),
                     member(line, "state"), member(line, "cause"));
    }
}

/* show, retry, withdraw. */
static int one(struct remote *remote, const char *verb) {
    const char *id = config_positional(remote->config, 1);
    const bool show = strcmp(verb, "show") == 0;
    char path[URL_SIZE];
    int64_t row = 0;

    if (!enrolment_id_row(id, &row)
        || strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
               != strlen(id)) {
        (void)err_set(&remote->err, ERR_CONFIG, "%.60s: no id of an enrolment", id);
        return failed(remote);
    }
    (void)snprintf(path, sizeof path, "/enrolments/%s%s%s", id, show ? "" : "/", show ? "" : verb);
    if (!ask(remote, show ? "GET" : "POST", path)) {
        return failed(remote);
    }
    if (remote->status == 204) {
        (void)printf("%s is withdrawn\n", id);
        return RUN_OK;
    }
    AUTO(json_release) json_t *object = json_read_object(remote->body, remote->len, &remote->err);
    if (object == NULL) {
        return failed(remote);
    }
    if (remote->raw) {
        (void)printf("%s\n", remote->body);
    } else if (show) {
        print_enrolment(object);
    } else {
        (void)printf("%s is tried again%s%s: %s\n", id, remote->status == 201 ? " as " : "",
                     remote->status == 201 ? member(object, "enrolmentId") : "",
                     member(object, "state"));
    }
    return RUN_OK;
}

int remote_run(const struct config *config) {
    const char *verb = config_positional(config, 0);
    struct err err = {0};
    AUTO(loop_free) struct loop *loop = loop_new(&err);
    AUTO(httpc_free)
    struct httpc *httpc =
        loop == NULL ? NULL : httpc_new(&(struct httpc_options){.loop = loop}, &err);
    struct remote remote = {
        .config = config, .loop = loop, .httpc = httpc, .raw = config_bool(config, "json")};

    if (httpc == NULL) {
        run_complain(options_program.name, &err);
        return RUN_SETUP;
    }
    const int code = strcmp(verb, "list") == 0 ? list(&remote) : one(&remote, verb);
    free(remote.body);
    return code;
}
