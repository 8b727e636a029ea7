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
    for log in "$work"/out/logs/*.log; do printf '== %s\n' "${log##*/}"; tail -n 3 "$log" | cut -c1-300; done
    [ ! -s "$work/failure" ] || cat "$work/failure"
  fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

# fail TEXT...: end the script as failed.
fail() {
  printf '%s: FAILED: %s\n' "${0##*/}" "$*" | tee "$work/failure" >&2
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

# An NF by hand.  nf_export NAME DIR: its files.  nf_call DIR METHOD PATH [CURL-OPTION...]: status
# on standard output, headers in DIR/head, body in DIR/body; 000 when no HTTP answer came.
nf_export() {
  "$BUILD/nfsim/nfsim" export "$1" --state "$work/oam" --out "$2" "${@:3}" >"$work/export.log" 2>&1 \
    || { cat "$work/export.log"; fail "export of $1"; }
}

# With NF_RECORD=DIR each exchange is kept there, for openapi_live.sh.
nf_call() {
  local dir=$1 method=$2 path=$3 kept
  shift 3
  case $path in http*) ;; *) path=$(bed_value client api)/nacme-enrolment/v1$path ;; esac
  : >"$dir/body"
  curl -sS -q --noproxy '*' --max-time 60 --cert "$dir/nf.pem" --key "$dir/nf.key" \
    --cacert "$work/oam/oam-ca.pem" -X "$method" -D "$dir/head" -o "$dir/body" -w '%{http_code}\n' \
    "$@" "$path" 2>>"$work/curl.log"
  [ -n "${NF_RECORD:-}" ] || return 0
  kept=$(mktemp -d "$NF_RECORD/XXXXXX") || return 0
  printf '%s %s\n' "$method" "$path" >"$kept/request"
  cp "$dir/head" "$dir/body" "$kept/" 2>/dev/null || true
}

# nf_ask DIR JSON [CURL-OPTION...]: step 1 with the NF's assertion; nf_media is its content type.
nf_media=application/json
nf_ask() {
  nf_call "$1" POST /enrolments -H "3gpp-Sbi-Client-Credentials: $(cat "$1/cca.jwt")" \
    -H "Content-Type: $nf_media" -H "Prefer: wait=${nf_wait:-20}" -d "$2" "${@:3}"
}

# nf_location DIR: the enrolment's URL of the last answer.
nf_location() {
  sed -n 's/^[Ll]ocation: *\([^ \r]*\).*/\1/p' "$1/head"
}
