/* Admin calls: fault rules at run time. */
#include "server/admin_faults.h"

#include <stdio.h>
#include <stdlib.h>

void admin_faults_show(const struct admin_call *call) {
    admin_answer(call, 200, faults_json(call->options->faults));
}

void admin_faults_add(const struct admin_call *call) {
    struct err err = {0};
    unsigned number = 0;
    char location[32];

    if (!faults_add(call->options->faults, call->body, &number, &err)) {
        admin_fail(call, &err);
        return;
    }
    (void)snprintf(location, sizeof(location), "/faults/%u", number);
    httpd_header_add(call->exchange, "Location", location);
    admin_answer(call, 201, json_pack("{s:I}", "id", (json_int_t)number));
}

void admin_faults_replace(const struct admin_call *call) {
    static const char *const members[] = {"faults", NULL};
    const json_t *list = NULL;
    struct err err = {0};

    if (call->body == NULL) {
        (void)err_set(&err, ERR_MISSING, "the body is an object with \"faults\", a list");
    }
    if (err.kind != ERR_NONE || !json_only(call->body, members, &err)
        || !json_get_array(call->body, "faults", JSON_REQUIRED, FAULTS_MAX, &list, &err)
        || !faults_replace(call->options->faults, list, &err)) {
        admin_fail(call, &err);
        return;
    }
    admin_faults_show(call);
}

void admin_faults_remove(const struct admin_call *call) {
    char *end = NULL;
    unsigned long number = strtoul(call->params.value[0], &end, 10);
    struct err err = {0};

    if (*end != '\0' || number > UINT32_MAX
        || !faults_remove(call->options->faults, (unsigned)number)) {
        (void)err_set(&err, ERR_NOT_FOUND, "there is no fault rule %s", call->params.value[0]);
        admin_fail(call, &err);
        return;
    }
    httpd_answer(call->exchange, 204, NULL, NULL, 0);
}

void admin_faults_clear(const struct admin_call *call) {
    faults_clear(call->options->faults);
    httpd_answer(call->exchange, 204, NULL, NULL, 0);
}
