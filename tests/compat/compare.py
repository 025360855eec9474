"""Holds slipway against MLflow's own server.

1. The scenarios run on both, and what the servers answer is compared field by field (answers.py, differences.json).
2. What is then in MLflow is imported, over its API and from its database, and compared with it (same.py).

python compare.py SLIPWAY MLFLOW FOLDER    binaries of both; a folder to work in
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import requests

import answers
import same

HERE = Path(__file__).parent
SCENARIOS = ["tracking", "search", "nested", "artifacts"]
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
    return {**kept, **QUIET, **more}


class Process:
    """A server that is ended with the block."""

    def __init__(self, args, log, **env):
        self.log = log
        # a process group of its own, so that its workers end with it
        self.process = subprocess.Popen(
            args, stdout=open(log, "w"), stderr=subprocess.STDOUT, env=environment(**env), start_new_session=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)

    def said(self, pattern, patience=180):
        """Waits until it has printed something, and returns that."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            text = Path(self.log).read_text(errors="replace")
            if found := re.search(pattern, text):
                return found[1]
            assert self.process.poll() is None, text
            time.sleep(0.1)
        raise AssertionError(f"no {pattern}: {text}")


def mlflow(binary, folder):
    args = [binary, "server", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
    args += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/files"]
    return Process(args, folder / "mlflow.log", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")


def slipway(binary, folder, name):
    return Process([binary, "server", "--port", "0", "--data-dir", folder / name, "--log", "warn"], folder / f"{name}.log")


def run(folder, url, script, *args, **env):
    command = [sys.executable, HERE / f"{script}.py", *args]
    done = subprocess.run(command, cwd=folder, env=environment(MLFLOW_TRACKING_URI=url, **env), capture_output=True, text=True)
    assert done.returncode == 0, f"{script} on {url}\n{done.stdout}\n{done.stderr}"


def compare_answers(folder, original, ours):
    recordings = {}
    for scenario in SCENARIOS:
        left, right = folder / f"{scenario}.mlflow.jsonl", folder / f"{scenario}.slipway.jsonl"
        run(folder, original, scenario, COMPARE_WITH_MLFLOW="1", RECORD_ANSWERS=str(left))
        run(folder, ours, scenario, RECORD_ANSWERS=str(right))
        recordings[scenario] = (left, right)
    allowed = json.loads((HERE / "differences.json").read_text())
    unknown, unseen = answers.judge(recordings, allowed)
    for found, count in unknown.items():
        print("not listed:", count, *found, sep=" | ")
    for entry in unseen:
        print("listed, but not seen:", entry)
    assert not unknown and not unseen, "differences.json does not say what is true"
    count = sum(len(answers.load(left)) for left, _ in recordings.values())
    print(f"{count} answers compared, {len(allowed)} differences listed")


def compare_imports(folder, binary, original):
    run(folder, original, "fill", "20")
    sources = [("by_server", [original]), ("by_database", [f"sqlite:///{folder}/mlflow.db", "--artifacts", f"{folder}/files"])]
    for name, source in sources:
        for again in [False, True]:
            command = [binary, "import", "mlflow", *source, "--data-dir", folder / name]
            done = subprocess.run(command, env=environment(), capture_output=True, text=True)
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        with slipway(binary, folder, name) as server:
            url = server.said(r"listens on (\S+)")
            print(f"imported {name}:", same.same(same.Server(original), same.Server(url)))


def main(slipway_binary, mlflow_binary, folder):
    folder = Path(folder)
    with mlflow(mlflow_binary, folder) as original, slipway(slipway_binary, folder, "ours") as ours:
        theirs = original.said(r"Uvicorn running on (http://\S+)")
        assert requests.get(f"{theirs}/health").text == "OK"
        compare_answers(folder, theirs, ours.said(r"listens on (\S+)"))
        compare_imports(folder, slipway_binary, theirs)
    print("compare ok")


if __name__ == "__main__":
    main(*sys.argv[1:4])
