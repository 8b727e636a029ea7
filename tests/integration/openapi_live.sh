#!/usr/bin/env bash
# The running API against its description (client/openapi.yaml): every answer that the NFs of the
# scripts below get, good or bad, is one that is described, with its headers and the body's schema.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

python3 -c 'import yaml, jsonschema' 2>/dev/null \
  || { [ "$(id -u)" -eq 0 ] && apt-get -q -y --no-install-recommends install python3-yaml python3-jsonschema >"$work/log" 2>&1; } \
  || { echo "skipped: no python3-jsonschema here"; exit 77; }
export NF_RECORD=$work/records
mkdir -p "$NF_RECORD"
for script in curl_nf bad_input renewal revocation nf_token key_binding; do
  bash "$root/tests/integration/$script.sh" >"$work/$script" 2>&1 || { tail -n 5 "$work/$script"; fail "$script.sh"; }
done
python3 -W ignore::DeprecationWarning "$root/tests/integration/openapi_live.py" "$root/client/openapi.yaml" "$NF_RECORD" || fail "answers that are not described"

# An answer of another shape is found.
wrong=$work/wrong
mkdir -p "$wrong"
one=''
for record in "$NF_RECORD"/*; do
  if grep -q '^GET .*/enrolments/[^/]*$' "$record/request" && grep -q '"state"' "$record/body"; then one=$record; fi
done
[ -n "$one" ] || fail "no enrolment was read"
cp -r "$one" "$wrong/one"
sed -i 's/"state"/"status"/' "$wrong/one/body"
python3 -W ignore::DeprecationWarning "$root/tests/integration/openapi_live.py" "$root/client/openapi.yaml" "$wrong" >"$work/found" && fail "a wrong answer was not found"
holds "what is wrong" "$work/found" 'state'
echo "openapi_live: every answer is as described"
