#!/usr/bin/env bash
# What one NF could try against another through nfacme-client, and strangers against all.  Each
# attack is refused, leaves the databases of client and server as they were, and is logged once;
# and each succeeds against a client whose one check, named in the table, is switched off
# (tests/attacks, common/guard.h).
#   --only WORD   only the attacks whose text or check holds WORD
#   --no-guards   not the second part
# shellcheck disable=SC2317 # the attacks are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

only='' guards=yes
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=$2; shift 2 ;;
    --no-guards) guards=no; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
attacker=$BUILD/tests/attacks/attacker
guardless=$BUILD/tests/attacks/nfacme-client-guardless

# ---- the bed: victims v-*, the attacker b with an enrolment of its own, c without one ----

bed_begin "$work" "$work/out"
"$BUILD/nfsim/nfsim" init "$root/scenarios/nine-steps.yaml" --state "$work/oam" --nfs 24 >"$work/init.log" 2>&1 \
  || { cat "$work/init.log"; fail "nfsim init"; }
if ! { bed_server_start && bed_oam_start; }; then fail "the bed did not start"; fi
v=$work/v ca=$work/ca
mkdir -p "$v" "$ca"

# client_up PROGRAM STATE: with every trust it has in this script.
client_up() {
  bed_start client "$1" --directory "$(bed_value server directory)" --ca-file "$(bed_value server root)" \
    --nf-trust "$work/oam/oam-ca.pem" --nf-trust "$(bed_value server root)" --nf-trust "$ca/good.pem" \
    --nf-crl "$work/nf.crl" --tls-cert "$work/oam/client.pem" --tls-key "$work/oam/client.key" \
    --oam "$(bed_value oam oam)" --oam-ca-file "$work/oam/oam-ca.pem" --challenge tkauth-01 --nf-tokens \
    --state "$2" --listen 127.0.0.1:0 --admin 127.0.0.1:0 || fail "the client did not start"
  log=$bed_out/logs/client.log
  address=$(bed_address "$(bed_value client api)")
}

