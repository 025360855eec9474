"""Logged models: made, measured, found, loaded, tagged and deleted."""

import time

import mlflow.sklearn
import numpy as np
from common import IS_SLIPWAY, client, fresh, mlflow, refused, show
from mlflow.entities import LoggedModelInput, LoggedModelOutput, Metric
from mlflow.entities.logged_model_status import LoggedModelStatus
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

exp = fresh("logged models")
mlflow.set_experiment(experiment_id=exp)
x, y = load_iris(return_X_y=True)

# one is logged within a run, with its files
with mlflow.start_run(run_name="fit") as run:
    model = LogisticRegression(max_iter=200).fit(x, y)
    info = mlflow.sklearn.log_model(model, name="iris", params={"C": 1.0}, tags={"team": "a"}, model_type="classifier")
run_id = run.info.run_id
assert info.model_id.startswith("m-") and info.model_uri == f"models:/{info.model_id}"
logged = mlflow.get_logged_model(info.model_id)
assert (logged.name, logged.experiment_id, logged.source_run_id, logged.model_type) == ("iris", exp, run_id, "classifier")
assert logged.status == LoggedModelStatus.READY and logged.tags["team"] == "a" and logged.params == {"C": "1.0"}
assert logged.artifact_location.endswith(f"{exp}/models/{info.model_id}/artifacts"), logged.artifact_location
assert [(o.model_id, o.step) for o in client.get_run(run_id).outputs.model_outputs] == [(info.model_id, 0)]
files = sorted(f.path for f in client.list_logged_model_artifacts(info.model_id))
show("files", files)
assert "MLmodel" in files and "model.pkl" in " ".join(files) or "model.skops" in files, files

# and loaded again, by its id and by the run's path
for uri in (f"models:/{info.model_id}", f"runs:/{run_id}/iris"):
    again = mlflow.sklearn.load_model(uri)
    assert np.array_equal(again.predict(x), model.predict(x)), uri
assert np.array_equal(mlflow.pyfunc.load_model(info.model_uri).predict(x), model.predict(x))
folder = mlflow.artifacts.download_artifacts(f"models:/{info.model_id}")
show("downloaded", sorted(p.name for p in __import__("pathlib").Path(folder).iterdir() if p.name != "registered_model_meta"))

# points are measured on models, each with a data set
other = mlflow.initialize_logged_model(name="other", source_run_id=run_id, params={f"p{i}": str(i) for i in range(250)})
assert other.status == LoggedModelStatus.PENDING and len(other.params) == 250
now = int(time.time() * 1000)


def points(model_id, value, name, digest, at):
    return Metric("acc", value, now + at, 0, model_id=model_id, dataset_name=name, dataset_digest=digest, run_id=run_id)


client.log_batch(run_id, metrics=[points(info.model_id, 0.9, "train", "1", 0), points(info.model_id, 0.7, "test", "2", 1)])
client.log_batch(run_id, metrics=[points(other.model_id, 0.8, "train", "1", 2), points(other.model_id, 0.75, "test", "2", 3)])
client.log_batch(run_id, metrics=[points(other.model_id, 0.75, "test", "2", 3)])
with mlflow.start_run(run_id=run_id):
    mlflow.log_metric("loss", 0.25, step=3, model_id=other.model_id)
measured = client.get_logged_model(other.model_id).metrics
shown = sorted((m.key, m.value, m.step, m.dataset_name, m.dataset_digest, m.model_id == other.model_id, m.run_id == run_id) for m in measured)
assert shown == [("acc", 0.75, 0, "test", "2", True, True), ("acc", 0.8, 0, "train", "1", True, True), ("loss", 0.25, 3, None, None, True, True)] or [
    (k, v, s, n or None, d or None, a, b) for k, v, s, n, d, a, b in shown
] == [("acc", 0.75, 0, "test", "2", True, True), ("acc", 0.8, 0, "train", "1", True, True), ("loss", 0.25, 3, None, None, True, True)], shown
assert client.get_metric_history(run_id, "loss")[0].value == 0.25

