#!/usr/bin/env bash
# nfacme-client against a CA that means no good: for each case a client of its own and one NF.  Each
# ends in a certificate, or in a state that names the cause; none in a crash, a hang, a hot loop
# (requests at the CA and processor time are bounded) or a wrong certificate.  What the faults of
# nfacme-server cannot do is done by tests/hostile_ca, which stands before it.
#   --only WORD   the cases whose name holds WORD
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

only='' jobs=16
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
cpu_max=${CPU_MAX:-300} # ticks of a client's life
requests_max=30

# case | end | what the NF reads
bent='
honest                  |ISSUED     |
tls-wrong-name          |AUTHORISED |directory: tls: .*(subject name|match)
tls-untrusted           |AUTHORISED |directory: tls: .*issuer
tls-expired             |AUTHORISED |directory: tls: .*expired
tls-future              |AUTHORISED |directory: tls: .*not yet valid
tls-1.1                 |AUTHORISED |directory: (tls|unreachable): .*(version|handshake|SSL)
tls-none                |AUTHORISED |directory: (tls|unreachable): .*(version|SSL)
tls-silent              |AUTHORISED |directory: no answer yet
directory-unknown       |ISSUED     |
directory-no-newOrder   |AUTHORISED |directory.s .*.newOrder. is not a URL
directory-no-url        |AUTHORISED |directory.s .*newNonce. is not a URL
directory-http          |AUTHORISED |directory.s .*newAccount. is not https
directory-list          |AUTHORISED |directory: malformed
directory-deep          |AUTHORISED |directory: malformed
directory-empty         |AUTHORISED |directory: malformed
directory-redirect      |AUTHORISED |directory: .*302
directory-404           |AUTHORISED |directory: .*404
directory-truncated     |AUTHORISED |directory: unreachable: .*(partial|closed)
directory-endless       |AUTHORISED |directory: .*too large
directory-headers       |AUTHORISED |directory: .*too large
directory-continue      |AUTHORISED |directory: .*too large
directory-no-http       |AUTHORISED |directory: unreachable
directory-500-once      |ISSUED     |
nonce-missing           |AUTHORISED |newNonce gave no nonce
nonce-missing-twice     |ISSUED     |
nonce-not-in-newOrder   |ISSUED     |
nonce-malformed         |AUTHORISED |newNonce gave no nonce
nonce-oversized         |AUTHORISED |newNonce gave no nonce
nonce-stale             |FAILED     |badNonce
newNonce-redirect       |ISSUED     |
account-no-location     |FAILED     |newAccount was answered without a Location
account-location-no-url |FAILED     |newAccount was answered without a Location
account-another         |FAILED     |accountDoesNotExist
account-deactivated     |FAILED     |account is not valid
account-redirect        |FAILED     |307
account-truncated       |AUTHORISED |to repeat newAccount; .*(partial|closed)
account-silent          |AUTHORISED |the answer to newAccount
order-404-once          |ISSUED     |
order-no-location       |FAILED     |newOrder was answered without a Location
order-location-no-url   |FAILED     |newOrder was answered without a Location
order-location-http     |FAILED     |a URL without TLS
order-location-nowhere  |FAILED     |no such
order-other-name        |FAILED     |the order is not for
order-no-name           |FAILED     |the order is not for
order-no-authz          |FAILED     |.authorizations. are not 1 to
order-1000-authz        |FAILED     |.authorizations. are not 1 to
order-authz-no-url      |FAILED     |an authorization of the order is not a URL
order-authz-http        |FAILED     |a URL without TLS
order-status-odd        |FAILED     |.status. is not one of
order-no-finalize       |FAILED     |no usable .finalize
order-finalize-http     |FAILED     |a URL without TLS
order-finalize-elsewhere|FINALIZING |to repeat finalize; .*unreachable
order-ready-early       |FAILED     |went back to pending
order-list              |FAILED     |object
order-twice-status      |FAILED     |given twice
order-deep              |FAILED     |deep
order-redirect          |FAILED     |302
order-304               |FAILED     |304
order-html              |FAILED     |newOrder was answered with another content type
order-truncated         |ACCOUNT    |to repeat newOrder; .*(partial|closed)
order-truncated-once    |ISSUED     |
order-chunks            |ACCOUNT    |the answer to newOrder
order-long              |ACCOUNT    |the answer to newOrder
order-endless           |FAILED     |too large
order-no-http           |ACCOUNT    |to repeat newOrder; .*unreachable
order-3000-links        |ISSUED     |
order-15000-links       |FAILED     |too large
poll-expires-at-once    |FAILED     |the order expired
poll-expires-odd        |ISSUED     |
poll-valid-early        |FAILED     |without a CSR
poll-invalid            |FAILED     |not by me
poll-invalid-dumb       |FAILED     |the order is invalid
poll-pending            |VALIDATING |order is pending
authz-unknown-type      |FAILED     |the server offers quantum-01, we can tkauth-01
authz-no-challenge      |FAILED     |the server offers none
authz-challenges-text   |FAILED     |the server offers none
authz-no-url            |FAILED     |a challenge without a usable url
authz-http-url          |FAILED     |a URL without TLS
authz-unknown-name      |FAILED     |for a name not ordered
authz-other-name        |FAILED     |for a name not ordered
authz-status-odd        |FAILED     |an authorization is weird
challenge-half-said     |ISSUED     |
finalize-ready          |ISSUED     |
finalize-ready-for-ever |READY      |orderNotReady|not ready
finalize-closed         |ISSUED     |
finalize-no-certificate |FAILED     |no usable .certificate
finalize-cert-no-url    |FAILED     |no usable .certificate
finalize-cert-http      |FAILED     |a URL without TLS
finalize-cert-elsewhere |FINALIZING |to repeat certificate; .*unreachable
finalize-invalid        |FAILED     |the order is invalid
chain-other-key         |FAILED     |for another key
chain-other-name        |FAILED     |for other names
chain-extra-name        |FAILED     |for other names
chain-no-name           |FAILED     |for other names
chain-expired           |FAILED     |expired already
chain-future            |FAILED     |not valid yet
chain-ca                |FAILED     |one of a CA
chain-broken            |FAILED     |does not link up
chain-other-issuer      |FAILED     |does not link up
chain-issuer-first      |FAILED     |for another key
chain-private-key       |FAILED     |not a PEM chain
chain-rubbish           |FAILED     |not a PEM chain
chain-forty             |FAILED     |cannot be read
chain-empty             |FAILED     |cannot be read
chain-no-pem            |FAILED     |not a PEM chain
chain-json              |FAILED     |another content type
chain-truncated-once    |ISSUED     |
chain-endless           |FAILED     |too large
chain-redirect          |FAILED     |303
'

