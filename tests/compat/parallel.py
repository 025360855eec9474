"""Four processes log to one run, each sending part of what the others send."""

import multiprocessing

from common import client, fresh
from mlflow.entities import Metric, Param, RunTag


def work(run_id, n):
    from mlflow.tracking import MlflowClient

    mine = MlflowClient()
    for round in range(10):
        metrics = [Metric(f"shared{k}", k, 1, round) for k in range(20)]
        metrics += [Metric(f"shared{k}", n, 1000 * (n + 1), round) for k in range(20)]
        if n % 2:
            metrics.reverse()
        mine.log_batch(run_id, metrics=metrics, params=[Param("same", "1"), Param(f"p{n}", "x")], tags=[RunTag("last", str(n))])
        mine.log_metric(run_id, f"own{n}", round, step=round)


if __name__ == "__main__":
    run_id = client.create_run(fresh("parallel")).info.run_id
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(run_id, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    data = client.get_run(run_id).data
    assert data.params == {"same": "1", "p0": "x", "p1": "x", "p2": "x", "p3": "x"}, data.params
    assert data.tags["last"] in "0123"
    for k in range(20):
        points = {(m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, f"shared{k}")}
        expected = {(r, 1, float(k)) for r in range(10)} | {(r, 1000 * (n + 1), float(n)) for r in range(10) for n in range(4)}
        assert points == expected, (k, points ^ expected)
        assert len(client.get_metric_history(run_id, f"shared{k}")) == len(expected), "nothing is doubled"
    for n in range(4):
        assert [m.value for m in client.get_metric_history(run_id, f"own{n}")] == list(range(10))
    print("parallel ok")
