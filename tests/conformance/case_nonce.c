/* RFC 8555 sections 6.5 and 7.2: nonces. */
#include <string.h>

#include "common/b64.h"
#include "common/rng.h"
#include "tests/conformance/areas.h"

#define SAMPLE 60         /* nonces looked at */
#define NONCE_TEXT_MIN 11 /* characters: 64 bits */

/* A newOrder nobody has to prove. */
static struct spec_post new_order(struct spec *spec, const struct spec_account *account) {
    return (struct spec_post){.url = spec_url(spec, "newOrder"),
                              .account = account,
                              .payload = spec_identifiers(spec, spec_name(spec), NULL)};
}

static struct spec_post fixed(struct spec *spec, struct spec_post post) {
    post.body = spec_jws(spec, &post);
    post.body_len = strlen(post.body);
    return post;
}

static void spends_a_nonce_once(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = spec_nonce(spec);
    post = fixed(spec, post);
    (void)spec_status(spec, spec_post(spec, &post), 201);
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

static void spends_the_nonce_of_a_failure(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));
    const json_t *good = post.payload;

    post.nonce = spec_nonce(spec);
    post.payload = spec_pack(spec, "{s:i}", "identifiers", 5);
    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed");
    post.payload = good;
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

static void refuses_an_unknown_nonce(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));
    unsigned char chance[16];

    rng_secret(chance, sizeof(chance));
    post.nonce = spec_b64(spec, chance, sizeof(chance));
    const struct spec_answer *answer = spec_post(spec, &post);
    (void)spec_problem(spec, answer, 400, "badNonce");
    const char *fresh = spec_header(spec, answer, "Replay-Nonce");
    (void)spec_check(spec, fresh[0] != '\0', "the badNonce answer has no Replay-Nonce");
    post.nonce = fresh;
    (void)spec_status(spec, spec_post(spec, &post), 201);
}

static void reports_a_missing_nonce(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = SPEC_OMIT;
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

static void takes_no_nonce_from_a_header(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));
    const char *headers[] = {spec_text(spec, "Replay-Nonce: %s", spec_nonce(spec)), NULL};

    post.nonce = SPEC_OMIT;
    post.headers = headers;
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

static void takes_no_nonce_from_the_unprotected_header(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = SPEC_OMIT;
    post.envelope = spec_pack(spec, "{s:{s:s}}", "header", "nonce", spec_nonce(spec));
    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed|badNonce");
}

static void lets_one_of_two_racers_pass(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    struct spec_post post = new_order(spec, account), posts[SPEC_TOGETHER_MAX];
    const struct spec_answer *answers[SPEC_TOGETHER_MAX];
    unsigned passed = 0;

    post.nonce = spec_nonce(spec);
    post = fixed(spec, post);
    for (unsigned i = 0; i < SPEC_TOGETHER_MAX; i++) {
        posts[i] = post;
    }
    spec_together(spec, posts, SPEC_TOGETHER_MAX, answers);
    for (unsigned i = 0; i < SPEC_TOGETHER_MAX && !spec_over(spec); i++) {
        passed += answers[i]->status / 100 == 2;
        if (answers[i]->status / 100 != 2) {
            (void)spec_problem(spec, answers[i], 400, "badNonce");
        }
    }
    (void)spec_check(spec, passed <= 1, "%u requests with one nonce succeeded", passed);
}

static void takes_a_nonce_from_anywhere(struct spec *spec) {
    const struct spec_account *one = spec_account(spec, KEY_P256);
    const struct spec_account *other = spec_account(spec, KEY_P256);
    struct spec_post post = new_order(spec, one);

    post.nonce = spec_header(spec, other->answer, "Replay-Nonce");
    (void)spec_status(spec, spec_post(spec, &post), 201);
    post = new_order(spec, one);
    post.nonce = spec_nonce(spec);
    (void)spec_status(spec, spec_post(spec, &post), 201);
}

static size_t common_prefix(const char *a, const char *b) {
    size_t len = 0;

    while (a[len] != '\0' && a[len] == b[len]) {
        len++;
    }
    return len;
}

