#include "tests/bench/load_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/b64.h"
#include "common/key.h"

#define PATH_SIZE 1024

struct facts {
    FILE *facts, *keys;
    bool failed;
};

static FILE *open_new(const char *path, struct err *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (file == NULL) {
        (void)err_set(err, ERR_CONFIG, "cannot write %s: %s", path, strerror(errno));
    }
    return file;
}

struct facts *facts_open(const char *path, struct err *err) {
    struct facts *facts = calloc(1, sizeof(*facts));
    char keys[PATH_SIZE];

    if (facts == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for facts");
        return NULL;
    }
    (void)snprintf(keys, sizeof(keys), "%s.keys", path);
    facts->facts = open_new(path, err);
    facts->keys = facts->facts == NULL ? NULL : open_new(keys, err);
    if (facts->keys == NULL) {
        (void)facts_close(facts);
        return NULL;
    }
    return facts;
}

bool facts_close(struct facts *facts) {
    if (facts == NULL) {
        return true;
    }
    bool written = !facts->failed;
    written = (facts->facts == NULL || fclose(facts->facts) == 0) && written;
    written = (facts->keys == NULL || fclose(facts->keys) == 0) && written;
    free(facts);
    return written;
}

void facts_account(struct facts *facts, const char *url, const char *thumbprint, EVP_PKEY *key) {
    unsigned char *der = NULL;
    size_t len = 0;
    struct err err = {0};

    if (facts == NULL) {
        return;
    }
    if (!key_private_der(key, &der, &len, &err)) {
        facts->failed = true;
        return;
    }
    char *text = b64_encode(der, len);
    OPENSSL_clear_free(der, len);
    facts->failed = facts->failed || text == NULL || fprintf(facts->keys, "%s %s\n", url, text) < 0
                    || fprintf(facts->facts, "account %s %s\n", url, thumbprint) < 0;
    if (text != NULL) {
        OPENSSL_cleanse(text, strlen(text));
    }
    free(text);
}

void facts_order(struct facts *facts, const char *account, const char *url) {
    if (facts != NULL && fprintf(facts->facts, "order %s %s\n", account, url) < 0) {
        facts->failed = true;
    }
}

void facts_certificate(struct facts *facts, const char *account, const char *url,
                       const char *serial) {
    if (facts != NULL
        && fprintf(facts->facts, "certificate %s %s %s\n", account, url, serial) < 0) {
        facts->failed = true;
    }
}

/* ---- reading back ---- */

static char *read_whole(const char *path, struct err *err) {
    FILE *file = fopen(path, "re");
    struct stat about;
    char *text = NULL;

    if (file != NULL && fstat(fileno(file), &about) == 0) {
        size_t size = (size_t)about.st_size;
        text = calloc(1, size + 1);
        if (text != NULL && fread(text, 1, size, file) != size) {
            free(text);
            text = NULL;
        }
    }
    if (text == NULL) {
        (void)err_set(err, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

static size_t lines_in(const char *text) {
    size_t lines = 0;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

/* Cut the next line off and its words; words that are not there are NULL. */
static bool next_line(char **rest, char *words[4]) {
    char *line = *rest;
    char *end = strchr(line, '\n');

    if (end == NULL) {
        return false;
    }
    *end = '\0';
    *rest = end + 1;
    for (unsigned i = 0; i < 4; i++) {
        words[i] = strsep(&line, " ");
    }
    return true;
}

static bool read_keys(struct fact_list *list, struct err *err) {
    char *rest = list->key_text;
    char *words[4];

    list->keys = calloc(lines_in(rest) + 1, sizeof(*list->keys));
    list->by_url = json_object();
    while (list->keys != NULL && next_line(&rest, words)) {
        unsigned char *der = NULL;
        size_t len = 0;
        if (words[1] == NULL || !b64_decode(words[1], strlen(words[1]), &der, &len, err)) {
            return err_set(err, ERR_CONFIG, "not a file of keys");
        }
        struct fact_key *key = &list->keys[list->key_count];
        *key = (struct fact_key){words[0], key_from_private_der(der, len, err)};
        OPENSSL_cleanse(der, len);
        free(der);
        if (key->key == NULL) {
            return false;
        }
        (void)json_object_set_new(list->by_url, words[0],
                                  json_integer((json_int_t)list->key_count++));
    }
    return list->keys != NULL || err_set(err, ERR_NO_MEMORY, "no memory for keys");
}

static bool read_fact(const struct fact_list *list, char *words[4], struct fact *ret) {
    static const char *const names[] = {
        [FACT_ACCOUNT] = "account", [FACT_ORDER] = "order", [FACT_CERTIFICATE] = "certificate"};
    const json_t *place = words[1] == NULL ? NULL : json_object_get(list->by_url, words[1]);

    for (unsigned i = 0; place != NULL && i < COUNT(names); i++) {
        if (strcmp(words[0], names[i]) == 0) {
            bool account = i == FACT_ACCOUNT;
            *ret = (struct fact){.kind = i,
                                 .key = list->keys[json_integer_value(place)].key,
                                 .account = words[1],
                                 .url = account ? words[1] : words[2],
                                 .value = account ? words[2] : words[3]};
            return ret->url != NULL && (i == FACT_ORDER || ret->value != NULL);
        }
    }
    return false;
}

bool fact_list_read(const char *path, struct fact_list *ret, struct err *err) {
    char keys[PATH_SIZE];
    char *words[4];

    *ret = (struct fact_list){0};
    (void)snprintf(keys, sizeof(keys), "%s.keys", path);
    ret->text = read_whole(path, err);
    ret->key_text = ret->text == NULL ? NULL : read_whole(keys, err);
    if (ret->key_text == NULL || !read_keys(ret, err)) {
        return false;
    }
    char *rest = ret->text;
    ret->facts = calloc(lines_in(rest) + 1, sizeof(*ret->facts));
    while (ret->facts != NULL && next_line(&rest, words)) {
        if (!read_fact(ret, words, &ret->facts[ret->count++])) {
            return err_set(err, ERR_CONFIG, "%s: line %zu is no fact", path, ret->count);
        }
    }
    return ret->facts != NULL || err_set(err, ERR_NO_MEMORY, "no memory for facts");
}

void fact_list_done(struct fact_list *list) {
    for (size_t i = 0; i < list->key_count; i++) {
        EVP_PKEY_free(list->keys[i].key);
    }
    if (list->key_text != NULL) {
        OPENSSL_cleanse(list->key_text, strlen(list->key_text));
    }
    json_decref(list->by_url);
    free(list->keys);
    free(list->facts);
    free(list->text);
    free(list->key_text);
    *list = (struct fact_list){0};
}
