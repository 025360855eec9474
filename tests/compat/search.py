"""The search language, over runs that are made here."""

from common import client, fresh, mlflow, refused, show
from mlflow.entities import Metric, Param, RunTag, ViewType

exp, other = fresh("search"), fresh("elsewhere")
rows = [
    # name, start, metrics, params, tags
    ("alpha", 100, {"acc": 0.9, "my loss": 1.0}, {"lr": "0.1", "opt": "Adam"}, {"team": "sea", "mlflow.source.name": "train.py"}),
    ("beta", 200, {"acc": 0.7}, {"lr": "0.2", "opt": "adam"}, {"team": "Sea"}),
    ("gamma", 300, {"acc": float("nan")}, {"lr": "0.1"}, {"a.b c": "it is"}),
    ("delta", 400, {}, {"opt": "sgd_1"}, {"team": "land"}),
    ("epsilon", 500, {"acc": -1.0}, {}, {}),
    ("zeta", 600, {"acc": float("inf")}, {"opt": "sgd%"}, {"team": "sea"}),
]
ids = {}
for name, start, metrics, params, tags in rows:
    run = client.create_run(exp, start_time=start, run_name=name)
    ids[name] = run.info.run_id
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(k, v, 1, 0) for k, v in metrics.items()],
        params=[Param(k, v) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
client.set_terminated(ids["alpha"], "FINISHED", end_time=150)
client.set_terminated(ids["beta"], "FAILED", end_time=250)
elsewhere = client.create_run(other, start_time=50, run_name="alpha")


def names(filter="", order=None, experiments=None, **more):
    found = client.search_runs(experiments or [exp], filter_string=filter, order_by=order or ["start_time ASC"], **more)
    return [run.info.run_name for run in found]


ALL = [row[0] for row in rows]
cases = [
    ("", ALL),
    ("metrics.acc > 0.7", ["alpha", "zeta"]),
    ("metrics.acc >= 0.7", ["alpha", "beta", "zeta"]),
    ("metrics.acc < 0.8", ["beta", "epsilon"]),
    ("metrics.acc <= -1", ["epsilon"]),
    ("metrics.acc = 0.9", ["alpha"]),
    ("metrics.acc != 0.9", ["beta", "gamma", "epsilon", "zeta"]),
    ("metric.acc > 1e300", ["zeta"]),
    ("metrics.`my loss` = 1", ["alpha"]),
    ('metrics."my loss" < 1.5', ["alpha"]),
    ("params.lr = '0.1'", ["alpha", "gamma"]),
    ("params.lr != '0.1'", ["beta"]),
    ('param.lr = "0.2"', ["beta"]),
    ("parameters.opt = 'Adam'", ["alpha"]),
    ("params.lr IS NULL", ["delta", "epsilon", "zeta"]),
    ("params.lr IS NOT NULL", ["alpha", "beta", "gamma"]),
    ("tags.team = 'sea'", ["alpha", "zeta"]),
    ("tag.team ILIKE 'SEA'", ["alpha", "beta", "zeta"]),
    ("tags.team IS NULL", ["gamma", "epsilon"]),
    ("tags.mlflow.source.name = 'train.py'", ["alpha"]),
    ("tags.`a.b c` = 'it is'", ["gamma"]),
    ("tags.\"a.b c\" LIKE '%is'", ["gamma"]),
    ("attributes.status = 'FINISHED'", ["alpha"]),
    ("status != 'RUNNING'", ["alpha", "beta"]),
    ("attribute.run_name LIKE '%eta'", ["beta", "zeta"]),
    ("run_name ILIKE 'ALPH_'", ["alpha"]),
    ("attributes.`Run Name` = 'gamma'", ["gamma"]),
    ("attr.start_time >= 500", ["epsilon", "zeta"]),
    ("start_time < 200", ["alpha"]),
    ("Created > 500", ["zeta"]),
    ("end_time > 0", ["alpha", "beta"]),
    (f"run_id = '{ids['delta']}'", ["delta"]),
    (f"run_id IN ('{ids['alpha']}', '{ids['zeta']}')", ["alpha", "zeta"]),
    (f"attributes.run_id NOT IN ('{ids['alpha']}', '{ids['zeta']}')", ["beta", "gamma", "delta", "epsilon"]),
    ("metrics.acc > 0 and params.opt LIKE 'Ad%' AND tags.team = 'sea'", ["alpha"]),
]
for filter, expected in cases:
    got = names(filter)
    assert got == expected, f"{filter}: {got}, not {expected}"

orders = [
    (["metrics.acc DESC"], ["zeta", "alpha", "beta", "epsilon", "gamma", "delta"]),
    (["metrics.acc ASC"], ["epsilon", "beta", "alpha", "zeta", "gamma", "delta"]),
    (["params.lr", "start_time DESC"], ["gamma", "alpha", "beta", "zeta", "epsilon", "delta"]),
    (["attributes.end_time DESC"], ["beta", "alpha", "zeta", "epsilon", "delta", "gamma"]),
    (["run_name"], sorted(ALL)),
    (["tags.team asc", "metrics.acc"], ["beta", "delta", "alpha", "zeta", "epsilon", "gamma"]),
    (["start_time DESC"], ALL[::-1]),
]
for order, expected in orders:
    got = names(order=order)
    assert got == expected, f"{order}: {got}, not {expected}"
    paged, token = [], None
    while True:
        page = client.search_runs([exp], order_by=order, max_results=2, page_token=token)
        paged += [run.info.run_name for run in page]
        token = page.token
        if not token:
            break
    assert paged == expected, f"{order} in pages: {paged}"
assert names(experiments=[exp, other]) == ["alpha"] + ALL
assert client.search_runs([]) == []

client.delete_run(ids["beta"])
assert names("metrics.acc > 0") == ["alpha", "zeta"]
assert names("metrics.acc > 0", run_view_type=ViewType.ALL) == ["alpha", "beta", "zeta"]
assert names(run_view_type=ViewType.DELETED_ONLY) == ["beta"]

for filter in [
    "metrics.acc > '0.1'",
    "params.lr = 0.1",
    "params.lr > '0.1'",
    "metrics.acc LIKE '1'",
    "metrics.acc > 0 OR metrics.acc < 0",
    "dummy.x = 'a'",
    "attribute.nothing = 'a'",
    "tags.team = sea",
    "status IN ('RUNNING')",
    "metrics.acc IS NULL",
    "params.lr",
    "start_time > '1'",
    "run_id IN ()",
]:
    refused(filter, "INVALID_PARAMETER_VALUE", client.search_runs, [exp], filter)
refused("order", "INVALID_PARAMETER_VALUE", client.search_runs, [exp], order_by=["metrics.acc up"])
refused("size", "INVALID_PARAMETER_VALUE", client.search_runs, [exp], max_results=0)

# data frames
frame = mlflow.search_runs([exp], "metrics.acc > 0", order_by=["metrics.acc DESC"])
assert list(frame["tags.mlflow.runName"]) == ["zeta", "alpha"] and list(frame["params.lr"].fillna("-")) == ["-", "0.1"]

# data sets of runs
with mlflow.start_run(experiment_id=other, run_name="with data"):
    pandas = __import__("pandas")
    mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"x": [1]}), name="waves"), context="train")
