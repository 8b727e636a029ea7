/* What a server acknowledged, one line a fact, so that it can be asked for again after it was
 * killed:
 *     account URL THUMBPRINT
 *     order ACCOUNT-URL URL
 *     certificate ACCOUNT-URL URL SERIAL
 * The accounts' keys are beside it in FILE.keys, mode 0600: a line has URL and PKCS #8 in
 * base64url.
 */
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "common/ossl.h"

struct facts;

/* Both files are made anew. */
struct facts *facts_open(const char *path, struct err *err);
/* false: something could not be written. */
bool facts_close(struct facts *facts);

/* facts may be NULL: nothing is recorded. */
void facts_account(struct facts *facts, const char *url, const char *thumbprint, EVP_PKEY *key);
void facts_order(struct facts *facts, const char *account, const char *url);
void facts_certificate(struct facts *facts, const char *account, const char *url,
                       const char *serial);

enum fact_kind { FACT_ACCOUNT, FACT_ORDER, FACT_CERTIFICATE };
struct fact {
    enum fact_kind kind;
    EVP_PKEY *key;       /* the account's; borrowed */
    const char *account; /* all borrowed */
    const char *url;
    const char *value; /* thumbprint or serial; NULL for an order */
};

/* Facts read back; fact_list_done. */
struct fact_list {
    struct fact *facts;
    size_t count;
    char *text, *key_text; /* what they point into */
    struct fact_key {
        const char *url;
        EVP_PKEY *key;
    } * keys;
    size_t key_count;
    json_t *by_url; /* place among keys */
};
MUST_CHECK bool fact_list_read(const char *path, struct fact_list *ret, struct err *err);
void fact_list_done(struct fact_list *list);
