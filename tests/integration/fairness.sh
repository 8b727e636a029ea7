#!/usr/bin/env bash
# Tenants beside others whose challenges never complete and one that asks without end; and a CA that
# is away for a while: the others' latency, nobody lost, the CA's budget when it returns.
# Usage: fairness.sh [--full]   the full size: 1,000 tenants, 50 of them stuck, 60 s of outage
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

others=150 stuck=8 rate=40 outage=4 budget=150 rounds=1 bound=3
[ "${1:-}" != --full ] || { others=949 stuck=50 rate=60 outage=60 rounds=3 bound=1.5; }
size=(--set "fleet[0].count=$((others + stuck + 1))" --set "phases[0].count=$others"
  --set "phases[0].rate_per_s=$rate" --set timeout_s=240 --set start_timeout_s=60)
BED_RECORDS=no
scenario=$root/tests/integration/fairness.yaml
bed_begin "$work" "$work/out"
"$BUILD/nfsim/nfsim" init "$scenario" "${size[@]}" --state "$work/oam" >"$work/init.log" 2>&1 || { cat "$work/init.log"; fail "nfsim init"; }
if ! { bed_server_start && bed_oam_start && bed_client_start; }; then fail "the bed did not start"; fi
admin=$(bed_value server admin)

# run NAME: the others enrol; their result in $work/NAME.
run() {
  bed_out=$work/$1
  mkdir -p "$work/$1/logs"
  bed_run "$scenario" "${size[@]}" --no-tui >"$work/$1.table" 2>&1 || { tail -n 30 "$work/$1.table"; fail "the run $1"; }
  bed_out=$work/out
  same "$1: enrolled" "$(json "$work/$1/result.json" .enrolled)" "$others"
}
p99() { json "$work/$1/result.json" .total.p99_us; }

# the stuck and the noisy
disturb() {
  local i nf uuid
  for ((i = 1; i <= stuck; i++)); do
    nf=$work/stuck-$i
    nf_export "amf-$((others + i))" "$nf"
    uuid=$(json "$nf/nf.json" .nfInstanceId)
    curl -sSq --noproxy '*' -o /dev/null -d "{\"at\": \"validation\", \"nf\": \"$uuid\", \"do\": {\"delay\": \"1h\"}}" "$admin/faults" || fail "faults"
    nf_wait=0 same "the stuck $i" "$(nf_wait=0 nf_ask "$nf" "$(cat "$nf/nf.json")")" 202
  done
  nf=$work/noisy
  nf_export "amf-$((others + stuck + 1))" "$nf"
  { jq -c . "$nf/nf.json" | tr -d '\n'; } >"$nf/ask"
  curl -sSq --noproxy '*' --rate 100/s --cert "$nf/nf.pem" --key "$nf/nf.key" --cacert "$work/oam/oam-ca.pem" \
    -H "3gpp-Sbi-Client-Credentials: $(cat "$nf/cca.jwt")" -H 'Content-Type: application/json' -d "@$nf/ask" \
    -o /dev/null "$(bed_value client api)/nacme-enrolment/v1/enrolments?[1-1000000]" 2>/dev/null &
  noisy=$!
  cleanups+=("kill $noisy 2>/dev/null")
}
stuck_now() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "SELECT count(*) FROM progress p JOIN enrolment e ON e.row=p.row WHERE p.state='CHALLENGED'"; }
calm() {
  local i nf
  kill "$noisy" && wait "$noisy" 2>/dev/null
  for ((i = 1; i <= stuck; i++)); do
    nf=$work/stuck-$i
    same "the stuck $i goes" "$(nf_call "$nf" DELETE "$(nf_location "$nf")")" 204
  done
  curl -sSq --noproxy '*' -o /dev/null -X DELETE "$admin/faults"
}

run warm-up # the accounts are made
quiet=() loud=()
for ((round = 1; round <= rounds; round++)); do
  run "quiet-$round"
  quiet+=("$(p99 "quiet-$round")")
  disturb
  run "loud-$round"
  loud+=("$(p99 "loud-$round")")
  same "the stuck" "$(stuck_now)" "$stuck"
  calm
done
middle() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
ratio=$(awk -v a="$(middle "${loud[@]}")" -v b="$(middle "${quiet[@]}")" 'BEGIN { printf "%.2f", a / b }')
echo "p99 of $others NFs at $rate/s: alone $(middle "${quiet[@]}") us; beside $stuck stuck and one that asks 100 times a second $(middle "${loud[@]}") us: $ratio times"
awk -v r="$ratio" -v b="$bound" 'BEGIN { exit !(r <= b) }' || fail "others are slowed down: $ratio times"
uuid=$(json "$work/noisy/nf.json" .nfInstanceId)
grep "nf=$uuid" "$work/out/logs/client.log" | grep -o 'status=[0-9]*' | sort | uniq -c >"$work/noise"
echo "the noisy one was answered: $(awk '{ printf "%s x %s  ", $2, $1 }' "$work/noise")"
grep -q 429 "$work/noise" || fail "the noisy one was never told to slow down"

# The CA is away in the middle of a run, and returns to a client with a budget.
bed_stop client
bed_client_extra+=(--ca-rate "$budget")
bed_client_start || fail "the client did not start"
run outage &
running=$!
cleanups+=("kill $running 2>/dev/null")
mkfifo "$work/pause"
pause() { read -r -t "$1" _ <>"$work/pause" || true; }
seen() { sqlite3 -cmd '.timeout 5000' "$work/client/client.db" "SELECT count(*) FROM progress"; }
begun=$(seen)
for ((i = 0; i < 600 && $(seen) < begun + others / 3; i++)); do pause 0.1; done
bed_stop server
lines=$(wc -l <"$work/out/logs/server.log")
pause "$outage" # the time that is measured, not one that is hoped for
bed_server_start || fail "the server did not start"
wait "$running" || exit 1
tail -n "+$((lines + 1))" "$work/out/logs/server.log" | sed -n 's/^ts=[^T]*T\([0-9:]*\)\..* event=request operation=.*/\1/p' | sort | uniq -c >"$work/timeline"
echo "requests at the CA in each second after its return (budget $budget/s and as many at once):"
awk '{ printf "  %s %s\n", $2, $1 }' "$work/timeline"
most=$(awk '{ if ($1 > most) most = $1 } END { print most + 0 }' "$work/timeline")
[ "$most" -gt 0 ] || fail "the CA saw nothing"
[ "$most" -le $((budget * 2)) ] || fail "the CA saw $most requests in a second"
awk -v b="$budget" '{ sum += $1 } END { exit !(sum <= b * (NR + 1)) }' "$work/timeline" || fail "the CA saw more than its budget"
echo "an outage of $outage s: $others NFs enrolled, none lost"
