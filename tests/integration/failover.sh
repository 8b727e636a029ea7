#!/usr/bin/env bash
# Two ACME servers, preferred in that order: NFs enrol at the second while the first is down, also
# those that had begun at the first and have no order yet, and at the first again when it is back.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

BED_RECORDS=no
exec 2> >(grep -v ' Killed  ' >&2) # the shell's own words
bed_up nine-steps --nfs 10
bed_stop client
cleanups+=("bed_stop second")
bed_start second "$BUILD/server/nfacme-server" --state "$work/second" --listen 127.0.0.1:0 --pki 127.0.0.1:0 --admin 127.0.0.1:0 \
  --token-authority "$work/oam/token-authority.pem" || fail "the second server"
cat "$(bed_value server root)" "$(bed_value second root)" >"$work/roots.pem"
first=$(bed_value server directory) second=$(bed_value second directory)
bed_ready[server]="ready directory=$first root=$work/roots.pem pki=$(bed_value server pki) admin=$(bed_value server admin)"
bed_client_extra+=(--failover-directory "$second" --set failover.after=1)
bed_client_start || fail "the client"

# at NF: the directory its last enrolment is at.
at() {
  sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "SELECT directory FROM enrolment WHERE nf='$(json "$work/nf-$1/nf.json" .nfInstanceId)' ORDER BY row DESC LIMIT 1"
}
# enrolled NF: steps 1 to 9.
enrolled() {
  local nf=$work/nf-$1
  nf_export "$1" "$nf"
  same "step 1 of $1" "$(nf_wait=60 nf_ask "$nf" "$(cat "$nf/nf.json")")" 201
  url=/enrolments/$(basename "$(nf_location "$nf")")
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/one.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:$(json "$nf/nf.json" .nfInstanceId)" -outform DER -out "$nf/one.der" 2>/dev/null
  same "step 8 of $1" "$(nf_call "$nf" PUT "$url/csr" -T "$nf/one.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
}

enrolled 1
same "where the first NF enrolled" "$(at 1)" "$first"
kill -9 "${bed_pid[server]}"
{ wait "${bed_pid[server]}"; } 2>/dev/null
enrolled 2 # begun at the first, which does not answer
same "where the second NF enrolled" "$(at 2)" "$second"
holds "it has moved" "$work/out/logs/client.log" 'event=failover'
enrolled 3
same "where the third NF enrolled" "$(at 3)" "$second"

bed_ready[server]=''
bed_server_start || fail "the first server did not come back"
bed_ready[server]="ready directory=$first root=$work/roots.pem admin=$(bed_value server admin)"
mkfifo "$work/pause"
for ((i = 4; i < 10; i++)); do # the client looks for it with a back-off
  enrolled $i
  [ "$(at $i)" = "$first" ] && break
  read -r -t 2 _ <>"$work/pause" || true
done
same "where an NF enrols when the first is back" "$(at $i)" "$first"
nf=$work/nf-2
nf_export 2 "$nf"
same "a renewal of what the second issued" "$(nf_call "$nf" POST "/enrolments/$(sqlite3 "$work/client/client.db" \
  "SELECT id FROM enrolment WHERE nf='$(json "$nf/nf.json" .nfInstanceId)'")/renewals" -H 'Content-Length: 0' -H 'Prefer: wait=30' \
  -H "3gpp-Sbi-Client-Credentials: $(cat "$nf/cca.jwt")")" 201
same "where it is renewed" "$(at 2)" "$first"
echo "failover: to the second server while the first was down, and back"
