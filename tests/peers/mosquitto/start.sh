#!/bin/bash
# start the machine's own mosquitto; stop with ./stop.sh
P=${PEERS_WORK:-$HOME/.cache/waddle-peers-work}; here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$P/mosquitto/run"
mosquitto -c "$here/mosquitto.conf" >"$P/mosquitto/run/stdout.log" 2>&1 &
echo $! > "$P/mosquitto/run/pid"
for _ in $(seq 50); do (echo > /dev/tcp/127.0.0.1/28883) 2>/dev/null && break; sleep 0.1; done
echo "mosquitto up pid $(cat "$P/mosquitto/run/pid")"
