#include "server/admin_ari.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "server/ari.h"
#include "server/store_renewal.h"

#define US_PER_S 1000000
#define TIME_MAX 40

static bool read_time(const json_t *body, const char *name, int64_t *ret_s, struct err *err) {
    const char *text = NULL;
    uint64_t us = 0;

    if (!json_get_text(body, name, JSON_OPTIONAL, TIME_MAX, &text, err)) {
        return false;
    }
    if (text == NULL) {
        return true;
    }
    if (!clock_parse(text, &us) || us < US_PER_S) {
        return err_set_param(err, ERR_INVALID, name, "\"%s\" is not an RFC 3339 time", name);
    }
    *ret_s = (int64_t)(us / US_PER_S);
    return true;
}

/* Which certificate; "" for all of them. */
static bool read_serial(const struct admin_call *call, struct renewal_window *window,
                        struct err *err) {
    AUTO(certificate_done) struct certificate certificate = {0};
    const char *certid = NULL;
    bool all = false;

    if (!json_get_text(call->body, "certid", JSON_OPTIONAL, ARI_CERTID_SIZE, &certid, err)
        || !json_get_bool(call->body, "all", JSON_OPTIONAL, &all, err)) {
        return false;
    }
    if (all == (certid != NULL)) {
        return err_set(err, ERR_MALFORMED, "name one certificate as \"certid\", or \"all\": true");
    }
    return all
           || (ari_certid_read(certid, ca_issuer(call->options->ca), window->serial, err)
               && store_certificate_get(call->options->store, window->serial, &certificate, err));
}

static bool read_window(const struct admin_call *call, struct renewal_window *window,
                        struct err *err) {
    static const char *const allowed[] = {"certid", "all", "start", "end", "explanationURL", NULL};
    const char *url = "";

    if (call->body == NULL) {
        return err_set(err, ERR_MALFORMED, "the call needs a JSON object");
    }
    if (!json_only(call->body, allowed, err) || !read_serial(call, window, err)
        || !read_time(call->body, "start", &window->start_s, err)
        || !read_time(call->body, "end", &window->end_s, err)
        || !json_get_text(call->body, "explanationURL", JSON_OPTIONAL, RENEWAL_URL_SIZE - 1, &url,
                          err)) {
        return false;
    }
    if ((window->start_s == 0) != (window->end_s == 0)
        || (window->start_s != 0 && window->end_s <= window->start_s)) {
        return err_set(err, ERR_MALFORMED, "\"end\" must come after \"start\"");
    }
    if (*url != '\0' && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) {
        return err_set_param(err, ERR_INVALID, "explanationURL", "not an http or https URL");
    }
    (void)snprintf(window->url, sizeof(window->url), "%s", url);
    window->set_at_s = clock_now_s(call->options->clock);
    return true;
}

void admin_renewal_info(const struct admin_call *call) {
    struct renewal_window window = {0};
    struct store_tx tx = {0};
    struct err err = {0};

    if (read_window(call, &window, &err)) {
        store_tx_add(&tx, STORE_WINDOW)->window = &window;
        if (store_write(call->options->store, &tx, &err)) {
            admin_answer(call, 200, json_incref(call->body));
            return;
        }
    }
    admin_fail(call, &err);
}
