/* Every row of catalogue/jws-negative.tsv, built as catalogue/jws-negative.cases says. */
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/negative.h"

#define LINES_MAX 1024

/* What a case of the table points to. */
struct line {
    char id[48], rows[96], text[256];
    char vehicle[32], status[64], types[96];
    json_t *how;
};

static struct {
    struct line lines[LINES_MAX];
    struct spec_case cases[LINES_MAX];
    size_t count;
} loaded;

static const char *member(struct negative *negative, const char *name) {
    const char *text = json_string_value(json_object_get(negative->how, name));
    return text == NULL ? NULL : negative_expand(negative, text, NULL);
}

/* The jwk of the line: whole, or the right one with members set and left out. */
static const json_t *jwk_of(struct negative *negative, const json_t *how, EVP_PKEY *key) {
    const json_t *whole = json_object_get(how, "jwk"), *set = json_object_get(how, "jwk_set");
    const json_t *omit = json_object_get(how, "jwk_omit"), *name;
    size_t i;

    if (whole != NULL) {
        return negative_expand_json(negative, whole);
    }
    if (set == NULL && omit == NULL) {
        return NULL;
    }
    json_t *jwk = spec_jwk(negative->spec, key);
    if (set != NULL) {
        (void)json_object_update(jwk, negative_expand_json(negative, set));
    }
    json_array_foreach(omit, i, name) { (void)json_object_del(jwk, json_string_value(name)); }
    return jwk;
}

static void omit_members(struct spec_post *post, const json_t *list) {
    const json_t *name;
    size_t i;

    json_array_foreach(list, i, name) {
        const char *text = json_string_value(name);
        post->alg = strcmp(text, "alg") == 0 ? SPEC_OMIT : post->alg;
        post->nonce = strcmp(text, "nonce") == 0 ? SPEC_OMIT : post->nonce;
        post->header_url = strcmp(text, "url") == 0 ? SPEC_OMIT : post->header_url;
        if (strcmp(text, "kid") == 0 || strcmp(text, "jwk") == 0) {
            post->kid = SPEC_OMIT;
            post->use_jwk = false;
        }
    }
}

static const json_t *envelope_of(struct negative *negative, const json_t *how) {
    const json_t *set = json_object_get(how, "envelope"), *drop = json_object_get(how, "drop");
    const json_t *name;
    size_t i;

    if (set == NULL && drop == NULL) {
        return NULL;
    }
    json_t *envelope = set == NULL ? spec_json(negative->spec, json_object())
                                   : negative_expand_json(negative, set);
    json_array_foreach(drop, i, name) {
        (void)json_object_set_new(envelope, json_string_value(name), json_string(SPEC_OMIT));
    }
    return envelope;
}

static void mac_key(struct negative *negative, const json_t *how, struct spec_post *post) {
    const char *mac = spec_member(how, "mac");
    unsigned char *der = NULL;

    if (json_object_get(how, "mac") == NULL) {
        return;
    }
    post->alg = post->alg == NULL ? "HS256" : post->alg;
    if (strcmp(mac, "pem") == 0) {
        AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
        char *pem = NULL;
        (void)PEM_write_bio_PUBKEY(bio, negative->key);
        post->mac_key_len = (size_t)BIO_get_mem_data(bio, &pem);
        post->mac_key = spec_text(negative->spec, "%.*s", (int)post->mac_key_len, pem);
    } else if (strcmp(mac, "spki") == 0) {
        int len = i2d_PUBKEY(negative->key, &der);
        post->mac_key =
            spec_keep(negative->spec, memcpy(malloc((size_t)len), der, (size_t)len), free);
        post->mac_key_len = (size_t)len;
        OPENSSL_free(der);
    } else {
        post->mac_key = negative_expand(negative, mac, &post->mac_key_len);
    }
}

