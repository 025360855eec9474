//! Answers of the Open Inference protocol.

use crate::http::inference::codec::json::{push_int, push_string, push_values};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::{DataType, Tensor};

/// Returns the protocol's name of a data type.
pub fn data_type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Bool => "BOOL",
        DataType::Uint8 => "UINT8",
        DataType::Int8 => "INT8",
        DataType::Int16 => "INT16",
        DataType::Int32 => "INT32",
        DataType::Int64 => "INT64",
        DataType::Fp32 => "FP32",
        DataType::Fp64 => "FP64",
        DataType::Bytes => "BYTES",
    }
}

/// Writes the answer to an inference request: outputs with their names, in the order asked for, elements flat.
pub fn write_infer(model: &str, version: &str, id: Option<&str>, outputs: &[(&str, &Tensor)]) -> Vec<u8> {
    let values: usize = outputs.iter().map(|(_, tensor)| tensor.data.len()).sum();
    let mut out = String::with_capacity(128 + 64 * outputs.len() + 14 * values);
    out.push_str("{\"model_name\":");
    push_string(&mut out, model);
    out.push_str(",\"model_version\":");
    push_string(&mut out, version);
    if let Some(id) = id {
        out.push_str(",\"id\":");
        push_string(&mut out, id);
    }
    out.push_str(",\"outputs\":[");
    for (index, (name, tensor)) in outputs.iter().enumerate() {
        let shape = tensor.shape.iter().map(|axis| Some(*axis));
        push_head(&mut out, index, name, tensor.data.data_type(), shape);
        out.push_str(",\"data\":");
        push_values(&mut out, &tensor.data, 0, &[tensor.data.len()], false);
        out.push('}');
    }
    out.push_str("]}");
    out.into_bytes()
}

/// Writes the body of `GET /v2/models/{model}`. An axis of any length is -1.
pub fn write_model_metadata(model: &str, versions: &[&str], platform: &str, signature: &Signature) -> Vec<u8> {
    let mut out = String::with_capacity(512);
    out.push_str("{\"name\":");
    push_string(&mut out, model);
    out.push_str(",\"versions\":");
    push_strings(&mut out, versions);
    out.push_str(",\"platform\":");
    push_string(&mut out, platform);
    out.push_str(",\"inputs\":");
    push_specs(&mut out, &signature.inputs);
    out.push_str(",\"outputs\":");
    push_specs(&mut out, &signature.outputs);
    out.push('}');
    out.into_bytes()
}

/// Writes the body of `GET /v2`.
pub fn write_server_metadata(name: &str, version: &str, extensions: &[&str]) -> Vec<u8> {
    let mut out = String::from("{\"name\":");
    push_string(&mut out, name);
    out.push_str(",\"version\":");
    push_string(&mut out, version);
    out.push_str(",\"extensions\":");
    push_strings(&mut out, extensions);
    out.push('}');
    out.into_bytes()
}

/// Writes the body of `GET /v2/health/live`.
pub fn write_live(live: bool) -> Vec<u8> {
    format!("{{\"live\":{live}}}").into_bytes()
}

/// Writes the body of `GET /v2/health/ready`.
pub fn write_ready(ready: bool) -> Vec<u8> {
    format!("{{\"ready\":{ready}}}").into_bytes()
}

/// Writes the body of `GET /v2/models/{model}/ready`.
pub fn write_model_ready(model: &str, ready: bool) -> Vec<u8> {
    let mut out = String::from("{\"name\":");
    push_string(&mut out, model);
    out.push_str(if ready { ",\"ready\":true}" } else { ",\"ready\":false}" });
    out.into_bytes()
}

fn push_specs(out: &mut String, specs: &[TensorSpec]) {
    out.push('[');
    for (index, spec) in specs.iter().enumerate() {
        push_head(out, index, &spec.name, spec.data_type, spec.shape.iter().copied());
        out.push('}');
    }
    out.push(']');
}

/// Opens a tensor's object and writes what all of them have.
fn push_head(out: &mut String, index: usize, name: &str, data_type: DataType, shape: impl Iterator<Item = Option<usize>>) {
    out.push_str(if index > 0 { ",{\"name\":" } else { "{\"name\":" });
    push_string(out, name);
    out.push_str(",\"datatype\":\"");
    out.push_str(data_type_name(data_type));
    out.push_str("\",\"shape\":[");
    for (axis, length) in shape.enumerate() {
        if axis > 0 {
            out.push(',');
        }
        match length {
            Some(length) => push_int(out, length),
            None => out.push_str("-1"),
        }
    }
    out.push(']');
}

fn push_strings(out: &mut String, texts: &[&str]) {
    out.push('[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, text);
    }
    out.push(']');
}