# case | at | do | how often | end | what the NF reads
faults='
badNonce-fresh          |newOrder    |"problem": "badNonce"                  |"nth": 1   |ISSUED     |
badNonce-bare           |newOrder    |"problem": "badNonce", "no_nonce": true |"last": 2 |ISSUED     |
badNonce-always         |newOrder    |"problem": "badNonce"                  |           |FAILED     |badNonce
rate-limited-seconds    |newOrder    |"problem": "rateLimited", "retry_after": 1 |"last": 2 |ISSUED  |
rate-limited-date       |finalize    |"problem": "rateLimited", "retry_after_date": 2 |"nth": 1 |ISSUED |
rate-limited-for-hours  |newOrder    |"problem": "rateLimited", "retry_after": 7200 |    |ACCOUNT    |to repeat newOrder; .*rateLimited
busy-seconds            |authz       |"status": 503, "retry_after": 1        |"nth": 1   |ISSUED     |
busy-date               |challenge   |"status": 503, "retry_after_date": 2   |"nth": 1   |ISSUED     |
busy-always             |newOrder    |"status": 503                          |           |ACCOUNT    |to repeat newOrder
internal-twice          |newOrder    |"problem": "serverInternal"            |"last": 2  |ISSUED     |
processing-a-while      |finalize    |"processing": "2s"                     |           |ISSUED     |
processing-forever      |finalize    |"processing": "forever"                |           |FINALIZING |order is processing
stuck-challenge         |challenge   |"processing": "forever"                |           |VALIDATING |order is pending
invalid-challenge       |validation  |"validation": "invalid", "problem": "caa", "detail": "not today" | |FAILED |not today
odd-type-newOrder       |newOrder    |"content_type": "text/html"            |           |FAILED     |another content type
odd-type-certificate    |certificate |"content_type": "application/pkix-cert" |          |FAILED     |another content type
malformed-newOrder      |newOrder    |"malformed": true                      |           |FAILED     |malformed|JSON|line
malformed-finalize      |finalize    |"malformed": true                      |           |ISSUED     |
malformed-chain         |certificate |"malformed": true                      |           |FAILED     |not a PEM chain|cannot be read
empty-newOrder          |newOrder    |"empty": true                          |           |FAILED     |JSON|line|type
closed-before           |newOrder    |"close": "before-commit"               |"last": 2  |ISSUED     |
closed-after            |finalize    |"close": "after-commit"                |"nth": 1   |ISSUED     |
slow-chain              |certificate |"slow": 800                            |           |ISSUED     |
late-newOrder           |newOrder    |"delay": "1500ms"                      |           |ISSUED     |
unknown-problem         |newOrder    |"problem": "urn:x:odd", "status": 418, "detail": "I am a teapot" | |FAILED |teapot
unsupported-name        |newOrder    |"problem": "unsupportedIdentifier", "detail": "no such type" | |FAILED |no such type
reused-authorizations   |other       |"delay": "1ms"                         |           |ISSUED     |
'

