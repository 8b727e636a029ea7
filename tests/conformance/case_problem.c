/* RFC 9457 problem documents and RFC 8288 links, beyond what RFC 8555 says of them. */
#include <string.h>

#include "tests/conformance/areas.h"

#define ANSWERS 8

/* Errors of several kinds; the number of them. */
static unsigned provoke(struct spec *spec, const struct spec_answer *ret[ANSWERS]) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *new_order = spec_url(spec, "newOrder");
    unsigned count = 0;

    ret[count++] = spec_get(spec, new_order);
    ret[count++] = spec_get(spec, spec_text(spec, "%s-none", new_order));
    ret[count++] = spec_post_json(spec, account, new_order, spec_pack(spec, "{}"));
    ret[count++] = spec_post_json(
        spec, account, new_order,
        spec_pack(spec, "{s:[{s:s, s:s}]}", "identifiers", "type", "zz", "value", "a"));
    ret[count++] =
        spec_post_json(spec, account, new_order, spec_identifiers(spec, "_a.", "a..b", NULL));
    ret[count++] = spec_post(spec, &(struct spec_post){.url = new_order,
                                                       .account = account,
                                                       .alg = "none",
                                                       .payload = spec_pack(spec, "{}")});
    ret[count++] = spec_post(spec, &(struct spec_post){.url = new_order,
                                                       .account = account,
                                                       .nonce = "AAAA",
                                                       .payload = spec_pack(spec, "{}")});
    ret[count++] = spec_post_json(spec, account, spec_url(spec, "revokeCert"),
                                  spec_pack(spec, "{s:s}", "certificate", "AAAA"));
    return count;
}

static void members_are_texts(struct spec *spec) {
    static const char *const names[] = {"type", "title", "detail", "instance"};
    const struct spec_answer *answers[ANSWERS];
    unsigned count = provoke(spec, answers);

    for (unsigned i = 0; i < count; i++) {
        (void)spec_problem(spec, answers[i], SPEC_4XX, "*");
        for (unsigned n = 0; n < COUNT(names); n++) {
            const json_t *member = json_object_get(answers[i]->json, names[n]);
            (void)spec_check(spec, member == NULL || json_is_string(member),
                             "%s of the problem of error %u is no text", names[n], i);
        }
    }
}

/* ---- HEAD ---- */

/* A GET is sent behind it on the same connection: what comes after the headers of the answer to
 * HEAD, as long as they say, begins with the answer to GET. */
static void head_has_no_body(struct spec *spec) {
    const char *const urls[] = {spec_url(spec, "newNonce"), spec_directory_url(spec)};

    for (unsigned i = 0; i < COUNT(urls) && !spec_over(spec); i++) {
        const char *host = strstr(urls[i], "://");
        host = host == NULL ? urls[i] : host + 3;
        int len = (int)strcspn(host, "/");
        const char *text = spec_text(spec,
                                     "HEAD %s HTTP/1.1\r\nHost: %.*s\r\n\r\n"
                                     "GET %s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n",
                                     host + len, len, host, host + len, len, host);
        const struct spec_answer *answer = spec_raw(spec, urls[i], text, strlen(text), 0);
        (void)spec_status(spec, answer, SPEC_2XX);
        (void)spec_check(spec, answer->body_len == 0 || strncmp(answer->body, "HTTP/1.", 7) == 0,
                         "HEAD %s: a body \"%.40s\"", urls[i], answer->body);
    }
}

/* ---- links ---- */

static const char *skip_token(const char *at) {
    return at
           + strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "!#$%&'*+-.^_`|~");
}

/* ";name=value", value a token or quoted; the place behind it, NULL when it is none. */
static const char *skip_parameter(const char *at, unsigned *rels) {
    const char *name = at + 1 + strspn(at + 1, " \t");
    const char *end = skip_token(name);

    *rels += end - name == 3 && strncmp(name, "rel", 3) == 0;
    if (end == name || *end != '=') {
        return end == name ? NULL : end;
    }
    if (end[1] != '"') {
        const char *behind = skip_token(end + 1);
        return behind == end + 1 ? NULL : behind;
    }
    for (at = end + 2; *at != '"'; at++) {
        at += *at == '\\';
        if (*at == '\0' || (unsigned char)*at < ' ') {
            return NULL;
        }
    }
    return at + 1;
}