static void gives_unique_unpredictable_nonces(struct spec *spec) {
    const char *nonces[SAMPLE];
    size_t shared = SIZE_MAX;

    for (unsigned i = 0; i < SAMPLE; i++) {
        nonces[i] = spec_nonce(spec);
        (void)spec_check(spec, strlen(nonces[i]) >= NONCE_TEXT_MIN,
                         "nonce \"%s\" is shorter than %d characters", nonces[i], NONCE_TEXT_MIN);
        (void)spec_check(spec, b64_is(nonces[i], strlen(nonces[i])), "nonce \"%s\" is no base64url",
                         nonces[i]);
        for (unsigned j = 0; j < i; j++) {
            (void)spec_check(spec, strcmp(nonces[i], nonces[j]) != 0, "nonce \"%s\" came twice",
                             nonces[i]);
            size_t prefix = common_prefix(nonces[i], nonces[j]);
            shared = prefix < shared ? prefix : shared;
        }
    }
    (void)spec_check(spec, strlen(nonces[0]) >= shared + NONCE_TEXT_MIN,
                     "all nonces share %zu of %zu characters", shared, strlen(nonces[0]));
}

static void refuses_a_nonce_not_base64url(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.nonce = "not base64url!";
    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed|badNonce");
}

static void refuses_a_nonce_that_is_no_text(struct spec *spec) {
    struct spec_post post = new_order(spec, spec_account(spec, KEY_P256));

    post.extra = spec_pack(spec, "{s:i}", "nonce", 5);
    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed|badNonce");
}

static void head_gives_a_nonce(struct spec *spec) {
    const struct spec_answer *answer =
        spec_request(spec, "HEAD", spec_url(spec, "newNonce"), NULL, NULL, 0);

    (void)spec_check(spec, spec_header(spec, answer, "Replay-Nonce")[0] != '\0',
                     "no Replay-Nonce (status %u)", answer->status);
}

static void head_is_200(struct spec *spec) {
    (void)spec_status(spec, spec_request(spec, "HEAD", spec_url(spec, "newNonce"), NULL, NULL, 0),
                      200);
}

static void get_is_204_and_empty(struct spec *spec) {
    const struct spec_answer *answer = spec_get(spec, spec_url(spec, "newNonce"));

    (void)spec_status(spec, answer, 204);
    (void)spec_check(spec, answer->body_len == 0, "a body of %zu octets", answer->body_len);
    (void)spec_check(spec, spec_header(spec, answer, "Replay-Nonce")[0] != '\0', "no Replay-Nonce");
}

static void post_as_get_gives_a_nonce(struct spec *spec) {
    const struct spec_answer *answer =
        spec_post_json(spec, spec_account(spec, KEY_P256), spec_url(spec, "newNonce"), NULL);

    (void)spec_status(spec, answer, SPEC_2XX);
    (void)spec_check(spec, spec_header(spec, answer, "Replay-Nonce")[0] != '\0', "no Replay-Nonce");
}

static void new_nonces_are_not_stored(struct spec *spec) {
    static const char *const methods[] = {"HEAD", "GET"};

    for (unsigned i = 0; i < COUNT(methods); i++) {
        const struct spec_answer *answer =
            spec_request(spec, methods[i], spec_url(spec, "newNonce"), NULL, NULL, 0);
        const char *control = spec_header(spec, answer, "Cache-Control");
        (void)spec_check(spec, strstr(control, "no-store") != NULL, "%s: Cache-Control is \"%s\"",
                         methods[i], control);
    }
}

