"""scikit-learn's autologging, without the model itself."""

import mlflow.sklearn
from common import client, fresh, mlflow, show
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

exp = fresh("autolog")
mlflow.set_experiment(experiment_id=exp)
mlflow.sklearn.autolog(log_models=False, log_input_examples=False, silent=True)
x, y = load_iris(return_X_y=True)
with mlflow.start_run(run_name="fit") as run:
    LogisticRegression(max_iter=200, C=0.5).fit(x, y)
data = client.get_run(run.info.run_id).data
assert data.params["C"] == "0.5" and data.params["max_iter"] == "200"
assert 0.9 < data.metrics["training_accuracy_score"] <= 1.0
assert data.tags["estimator_name"] == "LogisticRegression"
show("metrics", sorted(data.metrics))
assert len(client.get_run(run.info.run_id).inputs.dataset_inputs) == 1

with mlflow.start_run(run_name="grid") as run:
    GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(x, y)
children = client.search_runs([exp], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"])
assert sorted(child.data.params["C"] for child in children) == ["0.1", "1.0", "10.0"]
scores = [child.data.metrics["mean_test_score"] for child in children]
assert scores == sorted(scores, reverse=True)
show("files", sorted(f.path for f in client.list_artifacts(run.info.run_id)))
print("autolog ok")
