//! Our interpreter against ONNX Runtime, operator by operator, on graphs that tests/python/make_graphs.py writes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use slipway::infer::engine::{Engine as _, LoadOptions};
use slipway::infer::native::NativeEngine;
use slipway::infer::tensor::{Tensor, TensorData};

use super::{Folder, python};

#[derive(Deserialize)]
struct Graph {
    name: String,
    file: String,
    inputs: BTreeMap<String, Encoded>,
    outputs: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    kind: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

fn decode(Encoded { kind, shape, data }: &Encoded) -> Tensor {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    let integer = |value: &Value| value.as_i64().unwrap();
    let data = match kind.as_str() {
        "float32" => TensorData::Fp32(data.iter().map(|v| number(v) as f32).collect()),
        "float64" => TensorData::Fp64(data.iter().map(number).collect()),
        "int64" => TensorData::Int64(data.iter().map(integer).collect()),
        "int32" => TensorData::Int32(data.iter().map(|v| integer(v) as i32).collect()),
        "bool" => TensorData::Bool(data.iter().map(|v| v.as_bool().unwrap()).collect()),
        "object" => TensorData::Bytes(data.iter().map(|v| v.as_str().unwrap().to_owned()).collect()),
        other => panic!("{other} is no kind of tensor"),
    };
    Tensor::new(shape.clone(), data).unwrap()
}

/// Equal, but for the last digits of numbers.
fn differ(found: &Tensor, want: &Tensor) -> Option<String> {
    let near = |a: f64, b: f64, off: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= off * b.abs().max(1.0);
    let same = match (&found.data, &want.data) {
        (TensorData::Fp32(a), TensorData::Fp32(b)) => a.iter().zip(b).all(|(a, b)| near((*a).into(), (*b).into(), 1e-6)),
        (TensorData::Fp64(a), TensorData::Fp64(b)) => a.iter().zip(b).all(|(a, b)| near(*a, *b, 1e-12)),
        (a, b) => a == b,
    };
    (found.shape != want.shape || !same).then(|| format!("{found:?} is not {want:?}"))
}

#[test]
fn every_operator_answers_as_onnx_runtime_does() {
    let folder = Folder::new("operators");
    python("make_graphs.py", &folder, &[]);
    let graphs: Vec<Graph> = serde_json::from_slice(&std::fs::read(folder.0.join("graphs.json")).unwrap()).unwrap();
    assert!(graphs.len() >= 250, "only {} graphs", graphs.len());
    let mut wrong = Vec::new();
    for Graph { name, file, inputs, outputs } in graphs {
        let bytes = std::fs::read(folder.0.join(file)).unwrap();
        let inputs: Vec<(String, Tensor)> = inputs.iter().map(|(name, encoded)| (name.clone(), decode(encoded))).collect();
        let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let answer = NativeEngine.load(&bytes, &LoadOptions::default()).and_then(|model| model.run(&given, &[]));
        match answer {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(found) if found.len() != outputs.len() => wrong.push(format!("{name}: {} outputs", found.len())),
            Ok(found) => {
                let differences = found.iter().zip(&outputs).filter_map(|(found, want)| differ(found, &decode(want)));
                wrong.extend(differences.map(|difference| format!("{name}: {difference}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} graphs answer otherwise:\n{}", wrong.len(), wrong.join("\n"));
}
