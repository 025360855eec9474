"""Writes ml_metrics.json: evaluation figures by scikit-learn, which src/ml/metrics.rs must reproduce.

    python tests/reference/ml_metrics.py > tests/reference/ml_metrics.json
"""

import json
import warnings

import numpy as np
from sklearn import metrics as m

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240607)


def binary(name, truth, scores):
    answer = (scores > 0.5).astype(int)
    both = len(set(truth.tolist())) == 2
    return {
        "name": name,
        "truth": truth.tolist(),
        "scores": scores.astype(float).tolist(),
        "loss": m.log_loss(truth, scores.astype(np.float32), labels=[0, 1]),
        "accuracy": m.accuracy_score(truth, answer),
        "precision": m.precision_score(truth, answer, zero_division=0),
        "recall": m.recall_score(truth, answer, zero_division=0),
        "f1": m.f1_score(truth, answer, zero_division=0),
        "roc_auc": m.roc_auc_score(truth, scores) if both else None,
        "confusion": m.confusion_matrix(truth, answer, labels=[0, 1]).tolist(),
    }


def multiclass(name, truth, p):
    answer, k = p.argmax(1), p.shape[1]
    every = len(set(truth.tolist())) == k
    average = dict(average="macro", zero_division=0)
    return {
        "name": name,
        "truth": truth.tolist(),
        "probabilities": p.astype(float).tolist(),
        "loss": m.log_loss(truth, p, labels=range(k)),
        "accuracy": m.accuracy_score(truth, answer),
        "precision": m.precision_score(truth, answer, **average),
        "recall": m.recall_score(truth, answer, **average),
        "f1": m.f1_score(truth, answer, **average),
        "roc_auc": m.roc_auc_score(truth, p, multi_class="ovr", average="macro") if every else None,
        "confusion": m.confusion_matrix(truth, answer, labels=range(k)).tolist(),
    }


def regression(name, truth, answers):
    return {
        "name": name,
        "truth": truth.tolist(),
        "answers": answers.tolist(),
        "mse": m.mean_squared_error(truth, answers),
        "mae": m.mean_absolute_error(truth, answers),
        "rmse": m.root_mean_squared_error(truth, answers),
        "r2": m.r2_score(truth, answers),
    }


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def main():
    truth = rng.integers(0, 2, 60)
    scores = np.clip(0.35 * truth + 0.65 * rng.random(60), 0.01, 0.99).round(6)
    ties = (scores * 8).round() / 8
    classes = rng.integers(0, 4, 80)
    logits = rng.normal(size=(80, 4))
    logits[np.arange(80), classes] += 1.0
    p = softmax(logits)
    numbers = rng.normal(100, 30, 50)
    out = {
        "binary": [
            binary("plain", truth, scores),
            binary("ties", truth, np.clip(ties, 0.01, 0.99)),
            binary("certain", np.array([0, 1, 1, 0, 1]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])),
            binary("one class", np.array([1, 1, 1]), np.array([0.2, 0.7, 0.9])),
            binary("no positive answer", np.array([0, 1, 0]), np.array([0.2, 0.3, 0.1])),
        ],
        "multiclass": [
            multiclass("plain", classes, p),
            multiclass("class 3 never occurs", np.where(classes == 3, 0, classes), softmax(logits - [0, 0, 0, 50])),
            multiclass("class 3 only answered", np.where(classes == 3, 0, classes), p),
        ],
        "regression": [
            regression("plain", numbers, numbers + rng.normal(0, 10, 50)),
            regression("worse than the mean", numbers, rng.normal(50, 30, 50)),
            regression("constant truth", np.full(4, 2.0), np.array([2.0, 2.5, 1.5, 2.0])),
            regression("constant and perfect", np.full(4, 2.0), np.full(4, 2.0)),
        ],
    }
    print(json.dumps(out, indent=1))


main()
