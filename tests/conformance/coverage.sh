#!/usr/bin/env bash
# Row of the catalogue, the cases that prove it, their results; from a result of server.sh.
# Usage: coverage.sh RESULT.json [--quiet].  Exit 1: a MUST row without a passing case and without a
# line in docs/divergences.md ("Waived conformance rows"), too many of those, or a forbidden one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
catalogue=$root/tests/conformance/catalogue
result=${1:?usage: coverage.sh RESULT.json [--quiet]}
quiet=${2:-}
waived_max=15
table=$(mktemp)
trap 'rm -f "$table"' EXIT

# id TAB reason of the table under the heading; rows are "| S-… | reason |".
waived() {
  awk -F'|' '/^## Waived conformance rows/ { on = 1; next } /^## / { on = 0 }
    on && $2 ~ /[A-Z]-[0-9]/ { gsub(/^ +| +$/, "", $2); gsub(/^ +| +$/, "", $3); print $2 "\t" $3 }' \
    "$root/docs/divergences.md"
}

# row TAB case TAB status
jq -r '.cases[] | .id as $id | .status as $status | .rows | split(" ")[] | [., $id, $status] | @tsv' \
  "$result" >"$table"

awk -F'\t' -v quiet="$quiet" -v most="$waived_max" '
  FILENAME == "/dev/stdin" { waived[$1] = $2; waivers++; next }
  FILENAME ~ /\.tsv$/ && FNR == 1 { next }
  FILENAME !~ /\.tsv$/ {
    cases[$1] = cases[$1] (cases[$1] == "" ? "" : ", ") $2 " " $3
    if ($3 == "pass") passed[$1] = 1
    if ($3 == "fail") failed[$1] = 1
    next
  }
  FILENAME ~ /jws-negative/ { ids[++n] = $1; level[$1] = "MUST"; known[$1] = 1; section[$1] = $7; next }
  $6 ~ /-client$/ { known[$1] = 1; next }
  { ids[++n] = $1; level[$1] = $3; section[$1] = $2; known[$1] = 1 }
  END {
    for (i = 1; i <= n; i++) {
      id = ids[i]
      verdict = failed[id] ? "fail" : passed[id] ? "pass" : id in waived ? "waived" : "GAP"
      if (cases[id] == "" && id in waived) cases[id] = waived[id]
      if (quiet == "" || (level[id] == "MUST" && verdict != "pass"))
        printf "%s\t%s\t%s\t%s\n", id, level[id], verdict, cases[id] == "" ? "no case" : cases[id]
      total[level[id]]++
      count[level[id], verdict]++
      if (level[id] == "MUST" && !passed[id] && !(id in waived)) gaps++
      if (level[id] == "MUST" && failed[id] && !(id in waived)) broken++
    }
    for (id in cases) if (!known[id]) { printf "%s\tunknown row\t%s\n", id, cases[id]; strange++ }
    for (id in waived) {
      if (!known[id]) { printf "%s\twaived, but no row\n", id; strange++ }
      if (section[id] ~ /^(6([.]|$)|7[.][3-6]([.]|$))/) { printf "%s\tmay not be waived (%s)\n", id, section[id]; strange++ }
    }
    split("MUST SHOULD MAY", levels, " ")
    for (i = 1; i <= 3; i++) printf "%s: %d rows, %d pass, %d fail, %d waived, %d without a passing case\n",
      levels[i], total[levels[i]], count[levels[i], "pass"], count[levels[i], "fail"],
      count[levels[i], "waived"], count[levels[i], "GAP"]
    if (waivers > most) { printf "%d rows waived, %d allowed\n", waivers, most; strange++ }
    exit (gaps + broken + strange) > 0
  }' /dev/stdin "$table" "$catalogue/rfc8555-server.tsv" "$catalogue/extensions.tsv" \
  "$catalogue/jws-negative.tsv" < <(waived)
