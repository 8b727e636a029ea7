/* A certificate of every profile the directory offers, from a whole server with its sockets, into
 * the folder $LINT_OUT: PROFILE.pem, the chain; and issuer.pem. */
#include "tests/unit/server/acme_flow.h"

static struct bed bed;

/* An authority token as bed_token's, for that NF type. */
static char *token_of(const struct actor *actor, const char *type, const char *jti) {
    struct err err = {0};
    unsigned char raw[32];
    char fingerprint[128] = "SHA256 ";

    ck_good(jwk_thumbprint_raw(actor->key, raw, &err));
    for (unsigned i = 0; i < sizeof(raw); i++) {
        (void)snprintf(fingerprint + 7 + 3 * i, 4, i == 31 ? "%02X" : "%02X:", raw[i]);
    }
    json_t *claims = json_pack("{s:s,s:I,s:[s],s:{s:s,s:s,s:s,s:b}}", "jti", jti, "exp",
                               (json_int_t)(BED_TIME_US / 1000000) + 900 * BED_DAY_S, "nfTypes",
                               type, "atc", "tktype", "NfInstanceId", "tkvalue", BED_UUID,
                               "fingerprint", fingerprint, "ca", 0);
    AUTO(free) char *token = jwt_sign(bed.authority, bed.authority_chain, claims, &err);
    ck_good(token != NULL);
    json_t *payload = json_pack("{s:s}", "tkauth", token);
    char *text = json_text(payload);
    json_decref(payload);
    json_decref(claims);
    return text;
}

/* http-01 with the bed's page. */
static void prove_dns(const struct actor *actor, const json_t *challenge) {
    struct err err = {0};
    char thumbprint[JWK_THUMBPRINT_SIZE], page[256];

    ck_good(jwk_thumbprint(actor->key, thumbprint, &err));
    (void)snprintf(page, sizeof(page), "%s.%s",
                   json_string_value(json_object_get(challenge, "token")), thumbprint);
    bed_page(&bed, page);
    bed_expect(&bed, actor, json_string_value(json_object_get(challenge, "url")), "{}", 200, "");
}

static void prove(const struct actor *actor, const char *url, const char *nf_type) {
    struct answer authz = bed_post(&bed, actor, url, NULL);
    static unsigned tokens;
    char jti[40];
    size_t i = 0;
    json_t *challenge = NULL;

    json_array_foreach(json_object_get(authz.json, "challenges"), i, challenge) {
        const char *type = json_string_value(json_object_get(challenge, "type"));
        if (strcmp(type, "http-01") == 0) {
            prove_dns(actor, challenge);
        } else if (strcmp(type, "tkauth-01") == 0) {
            (void)snprintf(jti, sizeof(jti), "4ace9d34-2c69-4f99-92d5-a73a3fe8%04u", ++tokens);
            AUTO(free) char *payload = token_of(actor, nf_type, jti);
            bed_expect(&bed, actor, json_string_value(json_object_get(challenge, "url")), payload,
                       200, "");
        }
    }
    answer_done(&authz);
    for (unsigned tries = 0; tries < 1000; tries++) { /* http-01 takes its time */
        authz = bed_post(&bed, actor, url, NULL);
        bool pending = strcmp(member(&authz, "status"), "pending") == 0;
        answer_done(&authz);
        if (!pending) {
            break;
        }
    }
    bed_status(&bed, actor, url, "valid");
}

static void save(const char *name, const char *text) {
    struct err err = {0};
    char path[512];

    ck_assert_ptr_nonnull(getenv("LINT_OUT"));
    (void)snprintf(path, sizeof(path), "%s/%s.pem", getenv("LINT_OUT"), name);
    ck_good(file_write(path, 0644, text, strlen(text), &err));
}

/* What the order of a profile names; the description says which. */
static void obtain(const struct actor *actor, const char *profile, EVP_PKEY *key) {
    bool nf = strcmp(profile, "tls-server") != 0;
    static const char *const with_dns[] = {"nf-server", "nf-both", "scp", "sepp", "tls-server"};
    bool dns = false;
    char payload[512];
    const char *nf_type = strcmp(profile, "scp") == 0                ? "SCP"
                          : strcmp(profile, "sepp") == 0             ? "SEPP"
                          : strcmp(profile, "nf-http-encrypt") == 0  ? "SEPP"
                          : strcmp(profile, "nf-oauth-signing") == 0 ? "NRF"
                                                                     : "AMF";

    for (unsigned i = 0; i < COUNT(with_dns); i++) {
        dns = dns || strcmp(profile, with_dns[i]) == 0;
    }
    (void)snprintf(payload, sizeof(payload), "{\"profile\":\"%s\",\"identifiers\":[%s%s%s]}",
                   profile, nf ? "{\"type\":\"NfInstanceId\",\"value\":\"" BED_UUID "\"}" : "",
                   nf && dns ? "," : "",
                   dns ? "{\"type\":\"dns\",\"value\":\"" BED_FQDN "\"}" : "");
    struct placed placed = bed_order(&bed, actor, payload);
    for (unsigned i = 0; i < placed.count; i++) {
        prove(actor, placed.authz[i], nf_type);
    }
    AUTO(free) char *csr = bed_csr(key, nf ? BED_UUID : NULL, dns ? BED_FQDN : NULL);
    struct answer answer = bed_post(&bed, actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    struct answer chain = bed_post(&bed, actor, member(&answer, "certificate"), NULL);
    ck_answer(chain, 200, "");
    save(profile, chain.body);
    answer_done(&chain);
    answer_done(&answer);
}

/* Every profile, with keys of several kinds in turn. */
START_TEST(every_profile_of_the_directory_is_obtained) {
    static const enum key_type types[] = {KEY_P256, KEY_RSA2048, KEY_P384};
    struct err err = {0};
    unsigned turn = 0;
    const char *profile = NULL;
    json_t *said = NULL;

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct answer directory = bed_get(&bed, "/directory");
    json_t *offered = json_object_get(json_object_get(directory.json, "meta"), "profiles");
    ck_assert_uint_ge(json_object_size(offered), 9);
    json_object_foreach(offered, profile, said) {
        AUTO(EVP_PKEY_free)
        EVP_PKEY *key = key_generate(types[turn++ % COUNT(types)], &err);
        obtain(&actor, profile, key);
    }
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/state/issuing.pem", bed.folder);
    size_t len = 0;
    AUTO(free) char *issuer = file_read(path, &len, &err);
    ck_good(issuer != NULL);
    save("issuer", issuer);
    (void)snprintf(path, sizeof(path), "%s/state/root.pem", bed.folder);
    AUTO(free) char *root = file_read(path, &len, &err);
    ck_good(root != NULL);
    save("root", root);
    answer_done(&directory);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {every_profile_of_the_directory_is_obtained};
    return suite_run("lint/obtain", tests, COUNT(tests));
}
