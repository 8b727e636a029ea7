#!/usr/bin/env bash
# Two thousand flows at once over 256 connections, all mixes of accounts and identifiers, one account
# with 64 orders at once among them: no error, no deadlock.  Then again with kill -9 in the middle:
# the flows go on, and everything acknowledged is there.
#   --full         a minute each, as the issue has it (default 10 s each)
#   --seconds N
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/../bench/lib.sh"

seconds=10
while [ $# -gt 0 ]; do
  case $1 in
    --full) seconds=60; shift ;;
    --seconds) seconds=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done

load_server_up --log warning
kinds=$(load_kinds) || fail "not one certificate"
crowd=(--flows 2000 --connections 256 --seconds "$seconds" --identifiers "$kinds" --accounts mix
  --orders-at-once 64 --names 2)

load "${crowd[@]}" --json "$work/first.json" >"$work/first.log" 2>&1 || { cat "$work/first.log"; fail "2000 flows at once"; }
same "errors" "$(json "$work/first.json" .errors)" 0
[ "$(json "$work/first.json" .certificates)" -ge 2000 ] || { cat "$work/first.log"; fail "fewer certificates than flows"; }

issued() { [ "$(grep -c '^certificate' "$work/facts")" -ge "$1" ]; }
: >"$work/facts"

load "${crowd[@]}" --ride-out --record "$work/facts" --json "$work/second.json" >"$work/second.log" 2>&1 &
driver=$!
cleanups+=("kill $driver 2>/dev/null; wait $driver 2>/dev/null")
reach "certificates before the kill" 60 issued 500
bed_stop server KILL 2>/dev/null
load_server_up --log warning
wait "$driver" || { cat "$work/second.log"; fail "the flows did not go on after kill -9"; }
same "errors" "$(json "$work/second.json" .errors)" 0
[ "$(json "$work/second.json" .interrupted)" -gt 0 ] || fail "the kill met no flow"

# once more, so that what is asked for comes from the disk
bed_stop server KILL 2>/dev/null
load_server_up --log warning
load --connections 64 --verify "$work/facts" >"$work/verify.log" 2>&1 || { cat "$work/verify.log"; fail "something acknowledged is lost"; }
bed_stop server || fail "the server did not end well"
"$BUILD/server/nfacme-server" check --state "$work/server" >"$work/check.log" 2>&1 \
  || { cat "$work/check.log"; fail "nfacme-server check"; }
echo "$kinds: $(head -n 1 "$work/first.log")"
echo "with kill -9: $(head -n 1 "$work/second.log"); $(cat "$work/verify.log"); $(tail -n 1 "$work/check.log")"
