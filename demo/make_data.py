"""Writes breast_cancer.csv from the copy of the data set that scikit-learn ships."""

import csv
from pathlib import Path

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
with open(Path(__file__).parent / "breast_cancer.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*data.feature_names, "diagnosis"])
    for row, target in zip(data.data, data.target):
        writer.writerow([*(repr(float(value)) for value in row), data.target_names[target]])
