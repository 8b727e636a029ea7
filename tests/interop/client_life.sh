#!/usr/bin/env bash
# One NF's whole life through nfacme-client, by hand: steps 1 to 9, renewal, a change of the
# account's key at the renewal, revocation, withdrawal; against nfacme-server and against Debian's
# pebble that refuses every second good nonce reuses every authorization
# it can, and offers alternate chains of which the last is preferred.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

scenario=$root/tests/interop/pebble.yaml

client() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "$1"; }

path() { printf '%s' "${1#*/nacme-enrolment/v1}"; }

# csr NAME: a request for the NF's FQDN with a new key.
csr() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/$1.key" -subj / \
    -addext "subjectAltName=DNS:$fqdn" -outform DER -out "$nf/$1.der" 2>/dev/null || fail "openssl req"
}

# certified URL NAME: steps 8 and 9; the certificate is for the new key and leads to the CA's root.
certified() {
  csr "$2"
  same "$1: step 8" "$(nf_call "$nf" PUT "$(path "$1")/csr" -T "$nf/$2.der" \
    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=60')" 200
  cp "$nf/body" "$nf/$2.pem"
  same "the key of $2" "$(openssl x509 -in "$nf/$2.pem" -noout -pubkey | sha256sum)" \
    "$(openssl pkey -in "$nf/$2.key" -pubout | sha256sum)"
  openssl verify -CAfile "$ca_anchor" -untrusted "$nf/$2.pem" "$nf/$2.pem" >"$work/verify" 2>&1 \
    || { cat "$work/verify"; fail "the chain of $2"; }
}

# life CA [CLIENT-OPTION...]: against the server that bed_ready names.
life() {
  local first second thumbprint
  bed_challenges=http-01
  mapfile -t bed_client_extra < <("$BUILD/nfsim/nfsim" scenario "$scenario" --get client.args)
  bed_client_extra+=(--account-key-life 1 "${@:2}")
  bed_client_start || fail "$1: client"
  nf=$work/nf-$1
  nf_export amf-1 "$nf" --fqdn
  fqdn=$(json "$nf/nf.json" .fqdn)
  same "$1: step 1" "$(nf_wait=60 nf_ask "$nf" "$(cat "$nf/nf.json")")" 201
  first=$(nf_location "$nf")
  thumbprint=$(json "$nf/body" .accountThumbprint)
  certified "$first" first
  until_aged
  same "$1: renewal" "$(nf_call "$nf" POST "$(path "$first")/renewals" -H 'Content-Length: 0' -H 'Prefer: wait=60')" 201
  second=$(nf_location "$nf")
  same "$1: the key changes since" "$(client 'SELECT count(*) FROM job')" 0
  same "$1: the account's key was changed" "$(client "SELECT count(*) FROM account WHERE thumbprint <> '$thumbprint' AND next_sealed IS NULL")" 1
  certified "$second" second
  same "$1: revocation" "$(nf_call "$nf" POST "$(path "$second")/revocations" \
    -H 'Content-Type: application/json' -d '{"reason": 1}' -H 'Prefer: wait=60')" 204
  same "$1: revocation again" "$(nf_call "$nf" POST "$(path "$second")/revocations" -H 'Content-Length: 0')" 204
  same "$1: withdrawal" "$(nf_call "$nf" DELETE "$(path "$first")")" 204
  same "$1: withdrawal" "$(nf_call "$nf" DELETE "$(path "$second")")" 204
  until_none "$1: accounts left" 'SELECT count(*) FROM account'
  until_none "$1: jobs left" 'SELECT count(*) FROM job'
  bed_stop client
  rm -rf "$work/client"
}

mkfifo "$work/pause"
pause() { read -r -t 0.1 _ <>"$work/pause" || true; }

# The account's key lives for a second.
until_aged() {
  local made=$EPOCHREALTIME
  while [ "${EPOCHREALTIME/./}" -lt $((${made/./} + 1100000)) ]; do pause; done
}

# until_none WHAT QUERY: the count becomes 0 within 30 s.
until_none() {
  local try
  for try in $(seq 300); do
    [ "$(client "$2")" = 0 ] && return
    pause
  done
  fail "$1: $(client "$2") after $try looks"
}

bed_begin "$work" "$work/out"
"$BUILD/nfsim/nfsim" init "$scenario" --state "$work/oam" >"$work/init.log" 2>&1 || fail "nfsim init"
bed_server_start || fail "server"
bed_oam_start || fail "oam"
ca_anchor=$work/server/root.pem
life nfacme-server
bed_stop server
fetch_package pebble || exit 77
pebble_up 50 100
ca_anchor=$work/root-2.pem # not that of the chain that is offered first
life pebble --preferred-chain "$(openssl x509 -in "$ca_anchor" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p')"
echo "a whole life at nfacme-server and at pebble: enrolled, renewed, key changed, revoked, withdrawn, by the preferred chain"
