#!/usr/bin/env bash
# kill -9 of one daemon at 5 random moments of a 500-NF run, restarted at once: every NF enrols,
# no certificate is issued twice for one enrolment, no account is lost.
# Usage: kill9.sh [client|server|both] [NFS]
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

nfs=${2:-500}

# lines FILE: how many lines it holds.
lines() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

# wait_begun FILE LINE: until an enrolment begins at that line or later (woken by the file's growth),
# so that work is in flight at the kill however fast the machine is.
wait_begun() {
  timeout 60 tail -n "+$2" -F "$1" 2>/dev/null | grep -q -m 1 '"to":"AUTHORISED"'
}

# in_flight FILE: enrolments the client has begun and not ended, by its own events.
in_flight() {
  jq -sr '[.[] | select(.event == "enrolment")] | group_by(.enrolment)
    | map(select(all(.to != "ISSUED" and .to != "FAILED"))) | length' "$1"
}

storm() {
  local victim=$1 events=$work/out/logs/client.events.jsonl base total points point flying hit=0
  rm -rf "$work/oam" "$work/server" "$work/client" "$work/out"
  bed_up nine-steps --nfs "$nfs"
  bed_run "$scenario" --nfs "$nfs" --rate 60 --no-tui >"$work/table" 2>&1 &
  local run=$!
  cleanups+=("kill $run 2>/dev/null")
  base=$(lines "$events")
  total=$((nfs * 6)) # the client writes more than this many events in the run
  mapfile -t points < <(shuf -i "$((total / 20))-$((total * 17 / 20))" -n 5 | sort -n)
  for point in "${points[@]}"; do
    wait_begun "$events" $((base + point))
    kill -9 "${bed_pid[$victim]}" && wait "${bed_pid[$victim]}" 2>/dev/null
    unset "bed_pid[$victim]"
    flying=$(in_flight "$events")
    [ "$flying" -gt 0 ] || fail "kill of the $victim at event $point: nothing was in flight"
    hit=$((hit + 1))
    "bed_${victim}_start" || fail "the $victim did not come back after kill $hit"
    echo "killed the $victim at event $point with $flying enrolments in flight"
  done
  wait "$run" || { tail -n 25 "$work/table"; fail "the run with 5 kills of the $victim"; }
  same "enrolled" "$(json "$work/out/result.json" .enrolled)" "$nfs"
  check_stores "$victim"
}

# The stores are the truth: one certificate per NF, every account the client knows is the server's.
check_stores() {
  local server=$work/server/server.db client=$work/client/client.db doubled issued lost
  bed_end # the next storm starts an OAM of its own
  issued=$(sqlite3 "$server" 'SELECT count(*) FROM certificate')
  same "certificates (with the producer's)" "$issued" $((nfs + 1))
  doubled=$(sqlite3 "$server" 'SELECT count(*) FROM (SELECT account FROM certificate GROUP BY account HAVING count(*) > 1)')
  same "accounts with two certificates" "$doubled" 0
  lost=$(sqlite3 "$client" "ATTACH '$server' AS s; SELECT count(*) FROM account c WHERE NOT EXISTS
    (SELECT 1 FROM s.account a WHERE a.thumbprint = c.thumbprint)")
  same "accounts lost" "$lost" 0
  echo "after kills of the $1: $issued certificates, none twice, no account lost"
}

case ${1:-both} in
  both) storm client; storm server ;;
  *) storm "$1" ;;
esac
