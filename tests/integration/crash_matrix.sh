#!/usr/bin/env bash
# The crash matrix of nfacme-client: for each transition of its state table, kill -9 just before its
# commit, just after it, and just after the message that follows it left; then a new life, in which
# the NF asks as before.  Every NF ends with one certificate for its enrolment; the server has no
# orders but those the enrolments name, and one more where the client cannot have known it; nothing
# is left published.  Transitions are the program's own: one without a row here fails the test.
# Usage: crash_matrix.sh [TRANSITION...]
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

BED_CLIENT=$BUILD/tests/crash/nfacme-client-crash
[ -x "$BED_CLIENT" ] || fail "$BED_CLIENT is not there: -Dtests=true"
BED_RECORDS=no
exec 2> >(grep -v ' Killed  ' >&2) # the shell's own words
mkfifo "$work/pause"
pause() { read -r -t "${1:-0.05}" _ <>"$work/pause" || true; }

client() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "$1"; }
server() { sqlite3 -cmd '.timeout 5000' "$work/server/server.db" "$1"; }

# rule AT DO [MORE]: one fault of the server for this NF's requests; calm: none.
rule() {
  curl -sSq --noproxy '*' -o "$work/admin" -d "{\"at\": \"$1\", \"do\": {$2}${3:+, $3}}" "$(bed_value server admin)/faults" \
    || fail "faults"
}
calm() { curl -sSq --noproxy '*' -o "$work/admin" -X DELETE "$(bed_value server admin)/faults" || fail "faults"; }

# life [POINT]: the client, which will die at that point.
life() { NFACME_CRASH=${1:-} bed_client_start || fail "$cell: the client did not start"; }

