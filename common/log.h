/* logfmt on standard error, one line per request, transition or run:
 * ts=… level=… room=… event=… key=value…   No secrets, no bodies. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG__COUNT };

/* The process's log level, the one global; default LOG_INFO. */
void log_level_set(enum log_level level);
enum log_level log_level_get(void);
/* "error", "warning", "info", "debug"; false, and nothing changed, when it is none of them. */
bool log_level_parse(const char *name, enum log_level *ret);

/*
 * Write one line (one write(2), at most 1 KiB, cut with "…").
 * fmt   further `key=value` pairs; printf-checked; give values that may hold spaces or quotes
 *       through log_quote.
 */
__attribute__((format(printf, 4, 5))) void log_line(enum log_level level, const char *room,
                                                    const char *event, const char *fmt, ...);

/* A logfmt-safe copy of text in out[size] (quoted when needed); returns out. */
const char *log_quote(const char *text, char *out, unsigned size);
