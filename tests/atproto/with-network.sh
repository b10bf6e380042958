#!/bin/bash
# Runs a command against real PLC directories and PDSes on loopback, then stops them.
#   with-network.sh COMMAND…
# The command sees
#   ATPROTO_NET      FILE (JSON: plc, pds, accounts): a network over http://localhost
#   ATPROTO_NET_TLS  FILE (the same and ca, front, client_metadata): one over https, as on the Internet, with
#                    https://pds.test, https://plc.test and https://HANDLE.test at 127.0.0.1:<front>
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
tmp=$(mktemp -d); pids=()
stop() {
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
  rm -rf "$tmp"
}
trap stop EXIT
# Free ports below those that the system gives away by itself, so that nobody else gets them before they are listened on.
read -r plc pds tls_plc tls_pds front < <(node -e 'const n=require("net");const f=()=>new Promise(r=>{const s=n.createServer();s.on("error",()=>r(f()));s.listen(10000+Math.floor(Math.random()*20000),"127.0.0.1",()=>r(s))});Promise.all([f(),f(),f(),f(),f()]).then(a=>{console.log(a.map(s=>s.address().port).join(" "));a.forEach(s=>s.close())})')
PLC_PORT=$plc PDS_PORT=$pds node "$dir/network.mjs" > "$tmp/net.json" 2> "$tmp/net.err" & pids+=($!)
bash "$here/mkca.sh" "$tmp/ca"
NODE_EXTRA_CA_CERTS=$tmp/ca/ca.pem CERT_DIR=$tmp/ca FRONT_PORT=$front PDS_PUBLIC_HOST=pds.test \
  CLIENT_METADATA_FILE=$tmp/client.json PLC_PORT=$tls_plc PDS_PORT=$tls_pds \
  node "$dir/network.mjs" > "$tmp/tls.json" 2> "$tmp/tls.err" & pids+=($!)
for net in net tls; do
  for _ in $(seq 480); do
    grep -q startup_ms "$tmp/$net.json" && break
    for p in "${pids[@]}"; do kill -0 "$p" 2>/dev/null || { cat "$tmp"/*.err >&2; exit 1; }; done
    sleep 0.25
  done
  grep -q startup_ms "$tmp/$net.json" || { echo "the ATProto network was not ready in two minutes" >&2; cat "$tmp"/*.err >&2; exit 1; }
done
node -e 'const fs=require("fs"),[f,ca,front,client]=process.argv.slice(1);const n=JSON.parse(fs.readFileSync(f));fs.writeFileSync(f,JSON.stringify({...n,ca,front:Number(front),client_metadata:client}))' \
  "$tmp/tls.json" "$tmp/ca/ca.pem" "$front" "$tmp/client.json"
rc=0; ATPROTO_NET=$tmp/net.json ATPROTO_NET_TLS=$tmp/tls.json "$@" || rc=$?
exit $rc
