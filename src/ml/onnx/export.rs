//! Writes a fitted model as ONNX that reads raw rows: gaps are filled, numbers scaled and texts spread inside the graph.
//!
//! If every feature is a number there is one input, `input`, f32 `[N, features]`; else an input `[N, 1]` per feature under
//! the column's name, f32 or string. NaN and the empty string are missing values. The one output is `output`, f32
//! `[N, units]`. Numbers come first among the network's inputs, then the one-hot blocks, as in `ml::prep`.
//!
//! Scaling is not folded into the first layer's weights: that would round differently, and the graph would be harder to
//! read.

use prost::Message;

use super::super::config::Activation;
use super::super::fitted::Fitted;
use super::super::prep::{Coding, FittedFeature, TargetCoding};
use super::graph::{self, Graph};
use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorDataType};
use super::{INPUT, OUTPUT};

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
const ML_OPSET: i64 = 3;
/// The domain of the classical operators.
const ML: &str = "ai.onnx.ml";

/// Encodes the model. Equal models give equal bytes.
pub fn export(fitted: &Fitted) -> Vec<u8> {
    model(fitted).encode_to_vec()
}

fn model(fitted: &Fitted) -> ModelProto {
    let features = &fitted.preparation.features;
    let inputs = features.iter().map(|feature| feature.name.as_str());
    let mut graph = Graph::new(inputs.chain([INPUT, OUTPUT]));
    let prepared = prepare(&mut graph, fitted);
    let answer = network(&mut graph, fitted, prepared);
    answer_in_units(&mut graph, fitted, answer);
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let mut opset_import = vec![opset("", OPSET)];
    if !fitted.preparation.all_numeric() {
        opset_import.push(opset(ML, ML_OPSET));
    }
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "slipway".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.finish("slipway")),
        opset_import,
        metadata_props: metadata(fitted),
        ..ModelProto::default()
    }
}

/// Turns the raw inputs into the network's inputs.
fn prepare(graph: &mut Graph, fitted: &Fitted) -> String {
    let features = &fitted.preparation.features;
    let mut numbers = Vec::new();
    let mut texts = Vec::new();
    for feature in features {
        match &feature.coding {
            Coding::Number { .. } => numbers.push(feature),
            Coding::Levels { levels, fill } => texts.push((feature, levels, *fill)),
        }
    }
    let mut parts = Vec::new();
    if texts.is_empty() {
        graph.input(INPUT, TensorDataType::Float, features.len());
        parts.push(scale(graph, &numbers, INPUT.to_owned()));
    } else {
        for feature in features {
            let kind = match feature.coding {
                Coding::Number { .. } => TensorDataType::Float,
                Coding::Levels { .. } => TensorDataType::String,
            };
            graph.input(&feature.name, kind, 1);
        }
        if !numbers.is_empty() {
            let names: Vec<String> = numbers.iter().map(|feature| feature.name.clone()).collect();
            let joined = concat(graph, "numbers", names);
            parts.push(scale(graph, &numbers, joined));
        }
        for (feature, levels, fill) in texts {
            parts.push(one_hot(graph, &feature.name, levels, fill));
        }
    }
    concat(graph, "prepared", parts)
}

fn concat(graph: &mut Graph, name: &str, mut parts: Vec<String>) -> String {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node("Concat", "", &parts, name, vec![graph::int("axis", 1)])
}

/// Fills and standardises a matrix of numbers.
fn scale(graph: &mut Graph, features: &[&FittedFeature], raw: String) -> String {
    let mut fills = Vec::new();
    let mut means = Vec::new();
    let mut deviations = Vec::new();
    for feature in features {
        if let Coding::Number { fill, mean, deviation } = feature.coding {
            fills.push(fill);
            means.push(mean);
            deviations.push(deviation);
        }
    }
    let shape = [1, fills.len()];
    let missing = graph.node("IsNaN", "", &[&raw], "missing", vec![]);
    let fills = graph.floats("fills", &shape, &fills);
    let mut value = graph.node("Where", "", &[&missing, &fills, &raw], "filled", vec![]);
    if means.iter().any(|&mean| mean != 0.0) {
        let means = graph.floats("means", &shape, &means);
        value = graph.node("Sub", "", &[&value, &means], "centred", vec![]);
    }
    if deviations.iter().any(|&deviation| deviation != 1.0) {
        let deviations = graph.floats("deviations", &shape, &deviations);
        value = graph.node("Div", "", &[&value, &deviations], "standardised", vec![]);
    }
    value
}

