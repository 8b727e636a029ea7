#!/usr/bin/env bash
# NFs enrol through nfacme-client and prove their FQDN in a zone of Knot DNS: by signed updates
# (RFC 2136, RFC 8945), by a hook that runs knsupdate, and by tls-alpn-01.  Clients are killed with
# records in the zone, keys are wrong, the name server is away: afterwards the zone is as before.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"

for package in knot knot-dnsutils; do fetch_package "$package" || exit 77; done
zone=5gc.mnc001.mcc001.3gppnetwork.org
mkdir -p "$work/knot/zones"
for name in org "$zone"; do # CAA is asked up the tree
  printf "\$ORIGIN %s.\n\$TTL 1\n@ SOA ns hostmaster 1 60 60 600 1\n@ NS ns\nns A 127.0.0.1\n" "$name" \
    >"$work/knot/zones/$name"
done
printf '_acme-challenge.neighbour TXT "not ours"\n' >>"$work/knot/zones/$zone"
knot_up org "$zone"

# in_zone: the challenge records of the zone, but the neighbour's.
in_zone() {
  knot kdig "@127.0.0.1" -p "$knot_port" -k "$work/knot/key" +tcp AXFR "$zone" >"$work/axfr" \
    && grep -q SOA "$work/axfr" || { cat "$work/axfr"; fail "no transfer"; }
  grep -q '^_acme-challenge.neighbour.*not ours' "$work/axfr" || fail "the neighbour's record is gone"
  grep '^_acme-challenge' "$work/axfr" | grep -v neighbour
}

# until_zone WHAT STATUS: wait (20 s) until records are there (0) or not (1).
until_zone() {
  local i
  for ((i = 0; i < 200; i++)); do
    in_zone >/dev/null
    [ $? -eq "$2" ] && return
    read -r -t 0.1 <> <(:) || true
  done
  in_zone
  fail "$1"
}

scenario=$root/scenarios/nine-steps-http01.yaml
bed_begin "$work" "$work/out"
"$BUILD/nfsim/nfsim" init "$scenario" --state "$work/oam" >"$work/init.log" 2>&1 \
  || { cat "$work/init.log"; fail "nfsim init"; }
alpn_port=$(port_free)
bed_server_extra=(--resolver "127.0.0.1:$knot_port" --tlsalpn01-port "$alpn_port")
if ! { bed_server_start && bed_oam_start; }; then fail "the bed did not start"; fi

# client_with CHALLENGES OPTION...: another client, in a state of its own.
client_with() {
  bed_challenges=$1
  shift
  bed_stop client
  rm -rf "$work/client"
  bed_client_extra=("$@")
  bed_client_start || fail "the client did not start with $*"
}

# fleet WHAT TYPE: the NFs of the scenario enrol; the server saw that validation of each.
fleet() {
  local before after
  before=$(validations "$2")
  rm -rf "$work/out/result.json"
  bed_run "$scenario" --no-tui >"$work/table" 2>&1 || { cat "$work/table"; fail "$1"; }
  same "$1: enrolled" "$(json "$work/out/result.json" '.enrolled == .offered')" true
  after=$(validations "$2")
  same "$1: validations" "$((after - before >= 18))" 1
}

validations() {
  curl -sS -q --noproxy '*' "$(bed_value server admin)/metrics" \
    | sed -n "s/^nfacme_server_validations_total{type=\"$1\",outcome=\"valid\"} //p" | grep . || echo 0
}

updates=(--dns01-server "127.0.0.1:$knot_port" --dns01-zone "$zone" --dns01-key hook)
signed=("${updates[@]}" --dns01-secret-file "$work/knot/secret")

client_with tkauth-01,dns-01 "${signed[@]}"
fleet "by updates" dns-01
until_zone "records stay after the updates" 1
same "published and withdrawn" "$(grep -c 'room=dns01 event=published' "$work/out/logs/client.log")" \
  "$(grep -c 'room=dns01 event=withdrawn' "$work/out/logs/client.log")"

# ---- by a hook ----

cat >"$work/hook" <<HOOK
#!/usr/bin/env bash
case \$1 in
  present) line="add \$2. 1 TXT \$3" ;;
  withdraw) line="del \$2. 0 TXT \$3" ;;
  *) exit 2 ;;
