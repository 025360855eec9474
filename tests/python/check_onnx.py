"""Holds models against ONNX Runtime: DIR has NAME.onnx, and in NAME.json inputs with the answers that were given here.

Each model must pass the full check of the onnx package, and ONNX Runtime must give the trainer's and our interpreter's answers
within 1e-6, absolutely, or relatively where an answer is larger than 1 (an f32 near 6000 has steps of 5e-4).
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

LIMIT = 1e-6


def tensor(spec):
    if any(isinstance(value, str) for value in spec["data"]):
        return np.array(spec["data"], dtype=object).reshape(spec["shape"])
    return np.array([np.nan if v is None else v for v in spec["data"]], dtype=np.float32).reshape(spec["shape"])


def difference(found, want):
    found, want = found.astype(np.float64), want.astype(np.float64)
    assert found.shape == want.shape and np.isfinite(want).all(), (found.shape, want.shape)
    return float(np.max(np.abs(found - want) / np.maximum(1, np.abs(want))))


def main(folder):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    worst, models = 0.0, sorted(folder.glob("*.onnx"))
    for path in models:
        onnx.checker.check_model(str(path), full_check=True)
        case = json.loads(path.with_suffix(".json").read_text())
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = {name: tensor(spec) for name, spec in case["inputs"].items()}
        assert {i.name for i in session.get_inputs()} == set(inputs), path.stem
        assert [o.name for o in session.get_outputs()] == ["output"], path.stem
        (answer,) = session.run(None, inputs)
        want = {key: np.array(case[key], dtype=np.float32).reshape(case["shape"]) for key in ("trainer", "native")}
        off = {key: difference(answer, values) for key, values in want.items()}
        print(f"{path.stem:<20} {answer.shape[0]} rows   off the trainer {off['trainer']:.1e}   off the interpreter {off['native']:.1e}")
        # One row at a time is the same as all at once.
        first = session.run(None, {name: values[:1] for name, values in inputs.items()})[0]
        assert difference(first, answer[:1]) <= LIMIT, path.stem
        worst = max(worst, *off.values())
    assert worst <= LIMIT, f"off by {worst:.2e} where {LIMIT} is allowed"
    print(f"{len(models)} models agree within {worst:.1e}")


main(Path(sys.argv[1]))
