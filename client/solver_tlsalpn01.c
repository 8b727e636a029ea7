/* Several challenges may be open for one name (two accounts, or an order repeated), and a client
 * hello does not say which it is for.  Of a name's answers the one shown least is shown, of those
 * the oldest: each gets its turn, in the order in which the server was told. */
#include "client/solver_tlsalpn01.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/alpn_door.h"
#include "client/key_authorization.h"
#include "client/map.h"
#include "common/key.h"
#include "common/ossl.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31" /* RFC 8737 section 3 */
#define BEFORE_S 3600                        /* clocks differ */
#define AFTER_S 604800

struct name;

struct answer {
    struct answer *next;
    struct name *name;
    X509 *cert;
    unsigned shown;
};

/* A server name and its answers, oldest first. */
struct name {
    char sni[SOLVER_SNI_SIZE]; /* the key in the map */
    struct answer *answers;
};

struct solver_tlsalpn01 {
    struct map *names;
    EVP_PKEY *key; /* of every certificate: it proves nothing by itself */
    struct alpn_door *door;
    unsigned count;
};

void solver_tlsalpn01_sni(const struct acme_identifier *identifier, char ret[SOLVER_SNI_SIZE]) {
    unsigned char octets[16];
    size_t at = 0;

    if (identifier->type != ACME_ID_IP) {
        (void)snprintf(ret, SOLVER_SNI_SIZE, "%s", identifier->value);
    } else if (inet_pton(AF_INET, identifier->value, octets) == 1) { /* RFC 1034 5.2.1 */
        (void)snprintf(ret, SOLVER_SNI_SIZE, "%u.%u.%u.%u.in-addr.arpa", octets[3], octets[2],
                       octets[1], octets[0]);
    } else { /* RFC 3596 2.5 */
        (void)inet_pton(AF_INET6, identifier->value, octets);
        for (unsigned i = sizeof octets; i-- > 0; at += 4) {
            (void)snprintf(ret + at, SOLVER_SNI_SIZE - at, "%x.%x.", octets[i] & 15,
                           octets[i] >> 4);
        }
        (void)snprintf(ret + at, SOLVER_SNI_SIZE - at, "ip6.arpa");
    }
}

static X509 *pick(void *ctx, const char *sni) {
    const struct solver_tlsalpn01 *solver = ctx;
    const struct name *name = map_get(solver->names, sni);
    struct answer *best = NULL;

    for (struct answer *answer = name == NULL ? NULL : name->answers; answer != NULL;
         answer = answer->next) {
        best = best == NULL || answer->shown < best->shown ? answer : best;
    }
    if (best == NULL) {
        return NULL;
    }
    best->shown++;
    return best->cert;
}

struct solver_tlsalpn01 *solver_tlsalpn01_start(struct loop *loop, const char *listen,
                                                uint64_t seed, struct err *err) {
    AUTO(solver_tlsalpn01_stop) struct solver_tlsalpn01 *solver = calloc(1, sizeof *solver);

    if (solver == NULL || (solver->names = map_new(seed)) == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    solver->key = key_generate(KEY_P256, err);
    if (solver->key == NULL) {
        return NULL;
    }
    solver->door = alpn_door_open(
        &(struct alpn_door_options){
            .loop = loop, .listen = listen, .key = solver->key, .pick = pick, .ctx = solver},
        err);
    return solver->door == NULL ? NULL : TAKE(solver);
}

static void name_free(void *ctx, void *value) {
    struct name *name = value;

    (void)ctx;
    while (name->answers != NULL) {
        struct answer *answer = name->answers;
        name->answers = answer->next;
        X509_free(answer->cert);
        free(answer);
    }
    free(name);
}

void solver_tlsalpn01_stop(struct solver_tlsalpn01 *solver) {
    if (solver != NULL) {
        alpn_door_close(solver->door);
        if (solver->names != NULL) {
            map_each(solver->names, name_free, NULL);
        }
        map_free(solver->names);
        EVP_PKEY_free(solver->key);
        free(solver);
    }
}

unsigned solver_tlsalpn01_port(const struct solver_tlsalpn01 *solver) {
    return alpn_door_port(solver->door);
}

/* subjectAltName: the identifier alone. */
static bool put_name(X509 *cert, const struct acme_identifier *identifier) {
    AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name =
        a2i_GENERAL_NAME(NULL, NULL, NULL, identifier->type == ACME_ID_IP ? GEN_IPADD : GEN_DNS,
                         identifier->value, 0);

    if (names == NULL || name == NULL || sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
}

/* acmeIdentifier: critical, the digest as an OCTET STRING. */
static bool put_digest(X509 *cert, const unsigned char digest[KEY_AUTHORIZATION_DIGEST_LEN]) {
    unsigned char value[2 + KEY_AUTHORIZATION_DIGEST_LEN] = {V_ASN1_OCTET_STRING,
                                                             KEY_AUTHORIZATION_DIGEST_LEN};
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = OBJ_txt2obj(ACME_IDENTIFIER, 1);
    AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();

    memcpy(value + 2, digest, KEY_AUTHORIZATION_DIGEST_LEN);
    if (object == NULL || octets == NULL
        || ASN1_OCTET_STRING_set(octets, value, sizeof value) != 1) {
        return false;
    }
    AUTO(X509_EXTENSION_free)
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, octets);
    return extension != NULL && X509_add_ext(cert, extension, -1) == 1;
}

static X509 *certificate_new(EVP_PKEY *key, const struct solver_task *task, struct err *err) {
    unsigned char digest[KEY_AUTHORIZATION_DIGEST_LEN];
    AUTO(X509_free) X509 *cert = X509_new();

    if (!key_authorization_digest(task, digest, err)) {
        return NULL;
    }
    X509_NAME *subject = cert == NULL ? NULL : X509_get_subject_name(cert);
    if (subject == NULL || X509_set_version(cert, X509_VERSION_3) != 1
        || ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) != 1
        || X509_gmtime_adj(X509_getm_notBefore(cert), -BEFORE_S) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(cert), AFTER_S) == NULL
        || X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"ACME challenge", -1, -1, 0)
               != 1
        || X509_set_issuer_name(cert, subject) != 1 || X509_set_pubkey(cert, key) != 1
        || !put_name(cert, &task->identifier) || !put_digest(cert, digest)
        || X509_sign(cert, key, EVP_sha256()) <= 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make the validation certificate");
        return NULL;
    }
    return TAKE(cert);
}