/* One Link value of section 3: "<https://…>" and parameters, exactly one of them rel. */
static void check_link(struct spec *spec, const char *value, size_t value_len) {
    const char *text = spec_text(spec, "%.*s", (int)value_len, value), *at = text;
    unsigned rels = 0;

    do {
        at += strspn(at, " \t,");
        size_t target = strcspn(at, "> \t\"");
        bool url = *at == '<' && at[target] == '>' && strncmp(at + 1, "http", 4) == 0;
        if (!spec_check(spec, url, "no target in Link: %s", text)) {
            return;
        }
        at += target + 1;
        rels = 0;
        for (at += strspn(at, " \t"); at != NULL && *at == ';';) {
            at = skip_parameter(at, &rels);
            at = at == NULL ? NULL : at + strspn(at, " \t");
        }
        (void)spec_check(spec, at != NULL && (*at == '\0' || *at == ','),
                         "a parameter has no form in Link: %s", text);
        (void)spec_check(spec, rels == 1, "%u rel parameters in Link: %s", rels, text);
    } while (!spec_over(spec) && *at == ',');
}

static unsigned check_links(struct spec *spec, const struct spec_answer *answer) {
    unsigned count = 0;

    for (const char *line = strstr(answer->head, "\r\n"); line != NULL && !spec_over(spec);
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "Link:", 5) == 0) {
            check_link(spec, line + 5, strcspn(line + 5, "\r"));
            count++;
        }
    }
    return count;
}

static void links_have_the_form(struct spec *spec) {
    const struct spec_certificate *made = spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_order *order = made->order;
    const char *authz_url = order->authz_count > 0 ? order->authz[0] : "";
    const struct spec_answer *authz = spec_fetch(spec, order->account, authz_url);
    const char *challenge = spec_member(spec_challenge(authz->json, "http-01"), "url");
    const struct spec_answer *const answers[] = {order->account->answer,
                                                 order->answer,
                                                 authz,
                                                 spec_fetch(spec, order->account, challenge),
                                                 made->answer,
                                                 spec_get(spec, spec_url(spec, "newNonce"))};

    for (unsigned i = 0; i < COUNT(answers); i++) {
        (void)spec_check(spec, check_links(spec, answers[i]) > 0, "%s %s: no Link",
                         answers[i]->method, answers[i]->url);
    }
    (void)spec_same(spec, "up of the challenge", spec_link(spec, answers[3], "up", NULL),
                    authz_url);
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc9457/3/1", .rows = "X-7807-3-01", .area = "problem", .level = SPEC_MUST, .text = "Every error of the run is application/problem+json.", .watch = WATCH_PROBLEM_MEDIA},
    {.id = "rfc9457/3.1/1", .rows = "X-7807-3.1-01", .area = "problem", .level = SPEC_MUST, .text = "The member status of every problem is the HTTP status.", .watch = WATCH_PROBLEM_STATUS},
    {.id = "rfc9457/3.1/2", .rows = "X-7807-3.1-02", .area = "problem", .level = SPEC_MUST, .text = "type, title, detail and instance are texts.", .run = members_are_texts},
    {.id = "rfc9110/15.5.6/1", .rows = "X-9110-405-01", .area = "problem", .level = SPEC_MUST, .text = "Every 405 of the run has Allow.", .watch = WATCH_ALLOW},
    {.id = "rfc9110/9.3.2/1", .rows = "X-9110-HEAD-01", .area = "problem", .level = SPEC_MUST, .text = "Answers to HEAD have no body.", .run = head_has_no_body},
    {.id = "rfc8288/3/1", .rows = "X-8288-3-01", .area = "link", .level = SPEC_MUST, .text = "Link headers have the form, each link with one rel.", .needs = NEED_HTTP01, .run = links_have_the_form},
};
/* clang-format on */

const struct spec_area case_problem = {cases, COUNT(cases)};
