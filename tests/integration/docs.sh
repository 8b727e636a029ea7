#!/usr/bin/env bash
# docs/server.md tells of every option, every key of the configuration and every admin call.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

page=$root/docs/server.md
server=$BUILD/server/nfacme-server
untold=0
told() { # WHAT TEXT
  grep -qF -- "$2" "$page" || { echo "docs/server.md does not tell of $1 $2"; untold=$((untold + 1)); }
}

mapfile -t names < <("$server" --help | grep -oE '^ +--[a-z0-9-]+' | tr -d ' ' | sort -u)
[ ${#names[@]} -gt 20 ] || fail "--help has ${#names[@]} options"
for name in "${names[@]}"; do
  case $name in --config | --set | --print-config | --version | --help | --man) continue ;; esac
  told "the option" "\`$name"
done

# every key, flattened: "limits.rate.window"
mapfile -t keys < <("$server" --print-config | /usr/bin/awk '
  /^ *#/ || !/:/ || /^ *-/ { next }
  { match($0, /^ */); depth = RLENGTH / 2; sub(/^ +/, ""); key = $0; sub(/:.*/, "", key)
    path[depth] = key; text = key
    for (i = depth - 1; i >= 0; i--) text = path[i] "." text
    if ($0 !~ /:$/) print text }')
[ ${#keys[@]} -gt 30 ] || fail "--print-config has ${#keys[@]} keys"
for key in "${keys[@]}"; do told "the key" "\`$key\`"; done

# every route of the admin listener
mapfile -t calls < <(sed -nE 's/^ *\{HTTP_(GET|POST|PUT|DELETE), +"([^"]+)".*/\1 \2/p' "$root/server/admin.c")
[ ${#calls[@]} -gt 5 ] || fail "the admin listener has ${#calls[@]} calls"
for call in "${calls[@]}"; do told "the admin call" "$call"; done

[ $untold -eq 0 ] || fail "$untold of ${#names[@]} options, ${#keys[@]} keys and ${#calls[@]} calls are not documented"
echo "docs: ${#names[@]} options, ${#keys[@]} keys, ${#calls[@]} admin calls"
