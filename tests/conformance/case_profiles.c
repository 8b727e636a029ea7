/* draft-ietf-acme-profiles: certificate profiles. */
#include <stdlib.h>
#include <string.h>

#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

/* Used by no other case, so that it can be withdrawn for a moment. */
#define WITHDRAWN "nf-jwt"

static const json_t *advertised(struct spec *spec) {
    return json_object_get(json_object_get(spec_directory(spec), "meta"), "profiles");
}

/* newOrder for a dns name; profile NULL: none is asked for. */
static const struct spec_answer *order_as(struct spec *spec, const struct spec_account *account,
                                          json_t *profile) {
    json_t *payload = spec_identifiers(spec, spec_name(spec), NULL);

    if (profile != NULL) {
        (void)json_object_set_new(payload, "profile", profile);
    }
    return spec_post_json(spec, account, spec_url(spec, "newOrder"), payload);
}

static void the_directory_describes_them(struct spec *spec) {
    const json_t *profiles = advertised(spec), *text;
    const char *name;

    (void)spec_check(spec, json_is_object(profiles) && json_object_size(profiles) > 0,
                     "meta.profiles is no object with members");
    json_object_foreach((json_t *)profiles, name, text) {
        (void)spec_check(spec, name[0] != '\0' && json_string_length(text) > 0,
                         "profile \"%s\" has no description", name);
    }
}

/* Of all that are advertised: taken and shown, or refused as invalidProfile. */
static void each_is_shown_or_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *text;
    unsigned taken = 0;
    const char *name;

    json_object_foreach((json_t *)advertised(spec), name, text) {
        const struct spec_answer *answer = order_as(spec, account, json_string(name));
        if (answer->status >= 400) {
            (void)spec_problem(spec, answer, SPEC_4XX, "invalidProfile");
            continue;
        }
        (void)spec_status(spec, answer, 201);
        (void)spec_same(spec, "profile of the new order", spec_member(answer->json, "profile"),
                        name);
        const char *url = spec_header(spec, answer, "Location");
        (void)spec_same(spec, "profile of the order",
                        spec_member(spec_fetch(spec, account, url)->json, "profile"), name);
        taken++;
    }
    (void)spec_check(spec, taken > 0, "no profile is good for a dns name");
}

static void it_is_shown_to_the_end(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_certificate *made = spec_issue(spec, account, NULL);
    const struct spec_answer *valid = spec_fetch(spec, account, made->order->url);
    const char *chosen = spec_member(made->order->answer->json, "profile");

    (void)spec_check(spec, json_object_get(advertised(spec), chosen) != NULL,
                     "the order shows the profile \"%s\", which is not advertised", chosen);
    (void)spec_same(spec, "profile of the valid order", spec_member(valid->json, "profile"),
                    chosen);
}

static void an_unknown_one_is_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    (void)spec_problem(spec, order_as(spec, account, json_string("no-such-profile")), SPEC_4XX,
                       "invalidProfile");
    (void)spec_problem(spec, order_as(spec, account, json_string("")), SPEC_4XX, "invalidProfile");
}

static void an_unfit_one_is_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *text;
    unsigned refused = 0;
    const char *name;

    json_object_foreach((json_t *)advertised(spec), name, text) {
        const struct spec_answer *answer = order_as(spec, account, json_string(name));
        if (answer->status != 201) {
            (void)spec_problem(spec, answer, SPEC_4XX, "invalidProfile");
            refused++;
        }
    }
    if (refused == 0) {
        spec_skip(spec, "every profile of the target is good for a dns name");
    }
}

static void it_is_a_text(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    json_t *const wrong[] = {json_integer(5), json_true(), json_array(), json_object()};

    for (unsigned i = 0; i < COUNT(wrong); i++) {
        (void)spec_problem(spec, order_as(spec, account, wrong[i]), SPEC_4XX,
                           "malformed|invalidProfile");
    }
}

static void without_profiles_it_is_ignored(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer = order_as(spec, account, json_string("tls-server"));

    (void)spec_check(spec, advertised(spec) == NULL, "the directory has profiles");
    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, "invalidProfile");
        return;
    }
    (void)spec_status(spec, answer, 201);
    (void)spec_check(spec, json_object_get(answer->json, "profile") == NULL,
                     "the order shows a profile");
    const struct spec_order *order = spec_order(spec, account, NULL);
    (void)spec_check(spec, json_object_get(order->answer->json, "profile") == NULL,
                     "an order that asked for none shows a profile");
}

/* ---- withdrawal ---- */

static void offer(struct spec *spec, bool offered) {
    (void)spec_status(spec,
                      spec_admin(spec, "PUT", "/profiles/" WITHDRAWN,
                                 spec_pack(spec, "{s:b}", "offered", offered)),
                      200);
}

