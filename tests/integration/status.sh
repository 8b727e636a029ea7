#!/usr/bin/env bash
# What relying parties are told: OCSP by POST (openssl) and GET (curl), the lists of the issuing CA
# and of the root, for certificates that are good, revoked and never issued.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$root/tests/interop/lib.sh"

fetch_package certbot || exit 77
server_up

get() { curl -sS -q --noproxy '*' "$@" || fail "curl $*"; }

# ask CHAIN-OR-SERIAL [OPTION...]: openssl's judgement in $work/ocsp.out; it verifies the answer.
ask() {
  local what=(-cert "$1")
  [ -f "$1" ] || what=(-serial "$1")
  no_proxy='*' openssl ocsp -url "$pki/ocsp" -issuer "$work/issuing.pem" \
    ${ask_digest:+"$ask_digest"} "${what[@]}" -CAfile "$ca_root" "${@:2}" >"$work/ocsp.out" 2>&1 || { cat "$work/ocsp.out"; fail "openssl ocsp $*"; }
  holds "the answer verifies" "$work/ocsp.out" 'Response verify OK'
}

# verify CHAIN: openssl's judgement of the whole chain by both lists.
verify() {
  openssl verify -CAfile "$ca_root" -untrusted "$1" -CRLfile "$work/issuing.crl" \
    -CRLfile "$work/root.crl" -crl_check_all "$1" >"$work/verify" 2>&1
}

lists_get() {
  local name
  for name in issuing root; do
    get --fail -o "$work/$name.der" "$pki/crl/$name.crl"
    openssl crl -inform DER -in "$work/$name.der" -out "$work/$name.crl" || fail "$name.crl is no list"
  done
}

# get_ocsp CHAIN FILE [OPTION...]: the GET of RFC 6960 A.1; headers in FILE.head.
get_ocsp() {
  local path
  openssl ocsp -issuer "$work/issuing.pem" -cert "$1" -no_nonce -reqout "$work/request.der" >/dev/null 2>&1
  path=$(openssl base64 -A -in "$work/request.der" | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
  get -D "$2.head" -o "$2" "${@:3}" "$pki/ocsp/$path"
}

certbot_issue good
certbot_issue gone
get --fail "$pki/issuing.crt" | openssl x509 -inform DER -out "$work/issuing.pem" || fail "no issuing.crt"
openssl x509 -in "$work/good.pem" -noout -ext authorityInfoAccess >"$work/access" 2>&1
holds "where to ask" "$work/access" "OCSP - URI:$pki/ocsp\$"
holds "who issued it" "$work/access" "CA Issuers - URI:$pki/issuing.crt\$"

for name in good gone; do
  ask "$work/$name.pem"
  holds "before" "$work/ocsp.out" ': good$'
  lists_get
  verify "$work/$name.pem" || { cat "$work/verify"; fail "$name does not verify"; }
done
get_ocsp "$work/gone.pem" "$work/before"
openssl ocsp -respin "$work/before" -issuer "$work/issuing.pem" -cert "$work/gone.pem" -CAfile "$ca_root" \
  >"$work/ocsp.out" 2>&1
holds "the GET" "$work/ocsp.out" ': good$'

certbot revoke --cert-path "$work/gone.pem" --key-path "$work/certbot/live/gone/privkey.pem" \
  --reason keycompromise --no-delete-after-revoke
ask "$work/gone.pem"
holds "revoked" "$work/ocsp.out" ': revoked$'
holds "its reason" "$work/ocsp.out" 'Reason: keyCompromise'
ask_digest=-sha256 ask "$work/gone.pem" -no_nonce
holds "revoked, asked by SHA-256 without a nonce" "$work/ocsp.out" ': revoked$'
get_ocsp "$work/gone.pem" "$work/after"
openssl ocsp -respin "$work/after" -issuer "$work/issuing.pem" -cert "$work/gone.pem" -CAfile "$ca_root" \
  >"$work/ocsp.out" 2>&1
holds "the GET sees it at once" "$work/ocsp.out" ': revoked$'
holds "type" "$work/after.head" '^Content-Type: application/ocsp-response'
holds "how long it may be kept" "$work/after.head" '^Cache-Control: max-age=[0-9]+, public, no-transform, must-revalidate'
holds "date" "$work/after.head" '^Last-Modified: '
holds "end" "$work/after.head" '^Expires: '
tag=$(sed -n 's/^ETag: *\("[0-9a-f]*"\).*/\1/p' "$work/after.head")
get_ocsp "$work/gone.pem" "$work/again" -H "If-None-Match: $tag"
holds "the same is not sent again" "$work/again.head" '^HTTP/1.1 304'
ask "$work/good.pem"
holds "the other one" "$work/ocsp.out" ': good$'
ask 0x0123456789abcdef
holds "never issued" "$work/ocsp.out" ': unknown$'

lists_get
verify "$work/good.pem" || { cat "$work/verify"; fail "good does not verify any more"; }
verify "$work/gone.pem" && fail "the revoked certificate still verifies"
holds "why" "$work/verify" 'certificate revoked'

# several at once, another CA's, and what is no request
ask "$work/good.pem" -cert "$work/gone.pem" -serial 0x0123456789abcdef
same "three answers" "$(grep -cE ': (good|revoked|unknown)$' "$work/ocsp.out")" 3
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=other \
  -keyout "$work/other.key" -out "$work/other.pem" 2>/dev/null
openssl ocsp -issuer "$work/other.pem" -serial 1 -reqout "$work/request.der" >/dev/null 2>&1
get -o "$work/answer" -H 'Content-Type: application/ocsp-request' --data-binary "@$work/request.der" "$pki/ocsp"
same "another CA's: unauthorized" "$(od -An -tx1 "$work/answer" | tr -d ' \n')" 30030a0106
printf 'this is none' >"$work/request.der"
get -o "$work/answer" -H 'Content-Type: application/ocsp-request' --data-binary "@$work/request.der" "$pki/ocsp"
same "no request: malformedRequest" "$(od -An -tx1 "$work/answer" | tr -d ' \n')" 30030a0101

# list numbers go on after kill -9
number() { openssl crl -in "$work/$1.crl" -noout -crlnumber | sed 's/.*=0x//'; }
before=$(number issuing)
bed_stop server KILL
bed_server_args=(--listen "$(bed_address "$directory")" --pki "$(bed_address "$pki")" --admin 127.0.0.1:0)
bed_start server "$BUILD/server/nfacme-server" --state "$work/server" "${bed_server_args[@]}" \
  || fail "the server did not start again"
lists_get
[[ $(printf '%016d%s' 0 "$(number issuing)" | tail -c 16) > $(printf '%016d%s' 0 "$before" | tail -c 16) ]] \
  || fail "CRL number $(number issuing) after $before"
ask "$work/gone.pem"
holds "revoked after the restart" "$work/ocsp.out" ': revoked$'
verify "$work/gone.pem" && fail "it verifies after the restart"
echo "OCSP and lists: good, revoked, unknown"
