# shellcheck shell=bash disable=SC2154 # what tests/integration/lib.sh sets
# What the scripts that load the server share, beside tests/integration/lib.sh.

# load_server_up [OPTION...]: nfacme-server alone, with a Token Authority whose key we have.  Once
# more after a kill: the same state on the same ports.
load_server_up() {
  if [ ! -f "$work/authority.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=authority \
      -keyout "$work/authority.key" -out "$work/authority.pem" 2>/dev/null || fail "no Token Authority"
    bed_begin "$work" "$work/out"
  fi
  bed_start server "$BUILD/server/nfacme-server" --state "$work/server" "${bed_server_args[@]}" \
    --token-authority "$work/authority.pem" --http01-port "$bed_http01_port" \
    --resolve-to 127.0.0.1 "$@" || fail "the server did not start"
  directory=$(bed_value server directory) ca_root=$(bed_value server root) admin=$(bed_value server admin)
  bed_server_args=(--listen "$(bed_address "$directory")" --pki "$(bed_address "$(bed_value server pki)")"
    --admin "$(bed_address "$admin")")
}

# load OPTION...: acmeload at that server; 1 when anything went wrong.
load() {
  "$BUILD/tests/bench/acmeload" --directory "$directory" --ca-file "$ca_root" \
    --http01-port "$bed_http01_port" --token-authority-key "$work/authority.key" \
    --token-authority-cert "$work/authority.pem" --pid "${bed_pid[server]}" "$@"
}

# load_kinds: what its orders may hold, as --identifiers has it.
load_kinds() {
  if load --flows 1 --certificates 1 --identifiers ip >"$work/ip.log" 2>&1; then
    echo dns,nf,ip
  elif grep -q unsupportedIdentifier "$work/ip.log"; then
    echo dns,nf
  else
    cat "$work/ip.log" >&2
    return 1
  fi
}

# reach WHAT SECONDS COMMAND...: wait until the command succeeds.
reach() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "$what: not within the deadline"
    read -r -t 0.1 <> <(:) || true
  done
}
