#!/bin/bash
# Puts the same load on our server, Prosody, ejabberd, mosquitto and rumqttd, in one run and at one niceness,
# and writes the table of ratios to specs/benchmarks.md.
set -euo pipefail
usage() { cat <<'U'
bench.sh [--targets waddle,prosody,ejabberd,mosquitto,rumqttd] [--only idle,login,chat,room,crowd,rooms,among,archive,mqtt]
         [--repetitions N] [--seconds S] [--accounts N] [--out FILE]
Without --targets and --only the result goes to specs/benchmarks.md, otherwise only to the terminal or to FILE.
WADDLE_SERVER_BIN: a server that is already built; otherwise the `dist` profile is built.
U
}
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
targets=waddle,prosody,ejabberd,mosquitto,rumqttd only= repetitions=3 seconds=5 accounts=2200 out=
while [ $# -gt 0 ]; do
  case $1 in
    --targets) targets=$2;; --only) only=$2;; --repetitions) repetitions=$2;; --seconds) seconds=$2;;
    --accounts) accounts=$2;; --out) out=$2;; --help) usage; exit 0;; *) usage >&2; exit 2;;
  esac; shift 2
done
[ -n "$out" ] || { [ "$targets" = waddle,prosody,ejabberd,mosquitto,rumqttd ] && [ -z "$only" ] && out=$root/specs/benchmarks.md; }
has() { case ",$targets," in *",$1,"*) return 0;; *) return 1;; esac; }

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
export PEERS_ROOT=${PEERS_ROOT:-$HOME/.cache/waddle-peers} PEERS_WORK=${PEERS_WORK:-$HOME/.cache/waddle-peers-work}
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
work=$(mktemp -d); password=bench-password-1

echo "building" >&2
(cd "$root" && cargo build -q --release --locked -p waddle-bench)
bench=$CARGO_TARGET_DIR/release/waddle-bench
server=${WADDLE_SERVER_BIN:-$CARGO_TARGET_DIR/dist/waddle-server}
if has waddle && [ -z "${WADDLE_SERVER_BIN:-}" ]; then (cd "$root" && cargo build -q --profile dist --locked -p waddle-server); fi
{ has prosody || has ejabberd; } && [ ! -x "$PEERS_ROOT/usr/bin/prosody" ] && bash "$here/mkchroot.sh" >&2

started=()
stop() {
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    case ${started[i]} in
      waddle) kill "$waddle_pid" 2>/dev/null && wait "$waddle_pid" 2>/dev/null || true;;
      *) bash "$here/${started[i]}/stop.sh" >/dev/null 2>&1 || true;;
    esac
  done
  rm -rf "$work"
}
trap stop EXIT

target() { printf '[[target]]\n' >> "$work/suite.toml"; printf '%s\n' "$@" >> "$work/suite.toml"; }
printf 'repetitions = %s\nseconds = %s\n' "$repetitions" "$seconds" > "$work/suite.toml"
[[ $seconds == *.* ]] || sed -i 's/^seconds = .*/&.0/' "$work/suite.toml"

[ -f "$PEERS_WORK/ca/localhost.chain.crt" ] || { mkdir -p "$PEERS_WORK/ca"; cp "$here/ca/mkcerts.sh" "$PEERS_WORK/ca/"; bash "$PEERS_WORK/ca/mkcerts.sh"; }

if has waddle; then
  export_env=(
    WADDLE_DATA_DIR="$work/waddle" WADDLE_DOMAIN=localhost WADDLE_HTTP_LISTEN=127.0.0.1:0 WADDLE_HTTPS_LISTEN=off
    WADDLE_XMPP_LISTEN=127.0.0.1:0 WADDLE_XMPPS_LISTEN=127.0.0.1:0 WADDLE_S2S_LISTEN=off
    WADDLE_MQTT_LISTEN=127.0.0.1:0 WADDLE_MQTTS_LISTEN=127.0.0.1:0 WADDLE_RATE_LIMITS=off WADDLE_REGISTRATION=open WADDLE_LOG=warn
    WADDLE_TLS_CERT="$PEERS_WORK/ca/localhost.chain.crt" WADDLE_TLS_KEY="$PEERS_WORK/ca/localhost.key")
  mkdir -p "$work/waddle"
  env "${export_env[@]}" "$server" > "$work/waddle.log" 2>&1 & waddle_pid=$!
  started+=(waddle)
  for _ in $(seq 100); do [ -f "$work/waddle/ready.json" ] && break; kill -0 "$waddle_pid" 2>/dev/null || break; sleep 0.1; done
  [ -f "$work/waddle/ready.json" ] || { echo "waddle-server did not start:" >&2; cat "$work/waddle.log" >&2; exit 1; }
  admin() { env "${export_env[@]}" "$server" "$@"; }
  port() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]].rsplit(":",1)[1])' "$work/waddle/ready.json" "$1"; }
  "$bench" xmpp register --port "$(port xmpp)" --accounts "$accounts" --password "$password" --pid "$waddle_pid" >/dev/null
  admin waddle create benchmark --owner bench0 >/dev/null
  target 'name = "waddle"' 'kind = "xmpp"' 'ours = true' "port = $(port xmpp)" "pid = $waddle_pid" 'muc_host = "muc.localhost"' \
    "accounts = $accounts" "password = \"$password\""
  target 'name = "waddle"' 'kind = "mqtt"' 'ours = true' "port = $(port mqtt)" "pid = $waddle_pid" \
    'username = "bench0@localhost/benchmark"' "password = \"$password\""
