#!/usr/bin/env bash
# What an NF may not do, and what it is told: TLS, identity, assertion, bodies, CSRs, tokens, a CA
# that is away, configuration.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# refused WHAT STATUS WANTED-STATUS DIR PATTERN: a ProblemDetails that says why.
refused() {
  same "$1: status" "$2" "$3"
  holds "$1: type" "$4/head" '^[Cc]ontent-[Tt]ype: application/problem\+json'
  same "$1: status member" "$(json "$4/body" .status)" "$3"
  holds "$1: reason" "$4/body" "$5"
}

enrolments() { sqlite3 "$work/client/client.db" 'SELECT count(*) FROM enrolment'; }
orders() { sqlite3 "$work/server/server.db" 'SELECT count(*) FROM orders'; }

bed_up nine-steps --nfs 40
nf_export amf-1 "$work/a"
nf_export smf-1 "$work/b"
a=$(json "$work/a/nf.json" .nfInstanceId) b=$(json "$work/b/nf.json" .nfInstanceId)
good=$(cat "$work/a/nf.json")

tls() {
  local case
  for case in none self stranger; do
    mkdir -p "$work/$case"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$case/nf.key" \
      -out "$work/$case/nf.pem" -subj /O=x -addext "subjectAltName=URI:urn:uuid:$a" \
      -addext extendedKeyUsage=clientAuth 2>/dev/null
  done
  same "a self-signed certificate" "$(nf_call "$work/self" GET /enrolments/x)" 000
  same "no certificate" "$(curl -sq --noproxy '*' --cacert "$work/oam/oam-ca.pem" -o /dev/null \
    -w '%{http_code}' "$(bed_value client api)/nacme-enrolment/v1/enrolments/x")" 000
}

identity() {
  local before
  before=$(enrolments)
  refused "another NF's id" "$(nf_ask "$work/a" "$(jq -c ".nfInstanceId = \"$b\"" <<<"$good")")" 403 "$work/a" '"cause"'
  refused "another NF's fqdn" "$(nf_ask "$work/a" "$(jq -c '.fqdn = "smf1.cluster1.net1.smf.5gc.mnc001.mcc001.3gppnetwork.org"' <<<"$good")")" 403 "$work/a" '"cause"'
  refused "another type" "$(nf_ask "$work/a" "$(jq -c '.nfType = "SMF"' <<<"$good")")" 403 "$work/a" '"cause"'
  same "enrolments stored by refused requests" "$(enrolments)" "$before"
}

bodies() {
  refused "malformed JSON" "$(nf_ask "$work/a" '{"nfInstanceId":')" 400 "$work/a" '"cause"'
  refused "unknown member" "$(nf_ask "$work/a" "$(jq -c '.colour = "red"' <<<"$good")")" 400 "$work/a" colour
  refused "member of a wrong type" "$(nf_ask "$work/a" "$(jq -c '.nfType = 5' <<<"$good")")" 400 "$work/a" nfType
  refused "missing member" "$(nf_ask "$work/a" "$(jq -c 'del(.nfInstanceId)' <<<"$good")")" 400 "$work/a" nfInstanceId
  refused "wrong content type" "$(nf_media=text/plain nf_ask "$work/a" "$good")" 415 "$work/a" '"cause"'
  head -c 70000 /dev/zero | tr '\0' ' ' >"$work/big"
  refused "oversized body" "$(nf_ask "$work/a" "@$work/big")" 413 "$work/a" '"status"'
  refused "no assertion" "$(nf_call "$work/a" POST /enrolments -H 'Content-Type: application/json' -d "$good")" 403 "$work/a" CCA_VERIFICATION_FAILURE
}

