#!/bin/bash
# The house rules a compiler does not know (CONTRIBUTING.md): lengths, banned calls, comments,
# and who may include whom.  Usage: house.sh [ROOT]; prints what breaks a rule and exits 1.
set -euo pipefail

root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
cd "$root"
folders=()
for folder in common server client nfsim tests; do
    if [[ -d $folder ]]; then
        folders+=("$folder")
    fi
done
if [[ ${#folders[@]} -eq 0 ]]; then
    echo "house.sh: no sources under $root" >&2
    exit 1
fi
mapfile -t sources < <(find "${folders[@]}" -name '*.[ch]' | sort)
mapfile -t texts < <(find "${folders[@]}" scenarios docs -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.md' -o -name '*.yaml' -o -name '*.build' \) \
    2>/dev/null | sort)
if [[ ${#sources[@]} -eq 0 ]]; then
    echo "house.sh: no sources under $root" >&2
    exit 1
fi
broken=0

# One reading of every source.
awk '
function complain(line, what) {
    printf "%s:%d: %s\n", FILENAME, line, what
    bad = 1
}
function close_file() {
    if (name != "" && lines > 500) complain_at(name, lines, "a file of " lines " lines; 500 are allowed")
    if (name ~ /(^|\/)main\.c$/ && lines > 120) complain_at(name, lines, "a main.c of " lines " lines; 120 are allowed")
}
function complain_at(file, line, what) {
    printf "%s:%d: %s\n", file, line, what
    bad = 1
}
# Without strings, characters and comments; "" inside a comment of several lines.
function bare(text) {
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    gsub(/\047([^\047\\]|\\.)*\047/, "0", text)
    if (commented) {
        if (!match(text, /\*\//)) return ""
        text = substr(text, RSTART + 2)
        commented = 0
    }
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", text)
    if (match(text, /\/\*/)) {
        text = substr(text, 1, RSTART - 1)
        commented = 1
    }
    return text
}
function may_include(path,    from, to) {
    from = FILENAME
    sub(/\/.*/, "", from)
    to = path
    if (sub(/\/.*/, "", to) == 0) return 1
    if (to !~ /^(common|server|client|nfsim)$/ || from == "tests") return 1
    return to == from || to == "common"
}
FNR == 1 {
    close_file()
    name = FILENAME
    commented = 0
    start = 0
}
{
    lines = FNR
    code = bare($0)
}
start == 0 && /^[A-Za-z_]/ { head = FNR }
start == 0 && code ~ /\) \{ *$/ && $0 !~ /\\$/ { start = head }
/^}/ {
    if (start > 0 && FNR - start + 1 > 60) complain(start, "a function of " (FNR - start + 1) " lines; 60 are allowed")
    start = 0
}
code ~ /(^|[^A-Za-z0-9_])(sprintf|vsprintf|strcpy|strcat|strtok|strtok_r|atoi|atol|atoll|strtol|strtoll|alloca|gets) *\(/ {
    complain(FNR, "a banned call: " $0)
}
code ~ /(^|[^A-Za-z0-9_])goto / { complain(FNR, "a goto: " $0) }
code ~ /\/\// { complain(FNR, "a comment with two slashes: " $0) }
/^#include "/ {
    path = $2
    gsub(/"/, "", path)
    if (!may_include(path)) complain(FNR, "this folder may not include " path)
}
/^#include <microhttpd\.h>/ && FILENAME !~ /^common\/httpd[a-z_]*\.[ch]$/ { complain(FNR, "only common/httpd includes microhttpd.h") }
/^#include <curl\// && FILENAME !~ /^common\/httpc[a-z_]*\.[ch]$/ { complain(FNR, "only common/httpc includes curl.h") }
/^#include <gnutls\// && FILENAME !~ /^common\/(tls|httpd)[a-z_]*\.[ch]$/ { complain(FNR, "only common/tls and common/httpd include gnutls.h") }
END {
    close_file()
    exit bad
}
' "${sources[@]}" || broken=1

# Spelt in two halves, so that this file passes its own test.
if grep -nwE "TO""DO|FIX""ME" "${texts[@]}"; then
    echo "unfinished work is an issue, not a comment" >&2
    broken=1
fi
exit "$broken"