for filter in ["dataset.name = 'waves'", "datasets.context IN ('train', 'test')", "dataset.name LIKE 'wa%' and dataset.context = 'train'"]:
    assert names(filter, experiments=[exp, other]) == ["with data"], filter
assert names("dataset.name = 'winds'", experiments=[exp, other]) == []

# experiments
prefix = client.get_experiment(exp).name.split()[-1]
client.set_experiment_tag(exp, "kind", "seas")
assert [e.experiment_id for e in client.search_experiments(filter_string=f"name LIKE '%{prefix}' and tags.kind = 'seas'")] == [exp]
assert [e.experiment_id for e in client.search_experiments(filter_string=f"name ILIKE 'SEARCH {prefix.upper()}'")] == [exp]
assert exp not in [e.experiment_id for e in client.search_experiments(filter_string="tags.kind IS NULL")]
ordered = client.search_experiments(order_by=["name ASC"], max_results=1000)
assert [e.name for e in ordered] == sorted(e.name for e in ordered)
two = client.search_experiments(max_results=2)
assert len(two) == 2 and two.token and [e.experiment_id for e in two][0] == other
client.delete_experiment(other)
assert other in [e.experiment_id for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
assert other not in [e.experiment_id for e in client.search_experiments()]
refused("experiments", "INVALID_PARAMETER_VALUE", client.search_experiments, filter_string="dummy = 'a'")
show("runs", sorted(ids))
print("search ok")
