"""Writes an ONNX model of one layer, `y = x · w + b`, byte by byte: the client's environment has no onnx package."""

import struct


def number(value):
    out = b""
    value &= (1 << 64) - 1
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(tag, value):
    if isinstance(value, int):
        return number(tag << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(tag << 3 | 2) + number(len(value)) + value


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def tensor(name, dims, values, external=None):
    """A tensor; `external` names the file, and the place in it, that hold its bytes."""
    head = b"".join(field(1, n) for n in dims) + field(2, 1) + field(8, name)
    if external is None:
        return head + field(9, floats(values))
    place = {"location": external[0], "offset": str(external[1]), "length": str(4 * len(values))}
    return head + b"".join(field(13, field(1, k) + field(2, v)) for k, v in place.items()) + field(14, 1)


def value(name, columns):
    shape = field(1, field(2, "n")) + field(1, field(1, columns))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def model(weights, bias, external=None):
    """The model; with `external`, its weights are kept in a file of that name, whose bytes are `floats(weights + [bias])`."""
    node = b"".join(field(1, name) for name in ("x", "w", "b")) + field(2, "y") + field(4, "Gemm")
    place = (lambda at: (external, at)) if external else (lambda at: None)
    graph = field(1, node) + field(2, "tiny")
    graph += field(5, tensor("w", [len(weights), 1], weights, place(0)))
    graph += field(5, tensor("b", [1], [bias], place(4 * len(weights))))
    graph += field(11, value("x", len(weights))) + field(12, value("y", 1))
    return field(1, 8) + field(8, field(2, 17)) + field(7, graph)


def folder(path, weights, bias, external=None):
    """Writes what `mlflow.onnx.save_model` writes, as far as a server looks at it."""
    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(model(weights, bias, external))
    if external:
        (path / external).write_bytes(floats(weights + [bias]))
    (path / "MLmodel").write_text(
        "artifact_path: model\nflavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.19.0\n"
        "    providers:\n    - CPUExecutionProvider\n  python_function:\n    data: model.onnx\n    loader_module: mlflow.onnx\n"
        "mlflow_version: 3.17.2\n"
    )
    return path