/* Everything the data says of one JWS, put over the right one. */
static void apply(struct negative *negative, const json_t *how, struct spec_post *post) {
    EVP_PKEY *key = post->key != NULL ? post->key : post->account->key;
    const char *text = spec_member(how, "payload_text");
    const json_t *payload = json_object_get(how, "payload");
    const char *protected = spec_member(how, "protected");

    if (spec_member(how, "alg")[0] != '\0') {
        post->alg = spec_member(how, "alg");
    }
    if (json_object_get(how, "set") != NULL) {
        post->extra = negative_expand_json(negative, json_object_get(how, "set"));
    }
    if (json_is_true(json_object_get(how, "use_jwk"))) {
        post->use_jwk = true;
    }
    const json_t *jwk = jwk_of(negative, how, key);
    post->jwk = jwk != NULL ? jwk : post->jwk;
    omit_members(post, json_object_get(how, "omit"));
    post->envelope = envelope_of(negative, how);
    if (payload != NULL) {
        post->payload = negative_expand_json(negative, payload);
        post->bytes = NULL;
    }
    if (json_object_get(how, "payload_text") != NULL) {
        post->bytes = negative_expand(negative, text, &post->bytes_len);
        post->payload = NULL;
    }
    if (protected[0] != '\0') {
        size_t len = 0;
        const char *octets = negative_expand(negative, protected, &len);
        post->protected_b64 = spec_b64(negative->spec, octets, len);
    }
    if (spec_member(how, "signer")[0] != '\0') {
        post->key = negative_key(negative, spec_member(how, "signer"));
        post->mac_key = NULL;
    }
    mac_key(negative, how, post);
}

/* Parts that are written out of the right JWS, and the JWS as it is sent; NULL: as it is. */
static const char *rewrite(struct negative *negative, const json_t *how, struct spec_post *post,
                           size_t *ret_len) {
    EVP_PKEY *key = post->key != NULL ? post->key : post->account->key;
    const char *sign = spec_member(how, "sign"), *body = spec_member(how, "body");
    static const char *const parts[] = {"protected_b64", "payload_b64", "signature_b64"};
    const char **places[] = {&post->protected_b64, &post->payload_b64, &post->signature_b64};
    bool needed = sign[0] != '\0' || json_object_get(how, "body") != NULL
                  || json_object_get(how, "raw") != NULL;

    for (unsigned i = 0; i < COUNT(parts); i++) {
        needed = needed || json_object_get(how, parts[i]) != NULL;
    }
    if (!needed) {
        return NULL;
    }
    negative->right = spec_jws(negative->spec, post);
    for (unsigned i = 0; i < COUNT(parts); i++) {
        if (json_object_get(how, parts[i]) != NULL) {
            *places[i] = negative_expand(negative, spec_member(how, parts[i]), NULL);
        }
    }
    if (sign[0] != '\0') {
        body = spec_text(negative->spec,
                         "{\"protected\":\"%%P%%\",\"payload\":\"%%L%%\",\"signature\":\"%s\"}",
                         negative_signature(negative, key, sign));
    }
    if (sign[0] != '\0' || json_object_get(how, "body") != NULL) {
        return negative_expand(negative, body, ret_len);
    }
    return NULL;
}

/* keyChange's and EAB's inner JWS, as text. */
static const char *inner(struct negative *negative, struct spec_post post) {
    const json_t *how = json_object_get(negative->how, "inner");
    size_t len = 0;

    apply(negative, how, &post);
    const char *body = rewrite(negative, how, &post, &len);
    return body != NULL ? body : spec_jws(negative->spec, &post);
}

static void prepare_key_change(struct negative *negative, struct spec_post *post) {
    const struct spec_post change = {
        .url = negative->url,
        .key = negative->key,
        .use_jwk = true,
        .nonce = SPEC_OMIT,
        .payload = spec_pack(negative->spec, "{s:s, s:O}", "account", negative->account->url,
                             "oldKey", spec_jwk(negative->spec, negative->account->key))};

    post->bytes = inner(negative, change);
    post->bytes_len = strlen(post->bytes);
}

static void prepare_account(struct negative *negative, struct spec_post *post) {
    const struct spec_target *target = negative->spec->target;

    post->account = NULL;
    post->key = negative->key;
    post->payload = spec_pack(negative->spec, "{s:b}", "termsOfServiceAgreed", 1);
    if (json_object_get(negative->how, "inner") != NULL) {
        const struct spec_post binding = {.url = negative->url,
                                          .account = &(struct spec_account){.url = target->eab_kid},
                                          .alg = "HS256",
                                          .nonce = SPEC_OMIT,
                                          .payload = spec_jwk(negative->spec, negative->key),
                                          .mac_key = target->eab_key,
                                          .mac_key_len = target->eab_key_len};
        json_t *value =
            spec_json(negative->spec, json_loads(inner(negative, binding), JSON_DECODE_ANY, NULL));
        (void)json_object_set((json_t *)post->payload, "externalAccountBinding", value);
    }
}

