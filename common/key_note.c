#include "common/key_note.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place = -1; /* in a key's ex_data */

static void note_free(void *parent, void *note, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp) {
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    OPENSSL_free(note);
}

/* A copy of a key may be changed: it starts without a note. */
static int note_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **note, int index,
                    long argl, void *argp) {
    (void)to, (void)from, (void)index, (void)argl, (void)argp;
    *note = NULL;
    return 1;
}

static void make_place(void) {
    place = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EVP_PKEY, 0, NULL, NULL, note_dup, note_free);
}

void key_note_set(EVP_PKEY *key, enum key_type type, const unsigned char *point) {
    (void)pthread_once(&once, make_place);
    if (place < 0) {
        return;
    }
    struct key_note *note = OPENSSL_zalloc(sizeof *note);
    if (note == NULL) {
        return;
    }
    note->type = type;
    memcpy(note->point, point, 1 + 2 * key_coordinate_len(type));
    if (EVP_PKEY_set_ex_data(key, place, note) != 1) {
        OPENSSL_free(note);
    }
}

const struct key_note *key_note_get(const EVP_PKEY *key) {
    (void)pthread_once(&once, make_place);
    return place < 0 ? NULL : EVP_PKEY_get_ex_data(key, place);
}
