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
    }


def same(a, b):
    """Returns how much there was; raises at the first difference."""
    left, right = experiments(a), experiments(b)
    assert left.keys() == right.keys(), f"experiments: {set(left) ^ set(right)}"
    counts = {"experiments": len(left), "runs": 0, "points": 0, "files": 0}
    for key, id in left.items():
        ours, theirs = ({run["info"]["run_id"]: run for run in server.runs(i)} for server, i in [(a, id), (b, right[key])])
        assert ours.keys() == theirs.keys(), f"runs of {key[0]}: {set(ours) ^ set(theirs)}"
        for run_id, run in ours.items():
            assert plain(run) == plain(theirs[run_id]), f"run {run_id}: {plain(run)} and {plain(theirs[run_id])}"
            counts["runs"] += 1
            for metric in run["data"].get("metrics", []):
                points = a.points(run_id, metric["key"])
                assert points == b.points(run_id, metric["key"]), f"{metric['key']} of {run_id}"
                counts["points"] += len(points)
            files = a.files(run_id)
            assert files == b.files(run_id), f"files of {run_id}"
            counts["files"] += len(files)
    return counts


if __name__ == "__main__":
    print("same", same(*map(Server, sys.argv[1:3])))
