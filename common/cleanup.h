/* Clean-up by attribute, so that handlers are straight lines (every AUTO variable is initialised
 * in its declaration; destructors accept NULL). */
#pragma once

#include <stdlib.h>

/* AUTO(fn) type *x = ...;   calls fn(x) when x leaves scope, unless TAKE(x) moved it away. */
#define AUTO(fn) __attribute__((cleanup(fn##_auto)))

/* Teach AUTO a destructor `void fn(type *)`. */
#define AUTO_DEFINE(type, fn)                                                                      \
    __attribute__((unused)) static inline void fn##_auto(type **place) {                           \
        if (*place != NULL) {                                                                      \
            fn(*place);                                                                            \
        }                                                                                          \
    }

/* Move a pointer out of an AUTO variable. */
#define TAKE(place)                                                                                \
    __extension__({                                                                                \
        __typeof__(place) *const take_from = &(place);                                             \
        __typeof__(place) take_value = *take_from;                                                 \
        *take_from = NULL;                                                                         \
        take_value;                                                                                \
    })

#define MUST_CHECK __attribute__((warn_unused_result))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* AUTO(free) char *text = ...; */
__attribute__((unused)) static inline void free_auto(void *place) { free(*(void **)place); }
