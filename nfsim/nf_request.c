#include "nfsim/nf_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/jwt.h"
#include "common/rng.h"
#include "nfsim/cca.h"
#include "nfsim/nf.h"

#define ENROLMENTS "/nacme-enrolment/v1/enrolments"
#define CCA_LIFETIME_S 300
#define SLACK_MS 15000 /* an answer held NF_WAIT_S may come that much later */
#define STRING(x) #x
#define TEXT(x) STRING(x)
#define PREFER "Prefer: wait=" TEXT(NF_WAIT_S)

void nf_request_memory_init(struct nf_request_memory *memory, const struct fleet_nf *id) {
    char key[RNG_ID_SIZE];

    *memory = (struct nf_request_memory){0};
    rng_id(key);
    (void)snprintf(memory->idempotency, sizeof memory->idempotency, "%s", key);
    (void)snprintf(memory->user_agent, sizeof memory->user_agent, "%s-%s", id->type, id->uuid);
}

void nf_request_memory_done(struct nf_request_memory *memory) {
    free(memory->csr);
    *memory = (struct nf_request_memory){0};
}

bool nf_request_located(struct nf_request_memory *memory, const char *api, const char *location,
                        char ret_enrolment[64], struct err *err) {
    const char *host = location != NULL && location[0] == '/' ? api : "";

    if (location != NULL) {
        const int len = snprintf(memory->location, sizeof memory->location, "%s%s", host, location);
        if (len <= 0 || (size_t)len >= sizeof memory->location) {
            memory->location[0] = '\0';
        }
    }
    const char *last = strrchr(memory->location, '/');
    /* credentials go to the client only, whatever a Location says */
    if (last == NULL || strncmp(memory->location, api, strlen(api)) != 0
        || memory->location[strlen(api)] != '/') {
        return err_set(err, ERR_UPSTREAM, "the answer has no usable Location");
    }
    (void)snprintf(ret_enrolment, 64, "%s", last + 1);
    return true;
}

void nf_request_done(struct nf_request *request) {
    free(request->credentials);
    free(request->body);
    *request = (struct nf_request){0};
}

void nf_request_done_auto(struct nf_request *request) { nf_request_done(request); }

static void header(struct nf_request *request, const char *line) {
    if (request->headers_count + 1 < NF_HEADERS_MAX) {
        request->headers[request->headers_count++] = line;
    }
}

static bool make_credentials(const struct nf_request_spec *spec, struct nf_request *ret,
                             struct err *err) {
    char jkt[JWK_THUMBPRINT_SIZE] = "";

    if (spec->bound != NULL && !jwk_thumbprint(spec->bound, jkt, err)) {
        return false;
    }
    const struct cca_spec cca = {.jkt = spec->bound == NULL ? NULL : jkt,
                                 .uuid = spec->id->uuid,
                                 .type = spec->id->type,
                                 .fqdn = spec->world->fqdn ? spec->id->fqdn : NULL,
                                 .client = spec->world->client_name,
                                 .now_s = clock_now_s(spec->world->clock),
                                 .lifetime_s = CCA_LIFETIME_S};
    AUTO(free) char *text = cca_make(&cca, spec->chain, spec->key, err);

    if (text == NULL) {
        return false;
    }
    if (asprintf(&ret->credentials, "3gpp-Sbi-Client-Credentials: %s", text) < 0) {
        ret->credentials = NULL;
        return err_set(err, ERR_NO_MEMORY, "no memory for a request");
    }
    header(ret, ret->credentials);
    return true;
}

/* {nfInstanceId, nfType, fqdn?, profile?} */
static bool make_body(const struct nf_request_spec *spec, struct nf_request *ret, struct err *err) {
    AUTO(json_release)
    json_t *json =
        json_pack("{s:s, s:s}", "nfInstanceId", spec->id->uuid, "nfType", spec->id->type);

    if (json != NULL && spec->world->fqdn) {
        (void)json_object_set_new(json, "fqdn", json_string(spec->id->fqdn));
    }
    if (json != NULL && spec->world->profile[0] != '\0') {
        (void)json_object_set_new(json, "profile", json_string(spec->world->profile));
    }
    ret->body = json == NULL ? NULL : json_text(json);
    if (ret->body == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a request");
    }
    ret->http.body = ret->body;
    ret->http.body_len = strlen(ret->body);
    return true;
}

static bool make_ask(const struct nf_request_spec *spec, struct nf_request *ret, struct err *err) {
    ret->name = "POST enrolments";
    ret->http.method = "POST";
    (void)snprintf(ret->url, sizeof ret->url, "%s" ENROLMENTS, spec->world->api);
    header(ret, "Content-Type: application/json");
    header(ret, PREFER);
    (void)snprintf(ret->idempotency, sizeof ret->idempotency,
                   "3gpp-Sbi-Request-Info: idempotency-key=%s", spec->memory->idempotency);
    header(ret, ret->idempotency);
    return make_credentials(spec, ret, err) && make_body(spec, ret, err);
}

static void make_submit(const struct nf_request_spec *spec, struct nf_request *ret) {
    ret->name = "PUT csr";
    ret->http.method = "PUT";
    (void)snprintf(ret->url, sizeof ret->url, "%s/csr", spec->memory->location);
    header(ret, "Content-Type: application/pkcs10");
    header(ret, PREFER);
    ret->http.body = spec->memory->csr;
    ret->http.body_len = spec->memory->csr_len;
}

static void make_get(const struct nf_request_spec *spec, const char *name, const char *path,
                     struct nf_request *ret) {
    ret->name = name;
    ret->http.method = "GET";
    (void)snprintf(ret->url, sizeof ret->url, "%s%s", spec->memory->location, path);
    header(ret, PREFER);
}

static void make_use(const struct nf_request_spec *spec, struct nf_request *ret) {
    ret->name = "mtls use";
    ret->http.method = "GET";
    (void)snprintf(ret->url, sizeof ret->url, "%s", spec->world->producer_url);
}

bool nf_request_make(const struct nf_request_spec *spec, const struct trace_context *trace,
                     struct nf_request *ret, struct err *err) {
    char parent[TRACE_PARENT_SIZE];
    bool made = true;

    trace_write(trace, parent);
    (void)snprintf(ret->traceparent, sizeof ret->traceparent, "traceparent: %s", parent);
    header(ret, ret->traceparent);
    switch (spec->state) {
    case NF_ASKING:
        made = make_ask(spec, ret, err);
        break;
    case NF_WAITING:
        make_get(spec, "GET enrolment", "", ret);
        break;
    case NF_SUBMITTING:
        make_submit(spec, ret);
        break;
    case NF_COLLECTING:
        make_get(spec, "GET certificate", "/certificate", ret);
        break;
    case NF_USING:
        make_use(spec, ret);
        break;
    case NF_ASLEEP:
    case NF_ENROLLED:
    case NF_FAILED:
    case NF_TIMEOUT:
    case NF_STATE__COUNT:
        made =
            err_set(err, ERR_CONFLICT, "an NF that is %s asks nothing", nf_state_name(spec->state));
    }
    ret->http.url = ret->url;
    ret->http.headers = ret->headers;
    ret->http.timeout_ms = NF_WAIT_S * 1000 + SLACK_MS;
    ret->http.answer_max = NF_ANSWER_MAX;
    return made;
}
