#include "client/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/directory.h"
#include "client/state.h"
#include "client/store_file.h"
#include "common/httpc.h"
#include "common/json.h"
#include "common/key.h"
#include "common/ossl.h"
#include "common/x509.h"

#define LINE_SIZE 400
#define TIMEOUT_MS 10000

struct check {
    const char *url; /* of the directory asked for */
    const struct check_options *options;
    struct vault *vault; /* NULL: no key to try */
    unsigned findings, closed;
    struct loop *loop;
};

__attribute__((format(printf, 2, 3))) static void find(struct check *check, const char *fmt, ...) {
    char text[LINE_SIZE];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    check->findings++;
    check->options->finding(check->options->ctx, text);
}

/* ---- files ---- */

/* What only the client itself may read.  True: it is there. */
static bool is_private(struct check *check, const char *path) {
    struct stat status;

    if (stat(path, &status) != 0) {
        find(check, "%s: %s", path, strerror(errno));
        return false;
    }
    if ((status.st_mode & 077) != 0) {
        find(check, "%s: others than its owner may use it (mode %03o)", path,
             (unsigned)status.st_mode & 0777);
    }
    if (access(path, R_OK) != 0) {
        find(check, "%s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static void check_anchors(struct check *check, const char *path) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *anchors = path == NULL ? NULL : x509_chain_read_file(path, &err);
    const int64_t now_s = clock_now_s(&check->options->options->clock);

    if (path != NULL && anchors == NULL) {
        find(check, "%s", err.detail);
    }
    for (int i = 0; i < sk_X509_num(anchors); i++) {
        AUTO(x509_cert_done) struct x509_cert cert = {0};
        if (x509_cert_read(sk_X509_value(anchors, i), &cert, &err) && cert.not_after_s < now_s) {
            find(check, "%s: trust anchor %d has expired", path, i + 1);
        }
    }
}

static void check_certificate(struct check *check, const char *cert_path, const char *key_path) {
    struct err err = {0};
    const int64_t now_s = clock_now_s(&check->options->options->clock);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(cert_path, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = chain == NULL ? NULL : key_read_file(key_path, &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    if (key == NULL || !x509_cert_read(sk_X509_value(chain, 0), &cert, &err)) {
        find(check, "%s", err.detail);
    } else if (X509_check_private_key(sk_X509_value(chain, 0), key) != 1) {
        find(check, "%s: not the key of %s", key_path, cert_path);
    } else if (cert.not_before_s > now_s) {
        find(check, "%s: is not valid yet", cert_path);
    } else if (cert.not_after_s < now_s + CHECK_EXPIRY_S) {
        find(check, "%s: %s", cert_path,
             cert.not_after_s < now_s ? "has expired" : "expires within a week");
    }
}

static void check_tls(struct check *check) {
    const struct options *options = check->options->options;
    char cert[STATE_PATH_SIZE], key[STATE_PATH_SIZE];

    if (options->tls_cert != NULL) {
        (void)is_private(check, options->tls_key);
        check_certificate(check, options->tls_cert, options->tls_key);
        return;
    }
    state_path(options, "tls.pem", cert);
    state_path(options, "tls.key", key);
    if (access(cert, F_OK) == 0) { /* else it will be made */
        (void)is_private(check, key);
        check_certificate(check, cert, key);
    }
}

static void check_files(struct check *check) {
    const struct options *options = check->options->options;

    check_anchors(check, options->ca_file);
    check_anchors(check, options->oam_ca_file);
    for (size_t i = 0; i < config_count(options->config, "nf_trust"); i++) {
        check_anchors(check, config_text_at(options->config, "nf_trust", i));
    }
    check_tls(check);
    if (config_text(options->config, "dns01.secret_file") != NULL) {
        (void)is_private(check, config_text(options->config, "dns01.secret_file"));
    }
}

/* ---- the state ---- */

static void broken(void *ctx, const char *text) { find(ctx, "%s", text); }

static void try_account(void *ctx, const char *name, const unsigned char *sealed, size_t len) {
    struct check *check = ctx;
    struct err err = {0};

    if (check->vault == NULL) {
        return;
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = vault_open_key(check->vault, name, sealed, len, &err);
    if (key == NULL && check->closed++ < CHECK_ACCOUNTS_TOLD) {
        find(check, "account %s: %s", name, err.detail);
    }
}

static void check_vault(struct check *check) {
    char path[STATE_PATH_SIZE];
    struct err err = {0};
    const enum state_key which = state_key_path(check->options->options, path);

    if (which != STATE_KEY_CREDENTIAL && !is_private(check, path)) {
        return;
    }
    check->vault = vault_open_file(path, false, &err);
    if (check->vault == NULL) {
        find(check, "%s", err.detail);
    }
}

static void check_store(struct check *check) {
    const struct options *options = check->options->options;
    struct store_file_counts counts;
    char path[STATE_PATH_SIZE];
    struct err err = {0};

    if (access(options->state_dir, F_OK) != 0) {
        return; /* it will be made */
    }
    (void)is_private(check, options->state_dir);
    state_path(options, STATE_DATABASE, path);
    if (access(path, F_OK) != 0) {
        return;
    }
    check_vault(check);
    if (!store_file_check(
            path,
            &(struct store_file_look){.finding = broken, .account = try_account, .ctx = check},
            &counts, &err)) {
        find(check, "%s: %s%s%s", path, err.detail, err.cause[0] == '\0' ? "" : ": ", err.cause);
    }
    vault_close(check->vault);
    check->vault = NULL;
}

/* ---- the ACME server ---- */

/* With a clock of the bed's own there is nothing to compare. */
static void check_clock(struct check *check, const char *date) {
    const struct clock *clock = &check->options->options->clock;
    struct tm tm = {0};
    const char *end = date == NULL ? NULL : strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    const bool real = clock->scale > 0.999999 && clock->scale < 1.000001;

    if (end == NULL || *end != '\0' || !real) {
        return;
    }
    const int64_t off_s = clock_now_s(clock) - (int64_t)timegm(&tm);
    if (off_s > CHECK_CLOCK_S || off_s < -CHECK_CLOCK_S) {
        find(check, "clock: %" PRId64 " s %s the ACME server's", off_s < 0 ? -off_s : off_s,
             off_s < 0 ? "behind" : "ahead of");
    }
}

static void fetched(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct check *check = ctx;
    const char *url = check->url;
    struct err wrong = {0};

    loop_stop(check->loop);
    if (answer == NULL) {
        find(check, "%s: %s%s%s", url, err->detail, err->cause[0] == '\0' ? "" : ": ", err->cause);
        return;
    }
    AUTO(json_release) json_t *json = json_read_object(answer->body, answer->body_len, &wrong);
    AUTO(directory_done) struct directory directory = {0};
    if (answer->status != 200) {
        find(check, "%s: answers %u", url, answer->status);
    } else if (json == NULL || !directory_parse(json, &directory, &wrong)
               || !directory_fits(&directory, url, &wrong)) {
        find(check, "%s: no directory: %s", url, wrong.detail);
    }
    check_clock(check, httpc_header(answer, "Date"));
}

static void check_directory(struct check *check, const char *url) {
    const struct options *options = check->options->options;
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(options->ca_file, &err);
    AUTO(X509_STORE_free) X509_STORE *trust = anchors == NULL ? NULL : x509_trust(anchors, &err);
    AUTO(loop_free) struct loop *loop = trust == NULL ? NULL : loop_new(&err);
    AUTO(httpc_free)
    struct httpc *httpc =
        loop == NULL ? NULL
                     : httpc_new(&(struct httpc_options){.loop = loop, .trust = trust}, &err);

    if (httpc == NULL) {
        return; /* the file was told of */
    }
    check->loop = loop;
    check->url = url;
    if (httpc_start(httpc,
                    &(struct httpc_request){.method = "GET", .url = url, .timeout_ms = TIMEOUT_MS},
                    fetched, check, &err)
        == NULL) {
        find(check, "%s: %s", url, err.detail);
        return;
    }
    loop_run(loop);
}

unsigned check_run(const struct check_options *options) {
    struct check check = {.options = options};

    check_files(&check);
    check_store(&check);
    for (unsigned i = 0; i < options->options->directories_count; i++) {
        check_directory(&check, options->options->directories[i]);
    }
    return check.findings;
}