# rows TABLE: without the padding, those asked for.
rows() {
  sed -E 's/ *\| */|/g; /^$/d' <<<"$1" | while IFS= read -r line; do
    [[ ${line%%|*} == *"$only"* ]] && printf '%s\n' "$line"
  done
}

mapfile -t fault_rows < <(rows "$faults")
mapfile -t bent_rows < <(rows "$bent")
[ $((${#fault_rows[@]} + ${#bent_rows[@]})) -gt 0 ] || fail "no such case"

bed_begin "$work" "$work/out"
"$BUILD/nfsim/nfsim" init "$root/scenarios/nine-steps.yaml" --state "$work/oam" --nfs 200 \
  >"$work/init.log" 2>&1 || { cat "$work/init.log"; fail "nfsim init"; }
# shellcheck disable=SC2034 # read by bed_server_start
bed_server_extra=(--authz-reuse 100)
if ! { bed_server_start && bed_oam_start; }; then fail "the bed did not start"; fi
mkdir -p "$work/ca" "$work/pids" "$work/case"
# shellcheck disable=SC2317 # called by the trap
clients_end() {
  local file
  for file in "$work"/pids/*; do [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null; done
  bed_stop hostile KILL
}
cleanups+=(clients_end)
bed_start hostile "$BUILD/tests/hostile_ca/hostile_ca" --server "$(bed_address "$(bed_value server directory)")" \
  --dir "$work/ca" shared "${fault_rows[@]%%|*}" || fail "the hostile CA did not start"
declare -A port=()
while read -r name number; do port[$name]=$number; done <"$work/ca/ports"

# client_up CASE DIR: a client of its own for the case; its URL in $api.
client_up() {
  local line='' word
  mkfifo "$2/ready"
  "${CLIENT:-$BUILD/client/nfacme-client}" --directory "https://127.0.0.1:${port[$1]}/directory" \
    --ca-file "$work/ca/root.pem" --nf-trust "$work/oam/oam-ca.pem" --nf-trust "$(bed_value server root)" \
    --tls-cert "$work/oam/client.pem" --tls-key "$work/oam/client.key" --oam "$(bed_value oam oam)" \
    --oam-ca-file "$work/oam/oam-ca.pem" --state "$2/state" --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
    --challenge tkauth-01 >"$2/ready" 2>"$2/log" &
  client=$!
  echo $client >"$work/pids/$1"
  read -r -t 60 line <"$2/ready"
  for word in $line; do
    case $word in api=*) api=${word#api=} ;; esac
  done
  [ -n "${api:-}" ]
}

# call DIR METHOD PATH [CURL-OPTION...]
call() { nf_call "$1" "$2" "$api/nacme-enrolment/v1$3" "${@:4}"; }

# enrol DIR [CURL-OPTION...]: steps 1 and 8; the chain in DIR/chain.pem when there is one.
enrol() {
  local dir=$1 status
  status=$(call "$dir" POST /enrolments -H "3gpp-Sbi-Client-Credentials: $(cat "$dir/cca.jwt")" \
    -H 'Content-Type: application/json' -d @"$dir/nf.json" "${@:2}")
  enrolment=$(nf_location "$dir")
  enrolment=${enrolment##*/}
  case $status in 201 | 202) ;; *) return ;; esac
  [ "$(call "$dir" GET "/enrolments/$enrolment" -H "Prefer: wait=$patience")" = 200 ] || return
  grep -q '"state": *"READY"' "$dir/body" || return
  [ "$end" != FINALIZING ] || patience=1
  status=$(call "$dir" PUT "/enrolments/$enrolment/csr" -T "$dir/csr.der" \
    -H 'Content-Type: application/pkcs10' -H "Prefer: wait=$patience")
  [ "$status" != 200 ] || cp "$dir/body" "$dir/chain.pem"
}

# member NAME JSON: a text; jq takes its time to start.
member() {
  local pattern="\"$1\": *\"(([^\"\\]|\\\\.)*)\""
  ! [[ $2 =~ $pattern ]] || printf '%s' "${BASH_REMATCH[1]//\\\"/\"}"
}

# ends DIR END CAUSE: wait for the state and the words; the last answer is in DIR/body.
ends() {
  local dir=$1 until=$((SECONDS + 25)) body
  while :; do
    [ "$(call "$dir" GET "/enrolments/$enrolment" -H 'Prefer: wait=1')" = 200 ] || return 1
    body=$(<"$dir/body")
    state=$(member state "$body")
    cause=$(member waitsFor "$body")
    [[ $body != *'"reason"'* ]] || cause="$(member failure "$body"): $(member reason "$body")"
    if [ "$state" = "$2" ] && { [ -z "$3" ] || grep -Eq -- "$3" <<<"$cause"; }; then return 0; fi
    [ $SECONDS -lt $until ] || return 1
  done
}

# chain_good DIR: for the NF's key and name, under the operator's root; or there is none at all.
chain_good() {
  local dir=$1
  if [ "$2" != ISSUED ]; then
    [ ! -e "$dir/chain.pem" ] && [ "$(call "$dir" GET "/enrolments/$enrolment/certificate")" != 200 ]
    return
  fi
  [ -s "$dir/chain.pem" ] || return 1
  openssl verify -CAfile "$(bed_value server root)" -untrusted "$dir/chain.pem" "$dir/chain.pem" \
    >"$dir/verify" 2>&1 \
    && [ "$(openssl x509 -in "$dir/chain.pem" -noout -pubkey)" = "$(openssl pkey -in "$dir/new.key" -pubout)" ] \
    && openssl x509 -in "$dir/chain.pem" -noout -ext subjectAltName | grep -q "$nf"
}

judge() {
  local dir=$1 name=$2 end=$3 wanted=$4 ticks asked verdict=ok code
  ends "$dir" "$end" "$wanted" || verdict="not as wanted ($end: $wanted)"
  chain_good "$dir" "$end" || verdict="wrong certificate"
  # what waits goes on waiting: watched for two seconds more, it neither runs hot nor dies
  case $end in ISSUED | FAILED) ;; *) call "$dir" GET "/enrolments/$enrolment" -H 'Prefer: wait=2' >/dev/null ;; esac
  ticks=$(awk '{ print $14 + $15 }' "/proc/$client/stat" 2>/dev/null || echo 99999)
  kill "$client" 2>/dev/null
  wait "$client"
  code=$?
  rm "$work/pids/$name"
  asked=$(grep -c "^$name [^c]" "$work/ca/log")
  [ "$code" -eq 0 ] || verdict="the client ended with $code"
  [ "$ticks" -le "$cpu_max" ] || verdict="$ticks ticks of processor time"
  [ "$asked" -le "$requests_max" ] || verdict="$asked requests"
  [ "$(grep -c "^$name connection" "$work/ca/log")" -le "$requests_max" ] || verdict="too many connections"
  printf '%s|%s|%s|%s|%s\n' "$name" "$state" "$asked" "$cause" "$verdict" >"$dir/result"
  echo "$ticks" >"$dir/ticks"
}