/// Spreads a text column over its levels. The index after the last level stands for an unknown text, which the encoder
/// answers with zeros.
fn one_hot(graph: &mut Graph, column: &str, levels: &[String], fill: Option<usize>) -> String {
    let unknown = levels.len() as i64;
    let mut keys: Vec<&str> = levels.iter().map(String::as_str).collect();
    let mut values: Vec<i64> = (0..unknown).collect();
    keys.push("");
    values.push(fill.map_or(unknown, |level| level as i64));
    let lookup = vec![graph::strings("keys_strings", &keys), graph::ints("values_int64s", &values), graph::int("default_int64", unknown)];
    let index = graph.node("LabelEncoder", ML, &[column], &format!("{column}/level"), lookup);
    let levels = vec![graph::ints("cats_int64s", &values[..levels.len()]), graph::int("zeros", 1)];
    let spread = graph.node("OneHotEncoder", ML, &[&index], &format!("{column}/spread"), levels);
    let flat = vec![graph::int("axis", 1)];
    graph.node("Flatten", "", &[&spread], &format!("{column}/one_hot"), flat)
}

fn network(graph: &mut Graph, fitted: &Fitted, mut value: String) -> String {
    let network = &fitted.network;
    for (index, layer) in network.layers().iter().enumerate() {
        let kernel: Vec<f32> = network.kernel(index).iter().copied().collect();
        let bias: Vec<f32> = network.bias(index).to_vec();
        let name = |part: &str| format!("dense_{index}/{part}");
        let kernel = graph.floats(&name("kernel"), &[layer.inputs, layer.units], &kernel);
        let bias = graph.floats(&name("bias"), &[layer.units], &bias);
        value = graph.node("Gemm", "", &[&value, &kernel, &bias], &name("affine"), vec![]);
        let (op, attributes) = match layer.activation {
            Activation::Relu => ("Relu", vec![]),
            Activation::Tanh => ("Tanh", vec![]),
            Activation::Sigmoid => ("Sigmoid", vec![]),
            Activation::Softmax => ("Softmax", vec![graph::int("axis", -1)]),
            Activation::Linear => continue,
        };
        value = graph.node(op, "", &[&value], &name(&op.to_lowercase()), attributes);
    }
    value
}

/// Undoes the standardisation of the target and gives the result its name.
fn answer_in_units(graph: &mut Graph, fitted: &Fitted, mut value: String) {
    let units = fitted.network.layers().last().map_or(0, |layer| layer.units);
    if let TargetCoding::Number { mean, deviation } = fitted.preparation.target.coding
        && (mean, deviation) != (0.0, 1.0)
    {
        let deviation = graph.floats("target/deviation", &[1, 1], &[deviation]);
        let mean = graph.floats("target/mean", &[1, 1], &[mean]);
        value = graph.node("Mul", "", &[&value, &deviation], "target/scaled", vec![]);
        value = graph.node("Add", "", &[&value, &mean], "target/shifted", vec![]);
    }
    graph.output(OUTPUT, &value, units);
}

fn metadata(fitted: &Fitted) -> Vec<StringStringEntryProto> {
    let columns = fitted.preparation.features.iter().map(|feature| feature.name.as_str());
    let mut entries = vec![
        ("slipway.task", fitted.task().to_owned()),
        ("slipway.columns", json_list(columns)),
        ("slipway.target", fitted.preparation.target.name.clone()),
    ];
    if !fitted.class_labels().is_empty() {
        let labels = fitted.class_labels().iter().map(String::as_str);
        entries.push(("slipway.class_labels", json_list(labels)));
    }
    let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.to_owned(), value };
    entries.into_iter().map(entry).collect()
}

/// Writes texts as a JSON list.
fn json_list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (place, text) in texts.enumerate() {
        out.push_str(if place > 0 { ",\"" } else { "\"" });
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lists_are_escaped() {
        let list = json_list(["a", "say \"hi\"\\", "tab\there"].into_iter());
        assert_eq!(list, r#"["a","say \"hi\"\\","tab\u0009here"]"#);
        assert_eq!(json_list([].into_iter()), "[]");
    }
}