static void prepare(struct negative *negative, struct spec_post *post) {
    struct spec *spec = negative->spec;
    const char *vehicle = negative->vehicle;
    bool special = spec_member(negative->how, "do")[0] != '\0';

    if (strcmp(vehicle, "newAccount") == 0) {
        prepare_account(negative, post);
    } else if (strcmp(vehicle, "keyChange") == 0) {
        prepare_key_change(negative, post);
    } else if (strcmp(vehicle, "revokeCert") == 0) {
        const struct spec_order *order = negative_ready(negative);
        negative->certificate = spec_complete(spec, order, NULL);
        post->payload = spec_pack(spec, "{s:s}", "certificate", negative->certificate->der64);
    } else if (strcmp(vehicle, "finalize") == 0 && !special) {
        const json_t *csr = json_object_get(negative->how, "csr");
        negative->order = negative_ready(negative);
        negative->url = post->url = negative->order->finalize;
        post->payload =
            csr == NULL ? NULL : spec_pack(spec, "{s:s}", "csr", negative_csr(negative, csr));
    } else {
        post->payload = spec_identifiers(spec, negative->name, NULL);
    }
}

static void send_raw(struct negative *negative, const struct spec_post *post) {
    size_t len = 0;

    if (negative->right == NULL) {
        negative->right = spec_jws(negative->spec, post);
    }
    const char *octets = negative_expand(negative, spec_member(negative->how, "raw"), &len);
    const json_t *wait = json_object_get(negative->how, "wait_ms");
    negative_expect(negative, spec_raw(negative->spec, negative->url, octets, len,
                                       wait == NULL ? 10000 : (unsigned)json_integer_value(wait)));
}

static void send(struct negative *negative, struct spec_post *post) {
    const json_t *list = json_object_get(negative->how, "http");
    const char *headers[9] = {NULL}, *type = member(negative, "content_type");
    size_t i, len = 0;
    const json_t *header;

    json_array_foreach(list, i, header) {
        if (i + 1 < COUNT(headers)) {
            headers[i] = negative_expand(negative, json_string_value(header), NULL);
        }
    }
    post->headers = headers;
    post->method = member(negative, "method");
    post->content_type = type != NULL && type[0] == '\0' ? SPEC_OMIT : type;
    if (member(negative, "target") != NULL) {
        post->header_url = post->url;
        post->url = member(negative, "target");
    }
    post->body = rewrite(negative, negative->how, post, &len);
    post->body_len = len;
    if (json_object_get(negative->how, "raw") != NULL) {
        send_raw(negative, post);
    } else if (!negative_special(negative, post)) {
        negative_expect(negative, spec_post(negative->spec, post));
    }
}

static void run_line(struct spec *spec) {
    const struct line *line = spec_data(spec);
    const char *type = spec_member(line->how, "key");
    struct negative negative = {.spec = spec,
                                .vehicle = line->vehicle,
                                .status = line->status,
                                .types = line->types,
                                .how = line->how,
                                .name = spec_name(spec)};
    bool made = strcmp(line->vehicle, "newAccount") == 0 || strcmp(line->vehicle, "keyChange") == 0;
    bool fresh = strcmp(line->vehicle, "newAccount") != 0;

    negative.url = strcmp(line->vehicle, "finalize") == 0 ? "" : spec_url(spec, line->vehicle);
    const struct spec_account *empty = spec_keep(spec, calloc(1, sizeof(*empty)), free);
    negative.account = empty;
    type = type[0] == '\0' ? "p256" : type;
    if (fresh) {
        negative.account =
            spec_account_try(spec, made ? NULL : negative_key(&negative, type), NULL);
        (void)spec_status(spec, negative.account->answer, 201);
    }
    negative.key = made ? negative_key(&negative, type) : negative.account->key;
    struct spec_post post = {.url = negative.url, .account = negative.account};
    prepare(&negative, &post);
    if (!spec_over(spec)) {
        apply(&negative, line->how, &post);
        send(&negative, &post);
    }
}

/* Column `index` of a line of tab-separated text. */
static void column(const char *line, unsigned index, char *ret, size_t size) {
    for (; index > 0; index--) {
        line += strcspn(line, "\t\n");
        line += *line == '\t';
    }
    size_t len = strcspn(line, "\t\r\n");
    len = len < size ? len : size - 1;
    memcpy(ret, line, len);
    ret[len] = '\0';
}

