/* Admin calls that withdraw profiles while the server runs, and offer them again. */
#include "server/admin.h"

static json_t *profile_json(const struct admin_call *call, const struct profile *profile) {
    return json_pack("{s:s, s:s, s:b}", "name", profile->name, "description", profile->description,
                     "offered", profile_offered(call->options->profiles, profile));
}

void admin_profile_list(const struct admin_call *call) {
    json_t *list = json_array();

    for (const struct profile *profile = profiles; profile->name != NULL; profile++) {
        (void)json_array_append_new(list, profile_json(call, profile));
    }
    admin_answer(call, 200, json_pack("{s:o}", "profiles", list));
}

static bool read_offered(const struct admin_call *call, bool *ret, struct err *err) {
    static const char *const allowed[] = {"offered", NULL};

    if (call->body == NULL) {
        return err_set(err, ERR_MALFORMED, "the call needs a JSON object");
    }
    return json_only(call->body, allowed, err)
           && json_get_bool(call->body, "offered", JSON_REQUIRED, ret, err);
}

void admin_profile_offer(const struct admin_call *call) {
    const struct profile *profile = profile_find(call->params.value[0]);
    struct err err = {0};
    bool offered = false;

    if (profile == NULL) {
        (void)err_set(&err, ERR_NOT_FOUND, "there is no such profile");
        admin_fail(call, &err);
    } else if (!read_offered(call, &offered, &err)) {
        admin_fail(call, &err);
    } else {
        profile_offer_set(call->options->profiles, profile, offered);
        admin_answer(call, 200, profile_json(call, profile));
    }
}
