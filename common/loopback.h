/* Connections within this machine: beds, and daemons side by side. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* 127/8, ::1, or the first mapped into IPv6. */
bool loopback_is(const struct sockaddr *address);

/* A TCP socket that will be bound or connected to address: if that is on this machine, take the
 * plainest congestion control, whatever the system's default.  Nothing is congested there, and BBR,
 * the default of many systems, paces each connection with timers: a tenth of an enrolment's CPU.
 * Connections accepted inherit it.  Failure changes nothing. */
void loopback_tune(int fd, const struct sockaddr *address);
