#!/bin/bash
P=${PEERS_WORK:-$HOME/.cache/waddle-peers-work}
kill "$(cat "$P/mosquitto/run/pid")"; rm -f "$P/mosquitto/run/pid"
