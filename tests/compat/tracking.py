"""Experiments and runs, from creation to restoration; params, metrics, tags, data sets and what is refused."""

import math
import uuid

from common import IS_SLIPWAY, client, fresh, mlflow, refused, show
from mlflow.entities import Metric, Param, RunTag, ViewType

# the experiment that is there from the start
default = client.get_experiment("0")
assert (default.name, default.lifecycle_stage, default.artifact_location) == ("Default", "active", "mlflow-artifacts:/0")

# experiments
name = f"tides {uuid.uuid4().hex[:8]}"
exp = client.create_experiment(name, tags={"team": "sea"})
found = client.get_experiment_by_name(name)
assert (found.experiment_id, found.tags, found.lifecycle_stage) == (exp, {"team": "sea"}, "active")
assert found.artifact_location == f"mlflow-artifacts:/{exp}"
assert client.get_experiment_by_name("nothing has this name") is None
refused("no such experiment", "RESOURCE_DOES_NOT_EXIST", client.get_experiment, "12345678")
refused("empty name", "INVALID_PARAMETER_VALUE", client.create_experiment, "")
try:
    client.create_experiment(name)
    raise AssertionError("the name was given twice")
except mlflow.exceptions.MlflowException as e:
    assert e.error_code == "RESOURCE_ALREADY_EXISTS" and f"Experiment(name={name}) already exists." in str(e), e
client.set_experiment_tag(exp, "depth", "12 m")
assert client.get_experiment(exp).tags == {"team": "sea", "depth": "12 m"}
client.delete_experiment_tag(exp, "team")
refused("no such tag", "RESOURCE_DOES_NOT_EXIST", client.delete_experiment_tag, exp, "team")
assert client.get_experiment(exp).tags == {"depth": "12 m"}
client.rename_experiment(exp, name + " renamed")
assert client.get_experiment(exp).name == name + " renamed"

# a run by the fluent interface
mlflow.set_experiment(experiment_id=exp)
with mlflow.start_run(run_name="first", tags={"kind": "test"}, description="a run") as run:
    mlflow.log_param("lr", 0.01)
    mlflow.log_params({"layers": [1, 2], "name": "a b"})
    mlflow.log_metric("loss", 1.5, step=0)
    mlflow.log_metric("loss", 0.5, step=3)
    mlflow.log_metric("loss", 0.75, step=2)
    mlflow.log_metrics({"acc": 0.9, "f1": 0.8}, step=1)
    mlflow.set_tag("note", "ä ö ü")
    mlflow.set_tags({"a": 1, "b": None})
    data = mlflow.data.from_pandas(__import__("pandas").DataFrame({"x": [1, 2]}), name="waves", targets="x")
    mlflow.log_input(data, context="training")
run = client.get_run(run.info.run_id)
assert (run.info.status, run.info.run_name, run.info.lifecycle_stage) == ("FINISHED", "first", "active")
assert run.info.artifact_uri == f"mlflow-artifacts:/{exp}/{run.info.run_id}/artifacts"
assert run.info.end_time >= run.info.start_time > 1_700_000_000_000
assert run.data.params == {"lr": "0.01", "layers": "[1, 2]", "name": "a b"}, run.data.params
assert run.data.metrics == {"loss": 0.5, "acc": 0.9, "f1": 0.8}, run.data.metrics
tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}
assert tags == {"kind": "test", "note": "ä ö ü", "a": "1", "b": "None"}, tags
assert run.data.tags["mlflow.runName"] == "first" and run.data.tags["mlflow.note.content"] == "a run"
inputs = run.inputs.dataset_inputs
assert [(i.dataset.name, i.dataset.source_type, [(t.key, t.value) for t in i.tags]) for i in inputs] == [
    ("waves", "code", [("mlflow.data.context", "training")])
]
show("digest of the data", inputs[0].dataset.digest)
assert '"num_rows": 2' in inputs[0].dataset.profile and "mlflow_colspec" in inputs[0].dataset.schema
history = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")]
assert sorted(history) == [(0, 1.5), (2, 0.75), (3, 0.5)], history
assert client.get_metric_history(run.info.run_id, "none") == []

