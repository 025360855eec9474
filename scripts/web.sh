#!/usr/bin/env bash
# Runs an npm script of the web app (web/README.md), after installing exactly what package-lock.json names.
#   scripts/web.sh build | lint | test | test:browser | bench
# Needs Node 20 or newer. Where there is none it says so and goes on: the program works without the app. CI=true makes it an error.
set -euo pipefail
cd "$(dirname "$0")/../web"

say() { echo "web: $*" >&2; }

if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null || ! command -v npm >/dev/null; then
  say "skipped: Node 20 or newer and npm are needed for the web app (nodejs.org)"
  [ "${CI:-}" != true ]
  exit
fi

stamp=node_modules/.slipway
hash=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ]; then
  say "installing"
  npm ci --no-audit --no-fund --loglevel=error
  echo "$hash" > "$stamp"
fi
npm run --silent "$1"
