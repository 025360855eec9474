"""Files that go past the server: in parts to the object store, and from it in ranges."""

import os
import pathlib
import tempfile

os.environ.update(
    MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="true",
    MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="true",
    MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE="1000",
    MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=str(1 << 20),
    MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE=str(1 << 20),
)

import requests  # noqa: E402
from common import client, fresh, mlflow, show  # noqa: E402

host = mlflow.get_tracking_uri()
info = requests.get(f"{host}/api/3.0/mlflow/server-info").json()
direct = info["multipart_uploads_enabled"]
assert info["multipart_downloads_enabled"] == direct
seen = []
really = requests.Session.request


def watched(self, method, url, **rest):
    seen.append((method.upper(), url.startswith(host)))
    return really(self, method, url, **rest)


requests.Session.request = watched
exp = fresh("direct")
with tempfile.TemporaryDirectory() as folder, mlflow.start_run(experiment_id=exp) as run:
    big = pathlib.Path(folder) / "big ü.bin"
    big.write_bytes(bytes(range(256)) * 10_000 + b"end")
    small = pathlib.Path(folder) / "small.txt"
    small.write_text("small")
    mlflow.log_artifact(str(big), artifact_path="deep/er")
    mlflow.log_artifact(str(small))
    there = [(f.path, f.file_size) for f in client.list_artifacts(run.info.run_id, "deep/er")]
    assert there == [("deep/er/big ü.bin", 2_560_003)], there
    past = [method for method, here in seen if not here]
    assert past == (["PUT"] * 3 if direct else []), past
    seen.clear()
    got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/er", dst_path=os.path.join(folder, "down"))
    assert (pathlib.Path(got) / big.name).read_bytes() == big.read_bytes()
    past = [method for method, here in seen if not here]
    assert past == (["GET"] * 3 if direct else []), past
    # what the server hands out itself is the same
    url = f"{host}/api/2.0/mlflow-artifacts/artifacts/{exp}/{run.info.run_id}/artifacts/deep/er/{big.name}"
    assert requests.get(url).content == big.read_bytes()
    part = requests.get(url, headers={"Range": "bytes=2560000-"})
    assert (part.status_code, part.content) == (206, b"end")
    assert part.headers["Content-Range"] == "bytes 2560000-2560002/2560003"
show("direct", direct)
print("direct ok")
