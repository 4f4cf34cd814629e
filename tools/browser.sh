#!/usr/bin/env bash
# Sees to it that the tests find a browser: one that is there, else the system's package, else
# Playwright's own. What is found is written to .cache/browser; tests read it.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
found() { echo "$1" > .cache/browser; echo "browser: $1"; exit 0; }
look() {
  local name path
  for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    path=$(command -v "$name" 2>/dev/null) && "$path" --version >/dev/null 2>&1 && found "$path"
  done
  for path in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
              "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
    [ -x "$path" ] && found "$path"
  done
  return 0
}
[ -n "${PORTAL_BROWSER:-}" ] && found "$PORTAL_BROWSER"
look
if command -v apt-get >/dev/null 2>&1; then
  sudo=; [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq >/dev/null 2>&1 || true
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1 || true
  look
fi
if .venv/bin/playwright install chromium >/dev/null 2>&1; then
  found playwright
fi
echo "No browser was found and none could be installed; the tests that need one will say so." >&2
rm -f .cache/browser
