"""The model registry: models, versions, aliases, stages; and what is served of what a client registered."""

import os
import pathlib
import time
import uuid

import requests
import tiny_onnx
from common import IS_SLIPWAY, client, fresh, mlflow, refused, show

URL = os.environ["MLFLOW_TRACKING_URI"]
tail = uuid.uuid4().hex[:6]
exp = fresh("registry")
mlflow.set_experiment(experiment_id=exp)
here = pathlib.Path(f"models {tail}")


def named(text):
    return f"{text} {tail}"


# registered models
sea, land = named("sea"), named("land")
made = client.create_registered_model(sea, tags={"team": "tides", "n": 5}, description="what the sea does")
assert (made.name, made.tags, made.description, made.latest_versions) == (sea, {"team": "tides", "n": "5"}, "what the sea does", [])
assert client.get_registered_model(sea).tags == {"team": "tides", "n": "5"}
client.create_registered_model(land)
assert str(client.get_registered_model(land).description) == ""
refused("the name is taken", "RESOURCE_ALREADY_EXISTS", client.create_registered_model, sea)
refused("no slash", "INVALID_PARAMETER_VALUE", client.create_registered_model, "a/b")
refused("no colon", "INVALID_PARAMETER_VALUE", client.create_registered_model, "a:b")
refused("no path", "INVALID_PARAMETER_VALUE", client.create_registered_model, "..")
refused("no such model", "RESOURCE_DOES_NOT_EXIST", client.get_registered_model, named("nothing"))
assert client.update_registered_model(land, "solid").description == "solid"
client.set_registered_model_tag(land, "empty", "")
client.set_registered_model_tag(land, "kind", "rock")
client.delete_registered_model_tag(land, "kind")
client.delete_registered_model_tag(land, "kind")
assert client.get_registered_model(land).tags == {"empty": ""}
before = client.get_registered_model(land)
renamed = client.rename_registered_model(land, named("rock"))
assert renamed.name == named("rock") and renamed.creation_timestamp == before.creation_timestamp
refused("the old name", "RESOURCE_DOES_NOT_EXIST", client.get_registered_model, land)
refused("a name that is taken", "RESOURCE_ALREADY_EXISTS", client.rename_registered_model, named("rock"), sea)
client.delete_registered_model(named("rock"))
refused("deleted", "RESOURCE_DOES_NOT_EXIST", client.get_registered_model, named("rock"))
assert client.create_registered_model(named("rock")).tags == {}

# versions that say where they come from, and nothing more
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.9)
    mlflow.log_text("hello", "notes.txt")
run_id = run.info.run_id
one = client.create_model_version(sea, "runs:/elsewhere/model", "elsewhere", tags={"k": "v"}, run_link="http://there", description="first")
assert (one.version, one.status, one.current_stage, one.run_id, one.run_link) == ("1", "READY", "None", "elsewhere", "http://there")
assert (one.tags, one.description, one.source, one.aliases) == ({"k": "v"}, "first", "runs:/elsewhere/model", [])
assert client.get_model_version_download_uri(sea, "1") == "runs:/elsewhere/model"
two = client.create_model_version(sea, "s3://bucket/model")
assert (two.version, str(two.description)) == ("2", "")
assert [m.version for m in client.get_registered_model(sea).latest_versions] == ["2"]
refused("another run", "INVALID_PARAMETER_VALUE", client.create_model_version, sea, f"runs:/{run_id}/model", "other")
refused("a folder of this machine", "INVALID_PARAMETER_VALUE", client.create_model_version, sea, "/tmp/x")
refused("a path that climbs", "INVALID_PARAMETER_VALUE", client.create_model_version, sea, "mlflow-artifacts:/0/../x", run_id)
refused("another host", "INVALID_PARAMETER_VALUE", client.create_model_version, sea, "hdfs://h/model")
refused("no such model to add to", "RESOURCE_DOES_NOT_EXIST", client.create_model_version, named("nothing"), "s3://b/m")
refused("no such version", "RESOURCE_DOES_NOT_EXIST", client.get_model_version, sea, "9")
refused("no number", "INVALID_PARAMETER_VALUE", client.get_model_version, sea, "nine")
assert client.update_model_version(sea, "2", "second").description == "second"
client.set_model_version_tag(sea, "2", "depth", "12 m")
client.set_model_version_tag(sea, "2", "gone", "")
client.delete_model_version_tag(sea, "2", "gone")
assert client.get_model_version(sea, "2").tags == {"depth": "12 m"}
refused("a tag that is too long", "INVALID_PARAMETER_VALUE", client.set_model_version_tag, sea, "2", "k", "x" * 100_001)

