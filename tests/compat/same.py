"""Compares what two servers hold, over MLflow's REST API: every experiment, run, point and file, except for the ids of experiments.

python same.py URL URL
"""

import hashlib
import sys

import requests


class Server:
    def __init__(self, url):
        self.url = url

    def post(self, route, **body):
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{route}", json=body)
        answer.raise_for_status()
        return answer.json()

    def get(self, route, **query):
        answer = requests.get(f"{self.url}/api/2.0/mlflow/{route}", params=query)
        answer.raise_for_status()
        return answer.json()

    def pages(self, field, route, **body):
        found, token = [], ""
        while True:
            page = self.post(route, page_token=token, **body)
            found += page.get(field, [])
            token = page.get("next_page_token")
            if not token:
                return found

    def experiments(self):
        return self.pages("experiments", "experiments/search", view_type="ALL", max_results=200)

    def runs(self, experiment_id):
        return self.pages("runs", "runs/search", experiment_ids=[experiment_id], run_view_type="ALL", max_results=100)

    def models(self, experiment_id):
        return self.pages("models", "logged-models/search", experiment_ids=[experiment_id], max_results=10)

    def asked(self, field, route, **query):
        found, token = [], ""
        while True:
            page = self.get(route, **query, **({"page_token": token} if token else {}))
            found += page.get(field, [])
            token = page.get("next_page_token")
            if not token:
                return found

    def registered(self):
        prompts = {"filter": "tags.`mlflow.prompt.is_prompt` = 'true'"}
        found = self.asked("registered_models", "registered-models/search", max_results=50)
        return found + self.asked("registered_models", "registered-models/search", max_results=50, **prompts)

    def versions(self, model):
        filter = f'name = "{model["name"]}"'
        if any(tag["key"] == "mlflow.prompt.is_prompt" for tag in model.get("tags", [])):
            filter += " AND tags.`mlflow.prompt.is_prompt` = 'true'"
        return self.asked("model_versions", "model-versions/search", filter=filter, max_results=50)

    def model_files(self, model_id):
        found = {}
        for file in self.get(f"logged-models/{model_id}/artifacts/directories").get("files", []):
            url = f"{self.url}/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files"
            bytes = requests.get(url, params={"artifact_file_path": file["path"]}).content
            found[file["path"]] = hashlib.sha256(bytes).hexdigest()
        return found

    def run(self, run_id):
        return self.get("runs/get", run_id=run_id)["run"]

    def points(self, run_id, key):
        found = self.get("metrics/get-history", run_id=run_id, metric_key=key).get("metrics", [])
        return sorted((int(p["step"]), int(p["timestamp"]), str(p["value"])) for p in found)

    def files(self, run_id, path=""):
        found = {}
        for file in self.get("artifacts/list", run_id=run_id, **({"path": path} if path else {})).get("files", []):
            if file["is_dir"]:
                found.update(self.files(run_id, file["path"]))
            else:
                bytes = requests.get(f"{self.url}/get-artifact", params={"run_id": run_id, "path": file["path"]}).content
                assert len(bytes) == int(file.get("file_size", 0)), file
                found[file["path"]] = hashlib.sha256(bytes).hexdigest()
        return found


def pairs(found):
    return {pair["key"]: pair.get("value", "") for pair in found}


def experiments(server):
    """By name and time of making: names of deleted ones may come twice. Ours of id 0 has times of its own."""
    found = {}
    for experiment in server.experiments():
        times = () if experiment["experiment_id"] == "0" else (experiment["creation_time"], experiment["last_update_time"])
        key = (experiment["name"], experiment["lifecycle_stage"], *times, tuple(sorted(pairs(experiment.get("tags", [])).items())))
        assert key not in found, key
        found[key] = experiment["experiment_id"]
    return found


def plain(run):
    info = run["info"]
    return {
        "info": {name: info.get(name) for name in ["run_id", "run_name", "user_id", "status", "start_time", "end_time", "lifecycle_stage"]},
        "metrics": {m["key"]: (m["step"], m["timestamp"], str(m["value"])) for m in run["data"].get("metrics", [])},
        "params": pairs(run["data"].get("params", [])),
        "tags": pairs(run["data"].get("tags", [])),
        "inputs": sorted(
            (sorted(i["dataset"].items()), sorted(pairs(i.get("tags", [])).items())) for i in run.get("inputs", {}).get("dataset_inputs", [])
        ),
        "models": sorted(m["model_id"] for m in run.get("inputs", {}).get("model_inputs", [])),
        "made": sorted((m["model_id"], m.get("step", 0)) for m in run.get("outputs", {}).get("model_outputs", [])),
    }