static const char *next_line(const char *line) {
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

/* The line of the catalogue with this id, or NULL. */
static const char *find_row(const char *tsv, const char *id) {
    size_t len = strlen(id);

    while (*tsv != '\0' && (strncmp(tsv, id, len) != 0 || tsv[len] != '\t')) {
        tsv = next_line(tsv);
    }
    return *tsv == '\0' ? NULL : tsv;
}

static unsigned needs_of(const struct line *line) {
    bool certificate =
        strcmp(line->vehicle, "finalize") == 0 || strcmp(line->vehicle, "revokeCert") == 0;
    bool bound =
        strcmp(line->vehicle, "newAccount") == 0 && json_object_get(line->how, "inner") != NULL;
    const char *way = spec_member(line->how, "do");

    return (certificate ? NEED_HTTP01 : 0u) | (bound ? NEED_EAB : 0u)
           | (strcmp(way, "address") == 0 ? NEED_HTTP01 | NEED_DNS : 0u)
           | (strcmp(way, "no-fetch") == 0 ? NEED_HTTP01 : 0u)
           | (strcmp(spec_member(line->how, "key"), "issued") == 0 ? NEED_HTTP01 : 0u);
}

/* A text member of the line's JSON instead of the catalogue's column. */
static void instead(const struct line *line, const char *name, char *ret, size_t size) {
    const char *text = json_string_value(json_object_get(line->how, name));

    if (text != NULL) {
        (void)snprintf(ret, size, "%s", text);
    }
}

static bool load_line(const char *text, const char *tsv, struct err *err) {
    struct line *line = &loaded.lines[loaded.count];
    char id[16], also[80];
    unsigned variant = 1;

    *line = (struct line){0};
    column(text, 0, id, sizeof(id));
    column(text, 1, also, sizeof(also));
    const char *row = find_row(tsv, id);
    const char *json = strchr(text, '\t');
    json = json == NULL ? NULL : strchr(json + 1, '\t');
    if (row == NULL || json == NULL || loaded.count + 1 >= LINES_MAX) {
        return err_set(err, ERR_CONFIG, "jws-negative.cases: %s: no such row, or no input", id);
    }
    json_error_t where;
    line->how = json_loadb(json + 1, strcspn(json + 1, "\n"), 0, &where);
    if (line->how == NULL) {
        return err_set(err, ERR_CONFIG, "jws-negative.cases: %s: %s at %d", id, where.text,
                       where.position);
    }
    for (size_t i = 0; i < loaded.count; i++) {
        variant += strncmp(loaded.lines[i].rows, id, strlen(id)) == 0;
    }
    (void)snprintf(line->id, sizeof(line->id), "jws-negative/%s/%u", id, variant);
    (void)snprintf(line->rows, sizeof(line->rows), "%s%s%s", id, also[0] == '\0' ? "" : " ", also);
    column(row, 2, line->text, sizeof(line->text));
    column(row, 3, line->vehicle, sizeof(line->vehicle));
    column(row, 4, line->status, sizeof(line->status));
    column(row, 5, line->types, sizeof(line->types));
    instead(line, "vehicle", line->vehicle, sizeof(line->vehicle));
    instead(line, "status", line->status, sizeof(line->status));
    instead(line, "types", line->types, sizeof(line->types));
    loaded.cases[loaded.count++] = (struct spec_case){.id = line->id,
                                                      .rows = line->rows,
                                                      .area = "jws-negative",
                                                      .text = line->text,
                                                      .level = SPEC_MUST,
                                                      .needs = needs_of(line),
                                                      .run = run_line,
                                                      .data = line};
    return true;
}

/* Every row of the catalogue has an input. */
static bool complete(const char *tsv, struct err *err) {
    for (const char *row = next_line(tsv); *row != '\0'; row = next_line(row)) {
        char id[16];
        bool found = false;
        column(row, 0, id, sizeof(id));
        for (size_t i = 0; i < loaded.count; i++) {
            found = found || strncmp(loaded.lines[i].rows, id, strlen(id)) == 0;
        }
        if (!found) {
            return err_set(err, ERR_CONFIG, "jws-negative.cases: no input for %s", id);
        }
    }
    return true;
}

bool case_jws_negative_load(const char *catalogue, struct spec_area *ret, struct err *err) {
    char path[512];
    size_t len = 0;

    case_jws_negative_unload();
    (void)snprintf(path, sizeof(path), "%s/jws-negative.tsv", catalogue);
    AUTO(free) char *tsv = file_read(path, &len, err);
    (void)snprintf(path, sizeof(path), "%s/jws-negative.cases", catalogue);
    AUTO(free) char *cases = tsv == NULL ? NULL : file_read(path, &len, err);
    if (cases == NULL) {
        return false;
    }
    for (const char *text = cases; *text != '\0'; text = next_line(text)) {
        if (*text != '#' && *text != '\n' && !load_line(text, tsv, err)) {
            return false;
        }
    }
    *ret = (struct spec_area){loaded.cases, loaded.count};
    return complete(tsv, err);
}

void case_jws_negative_unload(void) {
    for (size_t i = 0; i < loaded.count; i++) {
        json_decref(loaded.lines[i].how);
    }
    loaded.count = 0;
}
