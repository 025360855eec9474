"""Fits the network of benches/trainer.rs with other libraries, side by side in one run, one thread each.

    cargo bench --bench trainer -- FILE      writes the rows
    python benches/trainer_peers.py FILE     runs slipway's trainer again, scikit-learn and, if installed, Keras

Same rows, standardisation, batch size, epochs and optimiser; means over five seeds, for Keras over two. Ratios are rows per second of slipway over the peer's.
TRAINER_BENCH names a built bench to run instead of building one.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import re
import subprocess
import sys
import time
import warnings

import numpy as np

TRAIN, EPOCHS, BATCH, SEEDS = 100_000, 10, 32, 5


class Watch:
    """Wall time and the process's CPU time, which other work on the machine does not lengthen."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self):
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def line(name, wall, cpu, loss, accuracy):
    rows = TRAIN * EPOCHS
    figures = f"{wall:8.2f} s {rows / wall:12,.0f} rows/s   {cpu:8.2f} CPU s {rows / cpu:12,.0f} rows/CPU s"
    print(f"{name:<18} {figures}   test loss {loss:.4f}   accuracy {accuracy:.4f}", flush=True)
    return wall, cpu, loss


def judge(probability, y):
    p = np.clip(probability.astype(np.float64), 1.2e-7, 1 - 1.2e-7)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), np.mean((p > 0.5) == y)


def slipway(path):
    command = os.environ.get("TRAINER_BENCH", "cargo bench --quiet --bench trainer --").split()
    text = subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout
    value = lambda key: float(re.search(rf"^{key}\s+([\d.]+)", text, re.M)[1])
    return line("slipway", value("fit seconds"), value("CPU seconds"), value("test loss"), value("test accuracy"))


def scikit_learn(x, y, x_test, y_test, seed):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((64, 64), alpha=0, batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=seed)
    watch = Watch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return *watch.stop(), *judge(model.predict_proba(x_test)[:, 1], y_test)


def keras(x, y, x_test, y_test, seed):
    import keras

    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), dense(64, "relu"), dense(64, "relu"), dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    watch = Watch()
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return *watch.stop(), *judge(model.predict(x_test, verbose=0)[:, 0], y_test)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "target/trainer-bench.csv"
    ours = slipway(path)
    data = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    x, y = data[:, :-1], data[:, -1]
    mean, deviation = x[:TRAIN].mean(0), x[:TRAIN].std(0)
    x = (x - mean) / deviation
    rows = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    for peer, seeds in ((scikit_learn, SEEDS), (keras, 2)):
        try:
            fits = [peer(*rows, seed) for seed in range(1, seeds + 1)]
            wall, cpu, loss = line(peer.__name__, *np.mean(fits, axis=0))
        except ImportError as error:
            print(f"{peer.__name__:<18} not installed ({error})")
            continue
        speed = f"{wall / ours[0]:.1f} x as fast by the clock, {cpu / ours[1]:.1f} x by CPU time"
        print(f"{'':<18} slipway is {speed}; its test loss is {100 * (ours[2] / loss - 1):+.2f} % apart")


if __name__ == "__main__":
    main()
