#!/usr/bin/env bash
# Debian's certbot gets a certificate from nfacme-server by http-01, with an account that has to be
# bound to a key (EAB), renews it and revokes it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

fetch_package certbot || exit 77
name=amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org
key=$(openssl rand -base64 32 | tr '+/' '-_' | tr -d =)
server_up --require-eab --eab "kid-of-certbot:$key"

certbot_try register --agree-tos --register-unsafely-without-email \
  && fail "an account without a binding was made"
certbot register --agree-tos --register-unsafely-without-email --eab-kid kid-of-certbot --eab-hmac-key "$key"
certbot_issue first "$name"
chain=$work/certbot/live/first/fullchain.pem
judge_valid "$chain"
judge_name "$chain" "$name"
certbot renew --force-renewal --no-random-sleep-on-renew
judge_valid "$chain"
judge_renewed "$work/first.pem" "$chain"
cp -L "$chain" "$work/chain.pem"
certbot revoke --cert-path "$chain" --reason superseded --no-delete-after-revoke
judge_revoked "$work/chain.pem"
judge_valid "$work/first.pem" # the other one is not
echo "certbot: bound, issued, renewed and revoked"
