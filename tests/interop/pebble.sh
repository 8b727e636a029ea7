#!/usr/bin/env bash
# nfacme-client completes steps 1 to 9 against Debian's pebble: dns identifiers, http-01, a fifth of
# the good nonces refused.  Pebble issues serverAuth alone, so the NFs check names, key and chain.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

fetch_package pebble || exit 77
bed_begin "$work" "$work/out"
scenario=$root/tests/interop/pebble.yaml
"$BUILD/nfsim/nfsim" init "$scenario" --state "$work/oam" >"$work/init.log" 2>&1 || fail "nfsim init"

acme=$(port_free) management=$(port_free) dns=$(port_free) challenge_management=$(port_free)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=pebble \
  -keyout "$work/pebble.key" -out "$work/pebble.pem" \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null || fail "pebble's certificate"
jq -n --arg work "$work" --arg acme "127.0.0.1:$acme" --arg management "127.0.0.1:$management" \
  --argjson http "$bed_http01_port" '{pebble: {listenAddress: $acme,
    managementListenAddress: $management, certificate: ($work + "/pebble.pem"),
    privateKey: ($work + "/pebble.key"), httpPort: $http, tlsPort: 5001, ocspResponderURL: "",
    externalAccountBindingRequired: false}}' >"$work/pebble.json"

"$partners/usr/bin/pebble-challtestsrv" -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 "127.0.0.1:$dns" \
  -http01 '' -https01 '' -tlsalpn01 '' -management "127.0.0.1:$challenge_management" >"$work/dns.log" 2>&1 &
cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
mkfifo "$work/pebble.out"
PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=20 "$partners/usr/bin/pebble" -strict \
  -config "$work/pebble.json" -dnsserver "127.0.0.1:$dns" >"$work/pebble.out" 2>&1 &
cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
exec 5<"$work/pebble.out"
while read -r -t 30 line <&5; do
  case $line in *"ACME directory available"*) break ;; esac
done
cat <&5 >"$work/pebble.log" &
cleanups+=("kill $! 2>/dev/null")

curl -sS -q --noproxy '*' --cacert "$work/pebble.pem" "https://127.0.0.1:$management/roots/0" \
  -o "$work/root.pem" || fail "pebble's root"
bed_ready[server]="ready directory=https://127.0.0.1:$acme/dir root=$work/pebble.pem admin="
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