# a run by the client
run = client.create_run(exp, start_time=1234, tags={"k": "v"}, run_name="second")
id = run.info.run_id
assert (run.info.start_time, run.info.status, run.info.end_time) == (1234, "RUNNING", None)
client.log_param(id, "p", "1")
client.log_param(id, "p", "1")
refused("another value", "INVALID_PARAMETER_VALUE", client.log_param, id, "p", "2")
refused("another value in a batch", "INVALID_PARAMETER_VALUE", client.log_batch, id, params=[Param("p", "2"), Param("q", "1")])
assert client.get_run(id).data.params == {"p": "1"}
refused("a name that is a path", "INVALID_PARAMETER_VALUE", client.log_metric, id, "../up", 1.0)
refused("a name with a bad sign", "INVALID_PARAMETER_VALUE", client.log_param, id, "what?", 1.0)
refused("a long name", "INVALID_PARAMETER_VALUE", client.log_metric, id, "x" * 251, 1.0)
refused("no such run", "RESOURCE_DOES_NOT_EXIST", client.log_metric, "0" * 32, "m", 1.0)
refused("no such run either", "RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
client.log_param(id, "long", "x" * 7000)
assert client.get_run(id).data.params["long"] == "x" * 6000

# every double that both servers keep
values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, -1e-300, float("nan")]
client.log_batch(id, metrics=[Metric("v", v, 10 + i, i) for i, v in enumerate(values)])
client.log_batch(id, metrics=[Metric("v", v, 10 + i, i) for i, v in enumerate(values)])
back = sorted((m.step, m.value) for m in client.get_metric_history(id, "v"))
assert len(back) == len(values)
for (_, got), sent in zip(back, values):
    assert (math.isnan(got) and math.isnan(sent)) or got == sent, (got, sent)
    assert not IS_SLIPWAY or math.copysign(1, got) == math.copysign(1, sent), (got, sent)
client.log_metric(id, "infinite", float("inf"))
client.log_metric(id, "infinite", float("-inf"), step=1)
infinite = [m.value for m in client.get_metric_history(id, "infinite")]
assert infinite == [float("inf"), float("-inf")] or not IS_SLIPWAY, infinite
assert math.isnan(client.get_run(id).data.metrics["v"])

# a thousand at once, and pages of them
client.log_batch(id, metrics=[Metric("many", i / 7, 1000 + i, i) for i in range(1000)])
refused("too many metrics", "INVALID_PARAMETER_VALUE", client._tracking_client.store.log_batch, id, [Metric("m", 1, 1, i) for i in range(1001)], [], [])
refused("too many tags", "INVALID_PARAMETER_VALUE", client._tracking_client.store.log_batch, id, [], [], [RunTag(f"t{i}", "") for i in range(101)])
store, token, seen = client._tracking_client.store, None, []
while True:
    page = store.get_metric_history(id, "many", max_results=300, page_token=token)
    seen += [m.step for m in page]
    token = page.token
    if not token:
        break
assert seen == list(range(1000))

# the end of a run, and its name
client.set_terminated(id, "FAILED", end_time=5678)
client.update_run(id, name="third")
client.set_tag(id, "mlflow.runName", "fourth")
run = client.get_run(id)
assert (run.info.status, run.info.end_time, run.info.run_name) == ("FAILED", 5678, "fourth")
assert run.data.tags["mlflow.runName"] == "fourth"
client.update_run(id, status="RUNNING")
assert client.get_run(id).info.status == "RUNNING"
client.delete_tag(id, "k")
refused("no such tag of a run", "RESOURCE_DOES_NOT_EXIST", client.delete_tag, id, "k")

# deleted and back
client.delete_run(id)
assert client.get_run(id).info.lifecycle_stage == "deleted"
refused("a deleted run takes nothing", "INVALID_PARAMETER_VALUE", client.log_metric, id, "m", 1.0)
assert [r.info.run_id for r in client.search_runs([exp], run_view_type=ViewType.DELETED_ONLY)] == [id]
client.restore_run(id)
assert client.get_run(id).info.lifecycle_stage == "active"
client.delete_experiment(exp)
assert client.get_experiment(exp).lifecycle_stage == "deleted"
assert client.get_run(id).info.lifecycle_stage == "deleted"
refused("a deleted experiment takes no runs", "INVALID_PARAMETER_VALUE", client.create_run, exp)
client.restore_experiment(exp)
assert client.get_experiment(exp).lifecycle_stage == "active"
assert client.get_run(id).info.lifecycle_stage == "active"

# asynchronous logging
with mlflow.start_run(experiment_id=fresh("async")) as run:
    for step in range(50):
        mlflow.log_metric("m", step, step=step, synchronous=False)
    mlflow.flush_async_logging()
assert [m.value for m in client.get_metric_history(run.info.run_id, "m")] == list(range(50))
print("tracking ok")
