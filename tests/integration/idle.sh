#!/usr/bin/env bash
# Many NFs that are enrolled and wait: what nfacme-client needs for them at start, in memory, and to
# find those whose renewal is due.  Their records are those of one real enrolment under other names (their accounts' keys do not open, which nobody
# asks of those who wait).
# Usage: idle.sh [NFS]   (--full: 100,000)
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

count=${1:-5000}
[ "$count" != --full ] || count=100000
due=300
BED_RECORDS=no
bed_up nine-steps --nfs 60
bed_run "$scenario" --nfs 20 --rate 40 --set use=none --no-tui >"$work/table" 2>&1 || { tail -n 20 "$work/table"; fail "the first run"; }
bed_stop client

database() { sqlite3 -cmd '.timeout 10000' "$work/client/client.db" "$1"; }
uuid="lower(printf('%08x-%04x-4%03x-a%03x-%012x', n, n % 65536, n % 4096, n % 4095, n * 7919))"
columns() { database "SELECT group_concat(name) FROM pragma_table_info('$1') WHERE name NOT IN ('row', 'id', 'nf', 'account', 'name', 'idempotency', 'due')"; }
of() { echo "$1.${2//,/,$1.}"; }
enrolment=$(columns enrolment) progress=$(columns progress) certificate=$(columns certificate) account=$(columns account)
now=$(($(date +%s) * 1000000))
database "PRAGMA synchronous = OFF;
  CREATE TEMP TABLE many AS WITH RECURSIVE c(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM c WHERE n < 999 + $count)
    SELECT n, $uuid AS nf, (SELECT min(row) FROM certificate) AS one FROM c;
  BEGIN;
  INSERT INTO account(name, $account) SELECT 'z' || m.nf, $(of a "$account") FROM many m JOIN enrolment e ON e.row = one JOIN account a ON a.name = e.account;
  INSERT INTO enrolment(row, id, nf, account, idempotency, $enrolment) SELECT n, 'AAAAAAAAAAAAAAAAAAAAAA' || n, m.nf, 'z' || m.nf, 'k' || n, $(of e "$enrolment") FROM many m JOIN enrolment e ON e.row = one;
  INSERT INTO progress(row, $progress) SELECT n, $(of p "$progress") FROM many JOIN progress p ON p.row = one;
  INSERT INTO certificate(row, $certificate) SELECT n, $(of c "$certificate") FROM many JOIN certificate c ON c.row = one;
  INSERT INTO renewal(row, due) SELECT n, $now + 86400000000 + n * 1000000 FROM many;
  UPDATE renewal SET due = $now - 1000000 WHERE row < 1000 + $due AND row >= 1000;
  COMMIT; PRAGMA wal_checkpoint(TRUNCATE);" >"$work/filled" 2>&1 || { cat "$work/filled"; fail "the store"; }
same "enrolments" "$(database "SELECT count(*) FROM progress WHERE state = 'ISSUED'")" $((count + 20))
sync

begun=$EPOCHREALTIME
bed_client_start || fail "the client did not start"
ended=$EPOCHREALTIME
start_ms=$(((${ended/./} - ${begun/./}) / 1000))
resident() { awk '$1 == "VmRSS:" { print int($2 / 1024) }' "/proc/${bed_pid[client]}/status"; }
at_start=$(resident)

# What is due is looked at, and only that.
mkfifo "$work/pause"
left() { database "SELECT count(*) FROM renewal WHERE due <= $now AND row >= 1000"; }
for ((i = 0; i < 300 && $(left) > 0; i++)); do read -r -t 0.1 _ <>"$work/pause" || true; done
same "renewals that are due and were not looked at" "$(left)" 0
same "renewals that are not due and were" "$(database "SELECT count(*) FROM renewal WHERE row >= 1000 + $due AND due <> $now + 86400000000 + row * 1000000")" 0
bed_run "$scenario" --nfs 40 --rate 40 --set use=none --no-tui >"$work/table" 2>&1 || { tail -n 20 "$work/table"; fail "a run beside the idle"; }
after=$(resident)

# The statements are the program's own.
statement() { # PATTERN
  strings -n 20 "$BUILD/client/nfacme-client" | grep -F -m 1 "$1"
}
plan() { database "EXPLAIN QUERY PLAN $1"; }
for pattern in 'FROM renewal r JOIN enrolment' 'SELECT min(due) FROM renewal'; do
  plan "$(statement "$pattern")" >"$work/plan"
  holds "the plan of $pattern" "$work/plan" 'SEARCH .*USING (COVERING )?INDEX renewal_due'
  grep -q SCAN "$work/plan" && { cat "$work/plan"; fail "$pattern: a scan"; }
done
plan "$(statement 'INDEXED BY progress_live')" >"$work/plan"
holds "the plan of those to go on with" "$work/plan" 'INDEX progress_live'
grep -Eq 'SCAN (e|p|c|r|a|enrolment|certificate|account)$' "$work/plan" && { cat "$work/plan"; fail "a scan at start"; }

echo "$count idle NFs: ready after $start_ms ms; resident $at_start MiB at start, $after MiB after $due renewals looked at and 40 enrolments"
[ "$start_ms" -le 3000 ] || fail "the start took $start_ms ms"
[ "$after" -le 300 ] || fail "resident $after MiB"
