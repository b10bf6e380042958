#!/bin/sh
# Fuzzes: tests/fuzz/run.sh SECONDS [TARGET...]; no target means all. Fails on the first finding and says where it is.
# FUZZ_RESULTS: a file that gets the outcome.
set -eu
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
home="${XDG_CACHE_HOME:-$HOME/.cache}/waddle/fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- scanner jid sasl forms rsm sm

# What cargo-fuzz passes, with the compiler that is there. --target keeps the counters out of build scripts.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="$home/target"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
(cd "$here" && cargo build --quiet --release --locked --target "$host")

[ -z "${FUZZ_RESULTS:-}" ] || : >"$FUZZ_RESULTS"
for target in "$@"; do
    corpus="$home/corpus/$target"
    findings="$home/findings/$target"
    mkdir -p "$corpus" "$findings"
    log="$home/$target.log"
    if "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="$findings/" "$corpus" "$here/seeds/$target" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz $target: ok, $runs runs"
        [ -z "${FUZZ_RESULTS:-}" ] ||
            echo "$(date -u +%F) $target: $seconds s, $runs runs, $(find "$corpus" -type f | wc -l) inputs kept, no finding" >>"$FUZZ_RESULTS"
    else
        tail -n 40 "$log"
        echo "fuzz $target: failed, see $log and $findings"
        exit 1
    fi
done