# died: it has, by SIGKILL, within 20 s.
died() {
  local i pid=${bed_pid[client]}
  for ((i = 0; i < 400; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    pause
  done
  [ $i -lt 400 ] || return 1
  { wait "$pid"; } 2>/dev/null
  [ $? -eq 137 ]
}

# What the NF does.  Statuses are 000 when the client died under the call.
ask() { # ask KEY: step 1
  nf_export "$name" "$nf" --fqdn
  local assertion=(-H "3gpp-Sbi-Client-Credentials: $(cat "$nf/cca.jwt")")
  [ "${brings_token:-no}" = no ] || assertion=()
  status=$(nf_call "$nf" POST /enrolments "${assertion[@]}" -H 'Content-Type: application/json' \
    -H "3gpp-Sbi-Request-Info: idempotency-key=$1" -H "Prefer: wait=${wait_s:-20}" -d "$(cat "$nf/nf.json")")
  case $status in 201 | 202) url=$(nf_location "$nf") ;; esac
}
path() { printf '%s' "${url#*/nacme-enrolment/v1}"; }
csr() { # the same one as long as the enrolment lives
  [ -s "$nf/$1.der" ] || openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/$1.key" \
    -subj / -addext "subjectAltName=URI:urn:uuid:$uuid,DNS:$(json "$nf/nf.json" .fqdn)" -outform DER -out "$nf/$1.der" 2>/dev/null
  status=$(nf_call "$nf" PUT "$(path)/csr" -T "$nf/$1.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')
}
token() {
  local thumbprint
  nf_call "$nf" GET "$(path)" >/dev/null
  thumbprint=$(json "$nf/body" .accountThumbprint)
  if [ ! -s "$nf/token" ]; then
    nf_export "$name" "$nf" --fqdn
    jq -c --arg cca "$(cat "$nf/cca.jwt")" '.tokenWanted as $w | {atc: ($w + {ca: false}), cca: $cca}' "$nf/body" >"$work/ask"
    curl -sS -q --noproxy '*' --cert "$work/oam/client.pem" --key "$work/oam/client.key" --cacert "$work/oam/oam-ca.pem" \
      -H 'Content-Type: application/json' -d "@$work/ask" "$(bed_value oam oam)/at/account/$thumbprint/token" | jq -r .token >"$nf/token"
  fi
  status=$(nf_call "$nf" PUT "$(path)/authority-token" -H 'Content-Type: application/jwt' -H 'Prefer: wait=20' -d "$(cat "$nf/token")")
}
state() { nf_call "$nf" GET "$(path)" >"$work/status"; json "$nf/body" .state 2>/dev/null; }
until_state() { # until_state STATE: within 10 s
  local i
  for ((i = 0; i < 200; i++)); do
    [ "$(client "SELECT state FROM progress p JOIN enrolment e ON e.row=p.row WHERE e.nf='$uuid' ORDER BY p.row DESC LIMIT 1")" = "$1" ] && return
    pause
  done
  fail "$cell: not in state $1 but $(client "SELECT group_concat(state) FROM progress")"
}
go() { # go KEY: steps 1 and 8 as far as the client lives
  ask "$1"
  [ "$status" = 202 ] && [ "${brings_token:-no}" = yes ] && [ "$(state)" = AWAITING_TOKEN ] && token
  case $status in 200 | 201) csr "$1" ;; esac
}
# certified KEY: go on until the NF has its certificate; nothing may stand in the way any more.
certified() {
  local try
  for ((try = 0; try < 3; try++)); do
    go "$1"
    [ "$status" = 200 ] && break
  done
  [ "$status" = 200 ] || fail "$cell: no certificate for $1: $status $(cat "$nf/body")"
  same "$cell: the key" "$(openssl x509 -in "$nf/body" -noout -pubkey)" "$(openssl pkey -in "$nf/$1.key" -pubout)"
}
gone() { # gone KEY: the DELETE is repeated, and the NF comes back
  local try
  for ((try = 0; try < 5; try++)); do
    status=$(nf_call "$nf" DELETE "$(path)")
    [ "$status" = 204 ] && break
    pause 0.2
  done
  same "$cell: the withdrawal" "$status" 204
  same "$cell: its state" "$(state)" WITHDRAWN
}

# How to come to a transition: row_FROM_TO runs up to the crash (the client is told its point by
# life), after_FROM_TO what the NF does in the new life instead of asking again.  Variables: before
# and after (what the points are called, when not by the transition), follows (the message),
# leaves (orders the server may have more), spoils (certificates likewise).
default_row() { life "$point"; go one; }
default_after() { certified one; }

row_NEW_ACCOUNT() { life; certified zero; bed_stop client; life "$point"; go one; }
row_ACCOUNT_AUTHORISED() {
  life; certified zero; bed_stop client
  bed_stop server
  server "DELETE FROM account WHERE id IN (SELECT account FROM authz WHERE value='$uuid'); DELETE FROM orders; DELETE FROM authz; DELETE FROM challenge; DELETE FROM certificate;"
  bed_server_start || fail "$cell: the server did not start"
  life "$point"; go one
}
# The first server is down, and another one is known.
row_AUTHORISED_AUTHORISED() {
  if [ -z "${bed_ready[second]:-}" ]; then
    cleanups+=("bed_stop second")
    bed_start second "$BUILD/server/nfacme-server" --state "$work/second" --listen 127.0.0.1:0 --pki 127.0.0.1:0 --admin 127.0.0.1:0 \
      --token-authority "$work/oam/token-authority.pem" --http01-port "$bed_http01_port" --resolve-to 127.0.0.1 || fail "the second server"
    cat "$(bed_value server root)" "$(bed_value second root)" >"$work/roots.pem"
  fi
  bed_ready[server]=${bed_ready[server]/root=*root.pem/root=$work/roots.pem}
  bed_client_extra+=(--failover-directory "$(bed_value second directory)" --set failover.after=1)
  bed_stop server
  life "$point"
  wait_s=8 go one
}
after_AUTHORISED_AUTHORISED() { certified one; bed_server_start || fail "$cell: the server did not start"; }
row_ORDERED_READY() { row_NEW_ACCOUNT; }
row_CHALLENGED_READY() { life "sent challenge 2"; go one; died || fail "$cell: no first death"; life "$point"; go one; }
row_FINALIZING_READY() { rule finalize '"problem": "badCSR"' '"nth": 1'; life "$point"; go one; [ "$status" = 000 ] || csr one; }
row_ORDERED_AWAITING_TOKEN() { brings_token=yes; bed_client_extra+=(--nf-tokens); default_row; }
row_AWAITING_TOKEN_ORDERED() { row_ORDERED_AWAITING_TOKEN; }
failing() { rule "$1" "${3:-\"problem\": \"${2:-malformed}\"}"; default_row; }
row_AUTHORISED_FAILED() { failing newAccount; }
row_ACCOUNT_FAILED() { failing newOrder rejectedIdentifier; }
row_ORDERED_FAILED() { failing authz; }
row_CHALLENGED_FAILED() { # the order became invalid while the client was dead
  rule validation '"validation": "invalid"'
  life "sent challenge 1"; go one; died || fail "$cell: no first death"
  life "$point"; go one
}
row_VALIDATING_FAILED() { failing validation '' '"validation": "invalid"'; }
expire() { # the order of an enrolment in that state expires in the next life, soon after it is ready
  wait_s=1
  life; ask one; until_state "$1"; bed_stop client
  client "UPDATE progress SET expires=$(($(date +%s) * 1000000 + 2000000))"
  life "$point"
  for ((i = 0; i < 20; i++)); do # until it has expired
    ask one
    if [ "$status" = 000 ] || ! kill -0 "${bed_pid[client]}" 2>/dev/null; then break; fi
    pause 0.4
  done
}
# The order failed between two lives: a client that is told of it makes another one.
row_ORDERED_ACCOUNT() {
  life "after ACCOUNT>ORDERED 1"; go one; died || fail "$cell: no first death"
  bed_stop server
  server "UPDATE orders SET status=4 WHERE names LIKE '%$uuid%'; UPDATE authz SET status=2 WHERE value='$uuid'"
  bed_server_start || fail "$cell: the server did not start"
  life "$point"; go one
}
row_CHALLENGED_ACCOUNT() {
  rule validation '"validation": "invalid"' '"nth": 1'
  life "sent challenge 2"; go one; died || fail "$cell: no first death"
  life "$point"; go one
}
row_VALIDATING_ACCOUNT() {
  rule validation '"validation": "invalid", "delay": "1s"' '"last": 2'
  life "sent challenge 2"; go one; died || fail "$cell: no first death"
  life "$point"; go one
}
row_READY_FAILED() { expire READY; }
row_AWAITING_TOKEN_FAILED() { brings_token=yes; bed_client_extra+=(--nf-tokens); expire AWAITING_TOKEN; }
row_FINALIZING_FAILED() { spoils=1; failing certificate; }
after_failed() { calm; certified two; }
# held STATE AT: an enrolment that stays there, then DELETE.
held() {
  [ -z "$2" ] || rule "$2" '"delay": "20s"'
  life "$point"
  wait_s=${3:-0} ask one
  [ "$1" != FINALIZING ] || { until_state READY; nf_call_csr & }
  until_state "${4:-$1}"
  [ "$1" != VALIDATING ] || pause 0.3
  status=$(nf_call "$nf" DELETE "$(path)")
}
nf_call_csr() { mkdir -p "$nf/other"; cp "$nf"/nf.* "$nf/other/"; nf_dir_csr "$nf/other"; }
nf_dir_csr() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1/x.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:$uuid,DNS:$(json "$nf/nf.json" .fqdn)" -outform DER -out "$1/x.der" 2>/dev/null
  nf_call "$1" PUT "$(path)/csr" -T "$1/x.der" -H 'Content-Type: application/pkcs10' >/dev/null
}
row_AUTHORISED_WITHDRAWN() { held AUTHORISED newAccount; }
row_ACCOUNT_WITHDRAWN() { leaves=2; held ACCOUNT newOrder; } # one of each life
row_ORDERED_WITHDRAWN() { held ORDERED authz; }
row_CHALLENGED_WITHDRAWN() { held CHALLENGED challenge; }
row_VALIDATING_WITHDRAWN() { held VALIDATING order 0 CHALLENGED; }
row_READY_WITHDRAWN() { held READY '' 20; }
row_FINALIZING_WITHDRAWN() { spoils=1; held FINALIZING finalize 20; }
row_AWAITING_TOKEN_WITHDRAWN() { brings_token=yes; bed_client_extra+=(--nf-tokens); held AWAITING_TOKEN '' 20; }
row_ISSUED_WITHDRAWN() { life "$point"; certified one; status=$(nf_call "$nf" DELETE "$(path)"); }
row_FAILED_WITHDRAWN() {
  rule newOrder '"problem": "rejectedIdentifier"'
  life "$point"
  wait_s=0 ask one
  until_state FAILED
  status=$(nf_call "$nf" DELETE "$(path)")
}
after_withdrawn() { calm; gone; certified two; }