# one NAME END CAUSE NF: NF "" is prepared already.
one() {
  local name=$1 end=$2 dir=$work/case/$1 api='' client='' enrolment='' state='' cause='' nf='' patience=1
  case $2 in ISSUED | FAILED | FINALIZING | READY) patience=25 ;; esac
  [ -z "$4" ] || prepare "$name" "$4"
  client_up "$name" "$dir" || { printf '%s|?|0|%s|no client\n' "$name" "$(tail -n 1 "$dir/log")" >"$dir/result"; return; }
  nf=$(nf_id "$dir")
  enrol "$dir"
  if [ "$name" = reused-authorizations ]; then # the second order finds the first one's authorization
    enrol "$dir" -H '3gpp-Sbi-Request-Info: idempotency-key=again'
  fi
  judge "$dir" "$name" "$2" "$3"
}

nf_id() { sed -n 's/.*"nfInstanceId": *"\([^"]*\)".*/\1/p' "$1/nf.json"; }

# prepare NAME NF: the NF's files and its CSR; its id in $nf.
prepare() {
  local dir=$work/case/$1
  nf_export "$2" "$dir"
  nf=$(nf_id "$dir")
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/new.key" -subj / \
    -outform DER -out "$dir/csr.der" -addext "subjectAltName=URI:urn:uuid:$nf" 2>/dev/null
}