# they are found
names = lambda **how: [m.name for m in client.search_logged_models([exp], **how)]
assert names() == ["other", "iris"]
assert names(filter_string="name = 'iris'") == ["iris"]
assert names(filter_string="attributes.name LIKE 'i%' AND tags.team = 'a'") == ["iris"]
assert names(filter_string="params.`p7` = '7'") == ["other"]
assert names(filter_string="name IN ('iris', 'x')") == ["iris"] and names(filter_string="name NOT IN ('iris')") == ["other"]
assert names(filter_string="creation_timestamp > 0 AND metrics.acc > 0.85") == ["iris"]
assert names(filter_string="metrics.acc > 0.72", datasets=[{"dataset_name": "test", "dataset_digest": "2"}]) == ["other"]
assert names(datasets=[{"dataset_name": "nowhere", "dataset_digest": "2"}]) == []
by = lambda name, digest, up: [{"field_name": "metrics.acc", "dataset_name": name, "dataset_digest": digest, "ascending": up}]
assert names(order_by=by("train", "1", False)) == ["iris", "other"] and names(order_by=by("test", "2", False)) == ["other", "iris"]
assert names(order_by=by("train", "1", True)) == ["other", "iris"]
assert names(order_by=[{"field_name": "metrics.loss", "ascending": True}]) == ["other", "iris"]
assert names(order_by=[{"field_name": "name"}]) == ["iris", "other"]
page = client.search_logged_models([exp], max_results=1)
assert [m.name for m in page] == ["other"] and page.token
assert [m.name for m in client.search_logged_models([exp], max_results=1, page_token=page.token)] == ["iris"]
wrong = lambda what, **how: refused(what, "INVALID_PARAMETER_VALUE", client.search_logged_models, [exp], **how)
wrong("no comparison", filter_string="Foo")
wrong("or", filter_string="name = 'foo' OR name = 'bar'")
wrong("entity", filter_string="foo.bar = 'a'")
wrong("operator", filter_string="name > 'foo'")
wrong("operator of a metric", filter_string="metrics.foo LIKE 0")
wrong("order", order_by=[{"field_name": "params.x"}])
wrong("data set", datasets=[{"dataset_name": ""}])
page_of = lambda **how: client.search_logged_models(page_token=page.token, **how)
for how in ({"experiment_ids": ["0"]}, {"experiment_ids": [exp], "filter_string": "name = 'a'"}, {"experiment_ids": [exp], "order_by": [{"field_name": "name"}]}):
    assert "in the page token do" in str(refused("another search", "INVALID_PARAMETER_VALUE", page_of, **how)).replace("does", "do")
frame = mlflow.search_logged_models([exp], output_format="pandas")
assert len(frame) == 2

# their life
assert client.finalize_logged_model(other.model_id, LoggedModelStatus.FAILED).status == LoggedModelStatus.FAILED
client.set_logged_model_tags(other.model_id, {"a": "1", "b": "2"})
client.set_logged_model_tags(other.model_id, {"a": "3"})
client.delete_logged_model_tag(other.model_id, "b")
assert {k: v for k, v in client.get_logged_model(other.model_id).tags.items() if k in "ab"} == {"a": "3"}
refused("no such tag", "RESOURCE_DOES_NOT_EXIST", client.delete_logged_model_tag, other.model_id, "b")
client.log_model_params(other.model_id, {"later": "x"})
assert client.get_logged_model(other.model_id).params["later"] == "x"
client.delete_logged_model(other.model_id)
refused("deleted", "RESOURCE_DOES_NOT_EXIST", client.get_logged_model, other.model_id)
assert names() == ["iris"]
for name in ("", "a/b", "a.b", "a%", 'a"'):
    if name:
        refused(f"name {name}", "INVALID_PARAMETER_VALUE", client.create_logged_model, exp, name=name)
refused("no experiment", "RESOURCE_DOES_NOT_EXIST", client.create_logged_model, "123456")
refused("no model", "RESOURCE_DOES_NOT_EXIST", client.get_logged_model, "m-none")
if IS_SLIPWAY:
    nowhere = [Metric("acc", 1.0, now, 0, model_id="m-none", run_id=run_id)]
    refused("no model to measure", "RESOURCE_DOES_NOT_EXIST", client.log_batch, run_id, metrics=nowhere)

# runs that use and make models
with mlflow.start_run() as second:
    client.log_inputs(second.info.run_id, models=[LoggedModelInput(info.model_id)])
    client.log_outputs(second.info.run_id, [LoggedModelOutput(info.model_id, 4), LoggedModelOutput(info.model_id, 2)])
got = client.get_run(second.info.run_id)
assert [m.model_id for m in got.inputs.model_inputs] == [info.model_id]
assert sorted(m.step for m in got.outputs.model_outputs) == [2, 4]

# the model that points belong to unless they say otherwise
active = mlflow.set_active_model(name="agent")
mlflow.log_metric("score", 0.5)
assert [(m.key, m.value) for m in client.get_logged_model(active.model_id).metrics] == [("score", 0.5)]
mlflow.end_run()
print("logged_models ok")
