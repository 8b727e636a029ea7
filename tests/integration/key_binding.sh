#!/usr/bin/env bash
# Key binding: what a client gets that swaps the CSR of an NF that is asking.  Bound, the CA refuses
# it; unbound, it is issued, for a key that is not the NF's.  A whole fleet binds its keys.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

BED_RECORDS=no
bed_up nine-steps --nfs 20
nf=$work/a
mkdir -p "$nf"
path() { printf '%s' "/enrolments/${1##*/}"; }
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null || fail "a key"; }
# csr KEY: a request of the NF's names for that key, the one that arrives at the CA.
csr() {
  openssl req -new -key "$1" -subj / -addext "subjectAltName=URI:urn:uuid:$(json "$nf/nf.json" .nfInstanceId)" \
    -outform DER -out "$1.der" 2>/dev/null || fail "a CSR"
  nf_call "$nf" PUT "$(path "$url")/csr" -T "$1.der" -H 'Content-Type: application/pkcs10' -H 'Prefer: wait=20'
}
# asked [--bind KEY]: step 1 to READY.
asked() {
  nf_export amf-1 "$nf" "$@"
  same "step 1" "$(nf_ask "$nf" "$(cat "$nf/nf.json")")" 201
  url=$(nf_location "$nf")
}

key "$work/own.pem"
key "$work/swapped.pem"
asked --bind "$work/own.pem"
same "the swapped CSR, bound" "$(csr "$work/swapped.pem")" 400
holds "the swapped CSR, bound" "$nf/body" 'for another key than the authority token'
same "the NF's own, after that" "$(csr "$work/own.pem")" 200
asked
same "the swapped CSR, not bound" "$(csr "$work/swapped.pem")" 200
same "whose key it is for" "$(openssl x509 -in "$nf/body" -noout -pubkey)" "$(openssl pkey -in "$work/swapped.pem" -pubout)"

# The CA insists: assertions without a key are of no use, and a fleet that binds enrols.
bed_stop server
bed_server_extra+=(--require-key-binding)
bed_server_start || fail "the server did not start"
nf_export amf-2 "$nf"
same "not bound where it is required" "$(nf_ask "$nf" "$(cat "$nf/nf.json")")" 403
holds "not bound where it is required" "$nf/body" 'bound to no key'
bed_run "$scenario" --nfs 20 --rate 40 --set key_binding=true --set use=none --no-tui >"$work/table" 2>&1 \
  || { tail -n 20 "$work/table"; fail "a fleet that binds its keys"; }
same "enrolled" "$(json "$work/out/result.json" .enrolled)" 20
echo "key binding: a swapped CSR is refused when the key is bound, and issued when it is not"
