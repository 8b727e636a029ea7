/* Octets in base64url that a strict reader refuses, or a careful one. */
#include <string.h>

#include "common/b64.h"
#include "common/rng.h"
#include "tests/conformance/negative.h"

#define OCTETS_MAX 4096

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *negative_alias(struct spec *spec, const char *text) {
    char *alias = spec_text(spec, "%s", text);
    size_t len = strlen(alias);
    const char *at = len == 0 ? NULL : strchr(alphabet, alias[len - 1]);

    if (at != NULL) {
        alias[len - 1] = alphabet[(size_t)(at - alphabet) ^ 1u];
    }
    return alias;
}

const char *negative_shift(struct spec *spec, const char *text, int by) {
    unsigned char octets[OCTETS_MAX] = {0};
    size_t len = 0;
    struct err err = {0};

    if (!b64_decode_into(text, strlen(text), octets + 1, sizeof(octets) - 1, &len, &err)) {
        spec_fail(spec, "the case's number does not decode");
        return "";
    }
    return by > 0 ? spec_b64(spec, octets, len + 1) : spec_b64(spec, octets + 2, len - 1);
}

const char *negative_random(struct spec *spec, size_t len) {
    unsigned char octets[OCTETS_MAX] = {0};

    len = len > sizeof(octets) || len == 0 ? sizeof(octets) : len;
    rng_secret(octets, len);
    octets[0] |= 0x80;
    octets[len - 1] |= 0x01;
    return spec_b64(spec, octets, len);
}

static const char *number(struct spec *spec, const BIGNUM *value) {
    unsigned char octets[OCTETS_MAX];
    int len = BN_num_bytes(value) > OCTETS_MAX ? 0 : BN_bn2bin(value, octets);

    return spec_b64(spec, octets, (size_t)len);
}

/* 65537^a mod M + k M, M the product of the first primes: the form of the keys of CVE-2017-15361.
 */
static bool roca(BIGNUM *value, int bits, BN_CTX *context) {
    AUTO(BN_free) BIGNUM *product = BN_new(), *power = BN_new(), *exponent = BN_new();

    (void)BN_one(product);
    for (unsigned candidate = 2; candidate <= 701; candidate++) {
        bool prime = true;
        for (unsigned d = 2; d * d <= candidate && prime; d++) {
            prime = candidate % d != 0;
        }
        (void)(prime && BN_mul_word(product, candidate));
    }
    return BN_set_word(power, 65537) == 1 && BN_rand(exponent, 64, 0, 0) == 1
           && BN_mod_exp(power, power, exponent, product, context) == 1
           && BN_rand(value, bits - BN_num_bits(product), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY) == 1
           && (BN_is_odd(value) == 0 || BN_sub_word(value, 1) == 1)
           && BN_mul(value, value, product, context) == 1 && BN_add(value, value, power) == 1;
}

const char *negative_modulus(struct spec *spec, const char *kind, size_t len) {
    AUTO(BN_free) BIGNUM *value = BN_new(), *prime = BN_new();
    BN_CTX *context = BN_CTX_new();
    int bits = (int)len * 8;
    bool made = false;

    if (strcmp(kind, "EVEN") == 0) {
        made = BN_rand(value, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) == 1
               && BN_sub_word(value, 1) == 1;
    } else if (strcmp(kind, "THIRD") == 0) { /* odd and divisible by 3 */
        made = BN_rand(value, bits - 1, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) == 1
               && BN_mul_word(value, 3) == 1;
    } else if (strcmp(kind, "SQUARE") == 0) {
        made = BN_generate_prime_ex(prime, bits / 2, 0, NULL, NULL, NULL) == 1
               && BN_sqr(value, prime, context) == 1;
    } else if (strcmp(kind, "ROCA") == 0) {
        made = roca(value, bits, context);
    }
    BN_CTX_free(context);
    if (!made) {
        spec_fail(spec, "no modulus of the kind %s", kind);
    }
    return number(spec, value);
}