static void each_nonce_is_fresh(struct spec *spec) {
    const char *one = spec_nonce(spec), *other = spec_nonce(spec);

    (void)spec_check(spec, strcmp(one, other) != 0, "two HEAD give one nonce");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/14", .rows = "S-6.3-14", .area = "nonce", .level = SPEC_MUST, .text = "newNonce is read with GET.", .run = get_is_204_and_empty},
    {.id = "rfc8555/6.3/15", .rows = "S-6.3-15", .area = "nonce", .level = SPEC_MUST, .text = "newNonce is read with POST-as-GET.", .run = post_as_get_gives_a_nonce},
    {.id = "rfc8555/6.5/1", .rows = "S-6.5-01", .area = "nonce", .level = SPEC_MUST, .text = "Every successful POST is answered with a Replay-Nonce.", .watch = WATCH_NONCE_ON_SUCCESS},
    {.id = "rfc8555/6.5/2", .rows = "S-6.5-02", .area = "nonce", .level = SPEC_SHOULD, .text = "Refused requests are answered with a Replay-Nonce.", .watch = WATCH_NONCE_ON_ERROR},
    {.id = "rfc8555/6.5/3", .rows = "S-6.5-03 S-6.5-06 S-6.5-07 S-6.5-08", .area = "nonce", .level = SPEC_MUST, .text = "A nonce never issued is 400 badNonce, and the nonce of that answer is good for another try.", .run = refuses_an_unknown_nonce},
    {.id = "rfc8555/6.5/4", .rows = "S-6.5-04", .area = "nonce", .level = SPEC_MUST, .text = "A nonce is good once.", .run = spends_a_nonce_once},
    {.id = "rfc8555/6.5/5", .rows = "S-6.5-05", .area = "nonce", .level = SPEC_MUST, .text = "A refused request spends its nonce.", .run = spends_the_nonce_of_a_failure},
    {.id = "rfc8555/6.5/9", .rows = "S-6.2-15 S-6.5-09", .area = "nonce", .level = SPEC_MUST, .text = "A missing nonce is badNonce.", .run = reports_a_missing_nonce},
    {.id = "rfc8555/6.5/10", .rows = "S-6.5-10", .area = "nonce", .level = SPEC_MUST, .text = "Of requests with one nonce at the same moment at most one succeeds.", .run = lets_one_of_two_racers_pass},
    {.id = "rfc8555/6.5/11", .rows = "S-6.5-11", .area = "nonce", .level = SPEC_SHOULD, .text = "A nonce of any answer is good for any request.", .run = takes_a_nonce_from_anywhere},
    {.id = "rfc8555/6.5.1/1", .rows = "S-6.5.1-01 S-6.5.1-02", .area = "nonce", .level = SPEC_MUST, .text = "Nonces are unique and not predictable.", .run = gives_unique_unpredictable_nonces},
    {.id = "rfc8555/6.5.1/3", .rows = "S-6.5.1-03", .area = "nonce", .level = SPEC_MUST, .text = "Every Replay-Nonce is base64url.", .watch = WATCH_NONCE_ALPHABET},
    {.id = "rfc8555/6.5.1/4", .rows = "S-6.5.1-04", .area = "nonce", .level = SPEC_MUST, .text = "An answer has one Replay-Nonce.", .watch = WATCH_NONCE_ONCE},
    {.id = "rfc8555/6.5.1/5", .rows = "S-6.5.1-05", .area = "nonce", .level = SPEC_MUST, .text = "A nonce in the HTTP header is none.", .run = takes_no_nonce_from_a_header},
    {.id = "rfc8555/6.5.2/1", .rows = "S-6.5.2-01", .area = "nonce", .level = SPEC_MUST, .text = "A nonce that is no base64url is refused.", .run = refuses_a_nonce_not_base64url},
    {.id = "rfc8555/6.5.2/2", .rows = "S-6.5.2-02", .area = "nonce", .level = SPEC_MUST, .text = "A nonce in the unprotected header is none.", .run = takes_no_nonce_from_the_unprotected_header},
    {.id = "rfc8555/6.5.2/3", .rows = "S-6.5.2-03", .area = "nonce", .level = SPEC_MUST, .text = "A nonce is a string.", .run = refuses_a_nonce_that_is_no_text},
    {.id = "rfc8555/7.2/1", .rows = "S-7.2-01", .area = "nonce", .level = SPEC_MUST, .text = "HEAD newNonce gives a Replay-Nonce.", .run = head_gives_a_nonce},
    {.id = "rfc8555/7.2/2", .rows = "S-7.2-02", .area = "nonce", .level = SPEC_SHOULD, .text = "HEAD newNonce is 200.", .run = head_is_200},
    {.id = "rfc8555/7.2/3", .rows = "S-7.2-03", .area = "nonce", .level = SPEC_MUST, .text = "GET newNonce is 204 without a body.", .run = get_is_204_and_empty},
    {.id = "rfc8555/7.2/4", .rows = "S-7.2-04", .area = "nonce", .level = SPEC_MUST, .text = "newNonce is not stored by caches.", .run = new_nonces_are_not_stored},
    {.id = "rfc8555/7.2/5", .rows = "S-7.2-05", .area = "nonce", .level = SPEC_MUST, .text = "Each newNonce answer has a fresh nonce.", .run = each_nonce_is_fresh},
};
/* clang-format on */

const struct spec_area case_nonce = {cases, COUNT(cases)};
