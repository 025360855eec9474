"""Writes small ONNX graphs, one for each use of an operator, with inputs and the answers of ONNX Runtime, for our interpreter.

    make_graphs.py DIR     DIR/graphs.json lists name, file, inputs and outputs; numbers that JSON lacks are texts
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

rng = np.random.default_rng(3)
ML = "ai.onnx.ml"
KINDS = {"float32": T.FLOAT, "float64": T.DOUBLE, "int64": T.INT64, "int32": T.INT32, "bool": T.BOOL, "object": T.STRING}
NAN, INF = np.nan, np.inf
graphs = []


def f32(*values):
    return np.array(values, dtype=np.float32)


def i64(*values):
    return np.array(values, dtype=np.int64)


def texts(*values):
    return np.array(values, dtype=object)


def normal(*shape):
    return np.asarray(2 * rng.standard_normal(shape), dtype=np.float32)


def encode(array):
    flat = array.reshape(-1).tolist()
    if array.dtype.kind == "f":
        flat = [v if np.isfinite(v) else str(v) for v in flat]
    return {"kind": str(array.dtype), "shape": list(array.shape), "data": flat}


def graph(name, op, inputs, constants=(), outputs=1, domain="", opset=17, ml=3, **attributes):
    """Adds a graph of one node; `constants` are initialisers behind the inputs."""
    names = [f"x{i}" for i in range(len(inputs))] + [f"c{i}" for i in range(len(constants))]
    node = h.make_node(op, names, [f"y{i}" for i in range(outputs)], domain=domain, **attributes)
    values = [h.make_tensor_value_info(n, KINDS[str(x.dtype)], [None] * x.ndim) for n, x in zip(names, inputs)]
    made = [h.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    fixed = [numpy_helper.from_array(c, f"c{i}") for i, c in enumerate(constants)]
    opsets = [h.make_opsetid("", opset), h.make_opsetid(ML, ml)]
    model = h.make_model(h.make_graph([node], name, values, made, fixed), opset_imports=opsets, ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    add(name, model, dict(zip(names, inputs)))


def add(name, model, inputs):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers = session.run(None, inputs)
    for value, answer in zip(model.graph.output, answers):
        # Where no shape or type was worked out, what came out says it.
        kind = KINDS["object" if answer.dtype.kind in "OUS" else str(answer.dtype)]
        value.CopyFrom(h.make_tensor_value_info(value.name, kind, [None] * answer.ndim))
    graphs.append(
        {
            "name": name,
            "file": f"{len(graphs)}.onnx",
            "inputs": {key: encode(value) for key, value in inputs.items()},
            "outputs": [encode(answer) for answer in answers],
        }
    )
    (folder / graphs[-1]["file"]).write_bytes(model.SerializeToString())


def elementwise():
    special = f32(-INF, -3.5, -1.0, -0.0, 0.0, 0.25, 2.0, 90.0, INF, NAN)
    for op in ("Relu", "Tanh", "Sigmoid", "Exp", "Abs", "Neg", "Identity", "IsNaN"):
        graph(f"{op} of special values", op, [special])
    for op in ("Log", "Sqrt"):
        graph(f"{op} of special values", op, [np.abs(special)])
    graph("Tanh in double", "Tanh", [normal(3, 2).astype(np.float64)])
    graph("Neg of integers", "Neg", [i64(5, -3, 2**60 + 1)])
    graph("Abs of integers", "Abs", [i64(5, -3, -(2**60) - 1)])
    pairs = {"same": ((3, 4), (3, 4)), "row": ((3, 4), (4,)), "column": ((3, 4), (3, 1)), "scalar": ((3, 4), ()), "both": ((3, 1), (1, 4)), "left": ((4,), (2, 3, 4)), "one row": ((1, 4), (3, 4)), "three": ((2, 1, 4), (3, 1)), "empty": ((0, 4), (4,))}
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Min", "Max"):
        for name, (a, b) in pairs.items():
            x, y = normal(*a), normal(*b)
            graph(f"{op}, {name}", op, [np.abs(x) if op == "Pow" else x, y])
        graph(f"{op} with NaN", op, [f32(NAN, 1, NAN, INF, 0, -0.0), f32(1, NAN, NAN, -INF, 0, 0.0)])
    for op in ("Add", "Sub", "Mul", "Div"):
        graph(f"{op} of int64", op, [i64(7, -7, 9, 2**40), i64(2, 2, -4, 3)])
        graph(f"{op} of int32", op, [i64(7, -7, 9, 2**30).astype(np.int32), i64(2, 2, -4, 1).astype(np.int32)])
        graph(f"{op} in double", op, [normal(3, 2).astype(np.float64), normal(2).astype(np.float64)])
    for op in ("Equal", "Less", "Greater"):
        graph(f"{op} of large integers", op, [i64(2**60, 2**60 + 1, 5), i64(2**60 + 1, 2**60, 5)])
    graph("Equal of texts", "Equal", [texts("a", "b", ""), texts("a", "c", "")], opset=19)
    graph("Equal of truth values", "Equal", [np.array([True, False]), np.array([True, True])])
    for op in ("Min", "Max"):
        graph(f"{op} of one", op, [normal(3)])
        graph(f"{op} of three", op, [normal(3, 4), normal(4), normal(3, 1)])
    for op in ("And", "Or"):
        graph(op, op, [np.array([[True, False], [True, False]]), np.array([True, True])])
    graph("Not", "Not", [np.array([True, False])])
    which = np.array([[True, False, True], [False, False, True]])
    graph("Where, row", "Where", [which, normal(1, 3), normal(2, 3)])
    graph("Where, scalar", "Where", [which, normal(2, 3), normal()])
    graph("Where, column", "Where", [which[:, :1], normal(3), normal(2, 1)])
    graph("Where of integers", "Where", [which, i64(1, 2, 3), i64(9).reshape(1, 1)])
    graph("Where of texts", "Where", [which[0], texts("a", "b", "c"), texts("x")])


def casts():
    numbers = f32(-2.7, -0.0, 0.0, 0.5, 1.0, 3.99, 100.25)
    for kind in (T.INT64, T.INT32, T.DOUBLE, T.BOOL, T.STRING, T.FLOAT):
        graph(f"Cast of f32 to {kind}", "Cast", [numbers], to=kind)
    graph("Cast of more f32 to text", "Cast", [f32(NAN, INF, -INF, 0.1, 1e-3, 123456.0, 1 / 3)], to=T.STRING)
    graph("Cast of integers to text", "Cast", [i64(5, -7, 2**60 + 1)], to=T.STRING)
    graph("Cast of integers to f32", "Cast", [i64(5, -7, 2**24 + 1)], to=T.FLOAT)
    graph("Cast of integers to i32", "Cast", [i64(5, -7, 2**31 - 1)], to=T.INT32)
    graph("Cast of integers to bool", "Cast", [i64(5, 0, -1)], to=T.BOOL)
    graph("Cast of bool to f32", "Cast", [np.array([True, False])], to=T.FLOAT)
    graph("Cast of bool to i64", "Cast", [np.array([True, False])], to=T.INT64)
    graph("Cast of text to f32", "Cast", [texts("1", "-2.5", "1e3", "NaN", "-INF", "inf")], to=T.FLOAT)
    graph("Cast of text to i64", "Cast", [texts("1", "-25", "1152921504606846977")], to=T.INT64)


def matrices():
    a, b = normal(5, 3), normal(3, 4)
    graph("MatMul", "MatMul", [a], [b])
    graph("MatMul of no rows", "MatMul", [normal(0, 3)], [b])
    for name, c in {"row": normal(4), "flat row": normal(1, 4), "scalar": normal(), "one": normal(1), "column": normal(5, 1), "full": normal(5, 4)}.items():
        graph(f"Gemm with a {name}", "Gemm", [a], [b, c])
    graph("Gemm without a summand", "Gemm", [a], [b])
    graph("Gemm, transposed and scaled", "Gemm", [a.T.copy()], [b.T.copy(), normal(4)], transA=1, transB=1, alpha=0.5, beta=-2.0)


def shapes():
    x = normal(2, 3, 4)
    for axis in (0, 1, -1):
        graph(f"Concat, axis {axis}", "Concat", [normal(2, 2, 2), normal(2, 2, 2)], axis=axis)
    graph("Concat of unequal widths", "Concat", [normal(3, 1), normal(3, 4), normal(3, 2)], axis=1)
    graph("Concat of texts", "Concat", [texts("a", "b").reshape(2, 1), texts("c", "d").reshape(2, 1)], axis=1)
    for axis in (0, 1, 2, 3, -1):
        graph(f"Flatten, axis {axis}", "Flatten", [x], axis=axis)
    for name, shape in {"plain": i64(6, 4), "open": i64(4, -1), "kept": i64(0, -1), "grown": i64(1, 2, 3, 4, 1)}.items():
        graph(f"Reshape, {name}", "Reshape", [x], [shape])
    graph("Reshape of no rows", "Reshape", [normal(0, 3)], [i64(0, 3, 1)])
    graph("Squeeze", "Squeeze", [normal(2, 1, 3, 1)], [i64(1, -1)])
    graph("Squeeze of all", "Squeeze", [normal(2, 1, 3, 1)])
    graph("Squeeze by attribute", "Squeeze", [normal(2, 1, 3)], opset=11, axes=[1])
    graph("Unsqueeze", "Unsqueeze", [normal(2, 3)], [i64(0, -1)])
    graph("Unsqueeze by attribute", "Unsqueeze", [normal(2, 3)], opset=11, axes=[1])
    graph("Shape", "Shape", [x])
    graph("Transpose", "Transpose", [x])
    graph("Transpose by an order", "Transpose", [x], perm=[1, 2, 0])
    graph("Transpose of texts", "Transpose", [texts("a", "b", "c", "d").reshape(2, 2)])
    graph("Gather", "Gather", [x], [i64(1, 0, -1)], axis=1)
    graph("Gather of one", "Gather", [x], [np.array(2, dtype=np.int64)], axis=2)
    graph("Gather of a matrix", "Gather", [x], [i64(0, 1, 1, 0).reshape(2, 2)], axis=0)
    graph("Gather of texts", "Gather", [texts("a", "b", "c")], [i64(2, 0)])


def folds():
    x = normal(3, 4, 2)
    for axis in (0, 1, -1):
        graph(f"Softmax, axis {axis}", "Softmax", [x], axis=axis)
    graph("Softmax of the old kind", "Softmax", [x], opset=11, axis=1)
    graph("Softmax of large numbers", "Softmax", [f32(1000, 1000, -1000).reshape(1, 3)])
    for axis in (0, 1, -1):
        for keep in (0, 1):
            graph(f"ArgMax, axis {axis}, keep {keep}", "ArgMax", [x], axis=axis, keepdims=keep)
    ties = f32(1, 2, 2, 0, 3, 3).reshape(2, 3)
    graph("ArgMax of ties", "ArgMax", [ties], axis=1)
    graph("ArgMax of ties, the last", "ArgMax", [ties], axis=1, select_last_index=1)
    for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"):
        given = dict(constants=[i64(1)]) if op == "ReduceSum" else dict(axes=[1])
        several = dict(constants=[i64(0, -1)]) if op == "ReduceSum" else dict(axes=[0, -1])
        graph(f"{op}, kept", op, [x], **given)
        graph(f"{op}, dropped", op, [x], keepdims=0, **given)
        graph(f"{op} of several axes", op, [x], keepdims=0, **several)
        graph(f"{op} of all", op, [x])
        graph(f"{op} with NaN", op, [f32(1, NAN, 3).reshape(1, 3)], **given)
    graph("ReduceMean of the new kind", "ReduceMean", [x], [i64(2)], opset=18)
    graph("ReduceSum of nothing asked for", "ReduceSum", [x], noop_with_empty_axes=1)


def classical():
    x = normal(4, 3)
    scaler = dict(offset=[0.5, -1.0, 2.0], scale=[2.0, 0.1, 1.0])
    graph("Scaler", "Scaler", [x], domain=ML, **scaler)
    graph("Scaler of one value", "Scaler", [x], domain=ML, offset=[0.5], scale=[2.0])
    graph("Scaler of integers", "Scaler", [i64(1, 2, 3).reshape(1, 3)], domain=ML, **scaler)
    gaps = f32(1, NAN, 3, NAN, 5, 6).reshape(2, 3)
    graph("Imputer of NaN", "Imputer", [gaps], domain=ML, imputed_value_floats=[9.0, 8.0, 7.0], replaced_value_float=NAN)
    graph("Imputer of a number", "Imputer", [f32(0, 1, 2, 0).reshape(2, 2)], domain=ML, imputed_value_floats=[9.0], replaced_value_float=0.0)
    graph("Binarizer", "Binarizer", [x], domain=ML, threshold=0.25)
    for norm in ("MAX", "L1", "L2"):
        graph(f"Normalizer {norm}", "Normalizer", [np.vstack([x, np.zeros((1, 3), np.float32)])], domain=ML, norm=norm)
    graph("OneHotEncoder of integers", "OneHotEncoder", [i64(2, 0, 7).reshape(3, 1)], domain=ML, cats_int64s=[0, 2, 4], zeros=1)
    graph("OneHotEncoder of texts", "OneHotEncoder", [texts("b", "z", "a")], domain=ML, cats_strings=["a", "b"], zeros=1)
    graph("OneHotEncoder of numbers", "OneHotEncoder", [f32(2, 0, 7).reshape(3, 1)], domain=ML, cats_int64s=[0, 2, 4], zeros=1)
    lookup = dict(domain=ML, keys_strings=["a", "b", ""], values_int64s=[5, 6, 7], default_int64=-9)
    graph("LabelEncoder, text to integer", "LabelEncoder", [texts("b", "c", "", "a").reshape(4, 1)], **lookup)
    graph("LabelEncoder, integer to text", "LabelEncoder", [i64(1, 2, 3)], domain=ML, keys_int64s=[1, 2], values_strings=["x", "y"], default_string="?")
    graph("LabelEncoder, number to number", "LabelEncoder", [f32(1.5, NAN, -0.0)], domain=ML, keys_floats=[1.5, 0.0], values_floats=[2.0, 4.0], default_float=9.0)
    graph("LabelEncoder, text to text", "LabelEncoder", [texts("a", "q")], domain=ML, keys_strings=["a"], values_strings=["b"])
    graph("LabelEncoder, text to number", "LabelEncoder", [texts("a", "q")], domain=ML, keys_strings=["a"], values_floats=[0.5], default_float=-0.5)
    graph("LabelEncoder of the old kind, text", "LabelEncoder", [texts("a", "q", "b")], domain=ML, ml=1, classes_strings=["a", "b"], default_int64=-1)
    graph("LabelEncoder of the old kind, integers", "LabelEncoder", [i64(1, 0, 5)], domain=ML, ml=1, classes_strings=["a", "b"], default_string="?")
    graph("LinearRegressor", "LinearRegressor", [x], domain=ML, coefficients=[0.5, -1.0, 2.0], intercepts=[0.25])
    graph("LinearRegressor of two targets", "LinearRegressor", [x], domain=ML, coefficients=[0.5, -1.0, 2.0, 1.0, 1.0, 1.0], intercepts=[0.25, -4.0], targets=2)


def whole():
    """A network as tf2onnx writes it, with a constant that is worked out and an output that is used twice."""
    node, consts = h.make_node, {}
    for name, value in {"k0": normal(3, 8), "b0": normal(8), "k1": normal(8, 1), "b1": normal(1)}.items():
        consts[name] = numpy_helper.from_array(value, name)
    one = h.make_tensor("one", T.FLOAT, [1], [1.0])
    nodes = [
        node("MatMul", ["x", "k0"], ["m0"]),
        node("Add", ["m0", "b0"], ["a0"]),
        node("Relu", ["a0"], ["r0"]),
        node("MatMul", ["r0", "k1"], ["m1"]),
        node("Add", ["m1", "b1"], ["a1"]),
        node("Sigmoid", ["a1"], ["p"]),
        node("Constant", [], ["one"], value=one),
        node("Add", ["one", "one"], ["two"]),
        node("Sub", ["one", "p"], ["q"]),
        node("Mul", ["q", "two"], ["r"]),
        node("Concat", ["q", "p"], ["both"], axis=1),
    ]
    info = h.make_tensor_value_info
    outputs = [info(name, T.FLOAT, [None, width]) for name, width in (("both", 2), ("p", 1), ("r", 1))]
    graph = h.make_graph(nodes, "whole", [info("x", T.FLOAT, [None, 3])], outputs, list(consts.values()))
    add("a whole network", h.make_model(graph, opset_imports=[h.make_opsetid("", 15)], ir_version=8), {"x": normal(6, 3)})


folder = Path(sys.argv[1])
for family in (elementwise, casts, matrices, shapes, folds, classical, whole):
    family()
(folder / "graphs.json").write_text(json.dumps(graphs, ensure_ascii=False))
print(f"{len(graphs)} graphs, ONNX Runtime {ort.__version__}")
