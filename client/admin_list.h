/* GET /enrolments on the admin listener: enrolments, newest first, page by page.  Read by the
 * store's reader, completed on the loop with what the live ones wait for. */
#pragma once

#include "client/engine.h"
#include "client/store.h"
#include "common/err.h"
#include "common/httpd.h"

#define ADMIN_LIST_LIMIT 100      /* enrolments of a page when nobody says */
#define ADMIN_LIST_LIMIT_MAX 1000 /* at most */
#define ADMIN_LIST_SCAN 10000     /* rows looked at for a page: it may be short, and go on */

struct admin_lists;

/* All borrowed for the life. */
struct admin_lists *admin_lists_new(struct loop *loop, struct store *store, struct engine *engine,
                                    struct err *err);
/* Answer, later; on the listener's thread. */
void admin_list(struct admin_lists *lists, struct httpd_exchange *exchange);
/* After the listener and the loop have stopped and the store is closed. */
void admin_lists_free(struct admin_lists *lists);
AUTO_DEFINE(struct admin_lists, admin_lists_free)
