#include "client/key_authorization.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_LEN_MIN 22 /* 128 bits in base64url, sections 8.3 and 8.4; RFC 8737 section 3 */

char *key_authorization(const struct solver_task *task, struct err *err) {
    if (task->token == NULL || strlen(task->token) < TOKEN_LEN_MIN) {
        (void)err_set(err, ERR_UPSTREAM, "the %s challenge has no proper token",
                      acme_challenge_name(task->type));
        return NULL;
    }
    const size_t token_len = strlen(task->token), print_len = strlen(task->enrolment->thumbprint);
    char *text = malloc(token_len + print_len + 2);
    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    memcpy(text, task->token, token_len);
    text[token_len] = '.';
    memcpy(text + token_len + 1, task->enrolment->thumbprint, print_len + 1);
    return text;
}

bool key_authorization_digest(const struct solver_task *task,
                              unsigned char ret[KEY_AUTHORIZATION_DIGEST_LEN], struct err *err) {
    AUTO(free) char *text = key_authorization(task, err);

    return text != NULL
           && (SHA256((const unsigned char *)text, strlen(text), ret) != NULL
               || err_set(err, ERR_SERVER_INTERNAL, "could not make a digest"));
}
