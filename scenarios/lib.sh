# shellcheck shell=bash
# What scenarios/run and the integration tests share: packages, build, and the bed (OAM, server,
# client on free loopback ports), started and stopped by pid.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${BUILD:=$root/build}"

# shellcheck disable=SC2034 # used by those who source this file
build_packages=(gcc meson ninja-build pkg-config libssl-dev libmicrohttpd-dev libgnutls28-dev
  libcurl4-openssl-dev libjansson-dev libyaml-dev libsqlite3-dev libc-ares-dev libldns-dev libjs-chart.js
  libjemalloc-dev)
# shellcheck disable=SC2034
run_packages=(openssl ca-certificates)

complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# packages_need NAME...: install what is missing (as root), or print the one line to run.
packages_need() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    complain "missing packages; run: sudo apt-get install --no-install-recommends ${missing[*]}"
    return 4
  fi
  complain "installing ${#missing[@]} packages: ${missing[*]}"
  { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
    || { apt-get update -q \
      && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; }
  } >"${TMPDIR:-/tmp}/nfacme-packages.$$" 2>&1 || {
    tail -n 5 "${TMPDIR:-/tmp}/nfacme-packages.$$" >&2
    rm -f "${TMPDIR:-/tmp}/nfacme-packages.$$"
    complain "could not install: ${missing[*]}"
    return 4
  }
  rm -f "${TMPDIR:-/tmp}/nfacme-packages.$$"
}

# build_into DIR [MESON-OPTION...]: configure, then build; quiet unless it fails.  A folder that was
# configured otherwise before gets the options too.
build_into() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if [ ! -f "$dir/build.ninja" ]; then
    complain "building into ${dir#"$root"/}"
    meson setup "$dir" "$root" "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; return 4; }
  elif [ $# -gt 0 ]; then
    meson configure "$dir" "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; return 4; }
  fi
  ninja -C "$dir" >"$log" 2>&1 || { tail -n 40 "$log" >&2; rm -f "$log"; return 4; }
  rm -f "$log"
}

# port_free: a loopback port nobody listens on, below the ephemeral range.
port_free() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# The bed.  bed_begin STATE OUT sets it up; each *_start waits for the ready line.
declare -A bed_pid=() bed_ready=()

bed_begin() {
  bed_state=$1 bed_out=$2
  mkdir -p "$bed_state" "$bed_out/logs"
  bed_http01_port=$(port_free)
  bed_server_args=(--listen 127.0.0.1:0 --pki 127.0.0.1:0 --admin 127.0.0.1:0)
  bed_client_args=(--listen 127.0.0.1:0 --admin 127.0.0.1:0)
  bed_server_extra=() bed_client_extra=() bed_oam_extra=()
}

# bed_start NAME COMMAND...: run a daemon, wait (30 s) for its one line on standard output.
bed_start() {
  local name=$1 line='' out
  shift
  out=$bed_state/$name.ready
  rm -f "$out"
  mkfifo "$out"
  "$@" >"$out" 2>>"$bed_out/logs/$name.log" &
  bed_pid[$name]=$!
  if ! { read -r -t "${BED_READY_S:-30}" line <"$out" && [ "${line%% *}" = ready ]; }; then
    rm -f "$out"
    complain "$name did not start: $(tail -n 1 "$bed_out/logs/$name.log")"
    return 4
  fi
  rm -f "$out"
  bed_ready[$name]=$line
}

# bed_value NAME KEY: a value of its ready line.
bed_value() {
  local word
  for word in ${bed_ready[$1]}; do
    case $word in "$2="*) echo "${word#*=}" ;; esac
  done
}

# bed_address URL: host:port, without the scheme and the path.
bed_address() {
  local rest=${1#*://}
  echo "${rest%%/*}"
}

bed_records() { # --trace and --events of one program, unless BED_RECORDS=no
  [ "${BED_RECORDS:-yes}" = no ] || echo "--trace=$bed_out/logs/$1.spans.jsonl" "--events=$bed_out/logs/$1.events.jsonl"
}

# Wrappers (BED_SERVER_WRAP='perf record …') run a daemon under a tool.
bed_server_start() {
  # shellcheck disable=SC2046,SC2086
  bed_start server ${BED_SERVER_WRAP:-} "$BUILD/server/nfacme-server" --state "$bed_state/server" \
    "${bed_server_args[@]}" --token-authority "${bed_token_authority:-$bed_state/oam/token-authority.pem}" \
    --http01-port "$bed_http01_port" --resolve-to 127.0.0.1 $(bed_records server) \
    "${bed_server_extra[@]}" || return
  bed_server_args=(--listen "$(bed_address "$(bed_value server directory)")"
    --pki "$(bed_address "$(bed_value server pki)")"
    --admin "$(bed_address "$(bed_value server admin)")")
}

bed_oam_start() {
  # shellcheck disable=SC2046
  bed_start oam "$BUILD/nfsim/nfsim" oam --state "$bed_state/oam" --listen 127.0.0.1:0 \
    --operator-root "$(bed_value server root)" $(bed_records oam) "${bed_oam_extra[@]}"
}

bed_client_start() {
  # shellcheck disable=SC2046,SC2086
  bed_start client ${BED_CLIENT_WRAP:-} "${BED_CLIENT:-$BUILD/client/nfacme-client}" \
    --directory "$(bed_value server directory)" --ca-file "$(bed_value server root)" \
    --nf-trust "$bed_state/oam/oam-ca.pem" --nf-trust "$(bed_value server root)" \
    --tls-cert "$bed_state/oam/client.pem" --tls-key "$bed_state/oam/client.key" \
    --oam "$(bed_value oam oam)" --oam-ca-file "$bed_state/oam/oam-ca.pem" \
    --state "$bed_state/client" "${bed_client_args[@]}" \
    --http01-listen "127.0.0.1:$bed_http01_port" --challenge "${bed_challenges:-tkauth-01,http-01}" \
    $(bed_records client) "${bed_client_extra[@]}" || return
  bed_client_args=(--listen "$(bed_address "$(bed_value client api)")"
    --admin "$(bed_address "$(bed_value client admin)")")
}

# bed_run SCENARIO [OPTION...]: the fleet, against what was started.
bed_run() {
  # shellcheck disable=SC2086
  ${BED_NFSIM_WRAP:-} "$BUILD/nfsim/nfsim" run "$1" --state "$bed_state/oam" \
    --api "$(bed_value client api)" --operator-root "$(bed_value server root)" --out "$bed_out" \
    --client-pid "${bed_pid[client]}" --server-pid "${bed_pid[server]}" \
    --oam-pid "${bed_pid[oam]}" --client-admin "$(bed_value client admin)" \
    --server-admin "$(bed_value server admin)" "${@:2}"
}

# bed_stop NAME [SIGNAL]: end one daemon and reap it.
bed_stop() {
  [ -n "${bed_pid[$1]:-}" ] || return 0
  kill "-${2:-TERM}" "${bed_pid[$1]}" 2>/dev/null
  wait "${bed_pid[$1]}" 2>/dev/null
  local code=$?
  unset "bed_pid[$1]"
  return $code
}

bed_end() {
  local name
  for name in client oam server; do bed_stop "$name"; done
  return 0
}
