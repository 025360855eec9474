#!/usr/bin/env bash
# Makes .venv-mlflow with the MLflow client that the compatibility tests run, and prints the path of its Python.
# It is made anew when tests/compat/requirements.txt changes.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-mlflow
wanted=$(sha256sum tests/compat/requirements.txt | cut -d' ' -f1)
if [ "$(cat "$venv/made-from" 2>/dev/null || true)" != "$wanted" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/compat/requirements.txt
  echo "$wanted" > "$venv/made-from"
fi
echo "$PWD/$venv/bin/python"
