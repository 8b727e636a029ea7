#include "server/audit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "server/audit_line.h"

#define GATHER_NS 50000000 /* what comes within 50 ms is written at once */
#define REVOKED_MAX 1024
#define BATCH 256          /* certificates of one reading */
#define TEXT_MAX (1 << 20) /* octets of one write */
#define TAIL_MAX (8 << 20) /* octets in which the revocations of a crash are looked for */
#define OVERLAP_S 60       /* revocations so old may still be missing after a crash */

struct revocation {
    char serial[X509_SERIAL_SIZE];
    int64_t at_s;
    int reason;
};

struct audit {
    struct audit_options options;
    int fd;
    char digest[AUDIT_DIGEST_SIZE];
    int64_t issued; /* the last certificate in the file */
    struct buf text;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct audit_counts counts;
    struct audit_refusal *refusals; /* AUDIT_REFUSALS_MAX */
    struct revocation *revocations; /* REVOKED_MAX */
    unsigned refusal_count, revocation_count;
    uint64_t lost; /* refusals since the last line about it */
    bool behind;   /* there are certificates to write */
    bool reread;   /* revocations too, from the store: more than REVOKED_MAX came */
    bool reopen;
    bool stopping;
    bool started;
    pthread_t thread;
};

void audit_digest(const char *line, size_t len, char digest[AUDIT_DIGEST_SIZE]) {
    unsigned char full[32];

    (void)EVP_Digest(line, len, full, NULL, EVP_sha256(), NULL);
    for (unsigned i = 0; i < (AUDIT_DIGEST_SIZE - 1) / 2; i++) {
        (void)snprintf(digest + 2 * i, 3, "%02x", full[i]);
    }
}

static bool flush(struct audit *audit, struct err *err) {
    size_t done = 0;

    while (done < audit->text.len) {
        ssize_t n = write(audit->fd, audit->text.data + done, audit->text.len - done);
        if (n < 0) { /* what is in the file is not written again */
            (void)err_set(err, ERR_STORE, "the audit log cannot be written: %m");
            audit->text.len -= done;
            memmove(audit->text.data, audit->text.data + done, audit->text.len);
            return false;
        }
        done += (size_t)n;
    }
    audit->text.len = 0;
    return true;
}

/* json is taken. */
static bool add_line(struct audit *audit, json_t *json, struct err *err) {
    AUTO(json_release) json_t *owned = json;

    (void)json_object_set_new(owned, "prev", json_string(audit->digest));
    AUTO(free) char *line = owned == NULL ? NULL : json_text(owned);
    if (line == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a line of the audit log");
    }
    const size_t len = strlen(line);
    if (audit->text.len + len + 1 > TEXT_MAX && !flush(audit, err)) {
        return false;
    }
    if (!buf_add(&audit->text, line, len) || !buf_text(&audit->text, "\n")) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the audit log");
    }
    audit_digest(line, len, audit->digest);
    (void)pthread_mutex_lock(&audit->lock);
    audit->counts.lines++;
    (void)pthread_mutex_unlock(&audit->lock);
    return true;
}

static bool add_issued(void *ctx, const struct store_issued *issued, struct err *err) {
    struct audit *audit = ctx;

    if (!add_line(audit, audit_line_issued(clock_now_us(audit->options.clock), issued), err)) {
        return false;
    }
    audit->issued = issued->n;
    return true;
}

/* Every certificate the file has not, a reading at a time. */
static bool catch_up(struct audit *audit, struct err *err) {
    int64_t before = 0;

    do {
        before = audit->issued;
        if (!store_issued_each(audit->options.store, audit->issued, BATCH, false, add_issued, audit,
                               err)) {
            return false;
        }
    } while (audit->issued != before);
    return true;
}

struct missed {
    struct audit *audit;
    const char *data;
    size_t len;
};

static bool add_missed(void *ctx, const char *serial, int64_t at_s, int reason, struct err *err) {
    const struct missed *missed = ctx;

    return audit_has_revocation(missed->data, missed->len, serial)
           || add_line(
               missed->audit,
               audit_line_revoked(clock_now_us(missed->audit->options.clock), serial, at_s, reason),
               err);
}

/* Read the file's end; put in what a crash kept out of it.  A line a crash cut is cut off: what it
 * told is written again. */
static bool recover_from(struct audit *audit, const char *data, size_t len, struct err *err) {
    struct audit_tail tail;

    if (!audit_tail_read(data, len, &tail, err)) {
        return err_cause(err, "%s", audit->options.path);
    }
    if (tail.whole < len && ftruncate(audit->fd, (off_t)tail.whole) != 0) {
        return err_set(err, ERR_CONFIG, "%s: cannot be cut: %m", audit->options.path);
    }
    /* what was cut off is no longer there to be read */
    const size_t skipped = tail.whole > TAIL_MAX ? tail.whole - TAIL_MAX : 0;
    struct missed missed = {.audit = audit, .data = data + skipped, .len = tail.whole - skipped};
    if (audit->digest[0] == '\0') { /* at the start; later they are known */
        memcpy(audit->digest, tail.digest, sizeof(audit->digest));
        audit->issued = audit->options.memory ? 0 : tail.issued;
    }
    const double scale = audit->options.clock->scale;
    const int64_t overlap_s = (int64_t)(OVERLAP_S * (scale > 1 ? scale : 1));
    return catch_up(audit, err)
           && store_revoked_since(audit->options.store, tail.at_s == 0 ? 0 : tail.at_s - overlap_s,
                                  add_missed, &missed, err)
           && flush(audit, err);
}

