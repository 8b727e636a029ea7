#!/usr/bin/env bash
# An operator and the client: list, show, retry and withdraw, over the admin listener and by the
# program's own commands.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

bed_up nine-steps --nfs 4
admin=$(bed_value client admin)
nf=$work/a
nf_export amf-1 "$nf"

# client WORD...: a command to the client that runs; its standard output in $work/said.
client() {
  "$BUILD/client/nfacme-client" "$@" --admin "${admin#http://}" >"$work/said" 2>"$work/complaint"
}

# refused CODE WORD...: it must end so, with one line on standard error.
refused() {
  local code=0
  client "${@:2}" || code=$?
  same "exit of '${*:2}'" "$code" "$1"
  same "lines of complaint about '${*:2}'" "$(wc -l <"$work/complaint")" 1
}

asked() {
  same "step 1" "$(nf_ask "$nf" "$(cat "$nf/nf.json")")" 201
  first=$(nf_location "$nf")
  first=${first##*/}
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$nf/own.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:$(json "$nf/nf.json" .nfInstanceId)" -outform DER \
    -out "$nf/own.der" 2>/dev/null || fail "openssl req"
}

listed() {
  client list || fail "list: $(cat "$work/complaint")"
  holds "the heading" "$work/said" '^ENROLMENT +NF +TYPE +STATE +SINCE +WAITS FOR'
  holds "the enrolment" "$work/said" "^$first .* AMF +READY +20[0-9-]+T[0-9:]+Z +the NF's CSR$"
  client list FAILED || fail "list FAILED"
  same "lines of those that FAILED" "$(wc -l <"$work/said")" 1
  client list READY "$(json "$nf/nf.json" .nfInstanceId)" --json || fail "list --json"
  same "list as JSON" "$(jq -r '.enrolments[0].enrolmentId' "$work/said")" "$first"
  refused 2 list NOWHERE
  refused 2 list 'a b'
  refused 2 frobnicate
  refused 2 show
}

shown() {
  same "the CSR" "$(nf_call "$nf" PUT "/enrolments/$first/csr" -T "$nf/own.der" \
    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
  client show "$first" || fail "show: $(cat "$work/complaint")"
  holds "its state" "$work/said" '^state +ISSUED$'
  holds "its history" "$work/said" '^history +20[0-9-]+T[0-9:]+Z +AUTHORISED'
  holds "its history's end" "$work/said" '^ +20[0-9-]+T[0-9:]+Z +ISSUED'
  refused 1 show "$(printf '%022d9' 0)"
  refused 2 show nothing
  refused 1 retry "$first" # it is ISSUED
  holds "why not" "$work/complaint" 'nothing to try again'
}

withdrawn() {
  client withdraw "$first" || fail "withdraw: $(cat "$work/complaint")"
  client show "$first" --json || fail "show --json"
  same "its state" "$(jq -r .state "$work/said")" WITHDRAWN
  same "its last line" "$(jq -r '.history[-1].state' "$work/said")" WITHDRAWN
  same "each transition is logged once" \
    "$(grep "event=transition.*enrolment=$first" "$work/out/logs/client.log" | grep -oE 'to=[A-Z]+' | sort | uniq -d)" ""
}

asked
listed
shown
withdrawn
bed_stop client
refused 4 list
echo "client_admin: listed, shown, withdrawn"
