/* A CA in a temporary folder, and requests to put to it. */
#pragma once

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/ca.h"

#define FIXTURE_NOW_S 1795000000 /* 2026-11-18 */
#define FIXTURE_UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define FIXTURE_OTHER_UUID "5ace9d34-2c69-4f99-92d5-a73a3fe8e23c"
#define FIXTURE_FQDN "amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org"
#define FIXTURE_DOMAIN "5gc.mnc001.mcc001.3gppnetwork.org"
#define FIXTURE_PKI "http://127.0.0.1:14080"

/* Fail the test with the error's text. */
#define ck_good(call)                                                                              \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(good_, "%s: %s: %s (%s)", #call, err_name(err.kind), err.detail, err.cause); \
    } while (0)

struct ca_fixture {
    char folder[64];
    struct clock clock;
    struct ca_options options;
    struct ca *ca;
};

__attribute__((unused)) static void ca_fixture_open(struct ca_fixture *fixture, unsigned depth) {
    struct err err = {0};

    *fixture = (struct ca_fixture){.clock = {.scale = 1}};
    fixture->clock.manual_us = (uint64_t)FIXTURE_NOW_S * 1000000;
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/nfacme-ca-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
    fixture->options = (struct ca_options){.state_dir = fixture->folder,
                                           .depth = depth,
                                           .key_type = KEY_P256,
                                           .country = "XX",
                                           .domain = FIXTURE_DOMAIN,
                                           .clock = &fixture->clock};
    fixture->ca = ca_open(&fixture->options, &err);
    ck_good(fixture->ca != NULL);
    ca_pki_url_set(fixture->ca, FIXTURE_PKI);
}

static int ca_fixture_remove(const char *path, const struct stat *status, int type,
                             struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

__attribute__((unused)) static void ca_fixture_close(struct ca_fixture *fixture) {
    ca_free(fixture->ca);
    (void)nftw(fixture->folder, ca_fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused)) static struct acme_identifier fixture_id(enum acme_identifier_type type,
                                                                 const char *value) {
    struct acme_identifier identifier = {.type = type};
    (void)snprintf(identifier.value, sizeof identifier.value, "%s", value);
    return identifier;
}

/* An order as finalize sees it: identifiers, the profile they get, AMF granted to NFs. */
struct order_fixture {
    struct acme_identifier identifiers[4];
    struct x509_csr csr;
    struct ca_request request;
};

__attribute__((unused)) static void order_fixture_set(struct order_fixture *order,
                                                      const char *profile, const char *uuid,
                                                      const char *dns) {
    struct err err = {0};
    unsigned count = 0;

    *order = (struct order_fixture){0};
    if (uuid != NULL) {
        order->identifiers[count++] = fixture_id(ACME_ID_NF_INSTANCE, uuid);
        ck_assert(nftypes_add(&order->request.nftypes, "AMF"));
    }
    if (dns != NULL) {
        order->identifiers[count++] = fixture_id(ACME_ID_DNS, dns);
    }
    order->request.csr = &order->csr;
    order->request.identifiers = order->identifiers;
    order->request.identifier_count = count;
    order->request.profile = profile_choose(profile, order->identifiers, count, &err);
    ck_good(order->request.profile != NULL);
}

/* A CSR for a fresh P-256 key with these names; types NULL: none asked for. */
__attribute__((unused)) static void order_fixture_csr(struct order_fixture *order, const char *uuid,
                                                      const char *dns, const char *type) {
    struct err err = {0};
    struct x509_names names = {0};
    struct nftypes types = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    if (uuid != NULL) {
        (void)snprintf(names.uuid, sizeof names.uuid, "%s", uuid);
    }
    if (dns != NULL) {
        (void)snprintf(names.dns[names.dns_count++], sizeof names.dns[0], "%s", dns);
    }
    if (type != NULL) {
        ck_assert(nftypes_add(&types, type));
    }
    ck_good(key != NULL);
    ck_good(x509_csr_make(key, &names, type == NULL ? NULL : &types, &der, &len, &err));
    x509_csr_done(&order->csr);
    ck_good(x509_csr_read(der, len, &order->csr, &err));
}

__attribute__((unused)) static void order_fixture_done(struct order_fixture *order) {
    x509_csr_done(&order->csr);
}
