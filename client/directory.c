#include "client/directory.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/ossl.h"

#define URL_MAX 1024

void directory_done(struct directory *directory) {
    free(directory->new_nonce);
    free(directory->new_account);
    free(directory->new_order);
    free(directory->revoke_cert);
    free(directory->key_change);
    free(directory->renewal_info);
    *directory = (struct directory){0};
}

void directory_done_auto(struct directory *directory) { directory_done(directory); }

/* What follows "https://" or "http://"; NULL when text begins otherwise. */
static const char *after_scheme(const char *text) {
    if (strncmp(text, "https://", 8) == 0) {
        return text + 8;
    }
    return strncmp(text, "http://", 7) == 0 ? text + 7 : NULL;
}

bool directory_url(const char *text) {
    const char *authority = after_scheme(text);
    const size_t len = authority == NULL ? 0 : strcspn(authority, "/?#");

    if (len == 0 || strlen(text) > URL_MAX || memchr(authority, '@', len) != NULL) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return false;
        }
    }
    return true;
}

static bool take_url(const json_t *json, const char *name, enum json_need need, char **ret,
                     struct err *err) {
    struct err wrong = {0};
    const char *text = NULL;

    if (!json_get_text(json, name, need, URL_MAX, &text, &wrong)
        || (text != NULL && !directory_url(text))) {
        return err_set(err, ERR_UPSTREAM, "the directory's \"%s\" is not a URL", name);
    }
    *ret = text == NULL ? NULL : strdup(text);
    return text == NULL || *ret != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

bool directory_parse(const json_t *json, struct directory *ret, struct err *err) {
    AUTO(directory_done) struct directory found = {0};
    struct err unusable = {0}; /* renewal information that is of no use is not offered */
    const json_t *meta = json_object_get(json, "meta");

    if (!take_url(json, "newNonce", JSON_REQUIRED, &found.new_nonce, err)
        || !take_url(json, "newAccount", JSON_REQUIRED, &found.new_account, err)
        || !take_url(json, "newOrder", JSON_REQUIRED, &found.new_order, err)
        || !take_url(json, "revokeCert", JSON_OPTIONAL, &found.revoke_cert, err)
        || !take_url(json, "keyChange", JSON_OPTIONAL, &found.key_change, err)) {
        return false;
    }
    if (take_url(json, "renewalInfo", JSON_OPTIONAL, &found.renewal_info, &unusable)
        && found.renewal_info != NULL && !directory_keeps(found.new_order, found.renewal_info)) {
        free(found.renewal_info);
        found.renewal_info = NULL;
    }
    found.profiles = json_object_size(json_object_get(meta, "profiles")) > 0;
    found.eab_required = json_is_true(json_object_get(meta, "externalAccountRequired"));
    *ret = found;
    found = (struct directory){0};
    return true;
}

bool directory_keeps(const char *base, const char *url) {
    return strncmp(base, "https://", 8) != 0 || strncmp(url, "https://", 8) == 0;
}

bool directory_fits(const struct directory *directory, const char *base, struct err *err) {
    const struct {
        const char *name, *url;
    } members[] = {{"newNonce", directory->new_nonce},
                   {"newAccount", directory->new_account},
                   {"newOrder", directory->new_order},
                   {"revokeCert", directory->revoke_cert},
                   {"keyChange", directory->key_change}};

    for (size_t i = 0; i < COUNT(members); i++) {
        if (members[i].url != NULL && !directory_keeps(base, members[i].url)) {
            return err_set(err, ERR_UPSTREAM, "the directory's \"%s\" is not https",
                           members[i].name);
        }
    }
    return true;
}
