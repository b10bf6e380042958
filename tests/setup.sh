#!/bin/bash
# Makes what the end-to-end tests need: a Python environment and the JavaScript packages, each once per
# version of its list, under ~/.cache/waddle.
#   setup.sh            makes both
#   setup.sh --python   makes both; the last line is the environment's python
#   setup.sh --js       makes the JavaScript packages; the last line is their folder
#   setup.sh --browser  makes those of the browser's tests; the last line is their folder
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WADDLE_TEST_CACHE:-$HOME/.cache/waddle}
mkdir -p "$cache"
exec 9> "$cache/setup.lock"; flock 9

hash() { sha256sum "$@" | sha256sum | cut -c1-16; }

# A folder counts only when its .ok is there: an interrupted installation is made again.
packages() {  # the folder with the npm packages of tests/$1, made if needed
  local from=$here/$1 to
  to=$cache/$1-$(cat "$from/package.json" "$from/package-lock.json" <(node -v) | hash)
  if [ ! -e "$to/.ok" ]; then
    rm -rf "$to"; mkdir -p "$to"; cp "$from/package.json" "$from/package-lock.json" "$to/"
    (cd "$to" && npm ci --no-audit --no-fund --ignore-scripts >&2)
    touch "$to/.ok"
  fi
  echo "$to"
}
if [ "${1:-}" = --browser ]; then packages browser; exit 0; fi
js=$(packages js)
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
