"""Writes ml_optimisers.json: weights after each of a few steps with given gradients, which src/ml/optimiser.rs must
reproduce. The formulas are written down from the papers in float64, with bias correction spelt out in the estimates
rather than folded into the rate as in Keras; Keras' epsilon is therefore divided by the correction.

    python tests/reference/ml_optimisers.py > tests/reference/ml_optimisers.json
"""

import json

import numpy as np


def sgd(w, gradients, rate, momentum, nesterov):
    """Sutskever et al., 2013."""
    v = np.zeros_like(w)
    for g in gradients:
        v = momentum * v - rate * g
        w = w + (momentum * v - rate * g if nesterov else v)
        yield w


def adam(w, gradients, rate, beta_1, beta_2, epsilon):
    """Kingma and Ba, 2015, algorithm 1."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        w = w - rate * m_hat / (np.sqrt(v_hat) + epsilon / np.sqrt(1 - beta_2**t))
        yield w


def main():
    rng = np.random.default_rng(7)
    start = rng.normal(size=12).astype(np.float32).astype(float)
    gradients = (rng.normal(size=(6, 12)) * 10.0 ** rng.integers(-4, 2, 12)).astype(np.float32).astype(float)
    gradients[:, 0] = 0
    cases = [
        ("sgd", dict(rate=0.01, momentum=0.0, nesterov=False), sgd),
        ("sgd", dict(rate=0.05, momentum=0.9, nesterov=False), sgd),
        ("sgd", dict(rate=0.05, momentum=0.9, nesterov=True), sgd),
        ("adam", dict(rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7), adam),
        ("adam", dict(rate=0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-2), adam),
    ]
    out = {
        "start": start.tolist(),
        "gradients": gradients.tolist(),
        "cases": [
            {"rule": rule, **setting, "weights": [w.tolist() for w in f(start, gradients, **setting)]}
            for rule, setting, f in cases
        ],
    }
    print(json.dumps(out, indent=1))


main()
