# shellcheck shell=bash
# What the integration scripts share: a bed in a temporary folder, ended with the script, and
# assertions that say what they saw.
set -u
# shellcheck source=scenarios/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scenarios/lib.sh"

work=$(mktemp -d)
cleanups=()
# shellcheck disable=SC2317 # called by the trap
finish() {
  local code=$? command
  for command in "${cleanups[@]}"; do eval "$command"; done
  bed_end
  if [ $code -ne 0 ] && [ -d "$work/out/logs" ]; then
    tail -n 5 "$work"/out/logs/*.log
  fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

# fail TEXT...: end the script as failed.
fail() {
  printf '%s: FAILED: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# same WHAT SEEN WANTED
same() {
  [ "$2" = "$3" ] || fail "$1: saw '$2', wanted '$3'"
}

# holds WHAT FILE PATTERN: a line of the file matches the extended pattern.
holds() {
  grep -Eq -- "$3" "$2" || { head -c 2000 "$2" >&2; fail "$1: nothing in $2 matches: $3"; }
}

# json FILE FILTER: jq's raw result.
json() {
  jq -r "$2" "$1"
}

# bed_up SCENARIO [INIT-OPTION...]: the three daemons, ready.
bed_up() {
  scenario=$root/scenarios/$1.yaml
  bed_begin "$work" "$work/out"
  "$BUILD/nfsim/nfsim" init "$scenario" --state "$work/oam" "${@:2}" >"$work/init.log" 2>&1 \
    || { cat "$work/init.log"; fail "nfsim init"; }
  mapfile -t bed_server_extra < <("$BUILD/nfsim/nfsim" scenario "$scenario" --get server.args)
  mapfile -t bed_client_extra < <("$BUILD/nfsim/nfsim" scenario "$scenario" --get client.args)
  if ! { bed_server_start && bed_oam_start && bed_client_start; }; then fail "the bed did not start"; fi
}
