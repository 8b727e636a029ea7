/* Places where a test ends the client as kill -9 would: just before a commit, just after it, and
 * just after a message left.  Only the test's own build of the client has them (tests/crash). */
#pragma once

#ifdef NFACME_CRASH_POINTS
void crash_point(const char *where, const char *what);
/* what: "FROM>TO" */
void crash_point_move(const char *where, const char *from, const char *to);
#define CRASH_POINT(where, what) crash_point(where, what)
#define CRASH_POINT_MOVE(where, from, to) crash_point_move(where, from, to)
#else
#define CRASH_POINT(where, what) ((void)0)
#define CRASH_POINT_MOVE(where, from, to) ((void)0)
#endif
