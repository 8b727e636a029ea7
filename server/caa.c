#include "server/caa.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define PORT_DIGITS_MAX 5

/* A part of a value; not NUL-terminated. */
struct span {
    const char *text;
    size_t len;
};

/* A value of `issue` or `issuewild` taken apart; a parameter that is there has text. */
struct issue {
    struct span issuer; /* len 0: nobody */
    struct span account_uri, methods;
};

static bool is_in(char c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

static size_t spanned(struct span rest, const char *set) {
    size_t len = 0;

    while (len < rest.len && is_in(rest.text[len], set)) {
        len++;
    }
    return len;
}

static struct span after(struct span rest, size_t len) {
    return (struct span){rest.text + len, rest.len - len};
}

static struct span trimmed(struct span rest) { return after(rest, spanned(rest, " \t")); }

static bool equals(struct span span, const char *text) {
    return span.len == strlen(text) && strncasecmp(span.text, text, span.len) == 0;
}

/* Letters and digits, hyphens within: a label of the issuer's name, a parameter's tag. */
static size_t word(struct span rest) {
    size_t len = spanned(rest, LETTERS "-");

    return len > 0 && rest.text[0] != '-' && rest.text[len - 1] != '-' ? len : 0;
}

/* value = *(%x21-3A / %x3C-7E) */
static size_t value_len(struct span rest) {
    size_t len = 0;

    while (len < rest.len && rest.text[len] > ' ' && rest.text[len] < 0x7f
           && rest.text[len] != ';') {
        len++;
    }
    return len;
}

/* label *("." label), or nothing. */
static bool read_issuer(struct span *rest, struct span *ret) {
    const struct span begin = *rest;

    while (true) {
        size_t len = word(*rest);
        if (len == 0) {
            *ret = (struct span){begin.text, 0};
            return rest->text == begin.text; /* a dot without a label behind it */
        }
        *rest = after(*rest, len);
        if (rest->len == 0 || rest->text[0] != '.') {
            *ret = (struct span){begin.text, (size_t)(rest->text - begin.text)};
            return true;
        }
        *rest = after(*rest, 1);
    }
}

/* Unknown parameters are none of ours; RFC 8657's may be there once. */
static bool keep_parameter(struct issue *issue, struct span tag, struct span value) {
    struct span *place = equals(tag, "accounturi")          ? &issue->account_uri
                         : equals(tag, "validationmethods") ? &issue->methods
                                                            : NULL;

    if (place != NULL && place->text != NULL) {
        return false;
    }
    if (place != NULL) {
        *place = value;
    }
    return true;
}

/* RFC 8659 4.2, issue-value: false when it does not match. */
static bool read_issue(const struct dns_caa *caa, struct issue *ret) {
    struct span rest = trimmed((struct span){caa->value, caa->value_len});

    *ret = (struct issue){0};
    if (!read_issuer(&rest, &ret->issuer)) {
        return false;
    }
    rest = trimmed(rest);
    if (rest.len == 0) {
        return true;
    }
    bool last = rest.text[0] == ';' && trimmed(after(rest, 1)).len == 0;
    while (!last) {
        if (rest.len == 0) {
            return true;
        }
        if (rest.text[0] != ';') {
            return false;
        }
        rest = trimmed(after(rest, 1));
        struct span tag = {rest.text, word(rest)};
        rest = trimmed(after(rest, tag.len));
        if (tag.len == 0 || rest.len == 0 || rest.text[0] != '=') {
            return false;
        }
        rest = trimmed(after(rest, 1));
        struct span value = {rest.text, value_len(rest)};
        rest = trimmed(after(rest, value.len));
        if (!keep_parameter(ret, tag, value)) {
            return false;
        }
    }
    return true;
}

/* RFC 8657 3: one of the URLs under which this server answers for the account.  The port may be
 * another than ours: requests name the one they came to. */
static bool account_fits(struct span uri, const struct caa_policy *policy, const char *account) {
    char path[sizeof("/account/") + ID_SIZE];

    (void)snprintf(path, sizeof(path), "/account/%s", account);
    if (uri.len < 8 || memcmp(uri.text, "https://", 8) != 0) {
        return false;
    }
    uri = after(uri, 8);
    for (const char *const *host = policy->hosts; host != NULL && *host != NULL; host++) {
        bool ip6 = strchr(*host, ':') != NULL;
        char begin[ACME_ID_VALUE_MAX + 3];
        int len = snprintf(begin, sizeof(begin), "%s%s%s", ip6 ? "[" : "", *host, ip6 ? "]" : "");
        if (len < 0 || uri.len < (size_t)len || memcmp(uri.text, begin, (size_t)len) != 0) {
            continue;
        }
        struct span rest = after(uri, (size_t)len);
        if (rest.len > 0 && rest.text[0] == ':') {
            size_t digits = spanned(after(rest, 1), "0123456789");
            rest = digits > 0 && digits <= PORT_DIGITS_MAX ? after(rest, 1 + digits) : rest;
        }
        if (rest.len == strlen(path) && memcmp(rest.text, path, rest.len) == 0) {
            return true;
        }
    }
    return false;
}

/* RFC 8657 4: labels between commas; outside that grammar nothing is listed. */
static bool method_listed(struct span methods, const char *method) {
    bool listed = false;

    while (methods.len > 0) {
        size_t len = spanned(methods, LETTERS "-");
        if (len == 0) {
            return false;
        }
        listed |= len == strlen(method) && memcmp(methods.text, method, len) == 0;
        methods = after(methods, len);
        if (methods.len > 0 && (methods.text[0] != ',' || methods.len == 1)) {
            return false;
        }
        methods = after(methods, methods.len > 0);
    }
    return listed;
}

static bool is_ours(struct span issuer, const struct caa_policy *policy) {
    for (const char *const *name = policy->identities; name != NULL && *name != NULL; name++) {
        if (equals(issuer, *name)) {
            return true;
        }
    }
    return false;
}

/* Is this property enough?  *ret_why otherwise: what is the matter, the nearest miss of all. */
static bool satisfied(const struct dns_caa *caa, const struct caa_policy *policy,
                      const struct caa_question *question, const char **ret_why) {
    struct issue issue;

    if (!read_issue(caa, &issue)) {
        *ret_why = "a value is malformed";
    } else if (!is_ours(issue.issuer, policy)) {
        return false;
    } else if (issue.account_uri.text != NULL
               && !account_fits(issue.account_uri, policy, question->account)) {
        *ret_why = "accounturi is not this account's URL";
    } else if (issue.methods.text != NULL
               && !method_listed(issue.methods, acme_challenge_name(question->method))) {
        *ret_why = "validationmethods does not list the method used";
    } else {
        return true;
    }
    return false;
}

enum tag { TAG_ISSUE, TAG_ISSUEWILD, TAG_IODEF, TAG__COUNT };
static const char *const tags[TAG__COUNT] = {"issue", "issuewild", "iodef"};

static enum tag tag_of(const struct dns_caa *caa) {
    const struct span text = {caa->tag, caa->tag_len};
    unsigned tag = 0;

    while (tag < TAG__COUNT && !equals(text, tags[tag])) {
        tag++;
    }
    return (enum tag)tag;
}

/* What holds for the whole set, 4.1 and 4.5; counts the properties of each tag. */
static bool read_all(const char *at, const struct dns_record *records, unsigned count,
                     unsigned found[TAG__COUNT], struct err *err) {
    for (unsigned i = 0; i < count; i++) {
        struct dns_caa caa;
        if (!dns_caa(&records[i], &caa)) {
            return err_set(err, ERR_CAA, "a CAA record of %.120s is malformed", at);
        }
        enum tag tag = tag_of(&caa);
        if (tag != TAG__COUNT) {
            found[tag]++;
        } else if ((caa.flags & CAA_CRITICAL) != 0) {
            return err_set(err, ERR_CAA, "a CAA record of %.100s is critical and unknown here", at);
        }
    }
    return true;
}

bool caa_permits(const struct caa_policy *policy, const struct caa_question *question,
                 const char *at, const struct dns_record *records, unsigned count,
                 struct err *err) {
    const char *why = "none names this CA";
    unsigned found[TAG__COUNT] = {0};

    if (!read_all(at, records, count, found, err)) {
        return false;
    }
    /* 4.3: issuewild, where there is one, is alone about wildcards */
    enum tag tag = question->wildcard && found[TAG_ISSUEWILD] > 0 ? TAG_ISSUEWILD : TAG_ISSUE;
    if (found[tag] == 0) {
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        struct dns_caa caa;
        if (dns_caa(&records[i], &caa) && tag_of(&caa) == tag
            && satisfied(&caa, policy, question, &why)) {
            return true;
        }
    }
    return err_set(err, ERR_CAA, "the CAA records of %.100s forbid it: %s", at, why);
}
