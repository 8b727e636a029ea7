#!/usr/bin/env bash
# The README's "be an NF with curl", as it stands there: the block is cut out and run.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

awk '/^<!-- be an NF/ { found = 1 } found && /^```sh/ { on = 1; next } /^```/ { if (on) exit } on' \
  "$root/README.md" >"$work/block"
[ "$(wc -l <"$work/block")" -gt 10 ] || fail "the README has no such block"

mkfifo "$work/up"
"$root/scenarios/bed" --dir "$work/runs/bed" >"$work/up" 2>"$work/bed.err" &
bed=$!
cleanups+=("kill $bed 2>/dev/null; wait $bed 2>/dev/null")
while read -r -t 300 line; do
  case $line in "nfsim="*) break ;; esac
done <"$work/up"
[ -s "$work/runs/bed/env" ] || { cat "$work/bed.err"; fail "the bed did not come up"; }

(cd "$work" && bash -e ./block) >"$work/said" 2>&1 || { cat "$work/said"; fail "the block failed"; }
holds "the acknowledgement" "$work/said" '"state": ?"READY"'
holds "the verification" "$work/said" 'chain.pem: OK'
holds "client use" "$work/said" 'TLS Web Client Authentication'
