#!/usr/bin/env bash
# Debian's certbot gets a certificate for a name and its wildcard by dns-01 from a zone of Knot DNS
# that its hooks change by signed updates (RFC 2136, RFC 8945), renews it and revokes it.  CAA
# records of the zone permit and refuse.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

for package in certbot knot knot-dnsutils; do fetch_package "$package" || exit 77; done
zone=test domain=mnc001.mcc001.nfacme.test
name=amf1.$domain
ca=ca.nfacme.test
libraries=$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
port=$(port_free)
secret=$(openssl rand -base64 32)

# knot PROGRAM ARG...: of the system, or unpacked.
knot() {
  local program
  for program in "$partners"/usr/{sbin,bin}/"$1" /usr/{sbin,bin}/"$1"; do
    [ -x "$program" ] && break
  done
  LD_LIBRARY_PATH=$libraries "$program" "${@:2}"
}

# update LINE...: change the zone; what knsupdate reads, signed.
update() {
  printf '%s\n' "server 127.0.0.1 $port" "zone $zone." "$@" send | knot knsupdate -k "$work/knot/key" \
    >"$work/update.log" 2>&1 || { cat "$work/update.log"; fail "the zone did not change: $*"; }
}

mkdir -p "$work/knot/zones"
cat >"$work/knot/knot.conf" <<CONF
server:
  rundir: $work/knot
  listen: 127.0.0.1@$port
  identity: dns01
database:
  storage: $work/knot
log:
  - target: stderr
    any: warning
key:
  - id: hook
    algorithm: hmac-sha256
    secret: $secret
acl:
  - id: hook
    key: hook
    action: update
zone:
  - domain: $zone
    storage: $work/knot/zones
    file: zone
    acl: hook
    zonefile-sync: -1
    journal-content: none
CONF
printf 'hmac-sha256:hook:%s\n' "$secret" >"$work/knot/key"
chmod 600 "$work/knot/key"
cat >"$work/knot/zones/zone" <<ZONE
\$ORIGIN $zone.
\$TTL 1
@ SOA ns hostmaster 1 60 60 600 1
@ NS ns
ns A 127.0.0.1
\$ORIGIN $domain.
amf1 A 127.0.0.1
; long records: an answer to TXT does not fit into 512 octets
_acme-challenge.amf1 TXT "$(printf 'x%.0s' {1..250})" "$(printf 'y%.0s' {1..250})"
_acme-challenge.amf1 TXT "$(printf 'z%.0s' {1..250})"
_acme-challenge.alias CNAME _acme-challenge.amf1
ZONE
LD_LIBRARY_PATH=$libraries "$(PATH=$partners/usr/sbin:/usr/sbin:$PATH command -v knotd)" \
  -c "$work/knot/knot.conf" >"$work/knot.log" 2>&1 &
knotd=$!
cleanups+=("kill $knotd 2>/dev/null; wait $knotd 2>/dev/null")
for ((i = 0; i < 100; i++)); do
  kill -0 "$knotd" 2>/dev/null || { cat "$work/knot.log"; fail "no name server"; }
  knot kdig "@127.0.0.1" -p "$port" +timeout=1 +retry=0 SOA "$zone" 2>/dev/null | grep -q NOERROR && break
  read -r -t 0.1 <> <(:) || true
done
[ "$i" -lt 100 ] || { cat "$work/knot.log"; fail "the name server does not answer"; }

server_up --resolver "127.0.0.1:$port" --caa-identity "$ca" --set validation.caa_reuse=0

# certbot calls it: the record appears, and goes again.
cat >"$work/hook" <<HOOK
#!/usr/bin/env bash
CERTBOT_DOMAIN=\${CERTBOT_DOMAIN/#alias./amf1.} # where the alias leads to
case \$1 in
  add) line="update add _acme-challenge.\$CERTBOT_DOMAIN. 1 TXT \$CERTBOT_VALIDATION" ;;
  *) line="update del _acme-challenge.\$CERTBOT_DOMAIN. 1 TXT \$CERTBOT_VALIDATION" ;;
esac
for program in "$partners"/usr/bin/knsupdate /usr/bin/knsupdate; do [ -x "\$program" ] && break; done
printf '%s\n' "server 127.0.0.1 $port" "zone $zone." "\$line" send \\
  | LD_LIBRARY_PATH=$libraries "\$program" -k "$work/knot/key"
HOOK
chmod 700 "$work/hook"

issue=(certonly --manual --preferred-challenges dns --manual-auth-hook "$work/hook add"
  --manual-cleanup-hook "$work/hook del" --agree-tos --register-unsafely-without-email)

# both_names CHAIN
both_names() {
  judge_valid "$1"
  judge_name "$1" "$name"
  judge_name "$1" "any.$name"
}

certbot "${issue[@]}" --cert-name both -d "$name" -d "*.$name"
chain=$work/certbot/live/both/fullchain.pem
both_names "$chain"
cp -L "$chain" "$work/first.pem"
certbot renew --force-renewal --no-random-sleep-on-renew
both_names "$chain"
judge_renewed "$work/first.pem" "$chain"
cp -L "$chain" "$work/chain.pem"
certbot revoke --cert-path "$chain" --reason superseded --no-delete-after-revoke
judge_revoked "$work/chain.pem"
judge_valid "$work/first.pem" # the other one is not

certbot "${issue[@]}" --cert-name alias -d "alias.$domain"
judge_name "$work/certbot/live/alias/fullchain.pem" "alias.$domain"
curl -sS -q --noproxy '*' "$(bed_value server admin)/history?identifier=$name" >"$work/history.json"
holds "what was asked is told" "$work/history.json" "TXT _acme-challenge.$name"
holds "CAA is asked up the tree" "$work/history.json" "CAA $domain"

# ---- CAA: permitted to us, to us by dns-01, to our account; refused to others ----

account=$(jq -r .uri "$work"/certbot/accounts/*/*/*/regr.json)
[ "$account" != null ] || fail "certbot keeps no account URL"

# permits RECORD...; refuses RECORD...: CAA records of the zone, and what the name gets.
records() {
  local record lines=("update del $domain. CAA")
  for record in "$@"; do lines+=("update add $domain. 1 CAA $record"); done
  update "${lines[@]}"
}
permits() {
  records "$@"
  certbot "${issue[@]}" --cert-name caa --force-renewal -d "$name"
}
refuses() {
  records "$@"
  certbot_try "${issue[@]}" --cert-name caa --force-renewal -d "$name" && fail "issued in spite of $*"
  grep -Eqi 'urn:ietf:params:acme:error:caa|Type: +caa|caa record' "$work/certbot.out" "$work/certbot/letsencrypt.log" \
    || { cat "$work/certbot.out"; fail "refused for another reason than $*"; }
}

permits "0 issue \"$ca\""
permits "0 issue \"other.example\"" "0 issue \"$ca; validationmethods=dns-01; accounturi=$account\""
refuses "0 issue \"other.example\""
refuses "0 issue \"$ca; validationmethods=http-01\""
refuses "0 issue \"$ca; accounturi=${account%/*}/0\""
refuses "0 issue \"$ca\"" "128 tbs \"unknown\""
refuses "0 issue \";\""
records "0 issue \"$ca\"" "0 issuewild \";\""
certbot_try "${issue[@]}" --cert-name wild -d "*.$name" && fail "a wildcard in spite of issuewild"
permits # no record, no say
echo "dns01: issued, renewed and revoked from Knot DNS; CAA permitted and refused"
