#!/usr/bin/env bash
# Sees to it that the tests of publishing find nginx where a system package brings it; without it
# these tests say that they were skipped.
set -euo pipefail
PATH="$PATH:/usr/sbin"
if command -v nginx >/dev/null 2>&1; then exit 0; fi
if command -v apt-get >/dev/null 2>&1; then
  sudo=; [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq >/dev/null 2>&1 || true
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light >/dev/null 2>&1 || true
fi
command -v nginx >/dev/null 2>&1 || echo "No nginx was found; the tests that need it will say so." >&2
