#!/bin/bash
# build and start rumqttd (crates/waddle-bench/peers/rumqttd); stop with ./stop.sh
set -e
P=${PEERS_WORK:-$HOME/.cache/waddle-peers-work}; here=$(cd "$(dirname "$0")" && pwd)
source=$here/../../../crates/waddle-bench/peers/rumqttd
target=${CARGO_TARGET_DIR:+$CARGO_TARGET_DIR/peers}; target=${target:-$source/target}
CARGO_TARGET_DIR=$target nice cargo build -q --release --locked --manifest-path "$source/Cargo.toml"
mkdir -p "$P/rumqttd/run"
"$target/release/rumqttd-peer" 127.0.0.1:28884 >"$P/rumqttd/run/stdout.log" 2>&1 &
echo $! > "$P/rumqttd/run/pid"
for _ in $(seq 50); do (echo > /dev/tcp/127.0.0.1/28884) 2>/dev/null && break; sleep 0.1; done
echo "rumqttd up pid $(cat "$P/rumqttd/run/pid")"
