"""Computes the reference values of the statistics tests with SciPy and writes them beside this file.

Run: .venv/bin/python tests/reference/stats_reference.py   (SciPy 1.17, NumPy 2)
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(20110101)


def sample(values):
    return [round(float(v), 6) for v in values]


def special_functions():
    return {
        "ln_gamma": [[x, float(special.gammaln(x))] for x in (0.1, 0.5, 1.0, 1.5, 3.25, 11.9, 12.1, 100.5, 5000.25, 1e6)],
        "chi2_sf": [
            [x, df, float(stats.chi2.sf(x, df))]
            for df in (1, 2, 5, 9, 50, 254)
            for x in (0.01, 0.5, 3.84, 9.0, 30.0, 120.0, 254.0, 400.0)
        ],
        "normal_two_sided": [[z, float(2 * stats.norm.sf(abs(z)))] for z in (0.0, 0.3, -1.0, 1.96, -3.29, 6.0, 20.0)],
    }


def raw_pairs():
    normal = rng.standard_normal
    pairs = {
        "same": (normal(120), normal(80)),
        "shifted": (normal(200), normal(150) + 0.5),
        "wider": (normal(150), normal(90) * 2),
        "far apart": (normal(60), normal(40) + 50),
        "ties": (rng.integers(0, 8, 150), rng.integers(0, 8, 100) + (rng.random(100) < 0.3)),
        "skewed": (rng.exponential(1, 300), rng.exponential(1.4, 30)),
        "tiny": (normal(3), normal(4)),
        "one value each": (np.array([1.0]), np.array([2.0])),
    }
    out = []
    for name, (a, b) in pairs.items():
        a, b = sample(a), sample(b)
        ks = stats.ks_2samp(a, b, method="exact")
        out.append(
            {
                "name": name,
                "a": a,
                "b": b,
                "ks": float(ks.statistic),
                "ks_p": float(ks.pvalue),
                "wasserstein": float(stats.wasserstein_distance(a, b)),
            }
        )
    return out


def kolmogorov_law():
    """P(D_n >= d) of the one-sample law that large samples are sent to."""
    return [
        [n, z / np.sqrt(n), float(stats.kstwo.sf(z / np.sqrt(n), n))]
        for n in (99, 150, 500, 2000, 9999, 19000, 50000, 1000000)
        for z in (0.35, 0.5, 0.7, 0.9, 1.0, 1.2, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 3.5)
    ]


def counts():
    pairs = {
        "two cells": ([400, 600], [45, 55]),
        "many": ([500, 300, 120, 80, 60], [40, 35, 20, 15, 12]),
        "same": ([100, 200, 300], [100, 200, 300]),
        "zero in window": ([500, 300, 200], [100, 0, 20]),
        "large": ([900_000, 50_000, 50_000], [90_500, 4_800, 4_900]),
        "moved": ([700, 200, 100], [30, 80, 90]),
    }
    out = []
    for name, (a, b) in pairs.items():
        chi2 = stats.chi2_contingency([a, b], correction=False)
        p, q = np.array(a) / sum(a), np.array(b) / sum(b)
        k, n, m = len(a), sum(a), sum(b)
        pj, qj = (np.array(a) + 0.5) / (n + 0.5 * k), (np.array(b) + 0.5) / (m + 0.5 * k)
        psi = float(np.sum((pj - qj) * np.log(pj / qj)))
        out.append(
            {
                "name": name,
                "a": a,
                "b": b,
                "chi2": float(chi2.statistic),
                "chi2_p": float(chi2.pvalue),
                "jensen_shannon": float(jensenshannon(a, b, base=2)),
                "l_infinity": float(np.max(np.abs(p - q))),
                "psi": psi,
                "psi_p": float(stats.chi2.sf(psi / (1 / n + 1 / m), k - 1)),
            }
        )
    return out


def merged_counts():
    """Cells with an expected count below 5 merged by hand, then chi2_contingency."""
    return [
        {
            "name": "three rare cells become one",
            "a": [500, 400, 60, 20, 10, 10],
            "b": [50, 30, 9, 6, 4, 4],
            **merged([500, 400, 60, 40], [50, 30, 9, 14]),
        },
        {
            "name": "the rest is still rare and takes the next cell in",
            "a": [500, 400, 50, 3],
            "b": [50, 35, 6, 1],
            **merged([500, 400, 53], [50, 35, 7]),
        },
    ]


def merged(a, b):
    result = stats.chi2_contingency([a, b], correction=False)
    return {"chi2": float(result.statistic), "chi2_p": float(result.pvalue)}


def proportions():
    out = []
    for hits_a, n, hits_b, m in [(400, 1000, 45, 100), (10, 10_000, 30, 5_000), (9_000, 10_000, 400, 500)]:
        pooled = (hits_a + hits_b) / (n + m)
        z = (hits_b / m - hits_a / n) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        out.append([hits_a, n, hits_b, m, float(z), float(2 * stats.norm.sf(abs(z)))])
    return out


def fisher():
    tables = [(8, 2, 1, 5), (0, 10_000, 2, 98), (3, 997, 4, 96), (5, 5, 5, 5), (10_000, 0, 0, 100), (12, 3, 40, 9), (1, 999_999, 3, 996)]
    return [[*t, float(stats.fisher_exact([t[:2], t[2:]]).pvalue)] for t in tables]


def benjamini_hochberg():
    lists = [
        [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216],
        [0.9, 0.01, 0.02, 0.01, 1.0, 0.0],
        [0.5],
        sample(rng.random(40) ** 3),
    ]
    return [{"p": p, "adjusted": [float(v) for v in stats.false_discovery_control(p, method="bh")]} for p in lists]


def binned():
    """Samples given as how often each of the values 0, 1, 2, ... occurs; too large for the exact law of the statistic."""
    weights = np.array([1, 2, 4, 7, 9, 10, 9, 6, 3, 1])
    pairs = {
        "same": (weights * 120, weights * 30),
        "a little apart": (weights * 100, weights * 40 + np.arange(10)),
        "shifted by one": (weights * 50, np.roll(weights, 1) * 25),
        "far apart": (np.array([900, 100, 0, 0]), np.array([0, 0, 700, 800])),
    }
    out = []
    for name, (a, b) in pairs.items():
        at = np.arange(len(a))
        ks = stats.ks_2samp(np.repeat(at, a), np.repeat(at, b), method="asymp")
        distance = stats.wasserstein_distance(at, at, a, b)
        out.append(
            {
                "name": name,
                "a": a.tolist(),
                "b": b.tolist(),
                "ks": float(ks.statistic),
                "ks_p": float(ks.pvalue),
                "wasserstein": float(distance),
            }
        )
    return out


def profiles():
    """Edges are the smallest values with at least k/101 of the values at or below them, each once, below the largest."""
    samples = {
        "skewed": sample(np.random.default_rng(5).exponential(10, 777)),
        "ties": sample(np.random.default_rng(6).integers(0, 40, 500) / 4),
        "few": [3.0, 1.0, 2.0],
    }
    out = []
    for name, values in samples.items():
        edges = np.unique(np.quantile(values, np.arange(1, 101) / 101, method="inverted_cdf"))
        edges = edges[edges < max(values)]
        counts = np.histogram(np.searchsorted(edges, values), np.arange(len(edges) + 2))[0]
        out.append(
            {
                "name": name,
                "values": values,
                "mean": float(np.mean(values)),
                "std": float(np.std(values)),
                "edges": edges.tolist(),
                "counts": counts.tolist(),
            }
        )
    return out


out = {
    "scipy": scipy.__version__,
    "numpy": np.__version__,
    "special": special_functions(),
    "raw": raw_pairs(),
    "kolmogorov": kolmogorov_law(),
    "counts": counts(),
    "merged_counts": merged_counts(),
    "proportions": proportions(),
    "fisher": fisher(),
    "benjamini_hochberg": benjamini_hochberg(),
    "binned": binned(),
    "profiles": profiles(),
}
path = Path(__file__).with_name("stats_reference.json")
path.write_text(json.dumps(out, indent=None, separators=(",", ":")).replace("},{", "},\n{") + "\n")
print(f"{path.name}: {path.stat().st_size} bytes, SciPy {scipy.__version__}")
