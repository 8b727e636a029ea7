#!/usr/bin/env bash
# An NF revokes its certificate, with reasons good and bad, and is withdrawn: the CA's revocation
# list has it, its account is deactivated when nothing else uses it, and it may come back.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

bed_up nine-steps --nfs 4
nf=$work/a
nf_export amf-1 "$nf"
uuid=$(json "$nf/nf.json" .nfInstanceId)

# client QUERY, server QUERY: what each has stored.
client() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "$1"; }
server() { sqlite3 -cmd '.timeout 5000' "$work/server/server.db" "$1"; }

path() { printf '%s' "${1#*/nacme-enrolment/v1}"; }

# until_is WHAT WANTED COMMAND...: what it prints, looked at again and again for at most 20 s.
until_is() {
  local try
  mkfifo "$work/pause" 2>/dev/null || true
  for try in $(seq 200); do
    [ "$("${@:3}")" = "$2" ] && return
    read -r -t 0.1 _ <>"$work/pause" || true
  done
  fail "$1: after $try looks '$("${@:3}")', wanted '$2'"
}

# issued NAME: a new enrolment of amf-1 with its certificate; its URL in $url.
issued() {
  nf_export amf-1 "$nf"
  same "step 1 of $1" "$(nf_ask "$nf" "$(jq -c '.profile = "nf-both"' "$nf/nf.json")")" 201
  url=$(nf_location "$nf")
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/$1.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:$uuid" -outform DER -out "$nf/$1.der" 2>/dev/null || fail "openssl req"
  same "the CSR $1" "$(nf_call "$nf" PUT "$(path "$url")/csr" -T "$nf/$1.der" \
    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
  cp "$nf/body" "$nf/$1.pem"
}

# revoke URL BODY [WAIT]: the status.
revoke() {
  nf_call "$nf" POST "$(path "$1")/revocations" -H 'Content-Type: application/json' -d "$2" -H "Prefer: wait=${3:-20}"
}

revoked() {
  issued first
  same "no reason there is" "$(revoke "$url" '{"reason": 7}')" 400
  holds "no reason there is" "$nf/body" '"reason"'
  same "another member" "$(revoke "$url" '{"reasons": 1}')" 400
  same "a reason no subscriber may give" "$(revoke "$url" '{"reason": 8}')" 400
  holds "a reason no subscriber may give" "$nf/body" 'badRevocationReason'
  nf_export smf-1 "$work/b"
  same "another NF's certificate" "$(nf_call "$work/b" POST "$(path "$url")/revocations" -H 'Content-Length: 0')" 404
  same "nothing is revoked yet" "$(server 'SELECT count(*) FROM certificate WHERE revoked_at_s IS NOT NULL')" 0
  same "superseded" "$(revoke "$url" '{"reason": 4}')" 204
  same "what the CA has revoked" "$(server 'SELECT revoked_at_s IS NOT NULL, reason FROM certificate')" "1|4"
  same "again" "$(revoke "$url" '{"reason": 4}')" 204
  same "what the NF sees" "$(nf_call "$nf" GET "$(path "$url")")" 200
  same "what the NF sees" "$(json "$nf/body" '.revocationReason')" 4
  same "what is scheduled" "$(client 'SELECT count(*) FROM renewal')" 0
}

withdrawn() {
  local first=$url
  issued second
  same "the NF is gone" "$(nf_call "$nf" DELETE "$(path "$first")")" 204
  same "its account is used by the second" "$(client 'SELECT count(*) FROM job')" 0
  same "the NF is gone" "$(nf_call "$nf" DELETE "$(path "$url")")" 204
  same "and again" "$(nf_call "$nf" DELETE "$(path "$url")")" 204
  until_is "the accounts at the CA that are valid" 0 server 'SELECT count(*) FROM account WHERE status = 0'
  until_is "the account here" 0 client 'SELECT count(*) FROM account'
  same "the jobs" "$(client 'SELECT count(*) FROM job')" 0
  same "what is left to see" "$(nf_call "$nf" GET "$(path "$url")")" 200
  same "its state" "$(json "$nf/body" .state)" WITHDRAWN
  same "its certificate" "$(nf_call "$nf" GET "$(path "$url")/certificate")" 404
  same "its renewal" "$(nf_call "$nf" POST "$(path "$url")/renewals" -H 'Content-Length: 0' \
    -H "3gpp-Sbi-Client-Credentials: $(cat "$nf/cca.jwt")")" 409
  issued third
  same "the account of one that came back" "$(server 'SELECT count(*) FROM account WHERE status = 0')" 1
}

# Killed with a revocation saved and the CA away, it is done after the restart.
crashed() {
  bed_stop server
  same "the CA is away" "$(revoke "$url" '{"reason": 1}' 0)" 202
  kill -9 "${bed_pid[client]}"
  wait "${bed_pid[client]}" 2>/dev/null
  same "the job" "$(client "SELECT kind FROM job")" revoke
  if ! { bed_server_start && bed_client_start; }; then fail "the bed did not start again"; fi
  until_is "the job's end" 0 client 'SELECT count(*) FROM job'
  same "what the CA has revoked" "$(server 'SELECT count(*) FROM certificate WHERE reason = 1')" 1
}

revoked
withdrawn
crashed
echo "revocation: with a reason, once, after a crash; withdrawal takes the account along"
