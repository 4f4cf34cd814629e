#!/usr/bin/env bash
# Makes the environment for training in $1 (.venv-ml): Python 3.11 and torch's build for the CPU.
#
# That build is on no general registry. pip's own setting PIP_FIND_LINKS may name a folder that has
# its wheel; elsewhere uv knows where PyTorch keeps it. The hashes admit no other build: the one
# for GPUs is several gigabytes.
# With --pin as $1, writes requirements/ml.txt anew.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv-ml}
uv=.venv/bin/uv
[ -x "$uv" ] || uv=$(command -v uv) || { echo "uv is missing: run \`make env\` first" >&2; exit 1; }

backend=(--torch-backend cpu)
for wheel in ${PIP_FIND_LINKS:+$PIP_FIND_LINKS/torch-*+cpu-cp311-*}; do
  [ -e "$wheel" ] && backend=() && export UV_FIND_LINKS=$PIP_FIND_LINKS
done

if [ "$venv" = --pin ]; then
  exec "$uv" pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --custom-compile-command "tools/env-ml.sh --pin" \
    "${backend[@]}" pyproject.toml requirements/ml.in -o requirements/ml.txt
fi

python=$("$uv" python find --no-python-downloads 3.11 2>/dev/null) || python=3.11  # uv fetches one
echo "environment: $venv with $python"
"$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
  "$uv" venv --quiet --clear --python "$python" "$venv"
"$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "${backend[@]}" requirements/ml.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
