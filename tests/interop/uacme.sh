#!/usr/bin/env bash
# Debian's uacme gets certificates from nfacme-server by http-01 and by tls-alpn-01 (its hook, with
# ualpn as the responder), renews them and revokes them.  It trusts the system's bundle alone, so it
# runs in a mount namespace where root.pem is that bundle.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

bundle=/etc/ssl/certs/ca-certificates.crt
fetch_package uacme || exit 77
[ -e "$bundle" ] || { echo "skipped: no $bundle to mount over"; exit 77; }
unshare -m true 2>/dev/null || { echo "skipped: this user may not make a mount namespace"; exit 77; }
name=smf1.smf.5gc.mnc001.mcc001.3gppnetwork.org
bed_alpn_port=$(port_free)
server_up --tlsalpn01-port "$bed_alpn_port"
web_up

# uacme calls it: method type identifier token key-authorization.
cat >"$work/hook" <<HOOK
#!/bin/sh
[ "\$2" = http-01 ] || exit 1
case \$1 in
  begin) printf %s "\$5" >"$work/web/.well-known/acme-challenge/\$4" ;;
  *) rm -f "$work/web/.well-known/acme-challenge/\$4" ;;
esac
HOOK
chmod 700 "$work/hook"

libraries=$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
ualpn() { env -i PATH=/usr/bin:/bin LD_LIBRARY_PATH="$libraries" "$partners/usr/bin/ualpn" -s "$work/ualpn.sock" "$@"; }
cat >"$work/hook-alpn" <<HOOK
#!/bin/sh
[ "\$2" = tls-alpn-01 ] || exit 1
export LD_LIBRARY_PATH="$libraries"
case \$1 in
  begin) line="auth \$3 \$5" ;;
  *) line="unauth \$3" ;;
esac
[ "\$(echo "\$line" | "$partners/usr/bin/ualpn" -s "$work/ualpn.sock")" = OK ]
HOOK
chmod 700 "$work/hook-alpn"

uacme() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" LC_ALL=C.UTF-8 \
    LD_LIBRARY_PATH="$libraries" \
    unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$ca_root" "$bundle" \
    "$partners/usr/bin/uacme" -v -c "$work/uacme" -a "$directory" -h "$hook" "$@" \
    >"$work/uacme.out" 2>&1 || { cat "$work/uacme.out"; fail "uacme $*"; }
}

# life NAME: issued, renewed, revoked.
life() {
  local chain=$work/uacme/$1/cert.pem
  uacme -t EC issue "$1"
  judge_valid "$chain"
  judge_name "$chain" "$1"
  cp "$chain" "$work/first.pem"
  uacme -t EC -f issue "$1"
  judge_renewed "$work/first.pem" "$chain"
  cp "$chain" "$work/chain.pem"
  uacme revoke "$chain"
  judge_revoked "$work/chain.pem"
}

hook=$work/hook
uacme -y -t EC new
life "$name"

ualpn -v -b "127.0.0.1@$bed_alpn_port" -c 127.0.0.1@9 -n 1 -p "$work/ualpn.pid" >"$work/ualpn.log" 2>&1 &
cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
for ((i = 0; i < 100; i++)); do
  [ -S "$work/ualpn.sock" ] && break
  read -r -t 0.1 <> <(:) || true
done
hook=$work/hook-alpn
life "alpn.$name"
grep -q 'acme-tls/1\|tls-alpn' "$work/ualpn.log" || { cat "$work/ualpn.log"; fail "ualpn was not asked"; }
echo "uacme: issued, renewed and revoked by http-01 and by tls-alpn-01"
