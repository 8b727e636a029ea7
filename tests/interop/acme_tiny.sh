#!/usr/bin/env bash
# Debian's acme-tiny, the least of clients, gets a certificate by http-01 and renews it.  It cannot
# revoke: python3-acme does that with the account key acme-tiny made the account with.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

{ fetch_package acme-tiny && fetch_package python3-acme; } || exit 77
name=nrf1.nrf.5gc.mnc001.mcc001.3gppnetwork.org
# shellcheck disable=SC2119 # none needed
server_up
web_up
openssl genrsa -traditional -out "$work/account.key" 2048 2>/dev/null || fail "no account key"

# obtain CHAIN: a new key, a CSR, and acme-tiny.
obtain() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/own.key" \
    -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -out "$work/own.csr" 2>/dev/null || fail "no CSR"
  python_partner -m acme_tiny --account-key "$work/account.key" --csr "$work/own.csr" \
    --acme-dir "$work/web/.well-known/acme-challenge" --directory-url "$directory" --disable-check \
    >"$1" 2>"$work/tiny.out" || { tail -n 5 "$work/tiny.out"; fail "acme-tiny"; }
}

obtain "$work/first.pem"
judge_valid "$work/first.pem"
judge_name "$work/first.pem" "$name"
obtain "$work/chain.pem"
judge_renewed "$work/first.pem" "$work/chain.pem"
python_partner "$(dirname "$0")/python_acme.py" revoke "$directory" "$work" "$work/account.key" "$work/chain.pem" \
  >"$work/revoke.out" 2>&1 || { tail -n 5 "$work/revoke.out"; fail "revocation with acme-tiny's account key"; }
judge_revoked "$work/chain.pem"
echo "acme-tiny: issued, renewed and revoked"
