#!/bin/bash
# Runs a command against a real PLC + PDS on loopback, then stops them.
#   with-network.sh COMMAND…      the command sees ATPROTO_NET=FILE (JSON: plc, pds, accounts)
# The npm packages are installed once per lockfile under ATPROTO_CACHE.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${ATPROTO_CACHE:-$HOME/.cache/waddle/atproto-testnet}
key=$(cat "$here/package-lock.json" <(node -v) | sha256sum | cut -c1-16)
dir=$cache/$key
if [ ! -e "$dir/.ok" ]; then
  mkdir -p "$dir"; cp "$here/package.json" "$here/package-lock.json" "$dir/"
  # no prebuilt binary can be fetched: compile better-sqlite3 with node's own headers
  export npm_config_build_from_source=true
  export npm_config_nodedir=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  [ -e "$npm_config_nodedir/include/node/node.h" ] || { echo "no node headers in $npm_config_nodedir (libnode-dev?)" >&2; exit 1; }
  (cd "$dir" && npm ci --no-audit --no-fund >&2) && touch "$dir/.ok"
fi
cp "$here"/network.mjs "$here"/front.mjs "$dir/"
tmp=$(mktemp -d); pid=
stop() { [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; rm -rf "$tmp"; }
trap stop EXIT
read -r PLC_PORT PDS_PORT < <(node -e 'const n=require("net");const f=()=>new Promise(r=>{const s=n.createServer().listen(0,"127.0.0.1",()=>r([s,s.address().port]))});Promise.all([f(),f()]).then(a=>{console.log(a.map(x=>x[1]).join(" "));a.forEach(x=>x[0].close())})')
PLC_PORT=$PLC_PORT PDS_PORT=$PDS_PORT node "$dir/network.mjs" > "$tmp/net.json" 2> "$tmp/net.err" & pid=$!
for _ in $(seq 120); do grep -q startup_ms "$tmp/net.json" && break; kill -0 "$pid" 2>/dev/null || { cat "$tmp/net.err" >&2; exit 1; }; sleep 0.25; done
grep -q startup_ms "$tmp/net.json" || { echo "network not ready in 30 s" >&2; cat "$tmp/net.err" >&2; exit 1; }
rc=0; ATPROTO_NET=$tmp/net.json "$@" || rc=$?
exit $rc
