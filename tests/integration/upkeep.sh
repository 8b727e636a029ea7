#!/usr/bin/env bash
# What a server leaves on disk: `backup` of a running server, `check` of a state directory, whole or
# damaged, the audit log over kill -9, and housekeeping that keeps the database from growing.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/../bench/lib.sh"

server=$BUILD/server/nfacme-server
state=$work/server
check() { "$server" check --state "${1:-$state}" >"$work/check.log" 2>&1; }
wrong() { # WHAT PATTERN: check fails and says so
  check && fail "check did not see: $1"
  holds "$1" "$work/check.log" "$2"
}

load_server_up --log warning
load --flows 16 --connections 8 --certificates 200 --identifiers dns >"$work/load.log" 2>&1 || { cat "$work/load.log"; fail "load"; }
check || { cat "$work/check.log"; fail "check beside a running server"; }
"$server" backup "$work/copy.db" --state "$state" >/dev/null || fail "backup"
"$server" backup "$work/copy.db" --state "$state" >/dev/null 2>&1 && fail "backup over a file that is there"
same "mode of a backup" "$(stat -c %a "$work/copy.db")" 600
same "certificates in the backup" "$(sqlite3 "$work/copy.db" 'select count(*) from certificate')" 200

"$BUILD/tests/bench/acmeload" --directory "$directory" --ca-file "$ca_root" --http01-port "$bed_http01_port" \
  --flows 16 --connections 8 --certificates 3000 --identifiers dns >"$work/load.log" 2>&1 &
driver=$!
cleanups+=("kill $driver 2>/dev/null; wait $driver 2>/dev/null")
more() { [ "$(wc -l <"$state/audit.jsonl")" -ge 500 ]; }
reach "certificates in the audit log" 60 more
bed_stop server KILL 2>/dev/null
kill -KILL $driver 2>/dev/null
wait $driver 2>/dev/null
check || { cat "$work/check.log"; fail "check after kill -9"; }
load_server_up --log warning
bed_stop server || fail "the server did not end well"
check || { cat "$work/check.log"; fail "check after the restart"; }
holds "the audit log is whole" "$work/check.log" '\(0 certificates due\): clean'
issued=$(sqlite3 "$state/server.db" 'select count(*) from certificate')
same "certificates in the audit log" "$(jq -r 'select(.event == "issued").serial' "$state/audit.jsonl" | sort -u | wc -l)" "$issued"

# size: the database of the restarted server, its log folded in
sqlite3 "$state/server.db" 'pragma wal_checkpoint(truncate)' >/dev/null
size=$(($(stat -c %s "$state/server.db") / issued))
[ "$size" -le 4096 ] || fail "$size octets of database for a certificate"

# a restored backup serves
mkdir "$work/restored"
cp "$state"/*.pem "$state"/*.key "$work/restored/"
cp "$work/copy.db" "$work/restored/server.db"
check "$work/restored" || { cat "$work/check.log"; fail "check of a restored backup"; }

# housekeeping: a server whose objects end at once
state_kept=$state state=$work/short
mkdir "$state"
cat >"$work/short.yaml" <<YAML
lifetimes: {order: 1s, authorization: 1s}
housekeeping: {interval: 200ms, keep: 0s, certificates_keep: 1d}
YAML
"$server" --config "$work/short.yaml" --state "$state" --listen 127.0.0.1:0 --pki 127.0.0.1:0 \
  --admin 127.0.0.1:0 --resolve-to 127.0.0.1 --http01-port "$bed_http01_port" >"$work/short.ready" 2>"$work/short.log" &
short=$!
cleanups+=("kill $short 2>/dev/null; wait $short 2>/dev/null")
ready() { grep -q '^ready ' "$work/short.ready"; }
reach "a ready server" 20 ready
directory=$(sed 's/.*directory=\([^ ]*\).*/\1/' "$work/short.ready")
"$BUILD/tests/bench/acmeload" --directory "$directory" --ca-file "$state/root.pem" --http01-port "$bed_http01_port" \
  --flows 8 --connections 8 --certificates 50 --identifiers dns >"$work/load.log" 2>&1 || { cat "$work/load.log"; fail "load"; }
swept() { [ "$(sqlite3 "$state/server.db" 'select (select count(*) from orders) + (select count(*) from authz) + (select count(*) from challenge)' 2>/dev/null)" = 0 ]; }
reach "an empty house" 20 swept
same "certificates stay" "$(sqlite3 "$state/server.db" 'select count(*) from certificate')" 50
check || { cat "$work/check.log"; fail "check of a swept database"; }
state=$state_kept

# every kind of damage is seen and named
sqlite3 "$state/server.db" "update certificate set not_after_s = 5 where n = 3"
wrong "another end" 'certificate [0-9a-f]+ ends at another time'
sqlite3 "$state/server.db" "delete from certificate where n = 3"
wrong "a lost certificate" 'a valid order without its certificate'
sqlite3 "$state/server.db" "delete from account where id = (select id from account limit 1)"
wrong "a lost account" 'an order of no account'
sed -i '5s/"n":5,/"n":6,/' "$state/audit.jsonl"
wrong "a changed line" 'audit log: line 6 does not follow'
rm "$state/root.pem"
check && fail "check without a root"
echo "upkeep: $issued certificates of $size octets, audit log and database agree over kill -9; damage is named"
