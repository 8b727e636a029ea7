#!/usr/bin/env bash
# nfacme-client completes steps 1 to 9 against Debian's pebble: dns identifiers, http-01, half of
# the good nonces refused, every authorization reused.  Pebble issues serverAuth alone, so the NFs check names, key and chain.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

fetch_package pebble || exit 77
bed_begin "$work" "$work/out"
scenario=$root/tests/interop/pebble.yaml
"$BUILD/nfsim/nfsim" init "$scenario" --state "$work/oam" >"$work/init.log" 2>&1 || fail "nfsim init"

pebble_up 50 100
bed_oam_start || fail "oam"
bed_challenges=http-01
mapfile -t bed_client_extra < <("$BUILD/nfsim/nfsim" scenario "$scenario" --get client.args)
bed_client_start || fail "client"
"$BUILD/nfsim/nfsim" run "$scenario" --state "$work/oam" --api "$(bed_value client api)" \
  --operator-root "$work/root.pem" --out "$work/out" --no-tui --client-pid "${bed_pid[client]}" \
  --client-admin "$(bed_value client admin)" >"$work/table" 2>&1 \
  || { cat "$work/table"; tail -n 5 "$work/pebble.log"; fail "the run against pebble"; }
same "enrolled" "$(json "$work/out/result.json" .enrolled)" 12
echo "12 NFs enrolled through pebble"
