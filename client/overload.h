/* What NFs are told when this client has too much to do: 3gpp-Sbi-Oci, TS 29.500 6.4.3. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define OVERLOAD_TEXT_SIZE 200
#define OVERLOAD_VALIDITY_S 10 /* the Period-of-Validity, and the time the metric looks back on */

/* One more request, and was it refused for want of room?  Any thread. */
void overload_count(uint64_t now_us, int refused);
/*
 * The header's value now: the share of requests refused lately as the reduction asked for (at least
 * 10 %), in the scope of the NF instance (of this client; NULL or "": of the API).
 */
void overload_oci(uint64_t now_us, const char *nf_instance, char text[OVERLOAD_TEXT_SIZE]);
