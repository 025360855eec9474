#!/usr/bin/env bash
# Finds a Postgres for the tests and prints its URL as an export line; starts a private one when there is none.
#   eval "$(scripts/postgres.sh start)"   sets SLIPWAY_TEST_POSTGRES_URL
#   scripts/postgres.sh stop              stops what `start` started, and only that
# A private cluster that a killed run left behind is used again. SLIPWAY_TEST_PRIVATE_POSTGRES=1 passes 5432 over.
# Order: DATABASE_URL; the server on 127.0.0.1:5432; a private cluster from Debian's package, run by the user postgres.
set -euo pipefail
cd "$(dirname "$0")/.."
state=target/test-postgres

say() { echo "postgres: $*" >&2; }
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

show_url() { echo "export SLIPWAY_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:$1/postgres'"; }

start() {
  if [ -n "${DATABASE_URL:-}" ]; then
    say "using DATABASE_URL"
    echo "export SLIPWAY_TEST_POSTGRES_URL='$DATABASE_URL'"
    return
  fi
  if [ -z "${SLIPWAY_TEST_PRIVATE_POSTGRES:-}" ] && (exec 3<>/dev/tcp/127.0.0.1/5432) 2>/dev/null; then
    say "using the server on 127.0.0.1:5432"
    show_url 5432
    return
  fi
  if [ -f "$state" ]; then
    # what a killed run left: used again if it runs, cleared away if not
    { read -r bin && read -r dir; } <"$state"
    if as_postgres "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
      say "using the private cluster in $dir"
      show_url "$(sed -n 4p "$dir/data/postmaster.pid")"
      return
    fi
    rm -rf "$dir" "$state"
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
  mkdir -p target && printf '%s\n%s\n' "$bin" "$dir" >"$state"
  trap 'status=$?; if [ $status != 0 ]; then cat "$dir/log" >&2 || true; stop; fi' EXIT
  as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
  as_postgres "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$dir' -c max_connections=200" start >&2
  say "started a private cluster on port $port"
  show_url "$port"
}

stop() {
  [ -f "$state" ] || return 0
  { read -r bin && read -r dir; } <"$state"
  # pg_ctl reads the process id of this data folder's postmaster and stops that one
  as_postgres "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >&2 || true
  rm -rf "$dir" "$state"
}

"${1:?start or stop}"