# aliases
client.set_registered_model_alias(sea, "best", "1")
client.set_registered_model_alias(sea, "other", 2)
assert client.get_registered_model(sea).aliases == {"best": "1", "other": "2"}
assert client.get_model_version_by_alias(sea, "best") == client.get_model_version(sea, "1")
assert client.get_model_version_by_alias(sea, "latest").version == "2"
client.set_registered_model_alias(sea, "best", "2")
assert client.get_model_version(sea, "2").aliases == ["best", "other"]
client.delete_registered_model_alias(sea, "other")
client.delete_registered_model_alias(sea, "other")
refused("no such alias", "INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, sea, "other")
for reserved in ("latest", "V7", "a b"):
    refused(f"alias {reserved}", "INVALID_PARAMETER_VALUE", client.set_registered_model_alias, sea, reserved, "1")
refused("an alias of no version", "RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, sea, "best", "9")

# copies
copy = client.copy_model_version(f"models:/{sea}@best", named("copies"))
assert (copy.name, copy.version, copy.source, copy.description) == (named("copies"), "1", f"models:/{sea}/2", "second")
assert client.get_model_version_download_uri(copy.name, "1") == "s3://bucket/model"
again = client.copy_model_version(f"models:/{sea}/1", sea)
assert (again.version, again.run_id, again.tags, again.source) == ("3", "elsewhere", {"k": "v"}, f"models:/{sea}/1")

# stages
assert client.transition_model_version_stage(sea, "1", "production").current_stage == "Production"
client.transition_model_version_stage(sea, "2", "Production")
latest = {m.current_stage: m.version for m in client.get_latest_versions(sea)}
assert latest == {"Production": "2", "None": "3"}, latest
client.transition_model_version_stage(sea, "3", "Production", archive_existing_versions=True)
assert [client.get_model_version(sea, n).current_stage for n in "123"] == ["Archived", "Archived", "Production"]
assert [m.version for m in client.get_latest_versions(sea, ["Production"])] == ["3"]
refused("no such stage", "INVALID_PARAMETER_VALUE", client.transition_model_version_stage, sea, "3", "somewhere")
client.transition_model_version_stage(sea, "2", "Production")
client.delete_model_version(sea, "3")
refused("a deleted version", "RESOURCE_DOES_NOT_EXIST", client.get_model_version, sea, "3")
refused("deleted twice", "RESOURCE_DOES_NOT_EXIST", client.delete_model_version, sea, "3")
assert [m.version for m in client.get_latest_versions(sea, ["Production"])] == ["2"]
assert client.create_model_version(sea, "s3://bucket/model").version == "4"
client.delete_model_version(sea, "2")
assert "best" not in client.get_registered_model(sea).aliases

# searches
words = named("words")
for i, name in enumerate(["alpha", "Beta", "beta"]):
    full = f"{name} {words}"
    client.create_registered_model(full, tags={"place": str(i), "all": "yes"})
    for version in range(2):
        client.create_model_version(full, f"s3://b/{name}/{version}", tags={"v": str(version)})
find = lambda text, **more: [m.name.split()[0] for m in client.search_registered_models(text, **more)]
assert find(f"name LIKE '%{words}'") == ["Beta", "alpha", "beta"]
assert find(f"name ILIKE 'b%{words}'") == ["Beta", "beta"]
assert find(f"name LIKE '%{words}' AND tags.place != '1'", order_by=["name DESC"]) == ["beta", "alpha"]
assert find(f"name IN ('alpha {words}', 'beta {words}')") == ["alpha", "beta"]
assert find(f"name LIKE '%{words}'", order_by=["timestamp DESC"])[0] == "beta"
pages, token = [], None
while True:
    page = client.search_registered_models(f"name LIKE '%{words}'", max_results=1, page_token=token)
    pages += [m.name.split()[0] for m in page]
    token = page.token
    if not token:
        break
assert pages == ["Beta", "alpha", "beta"]
versions = lambda text, **more: [(m.name.split()[0], m.version) for m in client.search_model_versions(text, **more)]
assert versions(f"name = 'alpha {words}'") == [("alpha", "2"), ("alpha", "1")]
assert versions(f"name LIKE '%{words}' and version_number > 1", order_by=["name ASC"]) == [("Beta", "2"), ("alpha", "2"), ("beta", "2")]
assert versions(f"source_path = 's3://b/beta/1' and tags.v = '1' and name = 'beta {words}'") == [("beta", "2")]
refused("a comparator", "INVALID_PARAMETER_VALUE", client.search_registered_models, "name > 'a'")
refused("a word", "INVALID_PARAMETER_VALUE", client.search_model_versions, "colour = 'a'")
refused("an order", "INVALID_PARAMETER_VALUE", client.search_model_versions, "", order_by=["run_id DESC"])
refused("a page", "INVALID_PARAMETER_VALUE", client.search_registered_models, page_token="evilhax")

# files: a model of another flavor, kept for clients
other = here / "other"
other.mkdir(parents=True)
(other / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: nothing\n  sklearn:\n    pickled_model: model.pkl\n")
(other / "model.pkl").write_text("pickled")
with mlflow.start_run() as run:
    mlflow.log_artifacts(str(other), "model")
kept = mlflow.register_model(f"runs:/{run.info.run_id}/model", named("kept"))
assert (kept.version, kept.status, kept.run_id) == ("1", "READY", run.info.run_id)
client.set_registered_model_alias(named("kept"), "champion", "1")
for uri in (f"models:/{named('kept')}/1", f"models:/{named('kept')}@champion", f"models:/{named('kept')}/latest"):
    folder = pathlib.Path(mlflow.artifacts.download_artifacts(uri))
    assert (folder / "model.pkl").read_text() == "pickled", uri
if IS_SLIPWAY:
    # what a run does later is no part of a version
    with mlflow.start_run(run.info.run_id):
        (other / "model.pkl").write_text("changed")
        mlflow.log_artifact(str(other / "model.pkl"), "model")
    folder = pathlib.Path(mlflow.artifacts.download_artifacts(f"models:/{named('kept')}/1"))
    assert (folder / "model.pkl").read_text() == "pickled"
    told = requests.get(f"{URL}/api/v1/models/{named('kept')}/versions/1").json()
    assert told["flavor"] == "sklearn" and "only ONNX models are served" in told["unservable"], told
    promotion = requests.post(f"{URL}/api/v1/models/{named('kept')}/aliases/served", json={"version": 1})
    assert (promotion.status_code, promotion.json()["code"]) == (409, "version_not_servable"), promotion.text


# a model that is served, as one of the server's own is
def ask(model, rows, path="", until=None):
    """Asks the served model; waits for the server to take notice of a move where the answer must change."""
    for _ in range(300):
        answer = requests.post(f"{URL}/v1/models/{model}{path}:predict", json={"instances": rows})
        if until is None or (answer.status_code == 200 and until(answer)):
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{answer.status_code} {answer.text}")


def answers(value):
    return lambda answer: answer.json()["predictions"] == [[value]]


if IS_SLIPWAY:
    waves = named("waves")
    for weights, external in (([1.0, 2.0], None), ([10.0, 20.0], "weights.data")):
        folder = tiny_onnx.folder(here / f"waves {weights[0]}", weights, 0.5, external)
        with mlflow.start_run() as run:
            mlflow.log_metric("auc", weights[0] / 100)
            mlflow.log_artifacts(str(folder), "model")
        mlflow.register_model(f"runs:/{run.info.run_id}/model", waves)
    told = requests.get(f"{URL}/api/v1/models/{waves}/versions/1").json()
    assert (told["flavor"], told["unservable"], told["metrics"]) == ("onnx", None, {"auc": 0.01}), told
    assert told["signature"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], told["signature"]
    client.set_registered_model_alias(waves, "champion", "1")
    ask(waves, [[1.0, 1.0]], until=answers(3.5))
    client.set_registered_model_alias(waves, "champion", "2")
    ask(waves, [[1.0, 1.0]], until=answers(30.5))
    back = requests.post(f"{URL}/api/v1/models/{waves}/aliases/champion/rollback", json={"reason": "too high"}).json()
    assert (back["version"], back["revision"]) == (1, 3), back
    ask(waves, [[1.0, 1.0]], until=answers(3.5))
    assert client.get_model_version_by_alias(waves, "champion").version == "1"
    moves = requests.get(f"{URL}/api/v1/models/{waves}/aliases/champion/history").json()["items"]
    assert [(m["kind"], m["to_version"]) for m in moves] == [("ROLLBACK", 1), ("PROMOTE", 2), ("PROMOTE", 1)], moves

    # gates hold for clients, too
    gate = {"gates": [{"kind": "metric_threshold", "metric": "auc", "min": 0.05}]}
    requests.patch(f"{URL}/api/v1/models/{waves}", json=gate).raise_for_status()
    e = refused("a gate", "INVALID_STATE", client.set_registered_model_alias, waves, "challenger", "1")
    assert "1 of 1 gates failed" in str(e) and '"min":0.05' in str(e), e
    refused("a gate before a stage", "INVALID_STATE", client.transition_model_version_stage, waves, "1", "Production")
    assert client.get_model_version(waves, "1").current_stage == "None"
    client.transition_model_version_stage(waves, "2", "Production")
    ask(waves, [[1.0, 1.0]], "/labels/Production", until=answers(30.5))

    # monitoring has nothing to compare with, and says so
    report = requests.post(
        f"{URL}/api/v1/models/{waves}/monitor/evaluate",
        json={"version": 2, "from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00Z"},
    )
    assert report.json()["code"] == "no_reference", report.text

    # another name, and gone
    swell = named("swell")
    client.rename_registered_model(waves, swell)
    ask(swell, [[1.0, 1.0]], until=answers(3.5))
    for _ in range(300):
        gone = requests.post(f"{URL}/v1/models/{waves}:predict", json={"instances": [[1.0, 1.0]]})
        if gone.status_code == 404:
            break
        time.sleep(0.1)
    assert gone.status_code == 404, gone.text
    client.delete_registered_model(swell)
    for _ in range(300):
        gone = requests.post(f"{URL}/v1/models/{swell}/versions/1:predict", json={"instances": [[1.0, 1.0]]})
        if gone.status_code == 404:
            break
        time.sleep(0.1)
    assert gone.status_code == 404, gone.text
    assert requests.get(f"{URL}/api/v1/models/{swell}").status_code == 404
    show("the end of", "swell")
print("registry ok")
