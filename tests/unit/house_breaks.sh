#!/bin/bash
# Does house.sh see what it is there to see?  One small tree per broken rule, and one that is good.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
failed=0

# tree NAME PATH CONTENT: a fresh tree with one file
tree() {
    rm -rf "${place:?}/$1"
    mkdir -p "$place/$1/$(dirname "$2")"
    printf '%b' "$3" >"$place/$1/$2"
}

# breaks NAME PATH CONTENT
breaks() {
    tree "$@"
    if "$here/house.sh" "$place/$1" >"$place/out" 2>&1; then
        echo "not seen: $1"
        failed=1
    fi
}

# keeps NAME PATH CONTENT
keeps() {
    tree "$@"
    if ! "$here/house.sh" "$place/$1" >"$place/out" 2>&1; then
        echo "wrongly refused: $1: $(cat "$place/out")"
        failed=1
    fi
}

body() { for ((i = 0; i < $1; i++)); do printf '    x();\\n'; done; }
lines() { for ((i = 0; i < $1; i++)); do printf 'int x%d;\\n' "$i"; done; }

keeps 'sixty lines' common/a.c "void a(void) {\n$(body 58)}\n"
breaks 'sixty-one lines' common/a.c "void a(void) {\n$(body 59)}\n"
breaks 'a long signature counts' common/a.c "void a(int x,\n       int y) {\n$(body 58)}\n"
breaks 'the second function' common/a.c "void b(void) {\n}\n\nvoid a(void) {\n$(body 59)}\n"
keeps 'a long table' common/a.c "static const int a[] = {\n$(body 90)};\n"
keeps '500 lines' common/a.c "$(lines 500)"
breaks '501 lines' common/a.c "$(lines 501)"
breaks 'a long main' server/main.c "$(lines 121)"
for call in sprintf strcpy strcat strtok atoi atol strtol alloca gets; do
    breaks "$call" nfsim/a.c "void a(void) {\n    $call(x);\n}\n"
done
keeps 'look-alikes' nfsim/a.c 'void a(void) {\n    snprintf(x);\n    fgets(x);\n    puts("strcpy(x)");\n}\n'
keeps 'named in a comment' nfsim/a.c '/* strcpy(x) would\n * atoi(x) */\nint x;\n'
breaks 'two slashes' client/a.c 'int x; // scratch\n'
keeps 'two slashes in a text' client/a.c 'const char *x = "https://x"; /* http://y */\n/* see\n * https://z */\n'
breaks 'server includes client' server/a.c '#include "client/x.h"\n'
breaks 'client includes nfsim' client/a.h '#include "nfsim/x.h"\n'
breaks 'common includes server' common/a.c '#include "server/x.h"\n'
keeps 'everybody includes common' server/a.c '#include "common/x.h"\n#include "server/y.h"\n'
keeps 'tests include all' tests/unit/a.c '#include "server/x.h"\n#include "client/x.h"\n#include "bed.h"\n'
breaks 'microhttpd' server/a.c '#include <microhttpd.h>\n'
keeps 'microhttpd in httpd' common/httpd_answer.c '#include <microhttpd.h>\n'
breaks 'curl' common/httpd.c '#include <curl/curl.h>\n'
keeps 'curl in httpc' common/httpc.c '#include <curl/curl.h>\n'
breaks 'gnutls' common/httpc.c '#include <gnutls/gnutls.h>\n'
keeps 'gnutls in tls' common/tls.c '#include <gnutls/gnutls.h>\n'
breaks 'unfinished' common/a.c "/* TO""DO: more */\n"
breaks 'unfinished too' common/a.c "/* FIX""ME */\\n"
exit "$failed"
