#!/usr/bin/env bash
# kill -9 of the server under key changes, orders that are processing, and revocations: what was
# acknowledged holds after the restart, and what was not holds whole or not at all.
# Usage: kill9_server.sh   (CLIENTS=6, ROUNDS=2 of key changes)
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

clients=${CLIENTS:-6} rounds=${ROUNDS:-2}
events=$work/events.jsonl
deadline_s=20

# ---- the server ----

# Every commit takes a while, so that a kill finds some between the disk and the answer.
gcc -D_GNU_SOURCE -DSLOW_FSYNC_MS=20 -shared -fPIC -O2 -o "$work/slow_fsync.so" "$root/tests/bench/slow_fsync.c" -ldl \
  || fail "could not build the preload"
printf 'faults:\n  - at: validation\n    do: {validation: valid}\n' >"$work/server.yaml"

server_start() {
  bed_start server env "LD_PRELOAD=$work/slow_fsync.so" "$BUILD/server/nfacme-server" --config "$work/server.yaml" \
    --state "$work/server" --events "$events" --finalize-delay 2 "${bed_server_args[@]}" \
    || fail "the server did not start"
  bed_server_args=(--listen "$(bed_address "$(bed_value server directory)")"
    --pki "$(bed_address "$(bed_value server pki)")" --admin "$(bed_address "$(bed_value server admin)")")
}

# kill_at COUNT PATTERN WORKER: clients work until the server dies, which is at that many events.
kill_at() {
  local from i pids=()
  from=$(($(wc -l <"$events") + 1))
  for ((i = 0; i < clients; i++)); do
    "$3" "$work/nf/$i" 2>>"$work/client.log" &
    pids+=($!)
  done
  timeout 60 tail -n "+$from" -F "$events" 2>/dev/null \
    | { [ "$(grep -m "$1" -cE -- "$2")" = "$1" ] && kill -9 "${bed_pid[server]}"; } || fail "only few: $2"
  wait "${bed_pid[server]}" 2>/dev/null
  unset "bed_pid[server]"
  wait "${pids[@]}"
  server_start
}

# all_of WORKER: each client does that; none may complain.
all_of() {
  local i pids=()
  for ((i = 0; i < clients; i++)); do
    ("$1" "$work/nf/$i") &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || fail "$1"; done
}

# ---- a client: the folder of an account, with Ed25519 keys (EdDSA signs without more ado) ----

b64() {
  local text
  text=$(basenc --base64url -w 0)
  printf '%s' "${text%%=*}"
}

# key_new FILE: and its public half in FILE.jwk.
key_new() {
  openssl genpkey -algorithm ed25519 -out "$1" 2>/dev/null
  printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$(openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | b64)" >"$1.jwk"
}

# jws DIR KEY HEADER PAYLOAD: flattened JSON.
jws() {
  local header payload
  header=$(printf '%s' "$3" | b64) payload=$(printf '%s' "$4" | b64)
  printf '%s.%s' "$header" "$payload" >"$1/signing"
  printf '{"protected":"%s","payload":"%s","signature":"%s"}' "$header" "$payload" \
    "$(openssl pkeyutl -sign -rawin -inkey "$2" -in "$1/signing" | b64)"
}

# post DIR KEY URL PAYLOAD [jwk]: the status, 000 for no answer; DIR/head and DIR/body.  Signed for
# the account, or with the key in the header; PAYLOAD "": POST-as-GET.
post() {
  local dir=$1 nonce who
  nonce=$(sed -n 's/^[Rr]eplay-[Nn]once: *\([^ \r]*\).*/\1/p' "$dir/head" 2>/dev/null)
  [ -n "$nonce" ] || nonce=$(curl -sSq --noproxy '*' --cacert "$ca_root" -I "$(json "$work/directory" .newNonce)" \
    | sed -n 's/^[Rr]eplay-[Nn]once: *\([^ \r]*\).*/\1/p')
  if [ "${5:-}" = jwk ]; then who="\"jwk\":$(<"$2.jwk")"; else who="\"kid\":\"$(<"$dir/kid")\""; fi
  jws "$dir" "$2" "{\"alg\":\"EdDSA\",\"nonce\":\"$nonce\",\"url\":\"$3\",$who}" "$4" >"$dir/request"
  : >"$dir/head"
  : >"$dir/body"
  curl -sSq --noproxy '*' --max-time 20 --cacert "$ca_root" -D "$dir/head" -o "$dir/body" -w '%{http_code}\n' \
    -H 'Content-Type: application/jose+json' --data-binary "@$dir/request" "$3"
}

