#include "server/id.h"

#include <stdio.h>

#include "common/b64.h"
#include "common/rng.h"

#define ID_TIME_DIGITS 11 /* 44 bits of milliseconds last until the year 2527 */
#define ID_TIME_MASK ((1ULL << (4 * ID_TIME_DIGITS)) - 1)
#define ID_SECRET_OCTETS 10 /* RFC 8555 10.5: 80 bits nobody can guess */

void id_new(uint64_t now_us, char text[ID_SIZE]) {
    unsigned char secret[ID_SECRET_OCTETS];

    rng_secret(secret, sizeof(secret));
    (void)snprintf(text, ID_SIZE, "%011llx", (unsigned long long)((now_us / 1000) & ID_TIME_MASK));
    b64_encode_into(secret, sizeof(secret), text + ID_TIME_DIGITS, ID_SIZE - ID_TIME_DIGITS);
}
