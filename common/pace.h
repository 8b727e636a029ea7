/* When a group commit may begin: one that comes alone at once, those of a crowd together. */
#pragma once

#include <stdint.h>

#define PACE_APART_US 12000 /* commits start at least so far apart */

/* Work has come: how long it shall gather before a commit takes what there is; started_us: when
 * the last commit began (0: none did), by the same clock. */
uint64_t pace_rest_us(uint64_t started_us, uint64_t now_us);
/* Sleeps for it; by clock_wall_us. */
void pace_rest(uint64_t started_us);