/* The authorization of an NfInstanceId, by a token of its authority. */
static void prove_instance(struct spec *spec, const struct spec_order *order) {
    const struct spec_account *account = order->account;
    const struct spec_answer *authz =
        spec_fetch(spec, account, order->authz_count == 0 ? "" : order->authz[0]);
    const json_t *challenge = spec_challenge(authz->json, "tkauth-01");
    json_t *claims = spec_token_claims(spec, account, "NfInstanceId", order->name);

    (void)json_object_set_new(claims, "nfTypes", json_pack("[s]", "AMF"));
    const char *token = spec_token(spec, claims, NULL);

    (void)spec_status(spec,
                      spec_post_json(spec, account, spec_member(challenge, "url"),
                                     spec_pack(spec, "{s:s}", "tkauth", token)),
                      200);
    const struct spec_answer *ready = spec_poll(spec, account, order->url, "ready|invalid");
    (void)spec_same(spec, "status of the order", spec_member(ready->json, "status"), "ready");
}

static const char *instance_csr(struct spec *spec, const char *uuid) {
    struct x509_names names = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    struct err err = {0};

    (void)snprintf(names.uuid, sizeof(names.uuid), "%s", uuid);
    if (!spec_check(spec, x509_csr_make(spec_key(spec, KEY_P256), &names, NULL, &der, &len, &err),
                    "no CSR: %s", err.detail)) {
        return "";
    }
    return spec_b64(spec, der, len);
}

static void a_withdrawn_one_issues_nothing(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *uuid = spec_uuid(spec);
    const json_t *payload = spec_pack(spec, "{s:[{s:s, s:s}], s:s}", "identifiers", "type",
                                      "NfInstanceId", "value", uuid, "profile", WITHDRAWN);

    if (json_object_get(advertised(spec), WITHDRAWN) == NULL) {
        spec_skip(spec, "the target has no profile " WITHDRAWN);
        return;
    }
    const struct spec_order *order = spec_order_of(spec, account, payload);
    prove_instance(spec, order);
    const char *csr = instance_csr(spec, uuid);
    offer(spec, false);
    const struct spec_answer *finalized = spec_finalize(spec, order, csr);
    const struct spec_answer *ordered =
        spec_post_json(spec, account, spec_url(spec, "newOrder"), payload);
    const struct spec_answer *directory = spec_get(spec, spec_directory_url(spec));
    offer(spec, true); /* whatever came */
    (void)spec_problem(spec, finalized, SPEC_4XX, "invalidProfile");
    (void)spec_problem(spec, ordered, SPEC_4XX, "invalidProfile");
    const json_t *list = json_object_get(json_object_get(directory->json, "meta"), "profiles");
    (void)spec_check(spec, json_is_object(list) && json_object_get(list, WITHDRAWN) == NULL,
                     "the withdrawn profile is advertised");
    (void)spec_status(spec, spec_finalize(spec, order, csr), 200); /* nothing else was wrong */
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "profiles/3/1", .rows = "X-PROF-3-01", .area = "profiles", .level = SPEC_MUST, .text = "meta.profiles is an object of descriptions.", .needs = NEED_PROFILES, .run = the_directory_describes_them},
    {.id = "profiles/4/1", .rows = "X-PROF-4-01", .area = "profiles", .level = SPEC_MUST, .text = "An order shows the profile it was made with.", .needs = NEED_PROFILES, .run = each_is_shown_or_refused},
    {.id = "profiles/4/2", .rows = "X-PROF-4-02", .area = "profiles", .level = SPEC_MUST, .text = "A profile that is not advertised is invalidProfile.", .needs = NEED_PROFILES, .run = an_unknown_one_is_refused},
    {.id = "profiles/4/3", .rows = "X-PROF-4-03", .area = "profiles", .level = SPEC_MUST, .text = "A profile that does not fit the identifiers is invalidProfile.", .needs = NEED_PROFILES, .run = an_unfit_one_is_refused},
    {.id = "profiles/4/4", .rows = "X-PROF-4-01 X-PROF-4-04", .area = "profiles", .level = SPEC_SHOULD, .text = "Without one in the request the server picks one and shows it to the end.", .needs = NEED_PROFILES | NEED_HTTP01, .run = it_is_shown_to_the_end},
    {.id = "profiles/4/5", .rows = "X-PROF-4-05", .area = "profiles", .level = SPEC_MUST, .text = "A profile withdrawn before finalize is invalidProfile.", .needs = NEED_PROFILES | NEED_ADMIN | NEED_TOKEN, .run = a_withdrawn_one_issues_nothing},
    {.id = "profiles/4/6", .rows = "X-PROF-4-06", .area = "profiles", .level = SPEC_MUST, .text = "A profile that is no text is refused.", .needs = NEED_PROFILES, .run = it_is_a_text},
    {.id = "profiles/4/7", .rows = "X-PROF-4-07", .area = "profiles", .level = SPEC_MUST, .text = "Without profiles the member is ignored, or invalidProfile.", .needs = NEED_PLAIN, .run = without_profiles_it_is_ignored},
};
/* clang-format on */

const struct spec_area case_profiles = {cases, COUNT(cases)};
