#!/usr/bin/env bash
# Finds a Postgres for the tests and prints its URL as an export line; starts a private one when there is none.
#   eval "$(scripts/postgres.sh start)"   sets SLIPWAY_TEST_POSTGRES_URL
#   scripts/postgres.sh stop              stops what `start` started, and only that
# Order: DATABASE_URL; the server on 127.0.0.1:5432; a private cluster from Debian's package, run by the user postgres.
set -euo pipefail
cd "$(dirname "$0")/.."
state=target/test-postgres

say() { echo "postgres: $*" >&2; }
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

start() {
  if [ -n "${DATABASE_URL:-}" ]; then
    say "using DATABASE_URL"
    echo "export SLIPWAY_TEST_POSTGRES_URL='$DATABASE_URL'"
    return
  fi
  if [ -z "${SLIPWAY_TEST_PRIVATE_POSTGRES:-}" ] && (exec 3<>/dev/tcp/127.0.0.1/5432) 2>/dev/null; then
    say "using the server on 127.0.0.1:5432"
    echo "export SLIPWAY_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:5432/postgres'"
    return
  fi
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
  if [ -z "$bin" ]; then
    if [ "$(id -u)" != 0 ]; then say "install Postgres 15 or newer, or set DATABASE_URL"; exit 1; fi
    say "installing Debian's postgresql package"
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >&2
    bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  fi
  dir=$(mktemp -d /tmp/slipway-postgres.XXXXXX)
  if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; fi
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
  as_postgres "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$dir' -c max_connections=200" start >&2
  mkdir -p target && printf '%s\n%s\n' "$bin" "$dir" >"$state"
  say "started a private cluster on port $port"
  echo "export SLIPWAY_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:$port/postgres'"
}

stop() {
  [ -f "$state" ] || return 0
  { read -r bin && read -r dir; } <"$state"
  # pg_ctl reads the process id of this data folder's postmaster and stops that one
  as_postgres "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >&2 || true
  rm -rf "$dir" "$state"
}

"${1:?start or stop}"
