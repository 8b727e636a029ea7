#!/usr/bin/env bash
# Debian's uacme gets a certificate from nfacme-server by http-01 and revokes it.  It trusts the
# system's bundle alone, so it runs in a mount namespace where root.pem is that bundle.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

bundle=/etc/ssl/certs/ca-certificates.crt
fetch_package uacme || exit 77
[ -e "$bundle" ] || { echo "skipped: no $bundle to mount over"; exit 77; }
unshare -m true 2>/dev/null || { echo "skipped: this user may not make a mount namespace"; exit 77; }
name=smf1.smf.5gc.mnc001.mcc001.3gppnetwork.org
server_up

mkdir -p "$work/web/.well-known/acme-challenge"
/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory "$work/web" "$bed_http01_port" \
  >"$work/web.log" 2>&1 &
cleanups+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
for ((i = 0; i < 100; i++)); do
  curl -s -q --noproxy '*' -o /dev/null "http://127.0.0.1:$bed_http01_port/" && break
  read -r -t 0.1 <> <(:) || true
done

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

uacme() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" LC_ALL=C.UTF-8 \
    LD_LIBRARY_PATH="$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)" \
    unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$ca_root" "$bundle" \
    "$partners/usr/bin/uacme" -v -c "$work/uacme" -a "$directory" -h "$work/hook" "$@" \
    >"$work/uacme.out" 2>&1 || { cat "$work/uacme.out"; fail "uacme $*"; }
}

uacme -y -t EC new
uacme -t EC issue "$name"
chain=$work/uacme/$name/cert.pem
judge_valid "$chain"
judge_name "$chain" "$name"
cp "$chain" "$work/chain.pem"
uacme revoke "$chain"
judge_revoked "$work/chain.pem"
echo "uacme: issued and revoked"
