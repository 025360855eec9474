"""What the scenarios share. MLFLOW_TRACKING_URI names the server: slipway's, or MLflow's own to compare with."""

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


__all__ = ["IS_SLIPWAY", "mlflow", "client", "show", "refused", "fresh", "told", "MlflowException", "MlflowClient"]
