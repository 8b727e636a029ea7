/* RFC 8555 sections 6.5 and 7.2: nonces. */
#include <string.h>

#include "tests/conformance/areas.h"

/* A newOrder nobody has to prove. */
static struct spec_post new_order(struct spec *spec, const struct spec_account *account) {
    return (struct spec_post){.url = spec_url(spec, "newOrder"),
                              .account = account,
                              .payload = spec_identifiers(spec, spec_name(spec), NULL)};
}

static void spends_a_nonce_once(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = spec_nonce(spec);
    post.body = spec_jws(spec, &post);
    post.body_len = strlen(post.body);
    (void)spec_status(spec, spec_post(spec, &post), 201);
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

static void refuses_an_unknown_nonce(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = "AAECAwQFBgcICQoLDA0ODw";
    const struct spec_answer *answer = spec_post(spec, &post);
    (void)spec_problem(spec, answer, 400, "badNonce");
    const char *fresh = spec_header(spec, answer, "Replay-Nonce");
    (void)spec_check(spec, fresh[0] != '\0', "the badNonce answer has no Replay-Nonce");
    post.nonce = fresh;
    (void)spec_status(spec, spec_post(spec, &post), 201);
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.5/1", .rows = "S-6.5-01", .area = "nonce", .level = SPEC_MUST, .text = "Every successful POST is answered with a Replay-Nonce.", .watch = WATCH_NONCE_ON_SUCCESS},
    {.id = "rfc8555/6.5/3", .rows = "S-6.5-03 S-6.5-06 S-6.5-07 S-6.5-08", .area = "nonce", .level = SPEC_MUST, .text = "A nonce never issued is 400 badNonce, and the nonce of that answer is good for another try.", .run = refuses_an_unknown_nonce},
    {.id = "rfc8555/6.5/4", .rows = "S-6.5-04", .area = "nonce", .level = SPEC_MUST, .text = "A nonce is good once.", .run = spends_a_nonce_once},
};
/* clang-format on */

const struct spec_area case_nonce = {cases, COUNT(cases)};