location() { sed -n 's/^[Ll]ocation: *\([^ \r]*\).*/\1/p' "$1/head"; }

account_new() {
  mkdir -p "$1"
  key_new "$1/key"
  same "newAccount" "$(post "$1" "$1/key" "$new_account" '{}' jwk)" 201
  location "$1" >"$1/kid"
}

# ---- key changes ----

# DIR/key is the key last acknowledged, DIR/old the one before, DIR/next the one being asked for.
keys_change() {
  local dir=$1 inner
  while :; do
    key_new "$dir/next"
    inner=$(jws "$dir" "$dir/next" "{\"alg\":\"EdDSA\",\"url\":\"$key_change\",\"jwk\":$(<"$dir/next.jwk")}" \
      "{\"account\":\"$(<"$dir/kid")\",\"oldKey\":$(<"$dir/key.jwk")}")
    [ "$(post "$dir" "$dir/key" "$key_change" "$inner")" = 200 ] || return 0
    mv "$dir/key" "$dir/old" && mv "$dir/key.jwk" "$dir/old.jwk"
    mv "$dir/next" "$dir/key" && mv "$dir/next.jwk" "$dir/key.jwk"
    echo acknowledged >>"$dir/changes"
  done
}

# answers DIR KEY: "yes" or "no", by the account's URL and by the key alone alike.
answers() {
  local by_kid by_key
  rm -f "$1/head" # its nonce was another life's
  by_kid=$(post "$1" "$2" "$(<"$1/kid")" '')
  by_key=$(post "$1" "$2" "$new_account" '{"onlyReturnExisting":true}' jwk)
  case $by_kid/$by_key in
    200/200) same "whose key it is" "$(location "$1")" "$(<"$1/kid")"; echo yes ;;
    40[0-9]/400) same "a key of nobody" "$(json "$1/body" .type)" urn:ietf:params:acme:error:accountDoesNotExist; echo no ;;
    *) fail "one key, two answers: $by_kid by kid, $by_key by jwk" ;;
  esac
}

keys_judge() {
  local dir=$1 next=no
  [ ! -f "$dir/old" ] || same "the key before the last" "$(answers "$dir" "$dir/old")" no
  next=$(answers "$dir" "$dir/next") || exit
  case $(answers "$dir" "$dir/key")/$next in
    yes/no) ;;
    no/yes) # it was done, and nobody heard of it
      mv "$dir/next" "$dir/key" && mv "$dir/next.jwk" "$dir/key.jwk"
      echo unheard >>"$dir/changes" ;;
    *) fail "of the old and the new key, not one answers" ;;
  esac
}

changes() { cat "$work"/nf/*/changes | grep -c "^$1"; }

# ---- orders ----

# order_status DIR URL: its object in DIR/body.
order_status() {
  same "order" "$(post "$1" "$1/key" "$2" '')" 200
  json "$1/body" .status
}

orders_place() {
  local dir=$1 i order finalize authz
  for ((i = 0; ; i++)); do
    [ "$(post "$dir" "$dir/key" "$new_order" \
      "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"n$i-${dir##*/}.example\"}]}")" = 201 ] || return 0
    order=$(location "$dir") finalize=$(json "$dir/body" .finalize) authz=$(json "$dir/body" '.authorizations[0]')
    [ "$(post "$dir" "$dir/key" "$authz" '')" = 200 ] || return 0
    [ "$(post "$dir" "$dir/key" "$(json "$dir/body" '.challenges[] | select(.type == "http-01").url')" '{}')" = 200 ] \
      || return 0
    until [ "$(post "$dir" "$dir/key" "$order" '')" = 200 ] && [ "$(json "$dir/body" .status)" = ready ]; do
      [ "$(json "$dir/body" .status)" = pending ] || return 0
    done
    openssl req -new -key "$work/leaf.key" -subj / -addext "subjectAltName=DNS:n$i-${dir##*/}.example" \
      -outform DER -out "$dir/csr" 2>/dev/null
    [ "$(post "$dir" "$dir/key" "$finalize" "{\"csr\":\"$(b64 <"$dir/csr")\"}")" = 200 ] || return 0
    [ "$(json "$dir/body" .status)" != processing ] || echo "$order" >>"$dir/processing"
  done
}

