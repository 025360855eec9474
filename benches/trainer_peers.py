"""Fits the network of benches/trainer.rs with other libraries, side by side in one run, one thread each.

    cargo bench --bench trainer -- FILE      writes the rows
    python benches/trainer_peers.py FILE     runs slipway's trainer again, scikit-learn and, if installed, Keras

Same rows, standardisation, batch size, epochs and optimiser. Ratios are rows per second of slipway over the peer's.
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

TRAIN, EPOCHS, BATCH = 100_000, 10, 32


def report(name, seconds, probability, y):
    p = np.clip(probability.astype(np.float64), 1.2e-7, 1 - 1.2e-7)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    accuracy = np.mean((p > 0.5) == y)
    speed = TRAIN * EPOCHS / seconds
    print(f"{name:<14} {seconds:8.2f} s {speed:12,.0f} rows/s   test loss {loss:.4f}   accuracy {accuracy:.4f}", flush=True)
    return speed, loss


def slipway(path):
    command = os.environ.get("TRAINER_BENCH", "cargo bench --quiet --bench trainer --").split()
    text = subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout
    value = lambda key: float(re.search(rf"^{key}\s+([\d.]+)", text, re.M)[1])
    speed, loss = value("rows per second"), value("test loss")
    print(f"{'slipway':<14} {value('fit seconds'):8.2f} s {speed:12,.0f} rows/s   test loss {loss:.4f}   accuracy {value('test accuracy'):.4f}")
    return speed, loss


def scikit_learn(x, y, x_test, y_test):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((64, 64), alpha=0, batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=1)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return report("scikit-learn", time.perf_counter() - started, model.predict_proba(x_test)[:, 1], y_test)


def keras(x, y, x_test, y_test):
    import keras

    keras.utils.set_random_seed(1)
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), dense(64, "relu"), dense(64, "relu"), dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    started = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return report(f"Keras/{keras.backend.backend()}", time.perf_counter() - started, model.predict(x_test, verbose=0)[:, 0], y_test)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "target/trainer-bench.csv"
    ours = slipway(path)
    data = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    x, y = data[:, :-1], data[:, -1]
    mean, deviation = x[:TRAIN].mean(0), x[:TRAIN].std(0)
    x = (x - mean) / deviation
    rows = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    for peer in (scikit_learn, keras):
        try:
            speed, loss = peer(*rows)
        except ImportError as error:
            print(f"{peer.__name__:<14} not installed ({error})")
            continue
        print(f"{'':<14} slipway is {ours[0] / speed:.1f} x as fast, test loss {100 * (ours[1] / loss - 1):+.2f} %")


if __name__ == "__main__":
    main()
