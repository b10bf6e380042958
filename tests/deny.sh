#!/usr/bin/env bash
# Licences, bans and sources with cargo-deny, installed once under ~/.cache/waddle/tools.
# Advisories need the RustSec database: WADDLE_ADVISORY_DB names a checkout of it.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
root=$HOME/.cache/waddle/tools
if [ "$("$root/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
  CARGO_TARGET_DIR=$root/target cargo install --locked cargo-deny --version "$version" --root "$root"
  rm -rf "$root/target"
fi
"$root/bin/cargo-deny" --offline --locked --config .deny.toml check licenses bans sources
if [ -n "${WADDLE_ADVISORY_DB:-}" ]; then
  "$root/bin/cargo-deny" --offline --locked --config .deny.toml check --disable-fetch advisories
fi
