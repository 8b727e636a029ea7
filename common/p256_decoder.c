#include "common/p256_decoder.h"

#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <string.h>

#define SPKI_OCTETS 91
#define FUNCTIONS_MAX 16

/* SubjectPublicKeyInfo of P-256 up to the point, and the uncompressed form's mark */
static const unsigned char head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
#define POINT_AT (sizeof head - 1)

/* All written before threads. */
static OSSL_FUNC_BIO_read_ex_fn *core_read;
static OSSL_FUNC_BIO_ctrl_fn *core_ctrl;
static OSSL_FUNC_decoder_decode_fn *other;
static OSSL_FUNC_keymgmt_dup_fn *key_dup;
static OSSL_FUNC_keymgmt_free_fn *key_free;
static OSSL_FUNC_keymgmt_set_params_fn *key_set;
static OSSL_DISPATCH functions[FUNCTIONS_MAX];
static void *curve; /* a key with parameters alone, for the life of the process */

/* The key of an encoding, for key_free; NULL: not P-256, or not on the curve. */
static void *read_key(unsigned char *der, size_t len) {
    if (len != SPKI_OCTETS || memcmp(der, head, sizeof head) != 0) {
        return NULL;
    }
    const OSSL_PARAM point[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, der + POINT_AT,
                                          SPKI_OCTETS - POINT_AT),
        OSSL_PARAM_construct_end()};
    void *key = key_dup(curve, OSSL_KEYMGMT_SELECT_ALL);
    if (key != NULL && key_set(key, point) != 1) {
        key_free(key);
        return NULL;
    }
    return key;
}

static int decode(void *ctx, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *each, void *arg,
                  OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg) {
    unsigned char der[SPKI_OCTETS + 1]; /* one more shows what is longer */
    char name[] = "EC";
    int type = OSSL_OBJECT_PKEY;
    size_t len = 0;
    void *key = NULL;
    const bool is_public = selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0;
    const int begin = core_ctrl == NULL ? -1 : core_ctrl(in, BIO_C_FILE_TELL, 0, NULL);

    if (is_public && begin >= 0 && core_read != NULL) {
        key = core_read(in, der, sizeof der, &len) == 1 ? read_key(der, len) : NULL;
        if (key == NULL && core_ctrl(in, BIO_C_FILE_SEEK, begin, NULL) < 0) {
            return 0;
        }
    }
    if (key == NULL) {
        return other(ctx, in, selection, each, arg, ask, ask_arg);
    }
    const OSSL_PARAM found[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof key),
        OSSL_PARAM_construct_end()};
    const int taken = each(found, arg);
    key_free(key); /* NULL when it was taken */
    return taken;
}

/* Copy the other decoder's functions with ours among them. */
static bool copy_functions(const OSSL_DISPATCH *from) {
    size_t count = 0;

    for (; from->function_id != 0 && count < FUNCTIONS_MAX - 1; from++) {
        functions[count] = *from;
        if (from->function_id == OSSL_FUNC_DECODER_DECODE) {
            other = OSSL_FUNC_decoder_decode(from);
            functions[count].function = (void (*)(void))decode;
        }
        count++;
    }
    return from->function_id == 0 && other != NULL;
}

static const OSSL_DISPATCH *ec_keys(OSSL_PROVIDER *whole) {
    int uncached = 0;
    const OSSL_ALGORITHM *each = OSSL_PROVIDER_query_operation(whole, OSSL_OP_KEYMGMT, &uncached);

    for (; each != NULL && each->algorithm_names != NULL; each++) {
        if (strncmp(each->algorithm_names, "EC:", 3) == 0) {
            return each->implementation;
        }
    }
    return NULL;
}

static bool make_curve(OSSL_PROVIDER *whole) {
    OSSL_FUNC_keymgmt_new_fn *key_new = NULL;
    OSSL_FUNC_keymgmt_import_fn *key_import = NULL;
    char group[] = "prime256v1";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_end()};
    const OSSL_DISPATCH *each = ec_keys(whole);

    for (; each != NULL && each->function_id != 0; each++) {
        switch (each->function_id) {
        case OSSL_FUNC_KEYMGMT_NEW:
            key_new = OSSL_FUNC_keymgmt_new(each);
            break;
        case OSSL_FUNC_KEYMGMT_IMPORT:
            key_import = OSSL_FUNC_keymgmt_import(each);
            break;
        case OSSL_FUNC_KEYMGMT_DUP:
            key_dup = OSSL_FUNC_keymgmt_dup(each);
            break;
        case OSSL_FUNC_KEYMGMT_SET_PARAMS:
            key_set = OSSL_FUNC_keymgmt_set_params(each);
            break;
        case OSSL_FUNC_KEYMGMT_FREE:
            key_free = OSSL_FUNC_keymgmt_free(each);
            break;
        }
    }
    if (key_new == NULL || key_import == NULL || key_dup == NULL || key_set == NULL
        || key_free == NULL) {
        return false;
    }
    curve = key_new(OSSL_PROVIDER_get0_provider_ctx(whole));
    return curve != NULL && key_import(curve, OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, params) == 1;
}

bool p256_decoder_put(OSSL_PROVIDER *whole, OSSL_ALGORITHM *in_out) {
    if (!copy_functions(in_out->implementation) || !make_curve(whole)) {
        return false;
    }
    in_out->implementation = functions;
    return true;
}

void p256_decoder_core(const OSSL_DISPATCH *core) {
    for (; core->function_id != 0; core++) {
        if (core->function_id == OSSL_FUNC_BIO_READ_EX) {
            core_read = OSSL_FUNC_BIO_read_ex(core);
        } else if (core->function_id == OSSL_FUNC_BIO_CTRL) {
            core_ctrl = OSSL_FUNC_BIO_ctrl(core);
        }
    }
}
