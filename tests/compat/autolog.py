"""scikit-learn's autologging as it is: params, metrics, data sets, and the model itself."""

import mlflow.sklearn
import numpy as np
from common import client, fresh, mlflow, show
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV

exp = fresh("autolog")
mlflow.set_experiment(experiment_id=exp)
mlflow.sklearn.autolog(silent=True)
x, y = load_iris(return_X_y=True)
with mlflow.start_run(run_name="fit") as run:
    model = LogisticRegression(max_iter=200, C=0.5).fit(x, y)
    accuracy_score(y, model.predict(x))
found = client.get_run(run.info.run_id)
data = found.data
assert data.params["C"] == "0.5" and data.params["max_iter"] == "200"
assert 0.9 < data.metrics["training_accuracy_score"] <= 1.0
assert data.tags["estimator_name"] == "LogisticRegression"
show("metrics", sorted(data.metrics))
assert len(found.inputs.dataset_inputs) == 2, "what was fitted to, and what was predicted on"

[output] = found.outputs.model_outputs
logged = mlflow.get_logged_model(output.model_id)
assert logged.source_run_id == run.info.run_id and str(logged.status) == "READY"
measured = {m.key: (m.value, m.dataset_name, m.dataset_digest) for m in logged.metrics}
assert measured["training_accuracy_score"][0] == data.metrics["training_accuracy_score"]
assert measured["training_accuracy_score"][2] == found.inputs.dataset_inputs[0].dataset.digest or measured["training_accuracy_score"][2]
assert np.array_equal(mlflow.sklearn.load_model(f"models:/{output.model_id}").predict(x), model.predict(x))
assert np.array_equal(mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model").predict(x), model.predict(x))
show("model", sorted(f.path for f in client.list_logged_model_artifacts(output.model_id)))

with mlflow.start_run(run_name="grid") as run:
    GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(x, y)
children = client.search_runs([exp], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"])
assert sorted(child.data.params["C"] for child in children) == ["0.1", "1.0", "10.0"]
scores = [child.data.metrics["mean_test_score"] for child in children]
assert scores == sorted(scores, reverse=True)
models = client.search_logged_models([exp], filter_string=f"source_run_id = '{run.info.run_id}'")
show("models", sorted(m.name for m in models))
show("files", sorted(f.path for f in client.list_artifacts(run.info.run_id)))
print("autolog ok")
