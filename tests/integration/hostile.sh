#!/usr/bin/env bash
# 5,000 idle connections and 500 that send a byte a second do not stop 50 honest flows: they finish at
# 80 % of their undisturbed rate or more (medians of alternating rounds), and when the crowd has
# left, descriptors and memory return to where they were.
#   --rounds N   pairs of measurements (default 3)
#   --seconds N  each (default 5)
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/../bench/lib.sh"

rounds=3 seconds=5
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
files_spare=16      # descriptors more than before the crowd came
memory_spare=16384  # KiB more: what the honest flows keep in memory, and the slack of the allocator

load_server_up --log warning
server=${bed_pid[server]}
address=$(bed_address "$directory")
files() { find "/proc/$server/fd" -mindepth 1 2>/dev/null | wc -l; }
memory() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$server/status"; }
files_back() { [ "$(files)" -le "$((files_before + files_spare))" ]; }
memory_back() { [ "$(memory)" -le "$((memory_before + memory_spare))" ]; }

# honest NAME: the rate of 50 flows.
honest() {
  load --flows 50 --connections 50 --seconds "$seconds" --json "$work/$1.json" >"$work/$1.log" 2>&1 \
    || { cat "$work/$1.log"; fail "honest flows, $1"; }
  json "$work/$1.json" .rate_per_s >>"$work/$1"
  json "$work/$1.json" .cpu_us_per_certificate >>"$work/$1.cpu"
}

hostile_begin() {
  local line=''
  mkfifo "$work/hostile.out"
  "$BUILD/tests/bench/hostile" --port "${address##*:}" --idle-bare 2500 --idle-tls 2500 --slow-bare 250 \
    --slow-tls 250 >"$work/hostile.out" 2>>"$work/hostile.log" &
  hostile=$!
  cleanups+=("kill $hostile 2>/dev/null; wait $hostile 2>/dev/null")
  read -r -t 120 line <"$work/hostile.out"
  rm "$work/hostile.out"
  same "the crowd" "$line" "ready 5500"
}

hostile_end() {
  kill "$hostile"
  wait "$hostile" || fail "the crowd ended badly"
}

honest warm
files_before=$(files) memory_before=$(memory)
for ((n = 0; n < rounds; n++)); do
  honest alone
  hostile_begin
  files_during=$(files) memory_during=$(memory)
  honest disturbed
  hostile_end
  reach "descriptors go back from $files_during to $files_before" 60 files_back
done
reach "memory goes back from $memory_during to $memory_before KiB" 60 memory_back

jq -n --slurpfile alone "$work/alone" --slurpfile disturbed "$work/disturbed" \
  'def median: sort | .[length / 2 | floor];
   {alone: ($alone | median), disturbed: ($disturbed | median)} | .share = .disturbed / .alone' >"$work/rates"
echo "50 flows alone: $(json "$work/rates" '.alone | floor')/s; beside 5,500 hostile peers: $(
  json "$work/rates" '"\(.disturbed | floor)/s, \(.share * 1000 | floor / 1000)"') of it"
middle() { jq -s 'sort | .[length / 2 | floor] | floor' "$work/$1.cpu"; }
echo "server CPU a certificate: $(middle alone) us alone, $(middle disturbed) us beside them"
echo "descriptors $files_before, $files_during, $(files); resident $memory_before, $memory_during, $(memory) KiB; $(tail -n 1 "$work/hostile.log")"
[ "$(json "$work/rates" '.share >= 0.8')" = true ] || fail "less than 80 %: alone $(tr '\n' ' ' <"$work/alone"), disturbed $(tr '\n' ' ' <"$work/disturbed")"