def plain_model(model):
    """But for the experiment and where the files are."""
    info = {name: value for name, value in model["info"].items() if name not in ("experiment_id", "artifact_uri", "tags")}
    points = [tuple(sorted((k, str(v)) for k, v in p.items() if v != "")) for p in model.get("data", {}).get("metrics", [])]
    return info | {"tags": pairs(model["info"].get("tags", [])), "params": pairs(model.get("data", {}).get("params", [])), "points": sorted(points)}


def plain_registered(model):
    kept = ["name", "description", "creation_timestamp", "last_updated_timestamp"]
    aliases = {a["alias"]: int(a["version"]) for a in model.get("aliases", []) if a["alias"] not in ("Staging", "Production")}
    return {name: model.get(name, "") for name in kept} | {"tags": pairs(model.get("tags", [])), "aliases": aliases}


def plain_version(version):
    kept = ["version", "description", "user_id", "current_stage", "source", "run_id", "run_link", "status", "status_message"]
    kept += ["creation_timestamp", "last_updated_timestamp"]
    return {name: version.get(name, "") for name in kept} | {"tags": pairs(version.get("tags", []))}


def same_registry(a, b, counts):
    ours, theirs = ({model["name"]: model for model in server.registered()} for server in (a, b))
    assert ours.keys() == theirs.keys(), f"registered models: {set(ours) ^ set(theirs)}"
    for name, model in ours.items():
        assert plain_registered(model) == plain_registered(theirs[name]), f"{plain_registered(model)} and {plain_registered(theirs[name])}"
        left, right = ({v["version"]: plain_version(v) for v in server.versions(model)} for server in (a, b))
        assert left == right, f"versions of {name}: {left} and {right}"
        counts["registered models"] += 1
        counts["versions"] += len(left)


def same(a, b):
    """Returns how much there was; raises at the first difference."""
    left, right = experiments(a), experiments(b)
    assert left.keys() == right.keys(), f"experiments: {set(left) ^ set(right)}"
    counts = {"experiments": len(left), "runs": 0, "points": 0, "files": 0, "logged models": 0, "registered models": 0, "versions": 0}
    for key, id in left.items():
        ours, theirs = ({run["info"]["run_id"]: run for run in server.runs(i)} for server, i in [(a, id), (b, right[key])])
        assert ours.keys() == theirs.keys(), f"runs of {key[0]}: {set(ours) ^ set(theirs)}"
        for run_id, run in ours.items():
            # what a search lists, and what one run shows, which is more
            for left_run, right_run in [(run, theirs[run_id]), (a.run(run_id), b.run(run_id))]:
                x, y = plain(left_run), plain(right_run)
                if left_run is run:
                    x.pop("models"), y.pop("models")
                assert x == y, f"run {run_id}: {x} and {y}"
            counts["runs"] += 1
            for metric in run["data"].get("metrics", []):
                points = a.points(run_id, metric["key"])
                assert points == b.points(run_id, metric["key"]), f"{metric['key']} of {run_id}"
                counts["points"] += len(points)
            files = a.files(run_id)
            assert files == b.files(run_id), f"files of {run_id}"
            counts["files"] += len(files)
        ours, theirs = ({m["info"]["model_id"]: m for m in server.models(i)} for server, i in [(a, id), (b, right[key])])
        assert ours.keys() == theirs.keys(), f"logged models of {key[0]}: {set(ours) ^ set(theirs)}"
        for model_id, model in ours.items():
            assert plain_model(model) == plain_model(theirs[model_id]), f"{plain_model(model)} and {plain_model(theirs[model_id])}"
            files = a.model_files(model_id)
            assert files == b.model_files(model_id), f"files of {model_id}"
            counts["logged models"] += 1
            counts["files"] += len(files)
    same_registry(a, b, counts)
    return counts


if __name__ == "__main__":
    print("same", same(*map(Server, sys.argv[1:3])))
