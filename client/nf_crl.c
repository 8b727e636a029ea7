#include "client/nf_crl.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/x509_crl.h"

#define TEXT_MAX (16 * 1024 * 1024)

struct nf_crl {
    struct loop *loop;
    const struct config *config;
    const char *path;
    nf_crl_user *user;
    void *ctx;
    char *pem;
    struct loop_timer timer;
    struct timespec changed[X509_CRL_FILES_MAX];
    ino_t inodes[X509_CRL_FILES_MAX];
    size_t count;
};

static const char *file(const struct nf_crl *nf_crl, size_t index) {
    return config_text_at(nf_crl->config, nf_crl->path, index);
}

/* Note what the files look like; true: not as before. */
static bool look(struct nf_crl *nf_crl) {
    bool other = false;

    for (size_t i = 0; i < nf_crl->count; i++) {
        struct stat now = {0};
        (void)stat(file(nf_crl, i), &now);
        other = other || now.st_mtim.tv_sec != nf_crl->changed[i].tv_sec
                || now.st_mtim.tv_nsec != nf_crl->changed[i].tv_nsec
                || now.st_ino != nf_crl->inodes[i];
        nf_crl->changed[i] = now.st_mtim;
        nf_crl->inodes[i] = now.st_ino;
    }
    return other;
}

static bool take(struct nf_crl *nf_crl, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(TEXT_MAX);

    (void)look(nf_crl); /* first: a change while they are read is seen next time */
    for (size_t i = 0; i < nf_crl->count; i++) {
        if (!x509_crl_read_file(file(nf_crl, i), &out, err)) {
            return false;
        }
    }
    free(nf_crl->pem);
    nf_crl->pem = buf_take(&out);
    return nf_crl->pem != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

struct nf_crl *nf_crl_new(struct loop *loop, const struct config *config, const char *path,
                          struct err *err) {
    AUTO(nf_crl_free) struct nf_crl *nf_crl = calloc(1, sizeof *nf_crl);

    if (nf_crl == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    nf_crl->loop = loop;
    nf_crl->config = config;
    nf_crl->path = path;
    nf_crl->count = config_count(config, path);
    if (nf_crl->count > X509_CRL_FILES_MAX) {
        (void)err_set(err, ERR_CONFIG, "%s: at most %d files", path, X509_CRL_FILES_MAX);
        return NULL;
    }
    return nf_crl->count > 0 && !take(nf_crl, err) ? NULL : TAKE(nf_crl);
}

void nf_crl_free(struct nf_crl *nf_crl) {
    if (nf_crl != NULL) {
        loop_timer_unset(nf_crl->loop, &nf_crl->timer);
        free(nf_crl->pem);
        free(nf_crl);
    }
}

const char *nf_crl_pem(const struct nf_crl *nf_crl) { return nf_crl->pem; }

static void reread(void *ctx) {
    struct nf_crl *nf_crl = ctx;
    struct err err = {0};
    char why[300];

    if (nf_crl->user == NULL || nf_crl->count == 0) {
        return;
    }
    if (take(nf_crl, &err) && nf_crl->user(nf_crl->ctx, nf_crl->pem, &err)) {
        log_line(LOG_INFO, "nf_crl", "read", "files=%zu", nf_crl->count);
    } else {
        log_line(LOG_ERROR, "nf_crl", "unread", "text=%s", log_quote(err.detail, why, sizeof why));
    }
}

static void on_time(void *ctx) {
    struct nf_crl *nf_crl = ctx;

    if (look(nf_crl)) {
        reread(nf_crl);
    }
    loop_timer_set(nf_crl->loop, &nf_crl->timer, loop_now_us(nf_crl->loop) + NF_CRL_LOOK_US,
                   on_time, nf_crl);
}

static void watch(void *ctx) {
    const struct nf_crl *nf_crl = ctx;

    if (nf_crl->count > 0) {
        on_time(ctx);
    }
}

void nf_crl_watch(struct nf_crl *nf_crl, nf_crl_user *user, void *ctx) {
    nf_crl->user = user;
    nf_crl->ctx = ctx;
    loop_post(nf_crl->loop, watch, nf_crl);
}

void nf_crl_reread(struct nf_crl *nf_crl) { loop_post(nf_crl->loop, reread, nf_crl); }
