"""Runs within runs."""

from common import client, fresh, mlflow

exp = fresh("nested")
mlflow.set_experiment(experiment_id=exp)
with mlflow.start_run(run_name="parent") as parent:
    for i in range(3):
        with mlflow.start_run(run_name=f"child {i}", nested=True) as child:
            mlflow.log_metric("m", i)
            with mlflow.start_run(run_name=f"grandchild {i}", nested=True):
                mlflow.log_param("i", i)
children = client.search_runs([exp], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["run_name"])
assert [run.info.run_name for run in children] == ["child 0", "child 1", "child 2"]
below = client.search_runs([exp], f"tags.`mlflow.parentRunId` = '{children[1].info.run_id}'")
assert [(run.info.run_name, run.data.params) for run in below] == [("grandchild 1", {"i": "1"})]
assert mlflow.get_parent_run(below[0].info.run_id).info.run_id == children[1].info.run_id
assert len(client.search_runs([exp], "tags.mlflow.parentRunId IS NULL")) == 1

# a run is taken up again
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metric("later", 1)
assert client.get_run(parent.info.run_id).data.metrics == {"later": 1.0}
print("nested ok")