# The message that follows each state: what the client sends, or its answer to the NF.
declare -A message=([AUTHORISED]='sent newAccount 1' [ACCOUNT]='sent newOrder 1' [ORDERED]='sent authz 1'
  [CHALLENGED]='sent challenge 1' [VALIDATING]='sent order 1' [READY]='answered READY 1'
  [FINALIZING]='sent finalize 1' [ISSUED]='answered ISSUED 1' [FAILED]='answered FAILED 1'
  [WITHDRAWN]='answered WITHDRAWN 1' [AWAITING_TOKEN]='answered AWAITING_TOKEN 1')

# one FROM TO WHEN: a cell.
one() {
  local i from=$1 to=$2 when=$3 row=row_${1}_$2 after=default_after point stored=$1 written=$2
  cell="$from>$to/$when" brings_token=no wait_s=20 leaves=0 spoils=0
  number=$((number + 1))
  name=$number nf=$work/nf-$number url='' status=''
  bed_client_extra=("${extra[@]}")
  nf_export "$name" "$nf" --fqdn
  uuid=$(json "$nf/nf.json" .nfInstanceId)
  rm -rf "$work/client"
  [ "$from" != VALIDATING ] || stored=CHALLENGED # VALIDATING itself is not saved
  case $to in FAILED) after=after_failed ;; WITHDRAWN) after=after_withdrawn ;; esac
  ! declare -F "after_${from}_$to" >/dev/null || after=after_${from}_$to
  case $when in
    before | after) point="$when $stored>$written 1" ;;
    message) point=${message[$to]} ;;
  esac
  [ "$to" != VALIDATING ] || [ "$when" = message ] || point="$when CHALLENGED>unsaved 1"
  case $from$to$when in # the same transition happens before, to another enrolment or in another place
    AWAITING_TOKENORDEREDmessage) point='sent challenge 1' ;;
    ORDEREDREADYmessage | NEWACCOUNTmessage | ACCOUNTAUTHORISEDmessage) ;;
  esac
  declare -F "$row" >/dev/null || row=default_row
  "$row"
  died || fail "$cell: the client did not die at '$point'; last status $status"
  # what the client cannot have known: newOrder was answered, its URL not saved
  case "$to/$when/$from" in ACCOUNT/message/* | ORDERED/before/ACCOUNT) leaves=1 ;; esac
  life
  wait_s=20
  "$after"
  verdict
  calm
  bed_stop client
}

# The stores and the challenge port say how it ended.
verdict() {
  local orphans doubles spoilt token
  same "$cell: ISSUED" "$(client "SELECT count(*) FROM enrolment e JOIN progress p ON p.row=e.row JOIN certificate c ON c.row=e.row
    WHERE e.row=(SELECT max(row) FROM enrolment WHERE nf='$uuid') AND p.state='ISSUED'")" 1
  same "$cell: enrolments still live" "$(client "SELECT count(*) FROM progress WHERE state NOT IN ('ISSUED','FAILED','WITHDRAWN')")" 0
  same "$cell: published" "$(client 'SELECT count(*) FROM publication')" 0
  orphans=$(client "ATTACH '$work/server/server.db' AS s; SELECT count(*) FROM s.orders o WHERE o.names LIKE '%$uuid%'
    AND o.status <> 4 AND NOT EXISTS (SELECT 1 FROM progress p WHERE p.order_url LIKE '%/'||o.id)")
  [ "$orphans" -le "$leaves" ] || fail "$cell: $orphans orders nobody knows"
  doubles=$(server 'SELECT count(*) FROM (SELECT 1 FROM certificate GROUP BY account, orders HAVING count(*) > 1)')
  same "$cell: orders with two certificates" "$doubles" 0
  spoilt=$(client "ATTACH '$work/server/server.db' AS s; SELECT count(*) FROM s.certificate c JOIN s.orders o ON o.id=c.orders AND o.account=c.account
    WHERE o.names LIKE '%$uuid%' AND NOT EXISTS (SELECT 1 FROM progress p JOIN certificate m ON m.row=p.row WHERE p.order_url LIKE '%/'||o.id)")
  [ "$spoilt" -le "$spoils" ] || fail "$cell: $spoilt certificates nobody has"
  for token in $(server "SELECT c.token FROM challenge c JOIN authz a ON a.id=c.authz AND a.account=c.account JOIN orders o ON o.id=a.orders WHERE o.names LIKE '%$uuid%'"); do
    same "$cell: challenge $token" "$(curl -sq --noproxy '*' -o /dev/null -w '%{http_code}' "http://127.0.0.1:$bed_http01_port/.well-known/acme-challenge/$token")" 404
  done
  # an order whose challenges the CA asked for while nobody was there has failed, and was made again
  failed=$(client "ATTACH '$work/server/server.db' AS s; SELECT count(*) FROM s.orders o WHERE o.names LIKE '%$uuid%'
    AND o.status = 4 AND NOT EXISTS (SELECT 1 FROM progress p WHERE p.order_url LIKE '%/'||o.id)")
  [ "$failed" -le 2 ] || fail "$cell: $failed orders failed"
  orphan_note=$([ "$orphans" -eq 0 ] || echo " (+$orphans order)")$([ "$failed" -eq 0 ] || echo " ($failed failed)")
}

mapfile -t arrows < <(echo 'NEW>AUTHORISED'; echo 'NEW>ACCOUNT'; "$BUILD/tests/crash/arrows" | awk '!seen[$0]++')
[ ${#arrows[@]} -gt 20 ] || fail "the table of transitions"
for arrow in "${arrows[@]}"; do # each must be known here
  from=${arrow%>*} to=${arrow#*>}
  case $arrow in
    'NEW>AUTHORISED' | 'AUTHORISED>ACCOUNT' | 'ACCOUNT>ORDERED' | 'ORDERED>CHALLENGED' | 'CHALLENGED>VALIDATING' | \
      'VALIDATING>READY' | 'READY>FINALIZING' | 'FINALIZING>ISSUED') ;;
    *) declare -F "row_${from}_$to" >/dev/null || fail "no row for $arrow" ;;
  esac
done

bed_up nine-steps-http01 --nfs 120
bed_stop client
bed_stop server
bed_server_extra+=(--authz-reuse 100)
bed_server_start || fail "server"
extra=("${bed_client_extra[@]}") number=0 cells=0
printf '%-30s %-18s %-18s %s\n' transition 'before its commit' 'after its commit' 'after the message left'
for arrow in "${arrows[@]}"; do
  from=${arrow%>*} to=${arrow#*>}
  [ $# -eq 0 ] || [[ " $* " == *" $arrow "* ]] || continue
  printf '%-30s' "$arrow"
  for when in before after message; do
    one "$from" "$to" "$when"
    printf ' %-18s' "ok$orphan_note"
    cells=$((cells + 1))
  done
  echo
done
echo "crash matrix: $cells cells, each one certificate"
