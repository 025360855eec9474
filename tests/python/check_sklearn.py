"""Holds the trainer against scikit-learn.

    check_sklearn.py DIR linear MAGIC RIDES    the special cases without hidden layers, run to convergence
    check_sklearn.py DIR network MAGIC         the reference network after a few epochs, and every figure on its answers
"""

import csv
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn import metrics
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

RIDE = ["temp", "atemp", "hum", "windspeed", "hr", "workingday", "mnth"]


def table(path, features, target, rows=None):
    with open(path, newline="") as file:
        records = list(csv.DictReader(file))[:rows]
    x = np.array([[np.float32(record[name]) for name in features] for record in records])
    return x, np.array([record[target] for record in records])


def magic(folder, name, rows=None):
    features = (folder / "train.csv").open().readline().strip().split(",")[:-1]
    x, y = table(folder / name, features, "class", rows)
    return x, (y == "h").astype(int)


def near(what, found, want, limit):
    off = float(np.max(np.abs(np.asarray(found, dtype=float) - np.asarray(want, dtype=float))))
    print(f"{what:<44} off by {off:.1e}, {limit:.0e} allowed")
    assert off <= limit, what


def scaled(case, x):
    scaler = StandardScaler().fit(x.astype(float))
    mean, deviation = np.array(case["scaling"]).T
    near("  mean, in deviations", (mean - scaler.mean_) / scaler.scale_, 0, 1e-6)
    near("  deviation, relative", deviation / scaler.scale_, 1, 1e-6)
    return scaler


def figures(case, truth):
    answers, figures = np.array(case["answers"], dtype=np.float32), case["figures"]
    if answers.shape[1] == 1:
        p = answers[:, 0]
        said, average = (p > 0.5).astype(int), {}
        area = metrics.roc_auc_score(truth, p)
    else:
        p = answers / answers.sum(1, keepdims=True, dtype=np.float64)
        said, average = p.argmax(1), {"average": "macro"}
        area = metrics.roc_auc_score(truth, p[:, 1]) if p.shape[1] == 2 else metrics.roc_auc_score(truth, p, multi_class="ovr")
    near("  loss", figures["loss"], metrics.log_loss(truth, p), 2e-7)
    near("  accuracy", figures["accuracy"], metrics.accuracy_score(truth, said), 1e-12)
    near("  precision", figures["precision"], metrics.precision_score(truth, said, **average), 1e-12)
    near("  recall", figures["recall"], metrics.recall_score(truth, said, **average), 1e-12)
    near("  F1", figures["f1"], metrics.f1_score(truth, said, **average), 1e-12)
    near("  ROC AUC", figures["roc_auc"], area, 1e-9)
    near("  confusion matrix", case["confusion"], metrics.confusion_matrix(truth, said), 0)


def linear(folder, magic_folder, rides):
    cases = json.loads((folder / "linear.json").read_text())

    print("logistic regression")
    case = cases["logistic"]
    x, y = magic(magic_folder, "train.csv", 3000)
    x_test, y_test = magic(magic_folder, "test.csv", 1000)
    scaler = scaled(case, x)
    model = LogisticRegression(C=1 / (2 * case["l2"] * len(x)), tol=1e-10, max_iter=10_000).fit(scaler.transform(x), y)
    near("  coefficients", case["kernel"], model.coef_, 2e-4)
    near("  intercept", case["bias"], model.intercept_, 2e-4)
    theirs = model.predict_proba(scaler.transform(x_test))[:, 1]
    near("  probabilities of held-out rows", np.array(case["answers"])[:, 0], theirs, 1e-4)
    near("  log loss of held-out rows", case["figures"]["loss"], metrics.log_loss(y_test, theirs), 5e-6)
    figures(case, y_test)

    print("ridge regression")
    case = cases["ridge"]
    x, y = table(rides / "hour.csv", RIDE, "cnt", 4000)
    y = y.astype(float)
    x, x_test, y, y_test = x[:3000], x[3000:], y[:3000], y[3000:]
    scaler = scaled(case, x)
    mean, deviation = y.mean(), y.std()
    model = Ridge(alpha=case["l2"] * len(x)).fit(scaler.transform(x), (y - mean) / deviation)
    near("  coefficients", case["kernel"][0], model.coef_, 2e-4)
    near("  intercept", case["bias"], model.intercept_, 2e-4)
    answers = np.array(case["answers"])[:, 0]
    near("  answers, in deviations", (answers - mean) / deviation, model.predict(scaler.transform(x_test)), 5e-4)
    found = case["figures"]
    near("  MSE, relative", found["loss"] / metrics.mean_squared_error(y_test, answers), 1, 1e-12)
    near("  MAE, relative", found["mae"] / metrics.mean_absolute_error(y_test, answers), 1, 1e-12)
    near("  RMSE, relative", found["rmse"] / metrics.root_mean_squared_error(y_test, answers), 1, 1e-12)
    near("  R2", found["r2"], metrics.r2_score(y_test, answers), 1e-12)

    print("softmax regression")
    case = cases["softmax"]
    x, y = table(rides / "hour.csv", RIDE, "season", 6000)
    x, y = x[::2], y[::2]
    scaler = scaled(case, x)
    classes, truth = np.unique(y, return_inverse=True)
    assert len(classes) == len(case["bias"]), classes
    model = LogisticRegression(C=1 / (2 * case["l2"] * len(x)), tol=1e-10, max_iter=10_000).fit(scaler.transform(x), truth)
    # The same added to all classes changes no answer.
    centred = lambda values: np.array(values) - np.mean(values, axis=0)
    near("  coefficients", centred(case["kernel"]), centred(model.coef_), 2e-3)
    near("  intercept", centred(case["bias"]), centred(model.intercept_), 3e-3)
    near("  probabilities", case["answers"], model.predict_proba(scaler.transform(x)), 5e-4)
    figures(case, truth)
    print("3 solutions agree")


def network(folder, magic_folder):
    case = json.loads((folder / "network.json").read_text())
    x, y = magic(magic_folder, "train.csv")
    x_test, y_test = magic(magic_folder, "test.csv")
    figures(case, y_test)
    scaler = StandardScaler().fit(x)
    theirs = []
    for seed in range(3):
        model = MLPClassifier((64, 64), alpha=0, batch_size=32, max_iter=case["epochs"], n_iter_no_change=100, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(scaler.transform(x), y)
        p = model.predict_proba(scaler.transform(x_test))[:, 1]
        theirs.append([metrics.log_loss(y_test, p), metrics.accuracy_score(y_test, p > 0.5), metrics.roc_auc_score(y_test, p)])
    ours = [case["figures"][key] for key in ("loss", "accuracy", "roc_auc")]
    print("loss, accuracy, ROC AUC of MLPClassifier  ", np.round(theirs, 4).tolist())
    print("loss, accuracy, ROC AUC of the trainer    ", np.round(ours, 4).tolist())
    # What three seeds spread over is about 0.01 wide; as much again is allowed around it.
    low, high = np.min(theirs, axis=0), np.max(theirs, axis=0)
    assert ours[0] <= high[0] + 0.01 and ours[1] >= low[1] - 0.01 and ours[2] >= low[2] - 0.01, "worse than scikit-learn"
    assert ours[0] >= low[0] - 0.02, "better than is to be believed"
    print("the network is as good")


folder, task, *data = sys.argv[1:]
{"linear": linear, "network": network}[task](Path(folder), *map(Path, data))
