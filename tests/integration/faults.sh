#!/usr/bin/env bash
# Each fault of the server on the wire, as curl sees it, and a client that comes through them.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

bed_up nine-steps --nfs 40
admin=$(bed_value server admin)
directory=$(bed_value server directory)
root_pem=$(bed_value server root)

# admin METHOD PATH [BODY]: status; the answer in $work/admin.
admin() {
  curl -sSq --noproxy '*' -X "$1" -o "$work/admin" -w '%{http_code}' ${3:+-d "$3"} "$admin$2"
}

# rule AT DO [MORE]: the only rule there is.
rule() {
  same "PUT of $1 $2" "$(admin PUT /faults "{\"faults\": [{\"at\": \"$1\", \"do\": {$2}${3:+, $3}}]}")" 200
}

# ask [CURL-OPTION...]: curl's exit code; what came in $work/head and $work/body.
ask() {
  : >"$work/head"
  : >"$work/body"
  curl -sSq --noproxy '*' --max-time 20 --cacert "$root_pem" -D "$work/head" -o "$work/body" "$@" \
    2>>"$work/curl.log"
  echo $?
}

hits() {
  admin GET /faults >/dev/null
  json "$work/admin" ".faults[$1].hits"
}

refusals() {
  same "an unknown member" "$(admin POST /faults '{"at": "order", "do": {"explode": true}}')" 400
  holds "an unknown member" "$work/admin" 'explode'
  same "an unknown operation" "$(admin POST /faults '{"at": "odrer", "do": {"empty": true}}')" 400
  holds "an unknown operation" "$work/admin" '\\"at\\"'
  same "a rule" "$(admin POST /faults '{"at": "order", "do": {"empty": true}}')" 201
  same "its end" "$(admin DELETE "/faults/$(json "$work/admin" .id)")" 204
  same "no such rule" "$(admin DELETE /faults/77)" 404
  same "no rule" "$(admin DELETE /faults)" 204
  printf 'faults:\n  - at: finalize\n    do: {clsoe: after-commit}\n' >"$work/bad.yaml"
  "$BUILD/server/nfacme-server" --config "$work/bad.yaml" >"$work/said" 2>&1
  same "exit of an unknown action" $? 2
  holds "an unknown action" "$work/said" 'bad.yaml:3: .*clsoe'
}

answers() {
  rule directory '"problem": "rateLimited", "retry_after": 7'
  same "a problem" "$(ask "$directory")" 0
  holds "a problem" "$work/head" '^HTTP/1.1 429'
  holds "Retry-After in seconds" "$work/head" '^Retry-After: 7'
  same "its type" "$(json "$work/body" .type)" urn:ietf:params:acme:error:rateLimited
  rule directory '"problem": "urn:x:odd", "status": 418, "retry_after_date": 60'
  same "another problem" "$(ask "$directory")" 0
  holds "another status" "$work/head" '^HTTP/1.1 418'
  same "its type and status" "$(json "$work/body" '"\(.type) \(.status)"')" "urn:x:odd 418"
  holds "Retry-After as a date" "$work/head" '^Retry-After: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} .* GMT'
  rule directory '"malformed": true'
  same "malformed JSON" "$(ask "$directory")" 0
  holds "malformed JSON" "$work/head" '^HTTP/1.1 200'
  jq . "$work/body" >/dev/null 2>&1 && fail "the directory is whole"
  rule directory '"empty": true'
  same "an empty 200" "$(ask "$directory")" 0
  holds "an empty 200" "$work/head" '^HTTP/1.1 200'
  same "its length" "$(stat -c %s "$work/body")" 0
  rule directory '"content_type": "text/html"'
  same "a wrong type" "$(ask "$directory")" 0
  holds "a wrong type" "$work/head" '^Content-Type: text/html'
  rule newNonce '"no_nonce": true'
  same "no nonce" "$(ask -I "${directory%/directory}/new-nonce")" 0
  grep -qi '^replay-nonce' "$work/head" && fail "there is a nonce"
  rule directory '"problem": "serverInternal"' '"nth": 2'
  for wanted in 200 500 200; do
    same "the second only" "$(ask "$directory")" 0
    holds "the second only" "$work/head" "^HTTP/1.1 $wanted"
  done
  same "hits" "$(hits 0)" 1
}

