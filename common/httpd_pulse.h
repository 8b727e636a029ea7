/* A pulse for libmicrohttpd's threads: none of them sleeps longer than HTTPD_PULSE_US.
 *
 * With epoll, libmicrohttpd asks for events 128 at a time; when exactly 128 were there it sleeps in
 * a second call before it looks at them, until some other event comes.  If all its peers wait for
 * answers, none comes before its idle timeout.  So each thread has a connection of our own that
 * never gets past the first octet of a handshake, and is woken with it. */
#pragma once

#include <microhttpd.h>

#include "common/err.h"

#define HTTPD_PULSE_US 250000
#define HTTPD_PULSES_MAX 256 /* threads of a listener */

struct httpd_pulse;

struct httpd_pulse *httpd_pulse_new(struct err *err);
/* Give each of the daemon's threads a connection; on_connection is called for them. */
MUST_CHECK bool httpd_pulse_start(struct httpd_pulse *pulse, struct MHD_Daemon *daemon,
                                  unsigned threads, struct err *err);
/* Is that descriptor one of ours?  From any thread, after httpd_pulse_start has begun. */
bool httpd_pulse_is(const struct httpd_pulse *pulse, int fd);
/* The daemon has ended. */
void httpd_pulse_free(struct httpd_pulse *pulse);
AUTO_DEFINE(struct httpd_pulse, httpd_pulse_free)