/* The entry of a server name, made when it is the first. */
static struct name *name_of(struct solver_tlsalpn01 *solver, const char *sni) {
    struct name *name = map_get(solver->names, sni);

    if (name != NULL || (name = calloc(1, sizeof *name)) == NULL) {
        return name;
    }
    memcpy(name->sni, sni, strlen(sni));
    if (!map_put(solver->names, name->sni, name)) {
        free(name);
        return NULL;
    }
    return name;
}

static bool configured(const struct solvers *solvers) { return solvers->tlsalpn01 != NULL; }

static bool publish(struct solver_tlsalpn01 *solver, struct solver_task *task, X509 *cert,
                    struct err *err) {
    char sni[SOLVER_SNI_SIZE];
    struct answer *answer = NULL;
    struct name *name = NULL;

    if (solver->count >= SOLVER_TLSALPN01_MAX) {
        return err_set(err, ERR_OVERLOAD, "the tls-alpn-01 responder is full");
    }
    solver_tlsalpn01_sni(&task->identifier, sni);
    answer = calloc(1, sizeof *answer);
    name = answer == NULL ? NULL : name_of(solver, sni);
    if (name == NULL) {
        free(answer);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    struct answer **last = &name->answers;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *answer = (struct answer){.name = name, .cert = cert};
    *last = answer;
    solver->count++;
    task->state = answer;
    return true;
}

static bool present(const struct solvers *solvers, struct solver_task *task, struct err *err) {
    AUTO(X509_free) X509 *cert = certificate_new(solvers->tlsalpn01->key, task, err);

    if (cert == NULL) {
        return false;
    }
    task->payload = strdup("{}");
    if (task->payload == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    if (!publish(solvers->tlsalpn01, task, cert, err)) {
        return false;
    }
    cert = NULL; /* the answer's now */
    task->done(task->ctx, NULL);
    return true;
}

static void withdraw(const struct solvers *solvers, struct solver_task *task) {
    struct answer *answer = task->state;
    struct answer **place = NULL;

    if (answer == NULL) {
        return;
    }
    task->state = NULL;
    place = &answer->name->answers;
    while (*place != answer) {
        place = &(*place)->next;
    }
    *place = answer->next;
    if (answer->name->answers == NULL) {
        (void)map_take(solvers->tlsalpn01->names, answer->name->sni);
        free(answer->name);
    }
    solvers->tlsalpn01->count--;
    X509_free(answer->cert);
    free(answer);
}

const struct solver solver_tlsalpn01_row = {.type = ACME_CHALLENGE_TLSALPN01,
                                            .identifiers = SOLVER_PROVES(ACME_ID_DNS)
                                                           | SOLVER_PROVES(ACME_ID_IP),
                                            .configured = configured,
                                            .present = present,
                                            .withdraw = withdraw};