static bool open_file(struct audit *audit, struct err *err) {
    audit->fd = open(audit->options.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return audit->fd >= 0
           || err_set(err, ERR_CONFIG, "%s: cannot be opened: %m", audit->options.path);
}

static bool recover(struct audit *audit, struct err *err) {
    struct stat status;

    if (fstat(audit->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return err_set(err, ERR_CONFIG, "%s: not a file", audit->options.path);
    }
    const size_t len = (size_t)status.st_size;
    char *data = len == 0 ? NULL : mmap(NULL, len, PROT_READ, MAP_PRIVATE, audit->fd, 0);
    if (data == MAP_FAILED) {
        return err_set(err, ERR_CONFIG, "%s: cannot be read: %m", audit->options.path);
    }
    bool good = recover_from(audit, data, len, err);
    if (data != NULL) {
        (void)munmap(data, len);
    }
    return good;
}

/* What waits, taken out of the queues. */
struct work {
    struct audit_refusal *refusals;
    struct revocation *revocations;
    unsigned refusal_count, revocation_count;
    uint64_t lost;
    bool behind, reread, reopen, stopping;
};

static void work_take(struct audit *audit, struct work *work) {
    work->refusal_count = audit->refusal_count;
    work->revocation_count = audit->revocation_count;
    memcpy(work->refusals, audit->refusals, audit->refusal_count * sizeof(*work->refusals));
    memcpy(work->revocations, audit->revocations,
           audit->revocation_count * sizeof(*work->revocations));
    work->lost = audit->lost;
    work->behind = audit->behind;
    work->reread = audit->reread;
    work->reopen = audit->reopen;
    work->stopping = audit->stopping;
    audit->refusal_count = audit->revocation_count = 0;
    audit->lost = 0;
    audit->behind = audit->reread = audit->reopen = false;
}

static bool waits(const struct audit *audit) {
    return audit->refusal_count + audit->revocation_count > 0 || audit->lost > 0 || audit->behind
           || audit->reread || audit->reopen || audit->stopping;
}

/* Wait for work, then let more of it gather. */
static void work_wait(struct audit *audit, struct work *work) {
    (void)pthread_mutex_lock(&audit->lock);
    while (!waits(audit)) {
        (void)pthread_cond_wait(&audit->wake, &audit->lock);
    }
    bool stopping = audit->stopping;
    (void)pthread_mutex_unlock(&audit->lock);
    if (!stopping) {
        (void)nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL);
    }
    (void)pthread_mutex_lock(&audit->lock);
    work_take(audit, work);
    (void)pthread_mutex_unlock(&audit->lock);
}

static bool work_write(struct audit *audit, const struct work *work, struct err *err) {
    const struct clock *clock = audit->options.clock;
    bool good = !work->behind || catch_up(audit, err);

    for (unsigned i = 0; good && i < work->revocation_count; i++) {
        const struct revocation *revocation = &work->revocations[i];
        good = add_line(audit,
                        audit_line_revoked(clock_now_us(clock), revocation->serial,
                                           revocation->at_s, revocation->reason),
                        err);
    }
    for (unsigned i = 0; good && i < work->refusal_count; i++) {
        good = add_line(audit, audit_line_refused(&work->refusals[i]), err);
    }
    if (good && work->lost > 0) {
        good = add_line(audit, audit_line_lost(clock_now_us(clock), work->lost), err);
    }
    return good && flush(audit, err);
}

/* The new file goes on where the old one ended, and says so: the next start reads it alone. */
static void change_file(struct audit *audit) {
    struct err err = {0};
    struct stat status;
    int old = audit->fd;

    if (!open_file(audit, &err)) {
        audit->fd = old;
        log_line(LOG_ERROR, "audit", "reopen", "kind=%s", err_name(err.kind));
        return;
    }
    (void)close(old);
    if (fstat(audit->fd, &status) == 0 && status.st_size == 0) {
        (void)!(add_line(audit,
                         audit_line_continued(clock_now_us(audit->options.clock), audit->issued),
                         &err)
                && flush(audit, &err)); /* or with what comes next */
    }
}

/* A certificate that could not be written is still in the store: it stays due.  Revocations that
 * came too fast are looked up as after a crash. */
static void after_write(struct audit *audit, const struct work *work, bool good,
                        const struct err *err) {
    (void)pthread_mutex_lock(&audit->lock);
    if (audit->counts.healthy && !good) {
        log_line(LOG_ERROR, "audit", "write", "kind=%s", err_name(err->kind));
    }
    audit->counts.healthy = good;
    audit->behind = audit->behind || (!good && work->behind && !work->stopping);
    audit->reread =
        audit->reread || (!good && (work->reread || work->revocation_count > 0) && !work->stopping);
    (void)pthread_mutex_unlock(&audit->lock);
}

static void *keep(void *ctx) {
    struct audit *audit = ctx;
    struct work work = {.refusals = calloc(AUDIT_REFUSALS_MAX, sizeof(*work.refusals)),
                        .revocations = calloc(REVOKED_MAX, sizeof(*work.revocations))};

    while (work.refusals != NULL && work.revocations != NULL && !work.stopping) {
        struct err err = {0};
        work_wait(audit, &work);
        bool good = work_write(audit, &work, &err) && (!work.reread || recover(audit, &err));
        after_write(audit, &work, good, &err);
        if (work.reopen) {
            change_file(audit);
        }
    }
    free(work.refusals);
    free(work.revocations);
    return NULL;
}

void audit_committed(void *ctx, const struct store_tx *tx) {
    struct audit *audit = ctx;
    bool told = false;

    (void)pthread_mutex_lock(&audit->lock);
    for (unsigned i = 0; i < tx->count; i++) {
        const struct store_op *op = &tx->ops[i];
        if (op->kind == STORE_CERTIFICATE_INSERT) {
            told = audit->behind = true;
        } else if (op->kind == STORE_REVOKE && audit->revocation_count < REVOKED_MAX) {
            struct revocation *revocation = &audit->revocations[audit->revocation_count++];
            (void)snprintf(revocation->serial, sizeof(revocation->serial), "%s", op->revoke.serial);
            revocation->at_s = op->revoke.at_s;
            revocation->reason = op->revoke.reason;
            told = true;
        } else if (op->kind == STORE_REVOKE) {
            told = audit->reread = true;
        }
    }
    if (told) {
        (void)pthread_cond_signal(&audit->wake);
    }
    (void)pthread_mutex_unlock(&audit->lock);
}

void audit_refused(struct audit *audit, enum meter_operation operation, const char *account,
                   const char *peer, const struct err *err) {
    (void)pthread_mutex_lock(&audit->lock);
    if (audit->refusal_count < AUDIT_REFUSALS_MAX) {
        struct audit_refusal *refusal = &audit->refusals[audit->refusal_count++];
        refusal->at_us = clock_now_us(audit->options.clock);
        refusal->operation = operation;
        refusal->kind = err->kind;
        (void)snprintf(refusal->account, sizeof(refusal->account), "%s", account);
        (void)snprintf(refusal->peer, sizeof(refusal->peer), "%s", peer);
        (void)snprintf(refusal->detail, sizeof(refusal->detail), "%s", err->detail);
    } else {
        audit->lost++;
        audit->counts.refusals_lost++;
    }
    (void)pthread_cond_signal(&audit->wake);
    (void)pthread_mutex_unlock(&audit->lock);
}

void audit_reopen(struct audit *audit) {
    (void)pthread_mutex_lock(&audit->lock);
    audit->reopen = true;
    (void)pthread_cond_signal(&audit->wake);
    (void)pthread_mutex_unlock(&audit->lock);
}

struct audit *audit_open(const struct audit_options *options, struct err *err) {
    AUTO(audit_close) struct audit *audit = calloc(1, sizeof(*audit));

    if (audit == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the audit log");
        return NULL;
    }
    audit->options = *options;
    audit->text = buf_new(TEXT_MAX);
    audit->fd = -1;
    audit->counts.healthy = true;
    (void)pthread_mutex_init(&audit->lock, NULL);
    (void)pthread_cond_init(&audit->wake, NULL);
    audit->refusals = calloc(AUDIT_REFUSALS_MAX, sizeof(*audit->refusals));
    audit->revocations = calloc(REVOKED_MAX, sizeof(*audit->revocations));
    if (audit->refusals == NULL || audit->revocations == NULL || !open_file(audit, err)
        || !recover(audit, err)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the audit log");
        return NULL;
    }
    audit->started = pthread_create(&audit->thread, NULL, keep, audit) == 0;
    if (!audit->started) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start the audit log's thread");
        return NULL;
    }
    return TAKE(audit);
}

void audit_close(struct audit *audit) {
    if (audit == NULL) {
        return;
    }
    if (audit->started) {
        (void)pthread_mutex_lock(&audit->lock);
        audit->stopping = true;
        (void)pthread_cond_signal(&audit->wake);
        (void)pthread_mutex_unlock(&audit->lock);
        (void)pthread_join(audit->thread, NULL);
    }
    if (audit->fd >= 0) {
        (void)close(audit->fd);
    }
    buf_done(&audit->text);
    free(audit->refusals);
    free(audit->revocations);
    (void)pthread_cond_destroy(&audit->wake);
    (void)pthread_mutex_destroy(&audit->lock);
    free(audit);
}

struct audit_counts audit_counts(struct audit *audit) {
    (void)pthread_mutex_lock(&audit->lock);
    const struct audit_counts counts = audit->counts;
    (void)pthread_mutex_unlock(&audit->lock);
    return counts;
}