esac
echo "\$1 \$2"
for program in "$partners"/usr/bin/knsupdate /usr/bin/knsupdate; do [ -x "\$program" ] && break; done
export LD_LIBRARY_PATH=$partners/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
printf '%s\n' "server 127.0.0.1 $knot_port" "zone $zone." "update \$line" send | "\$program" -k "$work/knot/key"
HOOK
chmod 700 "$work/hook"
client_with tkauth-01,dns-01 --dns01-hook "$work/hook" --dns01-check "127.0.0.1:$knot_port"
fleet "by a hook" dns-01
until_zone "records stay after the hook" 1
holds "its output is logged" "$work/out/logs/client.log" 'room=hook event=output .*line="present _acme-challenge'

# ---- tls-alpn-01 ----

client_with tkauth-01,tls-alpn-01 --tlsalpn01-listen "127.0.0.1:$alpn_port"
fleet "by tls-alpn-01" tls-alpn-01

# ---- killed between present and withdraw ----

# asked: amf-1 asks for a certificate, with an assertion of its own, and does not wait.
asked() {
  nf_export amf-1 "$work/nf" --fqdn --profile nf-both
  same "the enrolment is under way" "$(nf_wait=0 nf_ask "$work/nf" "$(cat "$work/nf/nf.json")")" 202
  id=$(nf_location "$work/nf")
}
rows() { sqlite3 "$work/client/client.db" "SELECT count(*) FROM publication"; }

# killed: a client that waits for a name server nobody is at, killed with its record in the zone.
killed() {
  client_with tkauth-01,dns-01 "${signed[@]}" --dns01-check "127.0.0.1:$(port_free)" --dns01-wait 600
  asked
  until_zone "nothing was published" 0
  kill -9 "${bed_pid[client]}" && wait "${bed_pid[client]}" 2>/dev/null
  unset "bed_pid[client]"
  same "the record is noted" "$(rows)" 1
}

# restarted CHALLENGES OPTION...: with the state it left.
restarted() {
  bed_stop client
  bed_challenges=$1 bed_client_extra=("${@:2}")
  bed_client_start || fail "the client did not start again"
}

until_ready() {
  local i
  for ((i = 0; i < 60; i++)); do
    nf_call "$work/nf" GET "$(bed_value client api)/${id#https://*/}" -H "Prefer: wait=5" >/dev/null
    [ "$(json "$work/nf/body" .state)" = "$1" ] && return
    read -r -t 0.1 <> <(:) || true
  done
  cat "$work/nf/body"
  fail "the enrolment does not come to $1"
}

until_rows() {
  local i
  for ((i = 0; i < 200; i++)); do
    [ "$(rows)" = 0 ] && return
    read -r -t 0.1 <> <(:) || true
  done
  fail "$(rows) publications stay noted"
}

killed
restarted tkauth-01,dns-01 "${signed[@]}"
until_ready READY
until_zone "the record stays after a crash" 1
until_rows

killed # its enrolment comes to an end without dns-01
restarted tkauth-01,http-01
until_ready READY
in_zone >/dev/null || fail "who took the record away?"
restarted tkauth-01,dns-01 "${signed[@]}"
until_zone "the record stays though its enrolment needs it no more" 1
until_rows

# ---- a wrong key, a name server that is away ----

openssl rand -base64 32 >"$work/wrong"
client_with tkauth-01,dns-01 "${updates[@]}" --dns01-secret-file "$work/wrong"
asked
until_ready FAILED
holds "the reason names the refusal" "$work/nf/body" 'name server answers NOTAUTH'

client_with tkauth-01,dns-01 "${signed[@]}"
kill -STOP "$knot_pid"
asked
for ((i = 0; i < 200; i++)); do
  grep -q 'room=dns01 event=retry .*in time' "$work/out/logs/client.log" && break
  read -r -t 0.1 <> <(:) || true
done
kill -CONT "$knot_pid"
[ "$i" -lt 200 ] || fail "a name server that is away is not asked again"
until_ready READY
until_zone "records stay after the outage" 1
until_rows
echo "client_dns01: enrolled by updates, by a hook and by tls-alpn-01; the zone is as it was"
