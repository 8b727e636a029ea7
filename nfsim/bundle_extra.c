#include "nfsim/bundle_extra.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/file.h"
#include "nfsim/bundle_file.h"

static json_t *count_json(uint64_t count) { return json_integer((json_int_t)count); }

/* Text of others: what is not UTF-8 is not shown. */
static json_t *text_json(const char *text) {
    json_t *string = json_string(text != NULL ? text : "");

    return string != NULL ? string : json_string("(not UTF-8)");
}

/* The shares a distribution is told at: dense where tails are looked at. */
static const double shares[] = {0,     0.05,  0.1,   0.2,    0.3,    0.4,    0.5,  0.6,  0.7,
                                0.75,  0.8,   0.85,  0.9,    0.93,   0.95,   0.97, 0.98, 0.99,
                                0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 1};

static json_t *histogram_json(const struct histogram *histogram) {
    json_auto_t *list = json_array();

    for (size_t i = 0; histogram != NULL && i < COUNT(shares); i++) {
        if (json_array_append_new(list, count_json(histogram_at_us(histogram, shares[i]))) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static json_t *distribution_json(const struct run_result *result) {
    json_auto_t *list = json_array();
    json_auto_t *steps = json_array();

    for (size_t i = 0; i < COUNT(shares); i++) {
        (void)json_array_append_new(list, json_real(shares[i]));
    }
    for (int k = 0; k < RESULT_STEPS; k++) {
        if (json_array_append_new(steps, histogram_json(result->step_histogram[k])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:O,s:o,s:o,s:O}", "shares", list, "total",
                     histogram_json(result->total_histogram), "service",
                     histogram_json(result->service_histogram), "steps", steps);
}

static json_t *seconds_json(const struct run_result *result) {
    json_auto_t *list = json_array();

    for (size_t i = 0; i < result->seconds_count; i++) {
        const struct result_second *s = &result->seconds[i];
        if (json_array_append_new(
                list,
                json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "offered",
                          (json_int_t)s->offered, "started", (json_int_t)s->started, "enrolled",
                          (json_int_t)s->enrolled, "failed", (json_int_t)s->failed, "timeout",
                          (json_int_t)s->timeout, "shed", (json_int_t)s->shed, "in_flight",
                          (json_int_t)s->in_flight, "total_p50_us", (json_int_t)s->total_p50_us,
                          "total_p99_us", (json_int_t)s->total_p99_us, "total_max_us",
                          (json_int_t)s->total_max_us))
            != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static json_t *sample_json(const struct result_sample *sample) {
    json_auto_t *instants = json_array();

    for (int i = 0; i < RESULT_INSTANTS; i++) {
        (void)json_array_append_new(instants, count_json(sample->t_us[i]));
    }
    return json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:o,s:O}", "index",
                     (json_int_t)sample->index, "nf", sample->nf, "type", sample->type, "fqdn",
                     sample->fqdn, "enrolment", sample->enrolment, "order", sample->order, "trace",
                     sample->trace_id, "serial", sample->serial, "enrolled", (int)sample->enrolled,
                     "failure", sample->failure, "started_us", count_json(sample->started_us),
                     "t_us", instants);
}

static json_t *samples_json(const struct run_result *result) {
    json_auto_t *list = json_array();

    for (size_t i = 0; i < result->samples_count; i++) {
        if (json_array_append_new(list, sample_json(&result->samples[i])) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static json_t *details_json(const struct run_result *result) {
    json_auto_t *list = json_array();

    for (size_t i = 0; i < result->failures_count; i++) {
        const struct result_failure *failure = &result->failures[i];
        if (json_array_append_new(list, json_pack("{s:s,s:i,s:o}", "kind", failure->kind, "step",
                                                  (int)failure->step, "detail",
                                                  text_json(failure->detail)))
            != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static json_t *bounds_json(const struct run_result *result) {
    json_auto_t *list = json_array();

    for (size_t i = 0; i < result->expect_count; i++) {
        const struct result_expect *expect = &result->expect[i];
        if (json_array_append_new(
                list, json_pack("{s:s,s:o,s:o}", "check", expect->check, "min",
                                expect->has_min ? json_real(expect->min) : json_null(), "max",
                                expect->has_max ? json_real(expect->max) : json_null()))
            != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

bool bundle_timeline(const struct run_result *result, const struct bundle_dropped *dropped,
                     struct err *err) {
    const struct {
        const char *name;
        json_t *value;
    } members[] = {
        {"schema", json_integer(RESULT_SCHEMA)},
        {"question", text_json(result->question)},
        {"profile", text_json(result->profile)},
        {"challenges", text_json(result->challenges)},
        {"arrival", text_json(result->arrival)},
        {"command", text_json(result->command)},
        {"started_us", count_json(result->started_us)},
        {"ended_us", count_json(result->ended_us)},
        {"max_in_flight", count_json(result->max_in_flight)},
        {"clamped", count_json(result->clamped)},
        {"retries", count_json(result->retries)},
        {"spans_dropped", count_json(dropped->spans)},
        {"events_dropped", count_json(dropped->events)},
        {"events_form", count_json(dropped->form)},
        {"seconds", seconds_json(result)},
        {"distribution", distribution_json(result)},
        {"samples", samples_json(result)},
        {"failure_details", details_json(result)},
        {"expect_bounds", bounds_json(result)},
    };
    json_auto_t *json = json_object();
    bool ok = true;

    for (size_t i = 0; i < COUNT(members); i++) {
        ok = json_object_set_new(json, members[i].name, members[i].value) == 0 && ok;
    }
    if (!ok) {
        return err_set(err, ERR_SERVER_INTERNAL, "timeline.json could not be made");
    }
    return bundle_json(result->out, "timeline.json", json, JSON_COMPACT, err);
}

static json_t *machine_json(void) {
    struct utsname host = {0};
    char model[128] = "";
    char line[256];
    FILE *cpus = fopen("/proc/cpuinfo", "re");

    while (cpus != NULL && fgets(line, sizeof(line), cpus) != NULL) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) == 0 && value != NULL) {
            value += 1 + strspn(value + 1, " \t");
            (void)snprintf(model, sizeof(model), "%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    }
    if (cpus != NULL) {
        (void)fclose(cpus);
    }
    (void)uname(&host);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "nfacme", NFACME_VERSION, "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "kernel", host.release, "architecture",
                     host.machine, "processor", model, "processors",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN));
}

bool bundle_config(const struct run_result *result, struct err *err) {
    json_auto_t *machine = machine_json();
    size_t len = 0;
    AUTO(free) char *command = NULL;
    AUTO(free) char *scenario = file_read(result->scenario_path, &len, err);

    if (scenario == NULL || !bundle_text(result->out, "config/scenario.yaml", scenario, len, err)) {
        return false;
    }
    int length = asprintf(&command, "%s\n", result->command != NULL ? result->command : "");
    if (length < 0 || machine == NULL) {
        command = NULL;
        return err_set(err, ERR_NO_MEMORY, "no memory for config/");
    }
    return bundle_text(result->out, "config/command.txt", command, (size_t)length, err)
           && bundle_json(result->out, "config/machine.json", machine, JSON_INDENT(2), err);
}

/* certs/<type>-<nf>.pem, of letters, digits and "-" only. */
static void certificate_name(const struct result_sample *sample, char name[96]) {
    (void)snprintf(name, 96, "certs/%s-%s.pem", sample->type, sample->nf);
    for (char *c = name + strlen("certs/"); *c != '\0' && strcmp(c, ".pem") != 0; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-') {
            *c = '_';
        }
    }
}

static bool is_first_of_type(const struct run_result *result, size_t place) {
    for (size_t i = 0; i < place; i++) {
        if (result->samples[i].chain_pem != NULL
            && strcmp(result->samples[i].type, result->samples[place].type) == 0) {
            return false;
        }
    }
    return true;
}

bool bundle_certs(const struct run_result *result, struct err *err) {
    size_t len = 0;
    unsigned written = 0;
    AUTO(free) char *root = NULL;

    if (result->operator_root != NULL) {
        root = file_read(result->operator_root, &len, err);
        if (root == NULL || !bundle_text(result->out, "certs/root.pem", root, len, err)) {
            return false;
        }
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < result->samples_count && written < BUNDLE_CERTS_MAX; i++) {
            const struct result_sample *sample = &result->samples[i];
            char name[96];
            if (sample->chain_pem == NULL || is_first_of_type(result, i) != (round == 0)) {
                continue;
            }
            certificate_name(sample, name);
            if (!bundle_text(result->out, name, sample->chain_pem, strlen(sample->chain_pem),
                             err)) {
                return false;
            }
            written++;
        }
    }
    return true;
}
