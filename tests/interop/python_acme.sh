#!/usr/bin/env bash
# Debian's python3-acme, as a library, lives through all of an account: made, found, changed,
# deactivated; a certificate obtained by http-01, renewed and revoked.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

fetch_package python3-acme || exit 77
name=udm1.udm.5gc.mnc001.mcc001.3gppnetwork.org
# shellcheck disable=SC2119 # none needed
server_up
python_partner "$(dirname "$0")/python_acme.py" life "$directory" "$work" "$name" "$bed_http01_port" \
  >"$work/life.out" 2>&1 || { tail -n 20 "$work/life.out"; fail "python3-acme"; }
judge_valid "$work/first.pem"
judge_name "$work/first.pem" "$name"
judge_renewed "$work/first.pem" "$work/chain.pem"
judge_revoked "$work/chain.pem"
echo "python3-acme: issued, renewed and revoked"
