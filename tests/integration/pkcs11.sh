#!/usr/bin/env bash
# The CA's key in a PKCS#11 token (SoftHSM2): certificates and lists are signed there, the key stays
# there, its PIN is told nowhere, and a restart finds it again; for P-256 and RSA.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$root/tests/interop/lib.sh"

module=
for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so; do
  [ -e "$file" ] && module=$file
done
for tool in softhsm2-util pkcs11-tool; do
  command -v "$tool" >/dev/null || module=
done
[ -n "$(find /usr/lib -path '*engines-3/pkcs11.so' 2>/dev/null)" ] || module=
[ -n "$module" ] || { echo "skipped: softhsm2, opensc and libengine-pkcs11-openssl are not all here"; exit 77; }
fetch_package certbot || exit 77

pin=pin-$RANDOM$RANDOM
mkdir "$work/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" \
  >"$work/softhsm2.conf"
export SOFTHSM2_CONF=$work/softhsm2.conf # SoftHSM's own; it has no other way
printf %s "$pin" >"$work/pin"
chmod 600 "$work/pin"
softhsm2-util --init-token --free --label ca --pin "$pin" --so-pin 87654321 >"$work/token.log" 2>&1 \
  || { cat "$work/token.log"; fail "no token"; }

token() { pkcs11-tool --module "$module" --token-label ca --login --pin "$pin" "$@" 2>&1; }

# server_start STATE LABEL [OPTION...]
server_start() {
  bed_start server "$BUILD/server/nfacme-server" --state "$work/$1" --listen 127.0.0.1:0 \
    --pki 127.0.0.1:0 --admin 127.0.0.1:0 --http01-port "$bed_http01_port" --resolve-to 127.0.0.1 \
    --ca-key-module "$module" \
    --ca-key-uri "pkcs11:token=ca;object=$2;type=private;pin-source=file:${3:-$work/pin}" "${@:4}"
}

use_server() {
  directory=$(bed_value server directory) ca_root=$(bed_value server root) pki=$(bed_value server pki)
  export directory ca_root
}

bed_begin "$work" "$work/out"
id=10 # the engine finds the public half by it
for kind in EC:prime256v1 rsa:2048; do
  label=key-${kind%%:*}
  id=$((id + 1))
  token --keypairgen --key-type "$kind" --label "$label" --id $id --usage-sign >"$work/token.log" \
    || { cat "$work/token.log"; fail "no $kind key"; }
  server_start "$label" "$label" || fail "the server did not start with a $kind key"
  use_server
  certbot_issue "$label"
  judge_valid "$work/$label.pem"
  [ ! -e "$work/$label/issuing.key" ] || fail "there is a key file"
  token --read-object --type pubkey --label "$label" -o "$work/public.der" >"$work/token.log"
  same "the issuing CA's key is the token's" \
    "$(openssl x509 -in "$work/$label/issuing.pem" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum)" \
    "$(openssl pkey -pubin -inform DER -in "$work/public.der" -outform DER | sha256sum)"
  bed_stop server
  server_start "$label" "$label" || fail "the server did not start again"
  use_server
  certbot_issue "$label-again"
  judge_name "$work/$label-again.pem" "$label-again.amf.5gc.mnc001.mcc001.3gppnetwork.org"
  openssl verify -CAfile "$ca_root" -untrusted "$work/$label.pem" "$work/$label-again.pem" >"$work/verify" 2>&1 \
    || { cat "$work/verify"; fail "another issuer after the restart"; }
  bed_stop server
done

# one level: the root's key is in the token
server_start single key-EC "" --ca-depth 1 || fail "the server did not start with one level"
use_server
certbot_issue single
openssl verify -CAfile "$ca_root" "$work/single.pem" >"$work/verify" 2>&1 \
  || { cat "$work/verify"; fail "the root's signature"; }
[ ! -e "$work/single/root.key" ] || fail "there is a key file for the root"
bed_stop server

# the key stays there
token --list-objects --type privkey >"$work/objects"
same "private keys" "$(grep -c 'never extractable' "$work/objects")" 2
token --read-object --type privkey --label key-EC -o "$work/private" >"$work/token.log"
[ ! -s "$work/private" ] || fail "the key was read"

# what is refused, and says why without the PIN
printf 'wrong-%s' "$pin" >"$work/wrong"
server_start single key-EC "$work/wrong" 2>"$work/refused" && fail "it started with a wrong PIN"
server_start single key-none 2>"$work/refused" && fail "it started without a key"
"$BUILD/server/nfacme-server" --state "$work/other" --ca-key-uri "pkcs11:token=ca" --ca-key-module /nonexistent.so \
  >"$work/refused" 2>&1 && fail "it started without a module"
holds "what is missing" "$work/refused" "the CA's key in the token"
"$BUILD/server/nfacme-server" --state "$work/other" --ca-key-uri "pkcs11:token=ca;pin-value=$pin" \
  >"$work/refused" 2>&1 && fail "a PIN on the command line was taken"
holds "why" "$work/refused" 'pin-source'
if grep -rqF -- "$pin" "$work/out/logs" "$work/refused" "$work"/key-*/*.jsonl; then
  fail "the PIN is in a log"
fi
echo "certificates signed in a token: P-256, RSA"
