/* The store without a disk, for comparisons with servers that keep nothing. */
#pragma once

#include "server/store.h"

struct store *store_memory_open(struct err *err);
