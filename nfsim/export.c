#include "nfsim/export.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/json.h"
#include "common/key.h"
#include "common/x509.h"
#include "nfsim/cca.h"
#include "nfsim/inventory.h"

#define PATH_SIZE 4096

static bool put(const char *out, const char *name, unsigned mode, const char *text,
                struct err *err) {
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", out, name);
    return file_write(path, mode, text, strlen(text), err);
}

static bool put_identity(const struct export_options *options, X509 *x509, EVP_PKEY *key,
                         struct err *err) {
    char path[PATH_SIZE];
    size_t len = 0;
    AUTO(free) char *pem = x509_pem(x509, err);

    (void)snprintf(path, sizeof path, "%s/oam-ca.pem", options->state);
    AUTO(free) char *trust = file_read(path, &len, err);
    (void)snprintf(path, sizeof path, "%s/nf.key", options->out);
    return pem != NULL && trust != NULL && put(options->out, "nf.pem", 0644, pem, err)
           && key_write_file(key, path, err) && put(options->out, "oam-ca.pem", 0644, trust, err);
}

static bool put_assertion(const struct export_options *options, const struct fleet_nf *id,
                          const char *client, X509 *x509, EVP_PKEY *key, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();
    AUTO(EVP_PKEY_free)
    EVP_PKEY *bound = options->bind == NULL ? NULL : key_read_file(options->bind, err);
    char jkt[JWK_THUMBPRINT_SIZE] = "";

    if (options->bind != NULL && (bound == NULL || !jwk_thumbprint(bound, jkt, err))) {
        return false;
    }
    const struct cca_spec spec = {.jkt = bound == NULL ? NULL : jkt,
                                  .uuid = id->uuid,
                                  .type = id->type,
                                  .fqdn = options->fqdn ? id->fqdn : NULL,
                                  .client = client,
                                  .now_s = clock_now_s(options->clock),
                                  .lifetime_s = CCA_LIFETIME_MAX_S};

    if (chain == NULL || X509_up_ref(x509) != 1 || sk_X509_push(chain, x509) == 0) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an assertion");
    }
    AUTO(free) char *text = cca_make(&spec, chain, key, err);
    return text != NULL && put(options->out, "cca.jwt", 0600, text, err);
}

static bool put_body(const struct export_options *options, const struct fleet_nf *id,
                     struct err *err) {
    AUTO(json_release)
    json_t *json = json_pack("{s:s, s:s}", "nfInstanceId", id->uuid, "nfType", id->type);

    if (json != NULL && options->fqdn) {
        (void)json_object_set_new(json, "fqdn", json_string(id->fqdn));
    }
    if (json != NULL && options->profile != NULL) {
        (void)json_object_set_new(json, "profile", json_string(options->profile));
    }
    AUTO(free) char *text = json == NULL ? NULL : json_text(json);
    return text == NULL ? err_set(err, ERR_NO_MEMORY, "no memory for a body")
                        : put(options->out, "nf.json", 0644, text, err);
}

static void say_how(const struct export_options *options, const struct fleet_nf *id, FILE *say) {
    (void)fprintf(
        say,
        "%s %s (%s) is in %s; the assertion is good for an hour.\n"
        "With API=https://HOST:PORT of the shared client:\n\n"
        "  cd %s\n"
        "  curl -sS -i --cacert oam-ca.pem --cert nf.pem --key nf.key \\\n"
        "    -H 'Content-Type: application/json' -H 'Prefer: wait=60' \\\n"
        "    -H \"3gpp-Sbi-Client-Credentials: $(cat cca.jwt)\" \\\n"
        "    --data @nf.json $API/nacme-enrolment/v1/enrolments        # steps 1 and 7\n"
        "  openssl ecparam -name prime256v1 -genkey -noout -out operator.key\n"
        "  openssl req -new -key operator.key -subj / -outform DER -out nf.csr \\\n"
        "    -addext 'subjectAltName=critical,URI:urn:uuid:%s%s%s'\n"
        "  curl -sS --cacert oam-ca.pem --cert nf.pem --key nf.key \\\n"
        "    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=60' \\\n"
        "    -T nf.csr $LOCATION/csr -o operator.pem                   # steps 8 and 9;\n"
        "                              # LOCATION is the Location header of the first answer\n",
        id->type, id->uuid, id->fqdn, options->out, options->out, id->uuid,
        options->fqdn ? ",DNS:" : "", options->fqdn ? id->fqdn : "");
}

bool export_nf(const struct export_options *options, FILE *say, struct err *err) {
    AUTO(inventory_close) struct inventory *inventory = inventory_open(options->state, false, err);
    AUTO(inventory_nf_done) struct inventory_nf nf = {0};
    char client[FLEET_FQDN_SIZE];

    if (inventory == NULL || !inventory_search(inventory, options->nf, &nf, err)
        || !file_folder(options->out, err)) {
        return false;
    }
    if (options->client_name != NULL) {
        (void)snprintf(client, sizeof client, "%s", options->client_name);
    } else if (!inventory_client(inventory, 0, client, err)) {
        return false;
    }
    AUTO(X509_free) X509 *x509 = x509_from_der(nf.cert_der, nf.cert_len, err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_from_private_der(nf.key_der, nf.key_len, err);
    if (x509 == NULL || key == NULL || !put_identity(options, x509, key, err)
        || !put_assertion(options, &nf.id, client, x509, key, err)
        || !put_body(options, &nf.id, err)) {
        return false;
    }
    say_how(options, &nf.id, say);
    return true;
}
