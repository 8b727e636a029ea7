#!/usr/bin/env bash
# State tables, the JWS gate and the problem table are covered completely by their unit tests: every
# line that can run is run, measured with gcov in a build of its own.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# room[:function...]: the whole room, or those functions; the test of the same name exercises it.
wanted=(server/gate common/acme
  common/problem:problem_type:problem_render:problem_render_sbi:problem_read
  server/account:account_next server/order:order_next server/authz:authz_next:challenge_next
  client/enrolment:enrolment_next nfsim/nf_life:nf_next)

build=$BUILD-coverage
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" -Dtests=true -Db_coverage=true \
  --buildtype=debug >"$work/log" 2>&1 || { tail -n 20 "$work/log"; fail "meson setup"; }
find "$build" -name '*.gcda' -delete
tests=()
for entry in "${wanted[@]}"; do room=${entry%%:*} tests+=("tests/test_${room//\//_}"); done
ninja -C "$build" "${tests[@]}" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; fail "build"; }
bad=0
for entry in "${wanted[@]}"; do
  room=${entry%%:*} functions=${entry#"$room"}
  program=${room%/*} name=${room#*/}
  NFACME_VECTORS=$root/tests/vectors "$build/tests/test_${program}_$name" >"$work/log" 2>&1 \
    || { tail -n 20 "$work/log"; fail "test $room"; }
  (cd "$build" && gcov -t "$program/lib$program.a.p/$name.c.gcda") >"$work/gcov" 2>/dev/null
  # gcov prints each file the object was made of; ours is the first.  Failures that only a lack of
  # memory or of random numbers brings say so in the source.
  awk -v functions="${functions#:}" '
    BEGIN { count = split(functions, names, ":") }
    /:    0:Source:/ { ours = /\/'"$name"'\.c$/ }
    !ours { next }
    count == 0 { print; next }
    { code = $0; sub(/^[^:]*:[^:]*:/, "", code) }
    code ~ /^[a-z].*\(/ { on = 0; for (i in names) if (index(code, names[i] "(")) on = 1 }
    on' "$work/gcov" >"$work/lines"
  [ "$(grep -cE '^ *[0-9]+\*?:' "$work/lines")" -ge 3 ] || fail "gcov saw nothing of $room"
  grep -E '^ *#####:' "$work/lines" | grep -v 'no memory' >"$work/missed"
  if [ -s "$work/missed" ]; then
    echo "$entry: $(wc -l <"$work/missed") lines never run:"
    cut -c1-120 "$work/missed"
    bad=1
  else
    echo "$entry: complete"
  fi
done
exit $bad
