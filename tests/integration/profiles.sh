#!/usr/bin/env bash
# A certificate of every profile passes the linter, and openssl reads and verifies it; the linter
# finds a certificate wrong for each of its rules.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

tools=$BUILD/tests/lint
"$tools/certlint" --self-test || fail "the linter misses a wrong certificate"
LINT_OUT=$work "$tools/certobtain" >"$work/obtain.log" 2>&1 \
  || { cat "$work/obtain.log"; fail "not every profile could be obtained"; }

count=0
for pem in "$work"/*.pem; do
  profile=$(basename "$pem" .pem)
  case $profile in issuer | root) continue ;; esac
  "$tools/certlint" "$profile" "$pem" "$work/issuer.pem" || fail "$profile breaks its rules"
  openssl x509 -in "$pem" -noout -text >"$work/text" || fail "openssl does not read $profile"
  openssl verify -attime 1795000000 -CAfile "$work/root.pem" -untrusted "$pem" "$pem" \
    >"$work/said" 2>&1 || { cat "$work/said"; fail "openssl does not verify $profile"; }
  count=$((count + 1))
done
same "profiles" "$count" 9

# a certificate of one profile is wrong for another
"$tools/certlint" nf-client "$work/sepp.pem" "$work/issuer.pem" >"$work/said" \
  && fail "a sepp certificate passes as nf-client"
holds "why" "$work/said" purposes
printf 'profiles.sh: %d profiles\n' "$count"
