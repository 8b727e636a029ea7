/* The lines of the audit log, as JSON without the digest; and the end of a file that is there. */
#pragma once

#include <jansson.h>

#include "server/audit.h"

struct audit_refusal {
    uint64_t at_us;
    enum meter_operation operation;
    enum err_kind kind;
    char account[ID_SIZE];
    char peer[56];
    char detail[200];
};

json_t *audit_line_issued(uint64_t at_us, const struct store_issued *issued);
json_t *audit_line_revoked(uint64_t at_us, const char *serial, int64_t at_s, int reason);
json_t *audit_line_refused(const struct audit_refusal *refusal);
json_t *audit_line_lost(uint64_t at_us, uint64_t refusals);
/* The first of a file that goes on from another; issued: the last certificate in that one. */
json_t *audit_line_continued(uint64_t at_us, int64_t issued);

/* What the end of an audit file says. */
struct audit_tail {
    char digest[AUDIT_DIGEST_SIZE]; /* of its last line; zeros when it is empty */
    int64_t issued;                 /* number of the last certificate told of; 0 = none */
    int64_t at_s;                   /* time of its last line; 0 = empty */
    size_t whole;                   /* octets of whole lines; what follows a crash cut */
};
/* data[len] is the file.  ERR_CONFIG: a line is not one of ours. */
MUST_CHECK bool audit_tail_read(const char *data, size_t len, struct audit_tail *ret,
                                struct err *err);
/* Is there a line of that revocation? */
bool audit_has_revocation(const char *data, size_t len, const char *serial);
