#!/bin/bash
# Makes what the end-to-end tests need: a Python environment and the JavaScript packages, each once per
# version of its list, under ~/.cache/waddle.
#   setup.sh            makes both
#   setup.sh --python   makes both; the last line is the environment's python
#   setup.sh --js       makes the JavaScript packages; the last line is their folder
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WADDLE_TEST_CACHE:-$HOME/.cache/waddle}
mkdir -p "$cache"
exec 9> "$cache/setup.lock"; flock 9

hash() { sha256sum "$@" | sha256sum | cut -c1-16; }

# A folder counts only when its .ok is there: an interrupted installation is made again.
js=$cache/js-$(cat "$here/js/package.json" "$here/js/package-lock.json" <(node -v) | hash)
if [ ! -e "$js/.ok" ]; then
  rm -rf "$js"; mkdir -p "$js"; cp "$here/js/package.json" "$here/js/package-lock.json" "$js/"
  (cd "$js" && npm ci --no-audit --no-fund --ignore-scripts >&2)
  touch "$js/.ok"
fi
if [ "${1:-}" = --js ]; then echo "$js"; exit 0; fi

python=$(command -v python3)
venv=$cache/venv-$(cat "$here/requirements.txt" <("$python" -VV) | hash)
if [ ! -e "$venv/.ok" ]; then
  rm -rf "$venv"
  "$python" -m venv "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  touch "$venv/.ok"
fi
if [ "${1:-}" = --python ]; then echo "$venv/bin/python"; fi
