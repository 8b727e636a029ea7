/* The key authorization of a challenge, RFC 8555 section 8.1: token "." thumbprint. */
#pragma once

#include "client/solver.h"

/* Caller owns; NULL: ERR_UPSTREAM (the challenge has no proper token) or no memory. */
char *key_authorization(const struct solver_task *task, struct err *err);
/* Its SHA-256. */
#define KEY_AUTHORIZATION_DIGEST_LEN 32
MUST_CHECK bool key_authorization_digest(const struct solver_task *task,
                                         unsigned char ret[KEY_AUTHORIZATION_DIGEST_LEN],
                                         struct err *err);
