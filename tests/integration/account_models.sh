#!/usr/bin/env bash
# The account models: one ACME account for each NF, for each NF type, for all.  Many NFs that ask at
# once make no account twice, each is bound by its own key, a crash in between makes none more; and
# what one NF can do to another: use up what the CA allows an account.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

BED_RECORDS=no
exec 2> >(grep -v ' Killed  ' >&2) # the shell's own words
server() { sqlite3 -cmd '.timeout 5000' "$work/server/server.db" "$1"; }
client() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "$1"; }
mkfifo "$work/pause"
pause() { read -r -t 0.05 _ <>"$work/pause" || true; }

printf '%s\n' 'eab:' "  - {account: 'type:AMF', kid: amf, key: QUFBQUFBQUFBQUFBQUFBQQ}" \
  "  - {account: 'type:*', kid: types, key: QkJCQkJCQkJCQkJCQkJCQg}" \
  "  - {account: '*', kid: rest, key: Q0NDQ0NDQ0NDQ0NDQ0NDQw}" >"$work/eab.yaml"
chmod 600 "$work/eab.yaml"
bed_up nine-steps --nfs 40
bed_stop client
bed_stop server
bed_server_extra+=(--require-eab --eab amf:QUFBQUFBQUFBQUFBQUFBQQ --eab types:QkJCQkJCQkJCQkJCQkJCQg --eab rest:Q0NDQ0NDQ0NDQ0NDQ0NDQw)
bed_server_start || fail "server"
extra=("${bed_client_extra[@]}")

# with MODEL: a new client; its accounts are counted from here.
with() {
  [ -z "${bed_pid[client]:-}" ] || bed_stop client
  rm -rf "$work/client"
  bed_client_extra=("${extra[@]}" --account-model "$1" --eab-file "$work/eab.yaml")
  bed_client_start || fail "$1: the client did not start"
  before=$(server 'SELECT count(*) FROM account')
}
made() { echo $(($(server 'SELECT count(*) FROM account') - before)); }

whole() { # MODEL ACCOUNTS: 40 NFs at once
  with "$1"
  bed_out=$work/$1
  mkdir -p "$work/$1/logs"
  bed_run "$scenario" --nfs 40 --rate 400 --set use=none --no-tui >"$work/table" 2>&1 || { tail -n 30 "$work/table"; fail "$1: the run"; }
  bed_out=$work/out
  same "$1: enrolled" "$(json "$work/$1/result.json" .enrolled)" 40
  wanted=$2
  [ "$wanted" != types ] || wanted=$(client 'SELECT count(DISTINCT nf_type) FROM enrolment')
  same "$1: accounts made" "$(made)" "$wanted"
  same "$1: accounts kept" "$(client 'SELECT count(*) FROM account')" "$wanted"
  same "$1: newAccount requests" "$(curl -sq --noproxy '*' "$(bed_value client admin)/metrics" | sed -n 's/^nfacme_client_acme_requests_total{operation="newAccount"} //p')" "$wanted"
  echo "$1: 40 NFs at once, $wanted accounts"
}
whole per-nf 40
whole per-type types
same "AMFs are bound by their own key" "$(server "SELECT count(*) FROM account WHERE eab_kid='amf'")" 1
[ "$(server "SELECT count(*) FROM account WHERE eab_kid='types'")" -gt 1 ] || fail "the other types' key"
whole shared 1

# A crash while a shared account is being made.
with shared
curl -sSq --noproxy '*' -o /dev/null -d '{"at": "newAccount", "do": {"delay": "2s"}}' "$(bed_value server admin)/faults" || fail "faults"
for i in 1 2 3; do
  nf_export "smf-$i" "$work/nf-$i"
  same "step 1 of $i" "$(nf_wait=0 nf_ask "$work/nf-$i" "$(cat "$work/nf-$i/nf.json")")" 202
  url[i]=$(nf_location "$work/nf-$i")
done
kill -9 "${bed_pid[client]}"
{ wait "${bed_pid[client]}"; } 2>/dev/null
bed_client_start || fail "the client did not start again"
for i in 1 2 3; do
  same "step 7 of $i" "$(nf_call "$work/nf-$i" GET "/enrolments/${url[i]##*/}" -H 'Prefer: wait=30')" 200
  same "the state of $i" "$(json "$work/nf-$i/body" .state)" READY
done
same "accounts after a crash" "$(client 'SELECT count(*) FROM account')" 1
same "accounts after a crash, at the CA" "$(made)" 1
curl -sSq --noproxy '*' -o /dev/null -X DELETE "$(bed_value server admin)/faults"

# What one NF can do to another: the CA allows an account three orders an hour.
bed_stop client
bed_stop server
bed_server_extra+=(--set limits.rate.orders=3)
bed_server_start || fail "server"
greedy() { # MODEL: one NF gets three certificates; then the status of another's step 1 in $status
  with "$1"
  local i nf=$work/greedy
  for i in 1 2 3; do
    nf_export amf-1 "$nf"
    same "$1: step 1 of certificate $i" "$(nf_ask "$nf" "$(cat "$nf/nf.json")" -H "3gpp-Sbi-Request-Info: idempotency-key=$1-$i")" 201
    [ -s "$nf/one.der" ] || openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/one.key" -subj / \
      -addext "subjectAltName=URI:urn:uuid:$(json "$nf/nf.json" .nfInstanceId)" -outform DER -out "$nf/one.der" 2>/dev/null
    same "$1: certificate $i" "$(nf_call "$nf" PUT "/enrolments/$(basename "$(nf_location "$nf")")/csr" -T "$nf/one.der" \
      -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
  done
  nf_export smf-1 "$work/other"
  status=$(nf_wait=2 nf_ask "$work/other" "$(cat "$work/other/nf.json")")
}
greedy per-nf
same "per-nf: another NF" "$status" 201
greedy shared
same "shared: another NF" "$status" 202
nf_call "$work/other" GET "/enrolments/$(basename "$(nf_location "$work/other")")" >/dev/null
holds "shared: why it waits" "$work/other/body" 'rateLimited|newOrder'
echo "what one NF orders counts against all who share its account, and against nobody where it has its own"
