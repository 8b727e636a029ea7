/* Ids of stored objects, the last segment of their URLs: unguessable, and in order of their birth,
 * so that what is made together lies together in the store. */
#pragma once

#include <stdint.h>

#define ID_SIZE 26 /* 11 hex digits of milliseconds, 14 base64url characters of chance, NUL */

void id_new(uint64_t now_us, char text[ID_SIZE]);
