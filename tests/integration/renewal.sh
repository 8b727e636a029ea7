#!/usr/bin/env bash
# An NF renews: by itself, and told of it at its notificationUri when the CA's renewal information
# (RFC 9773) says so; the order names what it replaces, the account stays, the old chain is kept.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

bed_up nine-steps --nfs 4
bed_stop client
bed_client_extra+=(--set renewal.poll=1)
bed_client_start || fail "the client did not start"
admin=$(bed_value server admin)
nf=$work/a
nf_export amf-1 "$nf"
uuid=$(json "$nf/nf.json" .nfInstanceId)

# database QUERY: what the client has stored.
database() {
  sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "$1"
}

# path URL: what nf_call wants.
path() {
  printf '%s' "${1#*/nacme-enrolment/v1}"
}

# enrolled URL NAME: step 8 with a new key; $nf/NAME.key, $nf/NAME.pem.
enrolled() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/$2.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:$uuid" -outform DER -out "$nf/$2.der" 2>/dev/null || fail "openssl req"
  same "the CSR $2" "$(nf_call "$nf" PUT "$(path "$1")/csr" -T "$nf/$2.der" \
    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
  cp "$nf/body" "$nf/$2.pem"
}

# renewed URL NAME: POST renewals, then step 8.
renewed() {
  nf_export amf-1 "$work/again" # a fresh assertion
  same "the renewal $2" "$(nf_call "$nf" POST "$(path "$1")/renewals" -H 'Prefer: wait=20' \
    -H "3gpp-Sbi-Client-Credentials: $(cat "$work/again/cca.jwt")" -H 'Content-Length: 0')" 201
  same "what it renews" "$(json "$nf/body" .renews)" "${1##*/}"
  enrolled "$(nf_location "$nf")" "$2"
}

by_itself() {
  same "an assertion is needed" "$(nf_call "$nf" POST "$(path "$first")/renewals" -H 'Content-Length: 0')" 403
  holds "an assertion is needed" "$nf/body" 'CCA_VERIFICATION_FAILURE'
  same "an enrolment nobody has" "$(nf_call "$nf" POST /enrolments/AAAAAAAAAAAAAAAAAAAAAA9/renewals -H 'Content-Length: 0')" 404
  nf_export smf-1 "$work/b"
  same "another NF's" "$(nf_call "$work/b" POST "$(path "$first")/renewals" -H 'Content-Length: 0' \
    -H "3gpp-Sbi-Client-Credentials: $(cat "$work/b/cca.jwt")")" 404
  renewed "$first" second
  cmp -s "$nf/first.pem" "$nf/second.pem" && fail "the renewal gave the old chain"
  same "the accounts" "$(database 'SELECT count(*) FROM account')" 1
  same "what the CA was told it replaces" "$(sqlite3 "$work/server/server.db" \
    "SELECT count(*) FROM orders WHERE replaces IS NOT NULL")" 1
  same "the old chain" "$(nf_call "$nf" GET "$(path "$first")/certificate")" 200
  cmp -s "$nf/first.pem" "$nf/body" || fail "the old chain has changed"
  same "what is scheduled" "$(database 'SELECT count(*) FROM renewal')" 1
}

# One HTTPS receiver with a certificate of the NF for servers; its request in $work/told.
receive() {
  mkfifo "$work/answer"
  { printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'; cat "$work/answer"; } \
    | openssl s_server -accept 127.0.0.1:0 -cert "$nf/first.pem" -cert_chain "$nf/first.pem" -key "$nf/first.key" -Verify 1 \
      -verify_return_error -CAfile "$work/oam/oam-ca.pem" -naccept 1 >"$work/told" 2>"$work/receiver" &
  receiver=$!
  exec 9>"$work/answer"
  cleanups+=("exec 9>&-; kill $receiver 2>/dev/null; wait $receiver 2>/dev/null")
  until_seen "$work/told" '^ACCEPT'
  port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$work/told")
}

# until_seen FILE PATTERN: looks again and again, for at most 30 s.
until_seen() {
  local try
  for try in $(seq 300); do
    grep -q -- "$2" "$1" && return
    read -r -t 0.1 _ <>"$work/pause" || true
  done
  fail "after $try looks nothing in $1 matches: $2"
}

told() {
  local port
  receive
  nf_export amf-1 "$nf"
  same "a stranger's address" "$(nf_ask "$nf" "$(jq -c '.notificationUri = "https://192.0.2.1/told"' "$nf/nf.json")")" 400
  holds "a stranger's address" "$nf/body" 'notificationUri'
  same "step 1 with a notificationUri" \
    "$(nf_ask "$nf" "$(jq -c ".notificationUri = \"https://127.0.0.1:$port/told\"" "$nf/nf.json")")" 201
  third=$(nf_location "$nf")
  enrolled "$third" third
  same "a window that has begun" "$(curl -sSq --noproxy '*' -o "$work/set" -w '%{http_code}' -X PUT "$admin/renewal-info" \
    -d '{"all": true, "start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}')" 200
  until_seen "$work/told" RENEWAL_DUE
  holds "the notification" "$work/told" 'POST /told HTTP/1.1'
  holds "its callback type" "$work/told" '3gpp-Sbi-Callback: Nacme_Enrolment_RenewalNotify'
  holds "its enrolment" "$work/told" "\"enrolmentId\": ?\"${third##*/}\""
  exec 9>&-
  same "the window seen by the NF" "$(nf_call "$nf" GET "$(path "$third")")" 200
  same "the window seen by the NF" "$(json "$nf/body" .renewal.windowStart)" 2020-01-01T00:00:00Z
  renewed "$third" fourth
}

mkfifo "$work/pause"
same "step 1" "$(nf_ask "$nf" "$(jq -c '.profile = "nf-both"' "$nf/nf.json")")" 201
first=$(nf_location "$nf")
enrolled "$first" first
by_itself
told
bed_stop client
holds "nothing is lost at the end" "$work/out/logs/client.log" 'event=told'
echo "renewal: by itself and told, four certificates on one account"
