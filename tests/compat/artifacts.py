"""Files of runs through the server."""

import os
import pathlib
import tempfile

import requests
from common import IS_SLIPWAY, client, fresh, mlflow, show

exp = fresh("artifacts")
mlflow.set_experiment(experiment_id=exp)
with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
    id = run.info.run_id
    tree = pathlib.Path(folder) / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "a.txt").write_text("alpha")
    (tree / "deep" / "ü b.bin").write_bytes(bytes(range(256)) * 4096)
    (tree / "deep" / "er" / "100%.csv").write_text("x,y\n1,2\n")
    (tree / "empty").write_bytes(b"")
    mlflow.log_artifact(str(tree / "a.txt"))
    mlflow.log_artifact(str(tree / "a.txt"), artifact_path="notes/2024")
    mlflow.log_artifacts(str(tree), artifact_path="tree")
    mlflow.log_text("hello", "texts/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")

    def listed(path=None):
        return [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(id, path)]

    assert listed() == [("a.txt", False, 5), ("config.json", False, 29), ("notes", True, None), ("texts", True, None), ("tree", True, None)], listed()
    assert listed("tree/deep") == [("tree/deep/er", True, None), ("tree/deep/ü b.bin", False, 1048576)], listed("tree/deep")
    assert listed("a.txt") == [] and listed("nowhere") == []
    assert mlflow.artifacts.load_text(f"runs:/{id}/texts/hello.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/config.json") == {"a": [1, 2]}
    got = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=id, artifact_path="tree", dst_path=os.path.join(folder, "down")))
    for path in sorted(p for p in tree.rglob("*") if p.is_file()):
        assert (got / path.relative_to(tree)).read_bytes() == path.read_bytes(), path
    all_of_it = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=id, dst_path=os.path.join(folder, "all")))
    show("files", sorted(str(p.relative_to(all_of_it)) for p in all_of_it.rglob("*") if p.is_file()))

    # a file is replaced by its next version
    (tree / "a.txt").write_text("beta!!")
    mlflow.log_artifact(str(tree / "a.txt"))
    assert mlflow.artifacts.load_text(f"runs:/{id}/a.txt") == "beta!!"

    # nothing leads out of the run
    host = mlflow.get_tracking_uri()
    root = f"{host}/api/2.0/mlflow-artifacts/artifacts"
    for path in ["%2e%2e/x", f"{exp}/{id}/artifacts/%2e%2e/x", f"{exp}/{id}/artifacts/%252e%252e/x", f"{exp}/{id}/artifacts/a%5c..%5cb"]:
        if "%5c" in path and not IS_SLIPWAY:
            continue
        for method in ("PUT", "GET", "DELETE"):
            answer = requests.request(method, f"{root}/{path}", data=b"x" if method == "PUT" else None)
            assert answer.status_code == 400 and answer.json()["message"] == "Invalid path", (method, path, answer.text)
    answer = requests.get(f"{host}/api/2.0/mlflow/artifacts/list", params={"run_id": id, "path": "../.."})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert requests.get(f"{root}/{exp}/{id}/artifacts/none").status_code == 404
    assert requests.get(f"{host}/get-artifact", params={"run_id": id, "path": "config.json"}).json() == {"a": [1, 2]}

    # deletion
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(run.info.artifact_uri).delete_artifacts("tree")
    assert [name for name, _, _ in listed()] == ["a.txt", "config.json", "notes", "texts"]
print("artifacts ok")
