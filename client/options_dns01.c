#include "client/options_dns01.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

static bool fail(const struct config *config, const char *path, struct err *err, const char *what) {
    char where[160];

    config_where(config, path, where, sizeof where);
    return err_set(err, ERR_CONFIG, "%s: %s", where, what);
}

void options_dns01_done(struct options_dns01 *options) {
    if (options->secret != NULL) {
        OPENSSL_cleanse(options->secret, strlen(options->secret));
        free(options->secret);
    }
    *options = (struct options_dns01){0};
}

/* The file's first word, base64. */
static bool read_secret(const struct config *config, struct options_dns01 *ret, struct err *err) {
    const char *path = config_text(config, "dns01.secret_file");
    size_t len = 0;

    if (path == NULL) {
        return fail(config, "dns01.secret_file", err, "required with dns01.server");
    }
    ret->secret = file_read(path, &len, err);
    if (ret->secret == NULL) {
        return false;
    }
    ret->secret[strcspn(ret->secret, " \t\r\n")] = '\0';
    ret->key.secret = ret->secret;
    return ret->secret[0] != '\0' || fail(config, "dns01.secret_file", err, "holds no secret");
}

/* The key signs: algorithm, name and secret are usable. */
static bool try_key(const struct config *config, const struct options_dns01 *options,
                    struct err *err) {
    const struct dns_change change = {
        .zone = options->zone, .name = options->zone, .value = "", .add = true};
    AUTO(dns_message_done) struct dns_message message = {0};
    struct err wrong = {0};

    return dns_update_make(&change, &options->key, &message, &wrong)
           || fail(config, "dns01", err, wrong.detail);
}

static bool endpoint_of(const struct config *config, const char *path, const char *text,
                        struct endpoint *ret, struct err *err) {
    struct err wrong = {0};

    return endpoint_parse(text, false, ret, &wrong) || fail(config, path, err, wrong.detail);
}

static bool read_server(const struct config *config, struct options_dns01 *ret, struct err *err) {
    ret->zone = config_text(config, "dns01.zone");
    ret->key.name = config_text(config, "dns01.key");
    ret->key.algorithm = config_text(config, "dns01.algorithm");
    ret->ttl_s = (uint32_t)config_int(config, "dns01.ttl");
    if (ret->zone == NULL) {
        return fail(config, "dns01.zone", err, "required with dns01.server");
    }
    if (ret->key.name == NULL) {
        return fail(config, "dns01.key", err, "required with dns01.server");
    }
    return endpoint_of(config, "dns01.server", config_text(config, "dns01.server"), &ret->server,
                       err)
           && read_secret(config, ret, err) && try_key(config, ret, err);
}

/* Who must serve a record: those listed, else the server that was changed. */
static bool read_checks(const struct config *config, struct options_dns01 *ret, struct err *err) {
    const size_t count = config_count(config, "dns01.check");

    if (count > DNS01_CHECKS_MAX) {
        return fail(config, "dns01.check", err, "too many servers");
    }
    for (size_t i = 0; i < count; i++) {
        if (!endpoint_of(config, "dns01.check", config_text_at(config, "dns01.check", i),
                         &ret->checks[i], err)) {
            return false;
        }
    }
    ret->checks_count = (unsigned)count;
    if (count == 0 && ret->by_server) {
        ret->checks[ret->checks_count++] = ret->server;
    }
    if (ret->wait_us == 0) {
        ret->checks_count = 0;
    }
    return true;
}

bool options_dns01_read(const struct config *config, struct options_dns01 *ret, struct err *err) {
    *ret = (struct options_dns01){
        .by_server = config_text(config, "dns01.server") != NULL,
        .by_hook = config_text(config, "dns01.hook") != NULL,
        .wait_us = config_duration_us(config, "dns01.wait"),
        .hook = config_text(config, "dns01.hook"),
        .hook_limit_us = config_duration_us(config, "dns01.hook_limit"),
        .hook_max = (unsigned)config_int(config, "dns01.hook_max"),
    };
    if (ret->by_server && ret->by_hook) {
        return fail(config, "dns01.hook", err, "dns01.server and dns01.hook exclude each other");
    }
    return (!ret->by_server || read_server(config, ret, err)) && read_checks(config, ret, err);
}
