#!/usr/bin/env bash
# The nine steps through the newcomer's command: the result's contract, the spans' arithmetic, and
# the certificates' profile as openssl reads it.
# shellcheck disable=SC2016 # jq's variables
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

check_result() {
  local result=$1 wanted=$2
  same "members" "$(json "$result" 'keys_unsorted | sort | join(" ")')" \
    "acme_requests cpu_s enrolled expect failed failures faults in_flight offered rate_per_s rss_kib scenario schema seed service shed started steps timeout total wall_s"
  same "offered" "$(json "$result" .offered)" "$wanted"
  same "enrolled" "$(json "$result" .enrolled)" "$wanted"
  same "the five sum to offered" \
    "$(json "$result" '.enrolled + .failed + .timeout + .shed + .in_flight == .offered')" true
  same "nine steps" "$(json "$result" '[.steps[].step] | join(" ")')" "1 2 3 4 5 6 7 8 9"
  same "every step counted" "$(json "$result" "[.steps[].count] | unique == [$wanted]")" true
  same "the steps' means sum to the total's within 0.1 %" "$(json "$result" \
    '([.steps[].mean_us] | add) as $s | (($s - .total.mean_us) | fabs) <= .total.mean_us * 0.001')" true
  same "figures" "$(json "$result" '[.steps[], .total, .service] | map(keys_unsorted
    - ["step", "name"] | sort | join(" ")) | unique | join("|")')" \
    "count max_us mean_us p50_us p90_us p999_us p99_us"
}

# Every sampled enrolment: nine spans lie end to end and sum to the root exactly.
check_trace() {
  local trace=$1 wanted=$2
  same "traces whose nine spans sum to the enrolment, programs in each" "$(json "$trace" '
    [.resourceSpans[] | (.resource.attributes[] | select(.key == "service.name").value.stringValue) as $p
      | .scopeSpans[].spans[] | . + {program: $p}]
    | group_by(.traceId)
    | map(select(any(.name == "enrolment"))
      | (map(select(.name == "enrolment"))[0]) as $root
      | map(select(.parentSpanId == $root.spanId and (.name | test("^[1-9] "))) |
          ((.endTimeUnixNano[:-3] | tonumber) - (.startTimeUnixNano[:-3] | tonumber))) as $spans
      | select(($spans | length) == 9 and ($spans | add) == (($root.endTimeUnixNano[:-3] | tonumber)
          - ($root.startTimeUnixNano[:-3] | tonumber)))
      | [.[].program] | unique 
        | map(select(. == "nfsim" or . == "nfacme-client" or . == "nfacme-server")) | length)
    | "\(length) of \(min) to \(max)"')" "$wanted of 3 to 3"
}

check_certificate() {
  local pem=$1 text=$work/text types
  openssl x509 -in "$pem" -noout -text >"$text" || fail "openssl does not read $pem"
  openssl verify -purpose sslclient -CAfile "$root_pem" -untrusted "$pem" "$pem" >/dev/null \
    || fail "openssl does not verify $pem"
  holds subject "$text" 'Subject: C ?= ?XX, O ?= ?5gc\.mnc001\.mcc001\.3gppnetwork\.org$'
  holds "critical SAN" "$text" 'X509v3 Subject Alternative Name: critical'
  holds "SAN URI" "$text" 'URI:urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
  holds "critical key usage" "$text" 'X509v3 Key Usage: critical'
  holds "digitalSignature alone" "$text" '^ *Digital Signature$'
  holds EKU "$text" '^ *TLS Web Client Authentication$'
  holds AKI "$text" 'X509v3 Authority Key Identifier'
  holds CRLDP "$text" 'URI:http://127\.0\.0\.1:[0-9]+/crl/'
  grep -q 'CN ?=' "$text" && fail "$pem has a common name"
  types=$(openssl asn1parse -in "$pem" | grep -A1 '1.3.6.1.5.5.7.1.34' | sed -n 's/.*HEX DUMP\]://p')
  case $2 in
    AMF) same "NFTypes of an AMF" "$types" 30051603414D46 ;;
    *) [ -n "$types" ] || fail "$pem has no NFTypes" ;;
  esac
}

out=$work/out
"$root/scenarios/run" nine-steps --out "$out" --no-tui >"$work/table" 2>"$work/err" \
  || { cat "$work/table" "$work/err"; fail "scenarios/run nine-steps"; }
for step in request account order challenge response validation acknowledgement CSR certificate; do
  holds "the table" "$work/table" "$step"
done
check_result "$out/result.json" 20
check_trace "$out/trace.otlp.json" 20
for file in report.html flow.svg events.jsonl config certs logs; do
  [ -s "$out/$file" ] || [ -d "$out/$file" ] || fail "the bundle lacks $file"
done
grep -Eq '(src|href)="?https?://' "$out/report.html" && fail "report.html fetches from the network"

# The chain's last certificate is the issuing CA; the anchor is kept in config/.
root_pem=$(find "$out/config" "$out/certs" -name 'root.pem' -o -name 'operator-root.pem' | head -n 1)
[ -n "$root_pem" ] || fail "the bundle holds no operator root"
count=0 amf=0
for pem in "$out"/certs/*.pem; do
  [ "$pem" = "$root_pem" ] && continue
  type=other
  openssl asn1parse -in "$pem" | grep -q 30051603414D46 && type=AMF amf=$((amf + 1))
  check_certificate "$pem" "$type"
  count=$((count + 1))
done
if [ $count -lt 1 ] || [ $amf -lt 1 ]; then fail "looked at $count certificates, $amf of an AMF"; fi
same "events are JSON, at most 4 KiB per enrolment" \
  "$([ "$(wc -c <"$out/events.jsonl")" -le $((21 * 4096)) ] && jq -es 'length > 100' "$out/events.jsonl" 2>&1)" true
# Each NF's requests came under its own TLS identity, and no two NFs hold one certificate.
same "requests under another NF's identity" "$(awk '/room=api event=request/ { nf = peer = ""
  for (i = 1; i <= NF; i++) { if ($i ~ /^nf=/) nf = substr($i, 4); if ($i ~ /^peer=/) peer = substr($i, 6) }
  seen++; if (nf != peer) bad++ } END { print (seen >= 40 ? bad + 0 : "none seen") }' "$out/logs/client.log")" 0
same "distinct verified certificates, with the producer's" "$(jq -rs '[.[] | select(.program == "nfsim"
  and .event == "certificate") | .serial] | unique | length' "$out/logs/nfsim.events.jsonl")" 21
echo "$count certificates looked at, $amf of an AMF"
