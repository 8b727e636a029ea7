#!/usr/bin/env bash
# The cases against nfacme-server in every configuration they need; the results are merged, and a
# run of all of them fails when a MUST row of the catalogue is left without its proof.
# Usage: server.sh [--out DIR] [--only ID|AREA]...   SERVER=path: another build of the server.
set -u
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"

# name | what cases may need of it ("default": all other cases) | options of the server
configurations=(
  "default     |default      |--exclude 169.254.0.0/16"
  "eab-required|eab-required |--require-eab"
  "alternates  |alternates   |--alternate-roots 2"
  "caa         |caa          |--caa-identity ca.acmespec.test --caa-identity pki.acmespec.test --set validation.caa_reuse=0"
  "terms       |terms        |--tos https://terms.acmespec.test/1"
  "limits      |limits       |--set limits.rate.window=20s --set limits.rate.orders=5"
  "short       |short        |--set lifetimes.order=2s --set lifetimes.authorization=3s"
  "async       |async        |--finalize-delay 1"
  "plain       |plain        |--set ari.offered=false --set profiles.offered=false --set authz.subdomains=off"
  "retries     |retries      |--set validation.retries=3 --set validation.retry_interval=6s"
)
acmespec=$BUILD/tests/conformance/acmespec
server=${SERVER:-$BUILD/server/nfacme-server}
eab=kid-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
# shellcheck disable=SC2154 # work: of lib.sh
out=$work/out options=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    *) options+=("$1"); shift ;;
  esac
done
mkdir -p "$out"
http01_port=$(port_free) alpn_port=$(port_free) dns_port=$(port_free)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Token Authority" \
  -days 2 -keyout "$work/authority.key" -out "$work/authority.pem" 2>/dev/null \
  || fail "no Token Authority"

# try NAME NEED OPTION...: a server of that configuration, and the cases for it.
try() {
  local name=$1 need=$2 line='' ready=$work/$1.ready pid directory words=() code word
  shift 2
  mkfifo "$ready"
  "$server" --state "$work/$name" --listen 127.0.0.1:0 --pki 127.0.0.1:0 --admin 127.0.0.1:0 \
    --http01-port "$http01_port" --tlsalpn01-port "$alpn_port" --resolver "127.0.0.1:$dns_port" \
    --eab "$eab" --token-authority "$work/authority.pem" "$@" >"$ready" 2>"$out/$name.log" &
  pid=$!
  read -r -t 30 line <"$ready"
  [ "${line%% *}" = ready ] || { kill "$pid"; tail -n 3 "$out/$name.log"; fail "$name: the server did not start"; }
  for word in $line; do
    case $word in
      directory=*) directory=${word#*=} ;;
      admin=*) words+=(--admin "${word#*=}") ;;
    esac
  done
  if [ "$need" != default ]; then
    for word in $need; do
      words+=(--needing "$word")
      case $word in eab-required | terms | new-authz | profiles | subdomain) ;; *) words+=(--has "$word") ;; esac
    done
  else
    for word in $default_has; do words+=(--has "$word"); done
  fi
  "$acmespec" server --directory "$directory" --ca-file "$work/$name/root.pem" \
    --http01-port "$http01_port" --tlsalpn01-port "$alpn_port" --dns-port "$dns_port" --eab "$eab" \
    --token-authority-key "$work/authority.key" --token-authority-cert "$work/authority.pem" \
    "${words[@]}" --json "$out/$name.json" --transcript "$out/$name" "${options[@]}" >"$out/$name.txt"
  code=$?
  kill -0 "$pid" 2>/dev/null || { tail -n 20 "$out/$name.log"; fail "$name: the server died"; }
  kill "$pid" && wait "$pid"
  word=$?
  rm -f "$ready"
  [ $word -eq 0 ] || { tail -n 20 "$out/$name.log"; fail "$name: the server ended with $word"; }
  sed "s/^/$name: /" "$out/$name.txt"
  results+=("$out/$name.json")
  case $code in 0 | 3) ;; 1) failed=yes ;; *) fail "$name: acmespec exit $code" ;; esac
}

# What the default configuration is set up for.
default_has="ocsp ip"
failed=no results=()
for configuration in "${configurations[@]}"; do
  IFS='|' read -r name need arguments <<<"$configuration"
  read -ra arguments <<<"$arguments"
  read -r need <<<"$need"
  try "${name%% *}" "$need" "${arguments[@]}"
done

# A case passes when it passes somewhere and fails nowhere.
jq -s '{cases: ([.[].cases[]] | group_by(.id) | map(
    (map(select(.status == "fail")) + map(select(.status == "pass")) + .)[0])),
  summary: {}} | .summary = (.cases | {total: length,
    pass: map(select(.status == "pass")) | length, fail: map(select(.status == "fail")) | length,
    skip: map(select(.status == "skip")) | length})' "${results[@]}" >"$out/result.json" \
  || fail "the results do not merge"
jq -r '.cases[] | select(.status == "skip") | "skipped \(.id): \(.reason)"' "$out/result.json"
jq -r '.summary | "\(.pass) passed, \(.fail) failed, \(.skip) skipped"' "$out/result.json"
[ "$failed" = no ] || exit 1
# all of it ran: every row must have its proof
[ ${#options[@]} -gt 0 ] || "$(dirname "$0")/coverage.sh" "$out/result.json" --quiet
