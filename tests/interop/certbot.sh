#!/usr/bin/env bash
# Debian's certbot gets a certificate from nfacme-server by http-01 and revokes it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

fetch_package certbot || exit 77
name=amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org
server_up

# A clean environment: bundles and proxies of ours must not decide what certbot trusts.
certbot() {
  env -i PATH=/usr/bin:/bin HOME="$work" LC_ALL=C.UTF-8 REQUESTS_CA_BUNDLE="$ca_root" \
    PYTHONPATH="$partners/usr/lib/python3/dist-packages" \
    /usr/bin/python3 "$partners/usr/bin/certbot" --config-dir "$work/certbot" --work-dir "$work/certbot" \
    --logs-dir "$work/certbot" --server "$directory" --non-interactive "$@" >"$work/certbot.out" 2>&1 \
    || { cat "$work/certbot.out"; fail "certbot $*"; }
}

certbot certonly --standalone --http-01-address 127.0.0.1 --http-01-port "$bed_http01_port" \
  --agree-tos --register-unsafely-without-email -d "$name"
chain=$work/certbot/live/$name/fullchain.pem
judge_valid "$chain"
judge_name "$chain" "$name"
cp -L "$chain" "$work/chain.pem"
certbot revoke --cert-path "$chain" --reason superseded --no-delete-after-revoke
judge_revoked "$work/chain.pem"
echo "certbot: issued and revoked"
