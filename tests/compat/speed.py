"""Rough speed of a server, slipway's or MLflow's: speed.py URL RUNS. Each figure is taken over one connection, and over eight."""

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit

url, runs = urlsplit(sys.argv[1]), int(sys.argv[2])


class Connection:
    def __init__(self):
        self.http = http.client.HTTPConnection(url.hostname, url.port)
        self.http.connect()
        self.http.sock.setsockopt(6, 1, 1)  # TCP_NODELAY

    def post(self, path, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.http.request("POST", f"/api/2.0/mlflow/{path}", data, {"content-type": "application/json"})
        answer = self.http.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)

    def get(self, path):
        self.http.request("GET", f"/api/2.0/mlflow/{path}")
        return json.loads(self.http.getresponse().read())


def measure(what, connections, seconds, work, unit=1, name="requests/s"):
    times, stop = [], time.perf_counter() + seconds

    def loop(n):
        mine, i = Connection(), 0
        while time.perf_counter() < stop:
            start = time.perf_counter()
            work(mine, n, i)
            times.append(time.perf_counter() - start)
            i += 1

    start = time.perf_counter()
    threads = [threading.Thread(target=loop, args=(n,)) for n in range(connections)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    took = time.perf_counter() - start
    times.sort()
    at = lambda q: times[min(len(times) - 1, int(q * len(times)))] * 1e3
    print(f"{what:38} {connections} conn: {len(times) * unit / took:10.0f} {name:10} p50 {at(0.5):8.2f} ms  p95 {at(0.95):8.2f} ms", flush=True)


main = Connection()
exp = main.post("experiments/create", {"name": f"speed {time.time()}"})["experiment_id"]
lots = random.Random(1)


def one_run(connection, i):
    run = connection.post("runs/create", {"experiment_id": exp, "start_time": i, "run_name": f"run {i}",
                                          "tags": [{"key": f"t{k}", "value": str(i % (k + 2))} for k in range(5)]})
    metrics = [{"key": "acc" if k == 0 else f"m{k}", "value": lots.random(), "timestamp": i, "step": 0} for k in range(10)]
    params = [{"key": "lr" if k == 0 else f"p{k}", "value": ["0.1", "0.01", "0.001"][i % 3] if k == 0 else str(i)} for k in range(10)]
    connection.post("runs/log-batch", {"run_id": run["run"]["info"]["run_id"], "metrics": metrics, "params": params})


start = time.perf_counter()
workers = [threading.Thread(target=lambda n: [one_run(c, i) for c in [Connection()] for i in range(n, runs, 4)], args=(n,)) for n in range(4)]
[w.start() for w in workers]
[w.join() for w in workers]
print(f"{runs} runs with 10 metrics, 10 params, 5 tags each: {time.perf_counter() - start:.1f} s", flush=True)

best = {"experiment_ids": [exp], "filter": "metrics.acc > 0.9 and params.lr = '0.01'", "order_by": ["metrics.acc DESC"], "max_results": 100}
newest = {"experiment_ids": [exp], "max_results": 100}
rare = {"experiment_ids": [exp], "filter": "params.p5 = '77'", "max_results": 100}
assert len(main.post("runs/search", best)["runs"]) == min(100, sum(1 for r in main.post("runs/search", {**best, "max_results": 1000})["runs"]))
mine = [main.post("runs/create", {"experiment_id": exp})["run"]["info"]["run_id"] for _ in range(8)]
for connections in (1, 8):
    measure("runs/search, best 100", connections, 4, lambda c, n, i: c.post("runs/search", best))
    measure("runs/search, newest 100", connections, 4, lambda c, n, i: c.post("runs/search", newest))
    measure("runs/search, one param of one run", connections, 4, lambda c, n, i: c.post("runs/search", rare))
    measure("runs/create", connections, 4, lambda c, n, i: c.post("runs/create", {"experiment_id": exp}))
    measure("runs/log-metric", connections, 4, lambda c, n, i: c.post("runs/log-metric", {"run_id": mine[n], "key": "m", "value": i, "timestamp": i, "step": i}))
    measure("runs/get", connections, 4, lambda c, n, i: c.get(f"runs/get?run_id={mine[n]}"))
    wide = lambda c, n, i: c.post("runs/log-batch", {"run_id": mine[n], "metrics": [{"key": f"w{k}", "value": i, "timestamp": i, "step": i} for k in range(1000)]})
    measure("log-batch, 1000 keys", connections, 4, wide, 1000, "points/s")
    deep = lambda c, n, i: c.post("runs/log-batch", {"run_id": mine[n], "metrics": [{"key": f"d{k % 10}", "value": k, "timestamp": i, "step": 100 * i + k} for k in range(1000)]})
    measure("log-batch, 10 keys of 100 steps", connections, 4, deep, 1000, "points/s")