# One client for all: what stands still for some NFs keeps nobody waiting.
stuck=(newOrder '"close": "before-commit"' challenge '"processing": "forever"'
  finalize '"processing": "forever"' certificate '"malformed": true' newOrder '"problem": "badNonce"')
shared_prepare() {
  local i
  for ((i = 0; i < ${#stuck[@]}; i += 2)); do
    prepare "stuck-$i" $((number++))
    rules+="${rules:+, }{\"at\": \"${stuck[i]}\", \"nf\": \"$nf\", \"do\": {${stuck[i + 1]}}}"
  done
}

shared() {
  local i dir=$work/case/shared api='' client='' enrolment='' nf='' patience=1 end=ISSUED
  mkdir -p "$dir"
  client_up shared "$dir" || fail "the shared client did not start"
  for ((i = 0; i < ${#stuck[@]}; i += 2)); do
    enrol "$work/case/stuck-$i"
  done
  patience=25
  for i in 1 2 3 4 5; do
    prepare "honest-$i" $((number++))
    { enrol "$work/case/honest-$i" && chain_good "$work/case/honest-$i" ISSUED; } \
      || fail "an honest NF beside stuck ones: $(cat "$work/case/honest-$i/body")"
  done
  kill "$client"
  wait "$client" || fail "the shared client ended badly"
  rm "$work/pids/shared"
  echo "shared client: 5 NFs got their certificates beside $((${#stuck[@]} / 2)) that are stuck"
}

cases=() rules='' number=0
for row in "${fault_rows[@]}"; do
  IFS='|' read -r name at action often end cause <<<"$row"
  prepare "$name" $((number++))
  [ "$at" = other ] || rules+="${rules:+, }{\"at\": \"$at\", \"nf\": \"$nf\", \"do\": {$action}${often:+, $often}}"
  cases+=("$name|$end|$cause|")
done
for row in "${bent_rows[@]}"; do
  cases+=("$row|$((number++))")
done
shared_prepare
same "the faults" "$(curl -sSq --noproxy '*' -X PUT -o "$work/said" -w '%{http_code}' -d "{\"faults\": [$rules]}" \
  "$(bed_value server admin)/faults")" 200

for row in "${cases[@]}"; do
  IFS='|' read -r name end cause <<<"${row%|*}"
  while [ "$(jobs -rp | wc -l)" -ge $((jobs + 3)) ]; do wait -n; done
  one "$name" "$end" "$cause" "${row##*|}" &
done
for job in $(jobs -rp); do
  case " ${bed_pid[*]} " in *" $job "*) ;; *) wait "$job" ;; esac
done

bad=0
printf '%-24s %-11s %8s  %s\n' case end requests cause
for row in "${cases[@]}"; do
  IFS='|' read -r name state asked cause verdict < <(tr '\n' ' ' <"$work/case/${row%%|*}/result")
  printf '%-24s %-11s %8s  %s\n' "$name" "$state" "$asked" "$cause"
  [ "${verdict% }" = ok ] || { bad=$((bad + 1)); printf '  ^ %s\n' "$verdict"; tail -n 3 "$work/case/$name/log" | cut -c1-300; }
done
[ -n "$only" ] || shared
kill -0 "${bed_pid[server]}" || fail "the server has ended"
[ "$bad" -eq 0 ] || fail "$bad of ${#cases[@]} cases"
printf 'ok %s cases; processor time of a client: %s ticks at most\n' "${#cases[@]}" \
  "$(cat "$work"/case/*/ticks | sort -n | tail -n 1)"
