#!/usr/bin/env bash
# NFs that bring their authority token themselves: what is awaited is said, a token about something
# else fails the enrolment, the right one makes the order ready, also after the client was killed.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

bed_up nine-steps --nfs 4
bed_stop client
bed_client_extra+=(--nf-tokens)
bed_client_start || fail "the client did not start"
nf=$work/a
nf_export amf-1 "$nf"
uuid=$(json "$nf/nf.json" .nfInstanceId)

path() { printf '%s' "${1#*/nacme-enrolment/v1}"; }

# awaiting: a new enrolment that waits for a token; its URL in $url.
awaiting() {
  same "step 1 without an assertion" "$(nf_call "$nf" POST /enrolments -H 'Content-Type: application/json' \
    -H 'Prefer: wait=20' -d "$(cat "$nf/nf.json")")" 202
  same "its state" "$(json "$nf/body" .state)" AWAITING_TOKEN
  same "whom it must be about" "$(json "$nf/body" .tokenWanted.tkvalue)" "$uuid"
  url=$(nf_location "$nf")
}

# token: what the OAM makes of the NF's assertion for what is wanted, on standard output.
token() {
  local thumbprint
  thumbprint=$(json "$nf/body" .accountThumbprint)
  jq -c --arg cca "$(cat "$nf/cca.jwt")" '.tokenWanted as $w | {atc: ($w + {ca: false}), cca: $cca}' "$nf/body" >"$work/ask"
  curl -sS -q --noproxy '*' --cert "$work/oam/client.pem" --key "$work/oam/client.key" \
    --cacert "$work/oam/oam-ca.pem" -H 'Content-Type: application/json' -d "@$work/ask" \
    "$(bed_value oam oam)/at/account/$thumbprint/token" | jq -r .token
}

# bring URL TOKEN: the status.
bring() {
  nf_call "$nf" PUT "$(path "$1")/authority-token" -H 'Content-Type: application/jwt' -H 'Prefer: wait=20' -d "$2"
}

awaiting
right=$(token)
same "another media type" "$(nf_call "$nf" PUT "$(path "$url")/authority-token" -H 'Content-Type: text/plain' -d "$right")" 415
same "no token" "$(bring "$url" 'not a token')" 400
nf_export smf-1 "$work/b"
same "another NF brings one" "$(nf_call "$work/b" PUT "$(path "$url")/authority-token" -H 'Content-Type: application/jwt' -d "$right")" 404
kill -9 "${bed_pid[client]}"
wait "${bed_pid[client]}" 2>/dev/null
bed_client_start || fail "the client did not start again"
same "still awaited" "$(nf_call "$nf" GET "$(path "$url")" -H 'Prefer: wait=20')" 200
same "still awaited" "$(json "$nf/body" .state)" AWAITING_TOKEN
same "the right token" "$(bring "$url" "$right")" 200
same "the order" "$(json "$nf/body" .state)" READY
same "the same token again" "$(bring "$url" "$right")" 200
same "another token now" "$(bring "$url" "$right"x)" 409
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/first.key" -subj / \
  -addext "subjectAltName=URI:urn:uuid:$uuid" -outform DER -out "$nf/first.der" 2>/dev/null || fail "openssl req"
same "the CSR" "$(nf_call "$nf" PUT "$(path "$url")/csr" -T "$nf/first.der" \
  -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200

awaiting
same "a token nobody signed" "$(bring "$url" "${right%????????}AAAAAAAA")" 403
same "its state" "$(nf_call "$nf" GET "$(path "$url")")" 200
same "its state" "$(json "$nf/body" .state)" FAILED
echo "nf_token: awaited, brought, refused"
