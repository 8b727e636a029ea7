#!/usr/bin/env bash
# Every fsync 10 ms slower, 64 enrolments in parallel: 150 a second or more, since no thread waits
# for the disk.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

gcc -D_GNU_SOURCE -DSLOW_FSYNC_MS=10 -shared -fPIC -O2 -o "$work/slow_fsync.so" "$root/tests/integration/slow_fsync.c" -ldl \
  || fail "could not build the preload"
slow="env LD_PRELOAD=$work/slow_fsync.so"
BED_SERVER_WRAP=$slow BED_CLIENT_WRAP=$slow
bed_up nine-steps --nfs 1500
bed_run "$scenario" --nfs 1500 --no-tui --set use=none --set 'phases[0].arrival=closed' \
  --set 'phases[0].concurrency=64' >"$work/table" 2>&1 || { tail "$work/table"; fail "the run"; }
rate=$(json "$work/out/result.json" '.rate_per_s | floor')
[ "$rate" -ge 150 ] || fail "$rate enrolments a second with a slow disk"
echo "$rate enrolments a second with every fsync 10 ms slower"
