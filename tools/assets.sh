#!/usr/bin/env bash
# Bundles the front end into portal/assets; the package that npm installs is pinned by its lock.
set -euo pipefail
cd "$(dirname "$0")/../frontend"
command -v npm >/dev/null || { echo "Node is needed to bundle the front end: install Node 20 or newer." >&2; exit 1; }
npm ci --no-audit --no-fund --silent
npm run build --silent