assertions() {
  mkdir -p "$work/c" && cp "$work/a"/* "$work/c"
  cp "$work/b/cca.jwt" "$work/c/cca.jwt"
  refused "another NF's assertion" "$(nf_ask "$work/c" "$good")" 403 "$work/c" CCA_VERIFICATION_FAILURE
  nf_export amf-1 "$work/d" --client-name other.example
  refused "an assertion for another client" "$(nf_ask "$work/d" "$good")" 403 "$work/d" 'client'
}

# csr NAME OPENSSL-OPTION...: $work/csr/NAME.der with a P-256 key, or what csr_key says.
csr_key="ec -pkeyopt ec_paramgen_curve:P-256"
csr() {
  # shellcheck disable=SC2086
  openssl req -new -newkey $csr_key -nodes -keyout "$work/csr/key" -subj / -outform DER -out "$work/csr/$1.der" "${@:2}" 2>/dev/null || fail "openssl req $1"
}

send_csr() {
  nf_call "$work/a" PUT "$2/csr" -T "$work/csr/$1.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20'
}

csrs() {
  local enrolment san="subjectAltName=URI:urn:uuid:$a" before
  mkdir -p "$work/csr"
  same "the enrolment" "$(nf_ask "$work/a" "$good")" 201
  enrolment=$(nf_location "$work/a")
  before=$(orders)
  csr another -addext "subjectAltName=URI:urn:uuid:$b"
  csr extra -addext "$san,DNS:evil.example"
  csr ca -addext "$san" -addext basicConstraints=critical,CA:TRUE
  csr type -addext "$san" -addext 1.3.6.1.5.5.7.1.34=DER:30:05:16:03:53:4d:46
  csr_key=rsa:1024 csr weak -addext "$san"
  csr good -addext "$san"
  flip_last_octet "$work/csr/good.der" "$work/csr/signature.der"
  refused "CSR with another name" "$(send_csr another "$enrolment")" 400 "$work/a" "$b|badCSR"
  refused "CSR with an extra name" "$(send_csr extra "$enrolment")" 400 "$work/a" 'badCSR'
  refused "CSR with CA:TRUE" "$(send_csr ca "$enrolment")" 400 "$work/a" 'badCSR'
  refused "CSR with another NF type" "$(send_csr type "$enrolment")" 400 "$work/a" 'SMF'
  refused "CSR with a weak key" "$(send_csr weak "$enrolment")" 400 "$work/a" 'badCSR'
  refused "CSR with a bad signature" "$(send_csr signature "$enrolment")" 400 "$work/a" 'signature'
  nf_call "$work/a" GET "$enrolment" >/dev/null
  same "the state after six bad CSRs" "$(json "$work/a/body" .state)" READY
  same "the order after six bad CSRs" "$(sqlite3 "$work/server/server.db" "SELECT count(*) FROM orders")" "$before"
  same "the corrected CSR" "$(send_csr good "$enrolment")" 200
  openssl verify -CAfile "$(bed_value server root)" -untrusted "$work/a/body" "$work/a/body" >/dev/null || fail "the chain"
  same "the same CSR again" "$(send_csr good "$enrolment")" 200
  csr second -addext "$san"
  refused "another CSR once issued" "$(send_csr second "$enrolment")" 409 "$work/a" '"cause"|"detail"'
  same "another NF's enrolment is not there" "$(nf_call "$work/b" GET "$enrolment")" 404
}

# The last octet of a DER file, inverted.
flip_last_octet() {
  local size last
  size=$(stat -c %s "$1")
  last=$(tail -c 1 "$1" | od -An -tu1 | tr -d ' ')
  { head -c $((size - 1)) "$1"; printf "\\x$(printf %02x $((last ^ 255)))"; } >"$2"
}

server_away() {
  nf_export udm-1 "$work/u"
  bed_stop server
  same "step 1 without a CA" "$(nf_wait=1 nf_ask "$work/u" "$(cat "$work/u/nf.json")")" 202
  holds "Retry-After" "$work/u/head" '^[Rr]etry-[Aa]fter: [0-9]+'
  bed_server_start || fail "the server did not come back"
  local try
  for try in 1 2 3; do
    nf_call "$work/u" GET "$(nf_location "$work/u")" -H 'Prefer: wait=30' >"$work/status"
    [ "$(json "$work/u/body" .state)" = READY ] && return
  done
  fail "still $(json "$work/u/body" .state) after $try waits"
}

stranger_token() {
  "$BUILD/nfsim/nfsim" init "$scenario" --state "$work/other" --nfs 1 >/dev/null 2>&1
  bed_stop server
  bed_token_authority=$work/other/token-authority.pem bed_server_start || fail "restart"
  nf_export pcf-1 "$work/p"
  refused "a token signed by a stranger" "$(nf_ask "$work/p" "$(cat "$work/p/nf.json")")" 403 "$work/p" '[Tt]oken'
}

configuration() {
  printf 'listen: 127.0.0.1:0\nlistne: 1\n' >"$work/bad.yaml"
  "$BUILD/server/nfacme-server" --config "$work/bad.yaml" >"$work/said" 2>&1
  same "exit of an unknown key" $? 2
  holds "unknown key" "$work/said" 'bad.yaml:2: .*listne'
  printf 'http01_port: many\n' >"$work/bad.yaml"
  "$BUILD/server/nfacme-server" --config "$work/bad.yaml" >"$work/said" 2>&1
  same "exit of a wrong type" $? 2
  holds "wrong type" "$work/said" 'bad.yaml:1: .*http01_port'
}

# csrs uses up amf-1's READY enrolment, so it comes after what must leave nothing behind.
for stage in tls identity bodies assertions csrs server_away stranger_token configuration; do
  $stage
  echo "ok $stage"
done
