#!/usr/bin/env bash
# The client at rest and between: SIGHUP reads certificates and configuration again, backup copies
# the database while it runs, check finds what is wrong, the vault's key may lie elsewhere, ended
# enrolments are removed.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

mkfifo "$work/pause"
exec 8<>"$work/pause"
# until_logged COUNT PATTERN: so many lines of the client's log match, for at most 30 s.
until_logged() {
  local try
  for try in $(seq 300); do
    [ "$(grep -c -- "$2" "$work/out/logs/client.log")" -ge "$1" ] && return
    read -r -t 0.1 -u 8 _ || true
  done
  fail "after $try looks fewer than $1 lines match: $2"
}

client=$BUILD/client/nfacme-client
printf 'keep: 30d\nlimits:\n  live: 5000\n' >"$work/client.yaml"
bed_up nine-steps --nfs 4
bed_stop client
head -c 32 /dev/urandom >"$work/vault.key"
chmod 600 "$work/vault.key"
rm -rf "$work/client" # another key, another state
bed_client_extra+=(--config "$work/client.yaml" --vault-key "$work/vault.key")
bed_client_start || fail "the client did not start"
nf=$work/a
nf_export amf-1 "$nf"
nf_body=$(cat "$nf/nf.json")

# shown: fingerprint of the certificate the listener shows.
shown() {
  openssl s_client -connect "$(bed_value client api | sed 's,https://,,')" -cert "$nf/nf.pem" \
    -key "$nf/nf.key" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256
}

hup() {
  kill -HUP "${bed_pid[client]}"
}

reloaded() {
  local old
  old=$(shown)
  [ -n "$old" ] || fail "the listener shows no certificate"
  cp "$work/oam/client.pem" "$work/kept.pem"
  cp "$work/oam/client.key" "$work/kept.key"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 30 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/oam/client.key" -out "$work/oam/client.pem" \
    2>/dev/null || fail "openssl req"
  printf 'keep: 60d\nlimits:\n  live: 5000\nseed: 7\n' >"$work/client.yaml"
  hup
  until_logged 1 'room=reload event=done'
  same "the new certificate" "$(shown)" "$(openssl x509 -noout -fingerprint -sha256 -in "$work/oam/client.pem")"
  holds "what has changed" "$work/out/logs/client.log" 'event=changed key=keep'
  holds "what needs a restart" "$work/out/logs/client.log" 'event=needs-restart key=seed'
  cp "$work/kept.pem" "$work/oam/client.pem" # its key is the other one's
  hup
  until_logged 1 'room=reload event=refused'
  [ "$(shown)" != "$old" ] || fail "a refused reload changed the certificate"
  printf 'no: such key\n' >"$work/client.yaml"
  cp "$work/kept.key" "$work/oam/client.key"
  hup
  until_logged 2 'room=reload event=refused'
  printf 'keep: 60d\n' >"$work/client.yaml"
  hup
  until_logged 2 'room=reload event=done'
  same "the old certificate again" "$(shown)" "$old"
}

checked() {
  local code=0 args=(--directory "$(bed_value server directory)" --ca-file "$(bed_value server root)"
    --nf-trust "$work/oam/oam-ca.pem" --state "$work/client" --vault-key "$work/vault.key"
    --tls-cert "$work/oam/client.pem" --tls-key "$work/oam/client.key")
  chmod 600 "$work/oam/client.key"
  "$client" check "${args[@]}" >"$work/check" || { cat "$work/check" >&2; fail "check of a whole client"; }
  same "check of a whole client" "$(cat "$work/check")" "check: clean"
  chmod 644 "$work/vault.key"
  "$client" check "${args[@]}" --directory https://127.0.0.1:1/directory --ca-file "$work/oam/oam-ca.pem" \
    --tls-cert "$work/a/nf.pem" >"$work/check" || code=$?
  same "exit of a check with findings" "$code" 1
  holds "the key's mode" "$work/check" 'vault.key: others than its owner may use it \(mode 644\)'
  holds "the wrong key" "$work/check" 'client.key: not the key of'
  holds "no directory" "$work/check" '^https://127.0.0.1:1/directory: '
  holds "how many" "$work/check" '^check: 3 findings$'
  chmod 600 "$work/vault.key"
  head -c 32 /dev/urandom >"$work/other.key"
  chmod 600 "$work/other.key"
  "$client" check "${args[@]}" --vault-key "$work/other.key" >"$work/check" && fail "check with another vault key"
  holds "an account that does not open" "$work/check" '^account [0-9a-f-]{36}: '
  code=0
  "$client" check --state "$work/client" >"$work/check" 2>&1 || code=$?
  same "exit of a check without a configuration" "$code" 2
}

backed_up() {
  "$client" backup "$work/copy.db" --state "$work/client" >"$work/said" || fail "backup"
  same "enrolments in the copy" "$(sqlite3 "$work/copy.db" 'SELECT count(*) FROM enrolment')" 1
  same "the copy" "$(sqlite3 "$work/copy.db" 'PRAGMA integrity_check')" ok
  same "the copy's mode" "$(stat -c %a "$work/copy.db")" 600
  "$client" backup "$work/copy.db" --state "$work/client" 2>"$work/said" && fail "a backup over a file"
  holds "why not" "$work/said" 'is there already'
}

# The copy serves in the state's place.
restored() {
  bed_stop client
  rm -f "$work/client/client.db" "$work/client/client.db-wal" "$work/client/client.db-shm"
  cp "$work/copy.db" "$work/client/client.db"
  bed_client_start || fail "the client did not start from the copy"
  same "the enrolment" "$(nf_call "$nf" GET "/enrolments/$first")" 200
  bed_stop client
  mv "$work/vault.key" "$work/kept.key"
  cp "$work/other.key" "$work/vault.key"
  bed_client_start 2>/dev/null && fail "it started with another vault key"
  mv "$work/kept.key" "$work/vault.key"
}

kept() {
  sqlite3 "$work/client/client.db" "INSERT INTO enrolment(row, id, nf, nf_type, with_nf, with_dns, account)
    VALUES(900, 'old', 'nf', 'AMF', 1, 0, 'nf'); INSERT INTO progress(row, state, ended) VALUES(900, 'FAILED', 5)"
  bed_client_start || fail "the client did not start"
  until_logged 1 'room=housekeeper event=batch removed=1'
  same "the enrolments" "$(sqlite3 -cmd '.timeout 5000' "$work/client/client.db" 'SELECT count(*) FROM enrolment')" 1
}

same "step 1" "$(nf_ask "$nf" "$nf_body")" 201
first=$(nf_location "$nf")
first=${first##*/}
[ ! -e "$work/client/vault.key" ] || fail "a vault key was made in the state directory"
reloaded
checked
backed_up
restored
kept
same "still served" "$(nf_call "$nf" GET "/enrolments/$first")" 200
bed_stop client
echo "client_rest: reloaded, checked, backed up, restored, kept"
