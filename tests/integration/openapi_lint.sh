#!/usr/bin/env bash
# The NF-facing API's description passes a public linter (redocly, its recommended rules) without a
# complaint.  The linter comes from npm, in the versions tests/lint/openapi/package-lock.json names.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! command -v npm >/dev/null; then
  { [ "$(id -u)" -eq 0 ] && apt-get -q -y --no-install-recommends install npm >"$work/log" 2>&1; } \
    || { echo "skipped: no npm here"; exit 77; }
fi
linter=$BUILD/partners/openapi-lint
if [ ! -x "$linter/node_modules/.bin/redocly" ]; then
  mkdir -p "$linter"
  cp "$root"/tests/lint/openapi/package*.json "$linter/"
  (cd "$linter" && npm ci --no-audit --no-fund --ignore-scripts >"$work/log" 2>&1) \
    || { tail -n 2 "$work/log"; rm -rf "$linter"; echo "skipped: the linter could not be had"; exit 77; }
fi
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
lint() { (cd "$work" && "$linter/node_modules/.bin/redocly" lint --extends recommended --format json "$1" 2>"$work/said" >"$work/found"); }

lint "$root/client/openapi.yaml" || { cat "$work/said"; jq -r '.problems[].message' "$work/found"; fail "the description"; }
jq -r '.problems[] | "\(.ruleId): \(.message)"' "$work/found"
same "complaints" "$(jq '.problems | length' "$work/found")" 0
sed 's/operationId: ReadEnrolment/operationId: CreateEnrolment/' "$root/client/openapi.yaml" >"$work/wrong.yaml"
lint "$work/wrong.yaml" && fail "the linter finds nothing in a description with two operations of one name"
echo "openapi: no complaint of $("$linter/node_modules/.bin/redocly" --version 2>/dev/null)"
