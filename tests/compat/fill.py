"""Fills a server with what an import has to carry: MLFLOW_TRACKING_URI names it."""

import os
import sys
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag
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
print("fill ok")
