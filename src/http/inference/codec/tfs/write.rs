//! Answers as TensorFlow Serving gives them, without its line breaks.

use super::read::{Form, SIGNATURE_NAME, invalid};
use crate::http::inference::codec::json::{push_int, push_string, push_values};
use crate::http::inference::codec::{CodecError, code};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::{DataType, Tensor, TensorData};

/// What a version is doing, in TensorFlow Serving's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// Known, not loading yet.
    Start,
    /// Being loaded.
    Loading,
    /// Answers requests.
    Available,
    /// Being unloaded; takes no new requests.
    Unloading,
    /// Gone, or failed: the status says which.
    End,
}

/// One line of a model's status.
#[derive(Clone, Copy, Debug)]
pub struct VersionStatus<'a> {
    /// Number of the version.
    pub version: u64,
    /// What it is doing.
    pub state: VersionState,
    /// `OK`, or a canonical error name such as `NOT_FOUND` or `DATA_LOSS`.
    pub error_code: &'a str,
    /// Why it failed; empty if it did not.
    pub error_message: &'a str,
}

/// Writes the answer to a predict request: outputs with their names, in the model's order.
///
/// One output stands bare, several as an object (per row in row form). Texts of an output whose name ends in `_bytes`
/// are written in base64. In row form every output needs one entry per row; one that has not is
/// [`NOT_ROWS`](code::NOT_ROWS), for the client can ask in column form.
pub fn write_predict(form: Form, outputs: &[(&str, &Tensor)]) -> Result<Vec<u8>, CodecError> {
    let values: usize = outputs.iter().map(|(_, tensor)| tensor.data.len()).sum();
    let mut out = String::with_capacity(64 + 14 * values);
    match form {
        Form::Row => push_predictions(&mut out, outputs)?,
        Form::Column => {
            out.push_str("{\"outputs\":");
            push_entry(&mut out, outputs, |out, name, tensor| {
                push_values(out, &tensor.data, 0, &tensor.shape, in_base64(name, tensor));
            });
        }
    }
    out.push('}');
    Ok(out.into_bytes())
}

fn push_predictions(out: &mut String, outputs: &[(&str, &Tensor)]) -> Result<(), CodecError> {
    let Some((_, first)) = outputs.first() else {
        return Err(invalid("the model has no outputs"));
    };
    let rows = first.rows();
    if let Some((name, _)) = outputs.iter().find(|(_, tensor)| tensor.shape.is_empty() || tensor.rows() != rows) {
        let message = format!("output '{name}' has not one entry per row: ask with 'inputs' instead of 'instances'");
        return Err(CodecError::new(code::NOT_ROWS, message));
    }
    out.push_str("{\"predictions\":[");
    for row in 0..rows {
        if row > 0 {
            out.push(',');
        }
        push_entry(out, outputs, |out, name, tensor| {
            let shape = &tensor.shape[1..];
            let start = row * shape.iter().product::<usize>();
            push_values(out, &tensor.data, start, shape, in_base64(name, tensor));
        });
    }
    out.push(']');
    Ok(())
}

/// Writes one output bare, several as an object.
fn push_entry(out: &mut String, outputs: &[(&str, &Tensor)], push: impl Fn(&mut String, &str, &Tensor)) {
    if let [(name, tensor)] = outputs {
        return push(out, name, tensor);
    }
    out.push('{');
    for (index, (name, tensor)) in outputs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        push(out, name, tensor);
    }
    out.push('}');
}

fn in_base64(name: &str, tensor: &Tensor) -> bool {
    matches!(tensor.data, TensorData::Bytes(_)) && name.ends_with("_bytes")
}

/// Writes the body of `GET /v1/models/{model}`.
pub fn write_status(versions: &[VersionStatus<'_>]) -> Vec<u8> {
    let mut out = String::with_capacity(32 + 96 * versions.len());
    out.push_str("{\"model_version_status\":[");
    for (index, status) in versions.iter().enumerate() {
        out.push_str(if index > 0 { ",{\"version\":\"" } else { "{\"version\":\"" });
        push_int(&mut out, status.version);
        out.push_str("\",\"state\":\"");
        out.push_str(status.state.name());
        out.push_str("\",\"status\":{\"error_code\":");
        push_string(&mut out, status.error_code);
        out.push_str(",\"error_message\":");
        push_string(&mut out, status.error_message);
        out.push_str("}}");
    }
    out.push_str("]}");
    out.into_bytes()
}

/// Writes the body of `GET /v1/models/{model}/metadata`.
pub fn write_metadata(model: &str, version: u64, signature: &Signature) -> Vec<u8> {
    let mut out = String::with_capacity(512);
    out.push_str("{\"model_spec\":{\"name\":");
    push_string(&mut out, model);
    out.push_str(",\"signature_name\":\"\",\"version\":\"");
    push_int(&mut out, version);
    out.push_str("\"},\"metadata\":{\"signature_def\":{\"signature_def\":{\"");
    out.push_str(SIGNATURE_NAME);
    out.push_str("\":{\"inputs\":");
    push_specs(&mut out, &signature.inputs);
    out.push_str(",\"outputs\":");
    push_specs(&mut out, &signature.outputs);
    out.push_str(",\"method_name\":\"tensorflow/serving/predict\"}}}}}");
    out.into_bytes()
}

fn push_specs(out: &mut String, specs: &[TensorSpec]) {
    out.push('{');
    for (index, spec) in specs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, &spec.name);
        out.push_str(":{\"dtype\":\"");
        out.push_str(type_name(spec.data_type));
        out.push_str("\",\"tensor_shape\":{\"dim\":[");
        for (axis, length) in spec.shape.iter().enumerate() {
            out.push_str(if axis > 0 { ",{\"size\":\"" } else { "{\"size\":\"" });
            match length {
                Some(length) => push_int(out, *length),
                None => out.push_str("-1"),
            }
            out.push_str("\",\"name\":\"\"}");
        }
        out.push_str("],\"unknown_rank\":false},\"name\":");
        push_string(out, &spec.name);
        out.push('}');
    }
    out.push('}');
}

fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Bool => "DT_BOOL",
        DataType::Uint8 => "DT_UINT8",
        DataType::Int8 => "DT_INT8",
        DataType::Int16 => "DT_INT16",
        DataType::Int32 => "DT_INT32",
        DataType::Int64 => "DT_INT64",
        DataType::Fp32 => "DT_FLOAT",
        DataType::Fp64 => "DT_DOUBLE",
        DataType::Bytes => "DT_STRING",
    }
}

impl VersionState {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Loading => "LOADING",
            Self::Available => "AVAILABLE",
            Self::Unloading => "UNLOADING",
            Self::End => "END",
        }
    }
}
