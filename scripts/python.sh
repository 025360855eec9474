#!/usr/bin/env bash
# Makes a Python environment from pinned requirements. Does nothing when it is there.
#   scripts/python.sh                                       .venv, which the tests compare with
#   scripts/python.sh .venv-bench benches/requirements.txt  another one
# Needs Python 3.11 or newer (PYTHON names another than python3). Uses uv where there is one, else venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
wanted=${2:-tests/python/requirements.txt}
python=${PYTHON:-python3}
stamp=$venv/requirements.sha256

say() { echo "python: $*" >&2; }

hash=$(sha256sum "$wanted" | cut -d' ' -f1)
if [ -x "$venv"/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && "$venv"/bin/python -c '' 2>/dev/null; then
  say "$venv is up to date"
  exit 0
fi

make_venv() {
  if command -v uv >/dev/null; then
    say "making $venv with uv from $wanted"
    rm -rf "$venv"
    uv venv --quiet --python "$python" "$venv"
    uv pip install --quiet --python "$venv"/bin/python -r "$wanted"
    return
  fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed"; exit 1; }
  # Debian ships venv without what it needs to bring pip along.
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then say "install python3-venv"; exit 1; fi
    say "installing Debian's python3-venv package"
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >&2
  fi
  say "making $venv with $("$python" --version) and pip from $wanted"
  "$python" -m venv --clear "$venv"
  "$venv"/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted"
}

# Two test runs at once make one environment, not half of one each.
exec 9>"${TMPDIR:-/tmp}/slipway-python-$(echo "$PWD/$venv" | sha256sum | cut -c1-12).lock"
if command -v flock >/dev/null; then flock 9; fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ]; then
  rm -f "$stamp"
  make_venv
  # Last, so that an environment that was only half made is made again.
  echo "$hash" >"$stamp"
fi
say "ready: $("$venv"/bin/python --version), $("$venv"/bin/python -c 'import importlib.metadata as m; print(len(list(m.distributions())))') packages"