fi

peer() { # name, port that must be free
  if (echo > "/dev/tcp/127.0.0.1/$2") 2>/dev/null; then echo "$1: port $2 is taken; stop it first" >&2; exit 1; fi
  rm -rf "${PEERS_WORK:?}/$1/run"
  started+=("$1"); bash "$here/$1/start.sh" >&2
}
for name in prosody:15222 ejabberd:25222; do
  port=${name#*:} name=${name%:*}; has $name || continue
  peer $name $port
  pid=$(cat "$PEERS_WORK/$name/run/pid")
  "$bench" xmpp register --port "$port" --accounts "$accounts" --password "$password" --pid "$pid" >/dev/null
  target "name = \"$name\"" 'kind = "xmpp"' "port = $port" "pid = $pid" 'muc_host = "conference.localhost"' \
    "accounts = $accounts" "password = \"$password\""
done
for name in mosquitto:28883 rumqttd:28884; do
  port=${name#*:} name=${name%:*}; has $name || continue
  peer $name $port
  target "name = \"$name\"" 'kind = "mqtt"' "port = $port" "pid = $(cat "$PEERS_WORK/$name/run/pid")"
done

"$bench" suite --config "$work/suite.toml" ${only:+--only "$only"} --json "$work/results.json" --markdown "$work/table.md" >/dev/null
mkdir -p "$CARGO_TARGET_DIR/bench"; cp "$work/results.json" "$CARGO_TARGET_DIR/bench/results.json"

package() { chroot "$PEERS_ROOT" dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "?"; }
{
  cat <<T
# Benchmarks

Written by \`make bench\` on $(date -u +%F). Every piece of work ran on every server with the same parameters, $repetitions time(s), interleaved; the cells are medians. Server CPU is user and system time of the whole process tree per item; it is what is compared, because load generator and servers share the machine.

- Machine: $(nproc) cores, $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), Linux $(uname -r | cut -d- -f1), load at the end $(cut -d' ' -f1-3 /proc/loadavg).
- TLS 1.3 with one P-256 certificate for all XMPP servers, no session resumption, SCRAM-SHA-1, archives on for users and rooms. MQTT 3.1.1 without TLS, 64-byte payload.
$(has waddle || printf '%s' '- Only the peers took part in this run.')

| server | version | durability | limits |
|---|---|---|---|
| waddle | $("$server" --version 2>/dev/null | head -n 1 || echo '–') | archive, offline messages, sessions and retained messages committed with fsync (group commit) before they are acknowledged or broadcast | rate limits off (\`WADDLE_RATE_LIMITS=off\`), every size and queue limit on, every message checked against the permissions |
| Prosody | $(package prosody) | \`internal\` storage: archive appended to files, no fsync | rates unlimited, 256 KiB stanzas |
| ejabberd | $(package ejabberd) | archive in SQLite | shapers off, 256 KiB stanzas, two schedulers |
| mosquitto | $(mosquitto -h 2>/dev/null | sed -n '1s/mosquitto version //p') | none (persistence off) | 500 in flight, 100,000 queued; anonymous, no access rules |
| rumqttd | 0.20.0 | none | 500 in flight; any user, no access rules |

T
  cat "$work/table.md"
  cat <<'T'

## How to read it

- *server CPU per item* of a room counts deliveries, not messages: one message to 100 occupants is 100 items.
- *memory per session* is the growth of resident memory over idle TLS sessions with presence, opened after 32 warm-up sessions on a fresh server, or beside conversations.
- A large room's joins and leaves count each occupant once; everybody there is told of each, a thousand presences a join. The one-to-one messages beside it go between two who are not in it, while broadcasts run at full speed.
- MQTT rates are deliveries to subscribers while at most 256 publishes (2,000 for one subscriber with QoS 0) are in flight, so that nothing is dropped; a row names losses where there were any. *load generator, cores* shows that the generator was not the bottleneck.
- The raw figures of every run are in `target/bench/results.json`.
T
  # What another target wrote.
  sed -n '/^## Permissions$/,/^## How to read it$/{/^## How to read it$/!p}' "$root/specs/benchmarks.md" > "$work/permissions.md"
  if [ -s "$work/permissions.md" ]; then printf '\n'; cat "$work/permissions.md"; fi
} > "$work/benchmarks.md"
if [ -n "$out" ]; then cp "$work/benchmarks.md" "$out"; echo "wrote $out" >&2; else cat "$work/benchmarks.md"; fi