declare -A id=() uuid=() fqdn=() type=()
nf() { # nf NAME EXPORTED
  nf_export "$2" "$v/$1"
  local text
  text=$(<"$v/$1/nf.json")
  [[ $text =~ \"nfInstanceId\":\ *\"([^\"]*)\" ]] && uuid[$1]=${BASH_REMATCH[1]}
  [[ $text =~ \"nfType\":\ *\"([^\"]*)\" ]] && type[$1]=${BASH_REMATCH[1]}
  fqdn[$1]=$(openssl x509 -in "$v/$1/nf.pem" -noout -ext subjectAltName | sed -n 's/.*DNS:\([^,]*\).*/\1/p')
}

body() { # body NAME [MORE]: what it asks for
  printf '{"nfInstanceId": "%s", "nfType": "%s"%s}' "${uuid[$1]}" "${type[$1]}" "${2:+, $2}"
}

csr() { # csr NAME OF: NAME's own new key in a request with OF's name
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$v/$1/$2.key" -subj / \
    -addext "subjectAltName=URI:urn:uuid:${uuid[$2]}" -outform DER -out "$v/$1/$2.der" 2>/dev/null || fail "openssl req"
}

enrol() { # enrol NAME [CURL-OPTION...]: READY; its id
  local url
  same "step 1 of $1" "$(nf_ask "$v/$1" "$(body "$1")" "${@:2}")" 201
  url=$(nf_location "$v/$1")
  id[$1]=${url##*/}
}

issue() { # issue NAME [CURL-OPTION...]: ISSUED
  enrol "$@"
  csr "$1" "$1"
  same "the CSR of $1" "$(nf_call "$v/$1" PUT "/enrolments/${id[$1]}/csr" -T "$v/$1/$1.der" \
    -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20')" 200
}

await() { # await NAME: AWAITING_TOKEN; the wanted token in DIR/wanted
  local url
  same "step 1 of $1" "$(nf_call "$v/$1" POST /enrolments -H 'Content-Type: application/json' \
    -H 'Prefer: wait=20' -d "$(body "$1")")" 202
  same "$1 awaits a token" "$(json "$v/$1/body" .state)" AWAITING_TOKEN
  url=$(nf_location "$v/$1")
  id[$1]=${url##*/}
  cp "$v/$1/body" "$v/$1/wanted"
}

token() { # token NAME FOR: NAME's assertion, for the account of FOR's enrolment; the token's text
  local thumbprint
  thumbprint=$(json "$v/$2/wanted" .accountThumbprint)
  jq -c --arg cca "$(cat "$v/$1/cca.jwt")" --arg uuid "${uuid[$1]}" \
    '{atc: (.tokenWanted + {ca: false, tkvalue: $uuid}), cca: $cca}' "$v/$2/wanted" >"$work/ask"
  curl -sS -q --noproxy '*' --cert "$work/oam/client.pem" --key "$work/oam/client.key" \
    --cacert "$work/oam/oam-ca.pem" -H 'Content-Type: application/json' -d "@$work/ask" \
    "$(bed_value oam oam)/at/account/$thumbprint/token" | jq -er .token || fail "no token for $1"
}

# ---- certificates: all of these say they are the NF v-issued, but for what is wrong with them ----

cat >"$ca/ca.cnf" <<'CNF'
[ca]
default_ca = one
[one]
database = $ENV::CA.index
serial = $ENV::CA.serial
new_certs_dir = $ENV::CA.new
certificate = $ENV::CA.pem
private_key = $ENV::CA.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
CNF

# authority NAME [ISSUER [,pathlen:N] [-OPTION VALUE | EXTENSION]...]: a CA, self-signed without an issuer.
authority() {
  local name=$1 issuer=${2:-$1} basic=basicConstraints=critical,CA:true
  shift
  mkdir -p "$ca/$name.new"
  : >"$ca/$name.index"
  echo 1000 >"$ca/$name.serial"
  if [ "$issuer" = "$name" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$ca/$name.key" -days 30 \
      -subj "/CN=$name root" -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$ca/$name.pem" 2>/dev/null || fail "authority $name"
    : >"$ca/$name.above"
  else
    case ${2:-} in ,*) basic+=$2; shift ;; esac
    certify "$name" "$issuer" "$basic" "${@:2}"
    cat "$ca/$name.pem" "$ca/$issuer.above" >"$ca/$name.above"
  fi
}

# certify NAME ISSUER [-OPTION VALUE | EXTENSION]...: NAME.pem, NAME.key; NAME.chain with what is above.
certify() {
  local name=$1 issuer=$2 options=() kind=(ec -pkeyopt ec_paramgen_curve:P-256)
  shift 2
  echo 'subjectKeyIdentifier=hash' >"$ca/$name.ext"
  while [ $# -gt 0 ]; do
    case $1 in
      -newkey) kind=("$2"); shift ;;
      -*) options+=("$1" "$2"); shift ;;
      *) echo "$1" >>"$ca/$name.ext" ;;
    esac
    shift
  done
  openssl req -new -newkey "${kind[@]}" -nodes -keyout "$ca/$name.key" -subj "/CN=$name" -out "$ca/$name.csr" \
    2>"$ca/said" || fail "request $name"
  CA=$ca/$issuer openssl ca -batch -notext -config "$ca/ca.cnf" -in "$ca/$name.csr" -out "$ca/$name.pem" \
    -extfile "$ca/$name.ext" "${options[@]}" >"$ca/said" 2>&1 || { cat "$ca/said"; fail "certificate $name"; }
  cat "$ca/$name.pem" "$ca/$issuer.above" >"$ca/$name.chain"
}

crl() { CA=$ca/good openssl ca -config "$ca/ca.cnf" -gencrl -out "$1" 2>"$ca/said" || fail "crl $1"; }
revoke() { CA=$ca/good openssl ca -config "$ca/ca.cnf" -revoke "$ca/$1.pem" 2>"$ca/said" || fail "revoke $1"; }

forge_all() {
  local san="subjectAltName=URI:urn:uuid:${uuid[v-issued]}" use='extendedKeyUsage=clientAuth'
  local as_b="subjectAltName=URI:urn:uuid:${uuid[b]}" name
  authority good
  authority bad
  certify expired good -startdate 20200101000000Z -enddate 20210101000000Z "$san" "$use"
  certify future good -startdate 20390101000000Z -enddate 20400101000000Z "$san" "$use"
  certify stranger bad "$san" "$use"
  authority old good -startdate 20200101000000Z -enddate 20210101000000Z
  certify under-old old "$san" "$use"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$ca/self.key" -subj /CN=self \
    -addext "$san" -addext "$use" -out "$ca/self.chain" 2>/dev/null
  certify server-only good "$san" 'extendedKeyUsage=serverAuth'
  certify signer good "$san" 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=codeSigning'
  authority other-domain good 'nameConstraints=critical,permitted;DNS:other.example'
  certify constrained other-domain "$san,DNS:${fqdn[v-issued]}" "$use"
  authority not-here good "nameConstraints=critical,excluded;DNS:${fqdn[v-issued]#*.}"
  certify excluded not-here "$san,DNS:${fqdn[v-issued]}" "$use"
  authority no-uris good 'nameConstraints=critical,permitted;URI:.other.example'
  certify constrained-uri no-uris "$san" "$use"
  certify weak good -newkey rsa:1024 "$san" "$use"
  certify sha1 good -md sha1 "$san" "$use"
  certify nf-as-ca good 'basicConstraints=critical,CA:false' "$as_b" "$use"
  for name in index serial; do cp "$ca/good.$name" "$ca/nf-as-ca.$name"; done
  mkdir -p "$ca/nf-as-ca.new"
  cp "$ca/nf-as-ca.pem" "$ca/nf-as-ca.above"
  certify under-nf nf-as-ca "$san" "$use"
  authority last good ',pathlen:0'
  authority beyond last
  certify too-deep beyond "$san" "$use"
  certify odd good "$san" "$use" '1.2.3.4.5=critical,DER:0500'
  certify broken good "$san" "$use"
  openssl x509 -in "$ca/broken.pem" -outform DER -out "$ca/broken.der"
  printf '\x01' | dd of="$ca/broken.der" bs=1 seek=$(($(stat -c %s "$ca/broken.der") - 1)) conv=notrunc 2>/dev/null
  openssl x509 -inform DER -in "$ca/broken.der" -out "$ca/broken.chain"
  certify sound good "$san" "$use"
  for name in 1 2 3 4 5 6 7 8; do cat "$ca/good.pem"; done >>"$ca/sound.chain"
  certify two-types good "$as_b" "$use" '1.3.6.1.5.5.7.1.34=DER:300a1603414d461603534d46'
  for name in revoked resumed-13 resumed-12 kept; do certify $name good "$san" "$use"; done
  certify nameless good "subjectAltName=DNS:${fqdn[v-issued]}" "$use"
  authority gone good
  certify revoked-above gone "$san" "$use"
  crl "$ca/none.crl"
  revoke revoked
  revoke gone
  crl "$ca/before.crl"
  for name in resumed-13 resumed-12 kept; do revoke $name; done
  crl "$ca/after.crl"
  cp "$ca/before.crl" "$work/nf.crl"
}

# ---- the attacks: each prints the status it got ----

# raw FILE TEXT.: a request with its line ends, ended by a dot that is not sent.
raw() { printf '%s' "${2%.}" | sed 's/$/\r/' >"$work/$1.raw"; }
get() { printf 'GET /nacme-enrolment/v1/enrolments/%s HTTP/1.1\nHost: %s\n\n' "$1" "$address"; printf .; }
raw_get() { raw "$2" "$(get "$1")"; }
# as NAME OPTION...: the tool with an NF's certificate.
as() { "$attacker" --to "$address" --cert "$v/$1/nf.pem" --key "$v/$1/nf.key" "${@:2}"; }
# with NAME OPTION...: with a forged one.
with() { "$attacker" --to "$address" --cert "$ca/$1.chain" --key "$ca/$1.key" "${@:2}"; }

read_as() { nf_call "$v/b" GET "/enrolments/${id[$1]}${2:-}"; }
read_with() { nf_call "$v/b" GET "/enrolments/${id[$1]}" -H "$2"; }
put_csr() { nf_call "$v/b" PUT "/enrolments/${id[$1]}/csr" -T "$v/b/$1.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20'; }
delete() { nf_call "$v/b" DELETE "/enrolments/${id[$1]}"; }
renew() { nf_call "$v/b" POST "/enrolments/${id[$1]}/renewals" -H 'Content-Length: 0' -H "3gpp-Sbi-Client-Credentials: $(cat "$v/b/cca.jwt")"; }
revocation() { nf_call "$v/b" POST "/enrolments/${id[$1]}/revocations" -H 'Content-Length: 0' -H 'Prefer: wait=20'; }
bring() { nf_call "$v/$1" PUT "/enrolments/${id[$2]}/authority-token" -H 'Content-Type: application/jwt' -d @"$work/$3.token"; }
post() { # post NAME BODY [CURL-OPTION...]: without an assertion
  nf_call "$v/$1" POST /enrolments -H 'Content-Type: application/json' -d "$2" "${@:3}"
}
cca() { printf '3gpp-Sbi-Client-Credentials: %s' "$(cat "$v/$1/cca.jwt")"; }
key() { printf '3gpp-Sbi-Request-Info: idempotency-key=%s' "$1"; }
swap() { post c "$(body v-issued)"; }
swap_cca() { post c "$(body v-issued)" -H "$(cca v-issued)"; }
swap_upper() { local text; text=$(body v-issued); post c "${text/${uuid[v-issued]}/${uuid[v-issued]^^}}"; }
swap_key() { post c "$(body v-issued)" -H "$(key victims-key)" -H "$(cca v-issued)"; }
swap_live() { post c "$(body v-ready)"; }
other_cca() { post c "$(body c)" -H "$(cca v-issued)"; }
other_type() { local text; text=$(body c); post c "${text/\"${type[c]}\"/\"UDM\"}"; }
more() { post "$1" "$(body "$1" "$2")" "${@:3}"; }
host_fqdn() { more c "\"fqdn\": \"${fqdn[v-issued]}\""; }
two_types() {
  local text
  text=$(body b)
  mkdir -p "$v/two"
  cp "$ca/two-types.chain" "$v/two/nf.pem"
  cp "$ca/two-types.key" "$v/two/nf.key"
  post two "${text/\"${type[b]}\"/\"AMF\"}" -H "$(key k)"
}
own_fqdn() { more b "\"fqdn\": \"${fqdn[b]}\"" -H "$(key k)"; }
profile() { more b '"profile": "nf-both"' -H "$(key k)"; }
callback() { more c "\"notificationUri\": \"$1\""; }
callback_victim() { callback "https://${fqdn[v-issued]}/told"; }
callback_suffix() { callback "https://${fqdn[c]}.evil.example/told"; }
callback_user() { callback "https://${fqdn[c]}:443@evil.example/told"; }
callback_plain() { callback "http://${fqdn[c]}/told"; }
callback_fragment() { callback "https://${fqdn[c]}/told#evil"; }
guessed() { nf_call "$v/b" GET "/enrolments/AAAAAAAAAAAAAAAAAAAAAA${id[b]:22}"; }
guessed_case() { nf_call "$v/b" GET "/enrolments/$(tr 'a-zA-Z' 'A-Za-z' <<<"${id[b]:0:22}")${id[b]:22}"; }
named_twice() { post c "{\"nfInstanceId\": \"${uuid[v-issued]}\", $(body c | cut -c2-)"; }
form_type() { nf_call "$v/c" POST /enrolments -H 'Content-Type: text/plain' -d "$(body c)"; }
cca_twice() { post c "$(body c)" -H "$(cca c)" -H "$(cca v-issued)"; }
type_twice() { post c "$(body c)" -H 'Content-Type: text/plain'; }
key_twice() { post b "$(body b)" -H "$(key k)" -H "$(key victims-key)"; }
host_odd() { post b "$(body b)" -H "$(key k)" -H 'Host: evil.example/x?@y'; }
host_twice() {
  raw twice "$(printf 'GET /nacme-enrolment/v1/enrolments/%s HTTP/1.1\nHost: %s\nHost: evil.example\n\n.' "${id[b]}" "$address")"
  as b "$work/twice.raw"
}
smuggle() { # smuggle HEADERS BODY: another request in the body
  raw smuggle "$(printf 'GET /nacme-enrolment/v1/enrolments/%s HTTP/1.1\nHost: %s\n%b\n\n%b.' "${id[b]}" "$address" "$1" "$2")"
  as b "$work/smuggle.raw"
}
two_lengths() { smuggle 'Content-Length: 0\nContent-Length: 47' 'GET /nacme-enrolment/v1/x HTTP/1.1\nHost: a\n\n'; }
length_chunks() { smuggle 'Content-Length: 4\nTransfer-Encoding: chunked' '0\n\n'; }
forged() { raw_get "${id[v-issued]}" get; with "$1" "${@:2}" "$work/get.raw"; }
alpn() { raw_get "${id[b]}" get; as b --alpn acme-tls/1 "$work/get.raw"; }
renegotiate() { raw_get "${id[b]}" get; as b --tls 1.2 --renegotiate "$work/get.raw"; }
resumed_other() { # b's session, for a request about the victim
  raw_get "${id[b]}" own
  raw_get "${id[v-issued]}" get
  same "b's session" "$(as b "$@" --save "$work/session" "$work/own.raw")" 200
  as b "$@" --resume "$work/session" "$work/get.raw"
}
lists() { # lists FILE: the client has read it
  local before
  before=$(grep -c 'room=nf_crl event=read' "$log")
  cp "$1" "$work/nf.crl.new" && mv "$work/nf.crl.new" "$work/nf.crl"
  kill -HUP "${bed_pid[client]}"
  until_more "$before" 'room=nf_crl event=read' || fail "the lists were not read"
}
resumed_revoked() { # resumed_revoked NAME OPTION...
  raw_get "${id[v-issued]}" get
  same "before the revocation" "$(with "$1" "${@:2}" --save "$work/session" "$work/get.raw")" 200
  lists "$ca/after.crl"
  with "$1" "${@:2}" --resume "$work/session" "$work/get.raw"
  lists "$ca/before.crl"
}
kept_revoked() {
  local first second
  raw_get "${id[v-issued]}" get
  rm -f "$work/go" "$work/came"
  mkfifo "$work/go" "$work/came"
  with kept --pause "$work/get.raw" "$work/get.raw" <"$work/go" >"$work/came" &
  exec 7>"$work/go" 8<"$work/came"
  read -r -t 20 first <&8
  same "before the revocation" "$first" 200
  lists "$ca/after.crl"
  echo go >&7
  read -r -t 20 second <&8
  exec 7>&- 8<&-
  wait $!
  lists "$ca/before.crl"
  echo "$second"
}
path_of() { nf_call "$v/b" GET "$1" --path-as-is; }
path_dots() { path_of "/enrolments/${id[b]}/../${id[v-issued]}"; }
path_encoded() { path_of "/enrolments/%${id[v-issued]:0:2}"; }
path_slashes() { path_of "//enrolments/${id[v-issued]}"; }
path_slash() { path_of "/enrolments/${id[v-issued]}/"; }
method() { nf_call "$v/b" PATCH "/enrolments/${id[v-issued]}"; }
bare() { raw_get "${id[v-issued]}" get; "$attacker" --to "$address" "$work/get.raw"; }
old_tls() { raw_get "${id[b]}" get; as b --tls 1.1 "$work/get.raw"; }
cbc() { raw_get "${id[b]}" get; as b --tls 1.2 --ciphers ECDHE-ECDSA-AES128-SHA256 "$work/get.raw"; }
folded() {
  raw folded "$(printf 'GET /nacme-enrolment/v1/enrolments/%s HTTP/1.1\nHost : %s\n\n.' "${id[b]}" "$address")"
  as b "$work/folded.raw"
}

# check | refused with | with the check off | how | attack.  "-": more than one check, or a library's.
table='
owner|404|200|read_as v-ready|read another NF'"'"'s live enrolment
owner|404|200|read_as v-issued|read another NF'"'"'s ended enrolment
owner|404|200|read_as v-issued ?nfInstanceId=x|the same with a query
owner|404|200|read_as v-issued /certificate|fetch another NF'"'"'s certificate
owner|404|200|read_with v-issued X-Forwarded-Client-Cert:URI=urn:uuid:victim|claim the identity in a header
owner|404|200|put_csr v-ready|put a CSR of one'"'"'s own key into another NF'"'"'s order
owner|404|204|delete v-ready2|delete another NF'"'"'s live enrolment
owner|404|204|delete v-issued3|delete another NF'"'"'s ended enrolment
owner|404|202|renew v-issued|renew another NF'"'"'s certificate
owner|404|204|revocation v-issued2|revoke another NF'"'"'s certificate
owner|404|202|bring b v-token v-token|bring another NF'"'"'s stolen token for it
owner|404|200|resumed_other|resume a TLS 1.3 session for another identity
owner|404|200|resumed_other --tls 1.2|resume a TLS 1.2 session for another identity
identity|403|202|swap|ask for another NF'"'"'s instance id
identity|403|202|swap_cca|the same with its stolen assertion
identity|403|202|swap_upper|the same in upper case
identity|403|201|swap_key|replay its request, idempotency key and all
identity|403|201|swap_live|join another NF'"'"'s live enrolment
assertion-subject|403|202|other_cca|ask for oneself with another NF'"'"'s assertion
nf-type|403|202|other_type|ask for another NF type
fqdn|403|202|host_fqdn|ask for another NF'"'"'s FQDN
same-type|409|201|two_types|replay an idempotency key with another type
same-fqdn|409|201|own_fqdn|replay an idempotency key with another FQDN
same-profile|409|201|profile|replay an idempotency key with another profile
token-subject|403|202|bring b2 b2 b2-victim|bring another NF'"'"'s token for one'"'"'s own order
token-account|403|202|bring b2 b2 b2-other|bring a token for another ACME account
callback-host|400|202|callback_victim|be notified at another NF
callback-host|400|202|callback https://169.254.169.254/latest|be notified at the metadata service
callback-host|400|202|callback_suffix|a callback that only begins like one'"'"'s own
callback-form|400|202|callback_user|a callback with one'"'"'s own name as user
callback-form|400|202|callback_fragment|a callback with a fragment
callback-scheme|400|202|callback_plain|a callback without TLS
whole-id|404|200|guessed|guess an id by its row
whole-id|404|200|guessed_case|an id in other case
json-names-once|400|202|named_twice|two instance ids in one body
media-type|415|202|form_type|a body a web page may send
header-once|400|202|cca_twice|two assertions
header-once|400|202|type_twice|two content types
header-once|400|201|key_twice|two idempotency keys
header-once|400|200|host_twice|two hosts
host-form|400|201|host_odd|a host that would bend Location
length-once|000|200|two_lengths|a request hidden behind a second length
length-or-chunks|000|200|length_chunks|a length, and chunks
expiry|000|200|forged expired|a certificate that has expired
expiry|000|200|forged under-old|one of a CA that has expired
not-before|000|200|forged future|one that is not valid yet
trust|000|200|forged stranger|one of a CA nobody trusts
trust|000|200|forged self|one of its own making
usage|000|200|forged server-only|one for servers
usage|000|200|forged signer|one for signing code
name-constraints|000|200|forged constrained|one outside its CA'"'"'s permitted names
name-constraints|000|200|forged excluded|one inside its CA'"'"'s excluded names
name-constraints|000|200|forged constrained-uri|one of a CA for other URIs
key-strength|000|200|forged weak|one with a 1024-bit key
digest-strength|000|200|forged sha1|one signed over SHA-1
issuer-is-ca|000|200|forged under-nf|one issued by an NF
path-length|000|200|forged too-deep|one beyond its CA'"'"'s path length
signature|000|200|forged broken|one with a changed signature
critical-extension|000|200|forged odd|one with an unknown critical extension
chain-length|000|200|forged sound|one with a train of others
revocation|000|200|forged revoked|one that is revoked
revocation|000|200|forged revoked-above|one of a CA that is revoked
judged-again|000|200|resumed_revoked resumed-13|resume a TLS 1.3 session after revocation
judged-again|000|200|resumed_revoked resumed-12 --tls 1.2|resume a TLS 1.2 session after revocation
judged-again|000|200|kept_revoked|go on with a connection after revocation
renegotiation|000|200|renegotiate|renegotiate
alpn|000|200|alpn|another protocol over the same TLS
-|404||path_dots|dots in the path
-|404||path_encoded|an encoded path
-|404||path_slashes|two slashes
-|404||path_slash|a slash at the end
-|405||method|an unknown method
-|403||forged nameless|a certificate that names no NF
-|000||bare|no certificate
-|000||old_tls|TLS 1.1
-|000||cbc|a cipher without authentication
-|400||folded|a space before the colon
'

# ---- what is watched ----

refusals='room=httpd event=(refused|microhttpd)|room=api event=request .* status=[45]'
refused_lines() { grep -Ec "$refusals" "$log" || true; }

# until_more COUNT PATTERN: the log holds more such lines than that; 10 s at most.
until_more() {
  local try
  for ((try = 0; try < 400; try++)); do
    [ "$(grep -Ec "$2" "$log")" -le "$1" ] || return 0
    read -r -t 0.025 _ <>"$work/pause" || true
  done
  return 1
}

state() {
  sqlite3 -cmd '.timeout 5000' "$work/client/client.db" .dump
  sqlite3 -cmd '.timeout 5000' "$work/server/server.db" .dump
}

# ---- part one: refused, without a trace but one ----

mkfifo "$work/pause"
nf v-ready amf-1
nf v-issued amf-2
nf c amf-3
nf v-ready2 smf-1
nf v-issued2 smf-2
nf v-issued3 smf-3
nf v-token upf-1
nf b upf-2
nf b2 nrf-1
forge_all
client_up "$BUILD/client/nfacme-client" "$work/client"
enrol v-ready
enrol v-ready2
issue v-issued -H "$(key victims-key)"
issue v-issued2
issue v-issued3
issue b -H "$(key k)"
await v-token
await b2
csr b v-ready
token v-token v-token >"$work/v-token.token"
token b2 v-token >"$work/b2-other.token"
nf_export upf-1 "$v/v-token" # an assertion serves one account
token v-token b2 >"$work/b2-victim.token"
bed_stop client
cp -r "$work/client" "$work/snapshot"
client_up "$BUILD/client/nfacme-client" "$work/client"

mapfile -t rows < <(grep '|' <<<"$table" | grep -F -- "$only")
[ ${#rows[@]} -gt 0 ] || fail "no such attack"
state >"$work/before"
wrong=0 results=() lines_first=$(refused_lines)
for row in "${rows[@]}"; do
  IFS='|' read -r check wanted off how text <<<"$row"
  lines=$(refused_lines) verdict=ok
  # shellcheck disable=SC2086
  seen=$($how)
  [ "$seen" = "$wanted" ] || verdict="saw $seen, wanted $wanted"
  until_more "$lines" "$refusals" || true
  logged=$(($(refused_lines) - lines))
  [ "$logged" = 1 ] || verdict+=", $logged lines in the log"
  state >"$work/after"
  cmp -s "$work/before" "$work/after" || { verdict+=", it left state"; diff "$work/before" "$work/after" | cut -c1-300 | head -n 6; mv "$work/after" "$work/before"; }
  [ "$verdict" = ok ] || { wrong=$((wrong + 1)); echo "$text ($how): $verdict"; }
  results+=("$seen|$logged")
done
same "refusals in the log" "$(($(refused_lines) - lines_first))" ${#rows[@]}
kill -0 "${bed_pid[client]}" || fail "the client has ended"
bed_stop client || fail "the client ended badly"

# ---- part two: each with its check off ----

succeeds=()
for i in "${!rows[@]}"; do
  IFS='|' read -r check wanted off how text <<<"${rows[i]}"
  succeeds[i]=-
  if [ "$guards" = no ] || [ "$check" = - ]; then continue; fi
  rm -rf "$work/client"
  cp -r "$work/snapshot" "$work/client"
  NFACME_GUARD_OFF=$check client_up "$guardless" "$work/client"
  # shellcheck disable=SC2086
  seen=$($how)
  succeeds[i]=$seen
  [ "$seen" = "$off" ] || { wrong=$((wrong + 1)); echo "$text: with $check off saw $seen, wanted $off: $(tail -n 1 "$log" | cut -c1-300)"; }
  bed_stop client || fail "the client with $check off ended badly: $?"
done

printf '%3s  %-52s %-20s %-8s %-7s %s\n' no attack check refused logged 'without it'
for i in "${!rows[@]}"; do
  IFS='|' read -r check wanted off how text <<<"${rows[i]}"
  printf '%3s  %-52s %-20s %-8s %-7s %s\n' $((i + 1)) "$text" "$check" "${results[i]%|*}" "${results[i]#*|}" "${succeeds[i]}"
done
[ -n "$only" ] || while read -r name; do
  grep -q "^$name|" <<<"$table" || fail "no attack shows what the check $name stops"
done < <(cd "$root" && grep -ohE 'GUARD\("[a-z-]+"' client/*.c common/*.c | cut -d'"' -f2 | sort -u)
[ "$wrong" -eq 0 ] || fail "$wrong of ${#rows[@]} attacks not as they should be"
echo "tenant_attacks: ${#rows[@]} attacks refused, each logged once, none left state; $(grep -vc '^-' < <(printf '%s\n' "${succeeds[@]}")) succeed without their check"
