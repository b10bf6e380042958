#!/bin/bash
P=${PEERS_WORK:-$HOME/.cache/waddle-peers-work}
kill "$(cat "$P/rumqttd/run/pid")"; rm -f "$P/rumqttd/run/pid"