timing() {
  local started
  rule directory '"close": "before-commit"'
  same "a closed connection" "$(ask "$directory")" 52
  rule directory '"delay": "700ms"'
  started=$(date +%s%N)
  same "a late answer" "$(ask "$directory")" 0
  [ $((($(date +%s%N) - started) / 1000000)) -ge 700 ] || fail "the answer was not late"
  rule directory '"slow": 400'
  started=$(date +%s%N)
  same "a slow body" "$(ask "$directory")" 0
  jq -e .newNonce "$work/body" >/dev/null || fail "the slow body is not whole"
  [ $((($(date +%s%N) - started) / 1000000)) -ge 500 ] || fail "the body was not slow"
}

# enrol NF: step 1 and step 8 of an NF; the client must come through.
enrol() {
  nf_export "$1" "$work/$1"
  same "$1: step 1" "$(nf_ask "$work/$1" "$(cat "$work/$1/nf.json")")" 201
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1/new.key" \
    -subj / -outform DER -out "$work/$1/csr.der" \
    -addext "subjectAltName=URI:urn:uuid:$(json "$work/$1/nf.json" .nfInstanceId)" 2>/dev/null
  same "$1: step 8" "$(nf_call "$work/$1" PUT "$(nf_location "$work/$1")/csr" \
    -T "$work/$1/csr.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=30')" 200
}

certificates() { sqlite3 "$work/server/server.db" 'SELECT count(*) FROM certificate'; }

client() {
  local before id
  rule newOrder '"problem": "badNonce"' '"nth": 1'
  enrol amf-1
  same "badNonce" "$(hits 0)" 1
  before=$(certificates)
  rule finalize '"close": "after-commit"' '"nth": 1'
  enrol smf-1
  same "close after the commit" "$(hits 0)" 1
  same "one certificate, not two" "$(certificates)" $((before + 1))
  nf_export pcf-1 "$work/pcf-1"
  id=$(json "$work/pcf-1/nf.json" .nfInstanceId)
  rule finalize '"processing": "2s"' "\"nf\": \"$id\""
  enrol udm-1
  same "another NF" "$(hits 0)" 0
  enrol pcf-1
  same "the NF addressed" "$(hits 0)" 1
  curl -sSq --noproxy '*' "$admin/metrics" >"$work/metrics"
  holds "counted" "$work/metrics" '^nfacme_server_faults_total\{rule="1",at="finalize"\} 1$'
}

# The state an NF's enrolment ends in.
ends() {
  nf_export "$1" "$work/$1"
  nf_ask "$work/$1" "$(cat "$work/$1/nf.json")" >/dev/null
}

validation() {
  rule validation '"validation": "invalid", "problem": "caa", "detail": "not today"' '"challenge": "tkauth-01"'
  ends nrf-1
  same "an invalid validation" "$(hits 0)" 1
  holds "an invalid validation" "$work/nrf-1/body" 'not today'
  rule validation '"delay": "500ms"'
  enrol ausf-1
  same "a late validation" "$(hits 0)" 1
  rule challenge '"processing": "1s"'
  enrol nssf-1
  [ "$(hits 0)" -ge 1 ] || fail "no challenge was held"
  rule challenge '"processing": "forever"'
  nf_wait=3 ends bsf-1
  holds "a stuck challenge" "$work/bsf-1/body" 'VALIDATING|CHALLENGED'
}

history() {
  same "no identifier" "$(admin GET /history)" 400
  same "an unknown identifier" "$(admin GET '/history?identifier=nobody.example')" 404
}

for stage in refusals answers timing client validation history; do
  $stage
  echo "ok $stage"
done
