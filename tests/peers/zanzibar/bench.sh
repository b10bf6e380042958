#!/usr/bin/env bash
# Checks of permissions on Waddle, OpenFGA and SpiceDB: the same model (specs/permissions.fga), the same tuples, the same
# questions. Writes the section "Permissions" of specs/benchmarks.md, or prints it with --print.
#
# Needs Go and the module proxy. ZANZIBAR_BIN holds the built peers (default target/zanzibar), MEMBERS the sizes of the
# waddle (default "1000 10000").
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
bin=${ZANZIBAR_BIN:-$root/target/zanzibar}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$bin"
for peer in openfga spicedb; do
  [ -x "$bin/zanzibar-$peer" ] || (cd "$here/$peer" && go build -buildvcs=false -o "$bin/zanzibar-$peer" .)
done
(cd "$here/load" && go build -buildvcs=false -o "$bin/client" ./client)
cargo=${CARGO:-cargo}
quiet() { "$cargo" test -q --release --locked "$@" -- --ignored --nocapture --test-threads 1; }
(cd "$root" && "$cargo" test -q --release --locked --no-run -p waddle-permissions --test speed -p waddle-http --test permission_speed)
for members in ${MEMBERS:-1000 10000}; do
  dir=$work/$members
  python3 "$here/workload.py" "$dir" "$members" >&2
  {
    (cd "$root" && WADDLE_WORKLOAD=$dir quiet -p waddle-permissions --test speed the_workload_of_the_peers)
    (cd "$root" && WADDLE_WORKLOAD=$dir WADDLE_WORKLOAD_CLIENT=$bin/client quiet -p waddle-http --test permission_speed)
    "$bin/zanzibar-openfga" "$dir"
    "$bin/zanzibar-spicedb" "$dir" 2>"$work/spicedb.log" || { tail -5 "$work/spicedb.log" >&2; exit 1; }
  } | grep -o '{"system".*}' | tee -a "$work/results" >&2
done
python3 "$here/table.py" "$work/results" "$root/specs/benchmarks.md" "$@"
