# shellcheck shell=bash disable=SC2154 # what tests/integration/lib.sh sets
# What the partner scripts share, beside tests/integration/lib.sh: third-party packages unpacked
# (never installed: some would start services), our server alone, and judging a certificate.

partners=${BUILD:?}/partners

# fetch_package NAME...: unpack the packages, and what they depend on and this machine lacks, into
# $partners; once.  1 with a reason when they cannot be had.
fetch_package() {
  local name
  for name in "$@"; do
    [ -e "$partners/.have/$name" ] || partner_unpack "$name" || return 1
  done
}

partner_unpack() {
  local name=$1 wanted dir
  mkdir -p "$partners/.have" || return 1
  dir=$(mktemp -d "$partners/.get-XXXXXX") || return 1
  if ! wanted=$(partner_needs "$name"); then
    { [ "$(id -u)" -eq 0 ] && apt-get update -q >"$dir/log" 2>&1 && wanted=$(partner_needs "$name"); } || {
      rm -rf "$dir"
      echo "skipped: no package $name here"
      return 1
    }
  fi
  # shellcheck disable=SC2086 # a list of names
  if ! (cd "$dir" && apt-get -q -o APT::Sandbox::User=root download $wanted >log 2>&1); then
    tail -n 2 "$dir/log"
    rm -rf "$dir"
    echo "skipped: could not download $name"
    return 1
  fi
  for wanted in "$dir"/*.deb; do
    dpkg-deb -x "$wanted" "$partners" || { rm -rf "$dir"; echo "skipped: $wanted"; return 1; }
  done
  rm -rf "$dir"
  touch "$partners/.have/$name"
}

# The package itself and every dependency that is not installed.
partner_needs() {
  local list
  list=$(apt-get -s -q --no-install-recommends install "$1" 2>/dev/null) || return 1
  { echo "$1"; awk '$1 == "Inst" { print $2 }' <<<"$list"; } | sort -u
}

# python_partner ARG...: Python with the unpacked packages, in a clean environment: bundles and
# proxies of ours must not decide what a partner trusts.
python_partner() {
  env -i PATH=/usr/bin:/bin HOME="$work" LC_ALL=C.UTF-8 REQUESTS_CA_BUNDLE="$ca_root" \
    SSL_CERT_FILE="$ca_root" PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH="$partners/usr/lib/python3/dist-packages" /usr/bin/python3 "$@"
}

# certbot_try ARG...: Debian's certbot at our server; certbot ARG...: it must succeed.
certbot_try() {
  python_partner "$partners/usr/bin/certbot" --config-dir "$work/certbot" --work-dir "$work/certbot" \
    --logs-dir "$work/certbot" --server "$directory" --non-interactive "$@" >"$work/certbot.out" 2>&1
}
certbot() { certbot_try "$@" || { cat "$work/certbot.out"; fail "certbot $*"; }; }

# certbot_issue NAME [DOMAIN]: by http-01; chain in $work/NAME.pem, leaf first.
certbot_issue() {
  certbot certonly --standalone --http-01-address 127.0.0.1 --http-01-port "$bed_http01_port" \
    --agree-tos --register-unsafely-without-email --cert-name "$1" \
    -d "${2:-$1.amf.5gc.mnc001.mcc001.3gppnetwork.org}"
  cp -L "$work/certbot/live/$1/fullchain.pem" "$work/$1.pem"
}

# web_up: what lies in $work/web is served at $bed_http01_port until the script ends.
web_up() {
  mkdir -p "$work/web/.well-known/acme-challenge"
  /usr/bin/python3 -m http.server --bind 127.0.0.1 --directory "$work/web" "$bed_http01_port" \
    >"$work/web.log" 2>&1 &
  cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
  for ((i = 0; i < 100; i++)); do
    curl -s -q --noproxy '*' -o /dev/null "http://127.0.0.1:$bed_http01_port/" && return
    read -r -t 0.1 <> <(:) || true
  done
  fail "no web server"
}

# judge_renewed OLD NEW: another certificate for the same name.
judge_renewed() {
  [ "$(openssl x509 -in "$1" -noout -serial)" != "$(openssl x509 -in "$2" -noout -serial)" ] \
    || fail "the renewed certificate is the old one"
  [ "$(openssl x509 -in "$1" -noout -ext subjectAltName)" = "$(openssl x509 -in "$2" -noout -ext subjectAltName)" ] \
    || fail "the renewed certificate is for other names"
}

# server_up [OPTION...]: nfacme-server alone; every name is at 127.0.0.1, http-01 at
# $bed_http01_port; ends with the script.
# shellcheck disable=SC2120 # options are for some
server_up() {
  bed_begin "$work" "$work/out"
  bed_start server "$BUILD/server/nfacme-server" --state "$work/server" "${bed_server_args[@]}" \
    --http01-port "$bed_http01_port" --resolve-to 127.0.0.1 "$@" || fail "the server did not start"
  directory=$(bed_value server directory) ca_root=$(bed_value server root) pki=$(bed_value server pki)
  export directory ca_root
}

# crl_get FILE: the revocation list from where the certificate says it is, in PEM.
crl_get() {
  curl -sS -q --noproxy '*' --fail -o "$work/crl.der" "$pki/crl/issuing.crl" || fail "no CRL"
  openssl crl -inform DER -in "$work/crl.der" -out "$1" || fail "what was served is no CRL"
}

# judge_valid CHAIN: leaf first; it verifies up to root.pem and is not on the revocation list.
judge_valid() {
  openssl x509 -in "$1" -noout -ext crlDistributionPoints 2>/dev/null | grep -qF "URI:$pki/crl/issuing.crl" \
    || fail "the certificate does not name its CRL"
  crl_get "$work/before.pem"
  openssl verify -CAfile "$ca_root" -untrusted "$1" -CRLfile "$work/before.pem" -crl_check "$1" \
    >"$work/verify" 2>&1 || { cat "$work/verify"; fail "the certificate does not verify"; }
}

# judge_name CHAIN NAME
judge_name() {
  openssl x509 -in "$1" -noout -checkhost "$2" | grep -q "does match" || fail "it is not for $2"
}

# judge_revoked CHAIN: the serial is in the list, and OpenSSL refuses the certificate for it.
judge_revoked() {
  local serial
  serial=$(openssl x509 -in "$1" -noout -serial) || fail "no serial"
  crl_get "$work/after.pem"
  openssl crl -in "$work/after.pem" -noout -text | grep -q "Serial Number: ${serial#serial=}\$" \
    || fail "${serial#serial=} is not on the revocation list"
  if openssl verify -CAfile "$ca_root" -untrusted "$1" -CRLfile "$work/after.pem" -crl_check "$1" \
    >"$work/verify" 2>&1; then
    fail "the revoked certificate still verifies"
  fi
  grep -q 'certificate revoked' "$work/verify" || { cat "$work/verify"; fail "refused for another reason"; }
}

# knot PROGRAM ARG...: a program of Knot DNS, of the system or unpacked.
knot() {
  local program
  for program in "$partners"/usr/{sbin,bin}/"$1" /usr/{sbin,bin}/"$1"; do
    [ -x "$program" ] && break
  done
  LD_LIBRARY_PATH=$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH) "$program" "${@:2}"
}

# knot_up ZONE...: Knot DNS at 127.0.0.1:$knot_port with the zones $work/knot/zones/ZONE, which
# updates signed with $work/knot/key (knsupdate -k) may change; $work/knot/secret is its secret.
# Ends with the script.
knot_up() {
  local zone program
  knot_port=$(port_free)
  mkdir -p "$work/knot/zones"
  openssl rand -base64 32 >"$work/knot/secret"
  printf 'hmac-sha256:hook:%s\n' "$(cat "$work/knot/secret")" >"$work/knot/key"
  chmod 600 "$work/knot/key" "$work/knot/secret"
  {
    printf 'server:\n  rundir: %s\n  listen: 127.0.0.1@%s\n  identity: nfacme\n' "$work/knot" "$knot_port"
    printf 'database:\n  storage: %s\nlog:\n  - target: stderr\n    any: info\n' "$work/knot"
    printf 'key:\n  - id: hook\n    algorithm: hmac-sha256\n    secret: %s\n' "$(cat "$work/knot/secret")"
    printf 'acl:\n  - id: hook\n    key: hook\n    action: [update, transfer]\nzone:\n'
    for zone; do
      printf '  - domain: %s\n    storage: %s\n    file: %s\n    acl: hook\n    zonefile-sync: -1\n    journal-content: none\n' \
        "$zone" "$work/knot/zones" "$zone"
    done
  } >"$work/knot/knot.conf"
  for program in "$partners/usr/sbin/knotd" /usr/sbin/knotd; do [ -x "$program" ] && break; done
  LD_LIBRARY_PATH=$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH) "$program" \
    -c "$work/knot/knot.conf" >"$work/knot.log" 2>&1 &
  knot_pid=$!
  cleanups+=("knot_down")
  for ((i = 0; i < 200; i++)); do
    kill -0 "$knot_pid" 2>/dev/null || { cat "$work/knot.log"; fail "no name server"; }
    knot kdig "@127.0.0.1" -p "$knot_port" +timeout=1 +retry=0 SOA "$1" 2>/dev/null | grep -q NOERROR && return
    read -r -t 0.1 <> <(:) || true
  done
  cat "$work/knot.log"
  fail "the name server does not answer"
}

knot_down() {
  [ -n "${knot_pid:-}" ] || return 0
  kill "$knot_pid" 2>/dev/null
  wait "$knot_pid" 2>/dev/null
  knot_pid=
}

# pebble_up NONCE-REJECT AUTHZ-REUSE: Debian's pebble and its DNS server, both in percent; our client
# finds it as the server, its issuing root is $work/root.pem, that of its second alternate
# chain $work/root-2.pem.
pebble_up() {
  local acme management dns challenge_management line
  acme=$(port_free) management=$(port_free) dns=$(port_free) challenge_management=$(port_free)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=pebble \
    -keyout "$work/pebble.key" -out "$work/pebble.pem" \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null || fail "pebble's certificate"
  jq -n --arg work "$work" --arg acme "127.0.0.1:$acme" --arg management "127.0.0.1:$management" \
    --argjson http "$bed_http01_port" '{pebble: {listenAddress: $acme,
      managementListenAddress: $management, certificate: ($work + "/pebble.pem"),
      privateKey: ($work + "/pebble.key"), httpPort: $http, tlsPort: 5001, ocspResponderURL: "",
      externalAccountBindingRequired: false}}' >"$work/pebble.json"

  "$partners/usr/bin/pebble-challtestsrv" -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 "127.0.0.1:$dns" \
    -http01 '' -https01 '' -tlsalpn01 '' -management "127.0.0.1:$challenge_management" >"$work/dns.log" 2>&1 &
  cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
  mkfifo "$work/pebble.out"
  PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=$1 PEBBLE_AUTHZREUSE=$2 PEBBLE_ALTERNATE_ROOTS=2 "$partners/usr/bin/pebble" -strict \
    -config "$work/pebble.json" -dnsserver "127.0.0.1:$dns" >"$work/pebble.out" 2>&1 &
  cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
  exec 5<"$work/pebble.out"
  while read -r -t 30 line <&5; do
    case $line in *"ACME directory available"*) break ;; esac
  done
  cat <&5 >"$work/pebble.log" &
  cleanups+=("kill $! 2>/dev/null")

  curl -sS -q --noproxy '*' --cacert "$work/pebble.pem" "https://127.0.0.1:$management/roots/0" \
    -o "$work/root.pem" || fail "pebble's root"
  curl -sS -q --noproxy '*' --cacert "$work/pebble.pem" "https://127.0.0.1:$management/roots/2" \
    -o "$work/root-2.pem" || fail "pebble's third root"
  bed_ready[server]="ready directory=https://127.0.0.1:$acme/dir root=$work/pebble.pem admin="
}
