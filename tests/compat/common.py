"""What the scenarios share. MLFLOW_TRACKING_URI names the server: slipway's, or MLflow's own to compare with."""

import atexit
import json
import os
import re

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

client = MlflowClient()

# MLflow's own server is known to differ in what docs/mlflow-compatibility.md lists
IS_SLIPWAY = os.environ.get("COMPARE_WITH_MLFLOW") != "1"

_ids: dict[str, str] = {}


def told(text):
    """Replaces ids, which differ from server to server, by numbers in their sequence."""

    def name(match):
        return _ids.setdefault(match.group(0), f"id{len(_ids)}")

    return re.sub(r"\b[0-9a-f]{32}\b", name, str(text))


def show(what, value):
    print(f"{what}: {told(value)}")


def refused(what, code, call, *args, **kwargs):
    """Calls and expects an error of a code."""
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, f"{what}: {e.error_code} {e}"
        show(what, e)
        return e
    raise AssertionError(f"{what}: nothing was refused")


def fresh(name):
    """Makes an experiment of a name that no earlier run of the scenario took."""
    import uuid

    return client.create_experiment(f"{name} {uuid.uuid4().hex[:8]}")


def record(path):
    """Writes every answer of the server to a file, a line each: method and route, status, body."""
    from urllib.parse import urlsplit

    import requests

    send, lines = requests.Session.send, []

    def recording(session, request, **kwargs):
        answer = send(session, request, **kwargs)
        url = urlsplit(request.url)
        route = re.sub(r"/mlflow-artifacts/artifacts.*", "/mlflow-artifacts/artifacts/…", url.path)
        kind = answer.headers.get("content-type", "").split(";")[0]
        body = answer.json() if kind == "application/json" and answer.content else None
        target = f"{url.path}?{url.query}"
        lines.append({"route": f"{request.method} {route}", "target": target, "status": answer.status_code, "body": body})
        return answer

    requests.Session.send = recording

    def write():
        with open(path, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    atexit.register(write)


if os.environ.get("RECORD_ANSWERS"):
    record(os.environ["RECORD_ANSWERS"])

__all__ = ["IS_SLIPWAY", "mlflow", "client", "show", "refused", "fresh", "told", "MlflowException", "MlflowClient"]
