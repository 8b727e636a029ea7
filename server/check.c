#include "server/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/audit.h"

#define SENTENCE_SIZE 256
#define US_PER_S 1000000
#define FINDINGS_MAX 1000 /* told; the rest is counted */

/* A certificate the audit log has told. */
struct entry {
    int64_t n;
    char serial[X509_SERIAL_SIZE];
};

struct check {
    const struct check_options *options;
    struct check_result *result;
    struct entry *entries; /* by number */
    size_t count, size;
    int64_t done;
    uint64_t told_us;
};

static void tell(struct check *check, const char *text) {
    if (check->result->findings++ < FINDINGS_MAX) {
        check->options->finding(check->options->ctx, text);
    }
}

__attribute__((format(printf, 2, 3))) static void complain(struct check *check, const char *fmt,
                                                           ...) {
    char text[SENTENCE_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    tell(check, text);
}

static void rule_broken(void *ctx, const char *text) { tell(ctx, text); }

/* ---- the audit log ---- */

static bool add_entry(struct check *check, const json_t *line, struct err *err) {
    const char *serial = json_string_value(json_object_get(line, "serial"));
    const int64_t n = json_integer_value(json_object_get(line, "n"));

    if (check->count == check->size) {
        size_t size = check->size == 0 ? 1024 : 2 * check->size;
        struct entry *grown = realloc(check->entries, size * sizeof(*grown));
        if (grown == NULL) {
            return err_set(err, ERR_NO_MEMORY, "no memory for the audit log");
        }
        check->entries = grown;
        check->size = size;
    }
    if (check->count > 0 && n <= check->entries[check->count - 1].n) {
        complain(check, "audit log: certificate %s comes out of order", serial);
        return true;
    }
    struct entry *entry = &check->entries[check->count++];
    entry->n = n;
    (void)snprintf(entry->serial, sizeof(entry->serial), "%s", serial == NULL ? "" : serial);
    return true;
}

/* digest: of the line before; "" before the first of a file, which may go on from another. */
static bool audit_line(struct check *check, const char *text, size_t len, char *digest,
                       struct err *err) {
    AUTO(json_release) json_t *line = json_loadb(text, len, 0, NULL);
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *prev = json_string_value(json_object_get(line, "prev"));
    const long long number = ++check->result->lines;

    if (event == NULL || prev == NULL) {
        complain(check, "audit log: line %lld is not one of ours", number);
    } else if (digest[0] != '\0' && strcmp(prev, digest) != 0) {
        complain(check, "audit log: line %lld does not follow the line before it", number);
    }
    audit_digest(text, len, digest);
    return event == NULL || (strcmp(event, "issued") != 0 && strcmp(event, "continued") != 0)
           || add_entry(check, line, err);
}

static bool audit_text(struct check *check, const char *data, size_t len, struct err *err) {
    char digest[AUDIT_DIGEST_SIZE] = "";

    for (const char *at = data, *end = data + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) {
            return true; /* cut by a crash, or being written now */
        }
        if (!audit_line(check, at, (size_t)(stop - at), digest, err)) {
            return false;
        }
        at = stop + 1;
    }
    return true;
}

static bool read_audit(struct check *check, struct err *err) {
    const char *path = check->options->audit;
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (path == NULL || (fd < 0 && errno == ENOENT)) {
        return true;
    }
    if (fd < 0 || fstat(fd, &status) != 0) {
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    }
    const size_t len = (size_t)status.st_size;
    char *data = len == 0 ? NULL : mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (data == MAP_FAILED) {
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    }
    bool good = audit_text(check, data, len, err);
    if (data != NULL) {
        (void)munmap(data, len);
    }
    return good;
}

/* ---- certificates ---- */

/* By the issuer of today, or by the next certificate of its own chain (an earlier CA). */
static bool signed_well(const struct check *check, X509_CHAIN *chain) {
    X509 *leaf = sk_X509_value(chain, 0);
    X509 *above = sk_X509_num(chain) > 1 ? sk_X509_value(chain, 1) : NULL;

    return X509_verify(leaf, X509_get0_pubkey(ca_issuer(check->options->ca))) == 1
           || (above != NULL && X509_verify(leaf, X509_get0_pubkey(above)) == 1);
}

static bool same_key(X509 *leaf, const unsigned char want[32]) {
    unsigned char *der = NULL, got[32];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    bool same = len > 0 && EVP_Digest(der, (size_t)len, got, NULL, EVP_sha256(), NULL) == 1
                && memcmp(got, want, sizeof(got)) == 0;

    OPENSSL_free(der);
    return same;
}

static void check_certificate(struct check *check, const struct store_issued *issued) {
    struct err err = {0};
    AUTO(chain_free)
    X509_CHAIN *chain = x509_chain_read(issued->chain_pem, strlen(issued->chain_pem), &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), &cert, &err)) {
        complain(check, "certificate %s cannot be read: %s", issued->serial, err.detail);
    } else if (strcmp(cert.serial, issued->serial) != 0) {
        complain(check, "certificate %s has the serial number %s", issued->serial, cert.serial);
    } else if (cert.not_after_s != issued->not_after_s) {
        complain(check, "certificate %s ends at another time than its row says", issued->serial);
    } else if (!same_key(cert.x509, issued->spki_sha256)) {
        complain(check, "certificate %s is for another key than its row says", issued->serial);
    } else if (!signed_well(check, chain)) {
        complain(check, "certificate %s is not signed by this CA", issued->serial);
    }
}

static int by_number(const void *left, const void *right) {
    const int64_t a = ((const struct entry *)left)->n, b = ((const struct entry *)right)->n;
    return a < b ? -1 : a > b;
}

/* Numbers before the file's first belong to a file that was moved away; those after its last will
 * be written when the server starts. */
static void check_entry(struct check *check, const struct store_issued *issued) {
    const struct entry wanted = {.n = issued->n};

    if (check->options->audit == NULL || check->count == 0) {
        check->result->due += check->options->audit != NULL;
        return;
    }
    if (issued->n > check->entries[check->count - 1].n) {
        check->result->due++;
        return;
    }
    const struct entry *entry =
        bsearch(&wanted, check->entries, check->count, sizeof(wanted), by_number);
    if (entry == NULL && issued->n > check->entries[0].n) {
        complain(check, "certificate %s is not in the audit log", issued->serial);
    } else if (entry != NULL && entry->serial[0] != '\0' /* the last one of another file */
               && strcmp(entry->serial, issued->serial) != 0) {
        complain(check, "certificate %s is %s in the audit log", issued->serial, entry->serial);
    }
}

static bool on_issued(void *ctx, const struct store_issued *issued, struct err *err) {
    struct check *check = ctx;
    const uint64_t now_us = clock_wall_us();

    (void)err;
    check_certificate(check, issued);
    check_entry(check, issued);
    check->done++;
    if (check->options->progress != NULL && now_us - check->told_us > US_PER_S) {
        check->told_us = now_us;
        check->options->progress(check->options->ctx, check->done,
                                 check->result->counts.certificates);
    }
    return true;
}

bool check_run(const struct check_options *options, struct check_result *ret, struct err *err) {
    struct check check = {.options = options, .result = ret, .told_us = clock_wall_us()};
    AUTO(store_file_close) struct store_file *file = store_file_open(options->database, err);

    *ret = (struct check_result){0};
    /* the database first: what it holds was told, or is about to be */
    bool good = file != NULL && store_file_check(file, rule_broken, &check, &ret->counts, err)
                && read_audit(&check, err) && store_file_issued_each(file, on_issued, &check, err);
    free(check.entries);
    return good;
}