orders_judge() {
  local dir=$1 order status until=$((SECONDS + deadline_s)) n=0
  rm -f "$dir/head"
  [ -f "$dir/processing" ] || return 0
  while read -r order; do
    while status=$(order_status "$dir" "$order") && [ "$status" = processing ]; do
      [ $SECONDS -lt $until ] || fail "$order stays processing"
    done
    same "$order" "$status" valid
    same "its certificate" "$(post "$dir" "$dir/key" "$(json "$dir/body" .certificate)" '')" 200
    cp "$dir/body" "$dir/cert$((++n)).pem"
    openssl verify -CAfile "$ca_root" -untrusted "$dir/body" "$dir/body" >"$dir/verify" 2>&1 || fail "$(cat "$dir/verify")"
  done <"$dir/processing"
}

# ---- revocations ----

revoke_all() {
  local dir=$1 cert
  for cert in "$dir"/cert*.pem; do
    [ "$(post "$dir" "$dir/key" "$revoke_cert" \
      "{\"certificate\":\"$(openssl x509 -in "$cert" -outform DER | b64)\",\"reason\":4}")" = 200 ] || return 0
    openssl x509 -in "$cert" -noout -serial >>"$dir/revoked"
  done
}

revoked_judge() {
  local serial
  curl -sSq --noproxy '*' --fail -o "$work/crl.der" "$(bed_value server pki)/crl/issuing.crl" || fail "no CRL"
  openssl crl -inform DER -in "$work/crl.der" -noout -text >"$work/crl" 2>/dev/null || fail "what was served is no CRL"
  while read -r serial; do
    holds "the revocation list" "$work/crl" "Serial Number: ${serial#serial=}\$"
  done < <(cat "$work"/nf/*/revoked)
}

# ---- all of it ----

bed_begin "$work" "$work/out"
: >"$events"
server_start
ca_root=$(bed_value server root)
curl -sSq --noproxy '*' --cacert "$ca_root" -o "$work/directory" "$(bed_value server directory)" || fail "no directory"
new_account=$(json "$work/directory" .newAccount) key_change=$(json "$work/directory" .keyChange)
new_order=$(json "$work/directory" .newOrder) revoke_cert=$(json "$work/directory" .revokeCert)
openssl ecparam -name prime256v1 -genkey -noout -out "$work/leaf.key"
all_of account_new

for ((round = 0; round < rounds; round++)); do
  kill_at $((2 * clients + RANDOM % (2 * clients))) '"event":"key-change"' keys_change
  all_of keys_judge
done
[ "$(changes acknowledged)" -ge "$clients" ] || fail "hardly a key was changed"
echo "$rounds kills under key changes: $(changes acknowledged) acknowledged, $(changes unheard) done and not heard of"

kill_at $((2 * clients + RANDOM % clients)) '"event":"order".*"to":"processing"' orders_place
acknowledged=$(cat "$work"/nf/*/processing | wc -l)
[ "$acknowledged" -ge "$clients" ] || fail "hardly an order was processing: $acknowledged"
flying=$(jq -sr '[.[] | select(.event == "order")] | group_by(.order)
  | map(select(any(.to == "processing") and all(.to != "valid"))) | length' "$events")
[ "$flying" -gt 0 ] || fail "no order was processing at the kill"
all_of orders_judge
echo "a kill with $flying orders processing: all $acknowledged acknowledged ones became valid"

kill_at $((acknowledged / 2)) '"event":"revocation"' revoke_all
revoked_judge
echo "a kill under revocations: all $(cat "$work"/nf/*/revoked | wc -l) acknowledged ones are on the list"

bed_stop server || fail "the server ended with $?"
"$BUILD/server/nfacme-server" --state "$work/server" check >"$work/check" 2>&1 || fail "check: $(cat "$work/check")"
holds "check" "$work/check" ': clean$'
tail -n 1 "$work/check"
