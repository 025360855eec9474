"""From a logged model to a registered one and back by its alias."""

import json
import uuid

import numpy
from common import client, fresh, mlflow, refused
from sklearn.linear_model import LinearRegression

name = f"lines {uuid.uuid4().hex[:6]}"
mlflow.set_experiment(experiment_id=fresh("lineage"))
x = numpy.array([[0.0], [1.0], [2.0]])


def logged(slope, **more):
    with mlflow.start_run() as run:
        fitted = LinearRegression().fit(x, slope * x[:, 0])
        return run.info.run_id, mlflow.sklearn.log_model(fitted, name="line", input_example=x, **more)


# registered while it is logged
run_id, model = logged(2.0, registered_model_name=name)
first = client.get_model_version(name, "1")
assert (first.run_id, first.source, first.status) == (run_id, f"models:/{model.model_id}", "READY"), first
assert model.registered_model_version in (1, "1"), model.registered_model_version

# registered later, by its id and by the run that made it
run_id, model = logged(3.0)
second = mlflow.register_model(model.model_uri, name)
assert (second.version, second.run_id) == ("2", run_id), second
third = mlflow.register_model(f"runs:/{run_id}/line", name)
assert (third.version, third.run_id, third.source) == ("3", run_id, f"models:/{model.model_id}"), third
versions = json.loads(client.get_logged_model(model.model_id).tags["mlflow.modelVersions"])
assert {str(v["version"]) for v in versions} == {"2", "3"} and {v["name"] for v in versions} == {name}, versions

# and back
client.set_registered_model_alias(name, "champion", "1")
for uri, slope in ((f"models:/{name}@champion", 2.0), (f"models:/{name}/2", 3.0), (f"models:/{name}/latest", 3.0), (model.model_uri, 3.0)):
    answer = mlflow.pyfunc.load_model(uri).predict(numpy.array([[10.0]]))
    assert abs(answer[0] - 10 * slope) < 1e-9, (uri, answer)
client.set_registered_model_alias(name, "champion", "3")
assert abs(mlflow.sklearn.load_model(f"models:/{name}@champion").predict([[1.0]])[0] - 3.0) < 1e-9

copy = client.copy_model_version(f"models:/{name}@champion", f"{name} copy")
assert (copy.version, copy.run_id, copy.source) == ("1", run_id, f"models:/{name}/3"), copy
client.delete_logged_model(model.model_id)
assert abs(mlflow.sklearn.load_model(f"models:/{name} copy/1").predict([[1.0]])[0] - 3.0) < 1e-9
refused("another model's id", "INVALID_PARAMETER_VALUE", client.create_model_version, name, "models:/m-1", model_id="m-2")
print("lineage ok")
