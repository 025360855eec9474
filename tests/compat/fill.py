"""Fills a server with what an import has to carry: MLFLOW_TRACKING_URI names it."""

import os
import sys
import tempfile

import mlflow
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelParameter, LoggedModelStatus, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

client = MlflowClient()
count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
sea = client.create_experiment("moved sea", tags={"team": "tides", "mlflow.note.content": "ä ö ü"})
gone = client.create_experiment("moved and gone")
parent = client.create_run(sea, start_time=1_000, run_name="parent")
for i in range(count):
    tags = {"mlflow.parentRunId": parent.info.run_id, "mlflow.source.name": "train.py"} if i % 3 == 0 else {}
    run = client.create_run(gone if i % 7 == 6 else sea, start_time=2_000 + i // 2, run_name=f"run {i}", tags=tags)
    id = run.info.run_id
    metrics = [Metric("loss", 1 / (step + 1), 5_000 - step, step) for step in range(900)]
    metrics += [Metric("odd", float("nan"), 1, 0), Metric("odd", float("inf"), 2, 1), Metric("odd", -1e-300, 3, -1), Metric("a/b c:d", 0.1, 0, 0)]
    client.log_batch(id, metrics, [Param("lr", str(i)), Param("long", "x" * 5999), Param("empty", "")], [RunTag("k", "v\nw")])
    if i % 4 == 0:
        with tempfile.TemporaryDirectory() as folder:
            for path, text in [("a.txt", f"file {i}"), ("sub/deep/b c.json", "{}"), ("empty", ""), ("sub/ü.bin", "y" * 200_000)]:
                os.makedirs(os.path.dirname(os.path.join(folder, path)) or folder, exist_ok=True)
                with open(os.path.join(folder, path), "w") as file:
                    file.write(text)
            client.log_artifacts(id, folder)
    if i % 5 == 0:
        with mlflow.start_run(run_id=id):
            data = __import__("pandas").DataFrame({"x": [1.5, float(i)]})
            mlflow.log_input(mlflow.data.from_pandas(data, name="waves", targets="x"), context="training")
    client.set_terminated(id, ["FINISHED", "FAILED", "KILLED"][i % 3], end_time=9_000 + i)
    if i % 10 == 1:
        client.delete_run(id)
client.delete_experiment(gone)


def folder_of(**files):
    folder = tempfile.mkdtemp()
    for name, text in files.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    return folder


# logged models, with points that were measured on them, also by another run and with a data set
data = mlflow.data.from_pandas(__import__("pandas").DataFrame({"x": [1.5]}), name="waves")
trained = client.create_run(sea, start_time=7_000, run_name="trained")
for i in range(3):
    model = client.create_logged_model(
        sea, f"model-{i}", trained.info.run_id, tags={"k": f"v{i}"}, params={"depth": str(i)}, model_type="Agent" if i else None
    )
    client.log_model_artifacts(model.model_id, folder_of(MLmodel="flavors: {}\n", weights=f"weights {i}"))
    points = [Metric("acc", i / 3, 10, 1, model_id=model.model_id, run_id=trained.info.run_id)]
    points.append(Metric("acc", 0.5, 11, 2, model.model_id, data.name, data.digest, trained.info.run_id))
    client.log_batch(trained.info.run_id, points)
    client.log_outputs(trained.info.run_id, [LoggedModelOutput(model.model_id, 4 + i)])
    if i < 2:
        client.finalize_logged_model(model.model_id, [LoggedModelStatus.READY, LoggedModelStatus.FAILED][i])
used = client.create_run(sea, start_time=7_001, run_name="used")
client.log_inputs(used.info.run_id, models=[LoggedModelInput(model.model_id)])

# a registered model with a version that is gone, stages, aliases, versions of a run and of a logged model
name = "moved it's"
client.create_registered_model(name, tags={"team": "sea"}, description="a model\nof two lines")
client.log_artifacts(trained.info.run_id, folder_of(MLmodel="flavors:\n  sklearn: {}\n"), "model")
source = f"{trained.info.artifact_uri}/model"
for i in range(4):
    client.create_model_version(name, source, trained.info.run_id, tags={"n": str(i)}, description=f"version {i + 1}")
client.delete_model_version(name, "2")
client.transition_model_version_stage(name, "1", "Archived")
client.transition_model_version_stage(name, "3", "Production")
client.set_registered_model_alias(name, "champion", "3")
client.set_registered_model_alias(name, "challenger", "4")
client.create_registered_model("moved and empty")
client.create_registered_model("moved logged")
client.create_model_version("moved logged", f"models:/{model.model_id}", model_id=model.model_id)
client.register_prompt("moved-prompt", "say {{ word }}", commit_message="first", tags={"a": "b"})
client.register_prompt("moved-prompt", "shout {{ word }}")
client.set_prompt_alias("moved-prompt", "live", 1)
print("fill ok")
