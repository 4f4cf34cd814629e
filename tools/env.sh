#!/usr/bin/env bash
# Makes the environment in $1 with uv: $PYTHON, else a Python >= 3.12 that really starts, else
# the newest one that pyenv keeps, else one that uv fetches.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return; fi
  local name path
  for name in python3.13 python3.12 python3 python; do
    path=$(command -v "$name" 2>/dev/null) && fits "$path" && { echo "$path"; return; }
  done
  # pyenv keeps versions whose shims don't start: under its root, or, where HOME is another one
  # than it was installed in, beside its own program.
  local program roots
  program=$(readlink -f "$(command -v pyenv 2>/dev/null)" 2>/dev/null || true)
  roots="$(pyenv root 2>/dev/null || true) $(dirname "$(dirname "${program:-/none/none/none}")")"
  for path in $(for root in $roots; do ls -d "$root"/versions/3.*/bin/python 2>/dev/null; done | sort -ruV); do
    fits "$path" && { echo "$path"; return; }
  done
  echo 3.12
}

starts() { "$1" --version >/dev/null 2>&1; }

uv=$(command -v uv || true)
if [ -z "$uv" ] || ! starts "$uv"; then
  base=$(find_python)
  starts "$base" || base=$(command -v python3)
  "$base" -m venv "$venv-uv"
  "$venv-uv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.7"
  uv="$venv-uv/bin/uv"
fi
python=$(find_python)
echo "environment: $venv with $python"
[ -x "$venv/bin/python" ] && fits "$venv/bin/python" || "$uv" venv --quiet --clear --python "$python" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements/dev.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
