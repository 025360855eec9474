//! The predict request: envelope, rows, and columns.

use super::features;
use crate::http::inference::codec::element::Rules;
use crate::http::inference::codec::fit::{complete, fit, missing_input, unknown_input};
use crate::http::inference::codec::json::Reader;
use crate::http::inference::codec::names::Names;
use crate::http::inference::codec::nested::Builder;
use crate::http::inference::codec::{CodecError, code};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::{DataType, Tensor};

/// The one signature that a model has here.
pub const SIGNATURE_NAME: &str = "serving_default";

/// Whether a request, and so its answer, goes by row or by column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `instances` and `predictions`.
    Row,
    /// `inputs` and `outputs`.
    Column,
}

/// A predict request that fits the model.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictRequest {
    /// The form to answer in.
    pub form: Form,
    /// One tensor per input of the signature, in its order, with equally many rows.
    pub inputs: Vec<Tensor>,
}

/// Reads the body of `POST /v1/models/{model}:predict`.
pub fn read_predict(body: &[u8], signature: &Signature) -> Result<PredictRequest, CodecError> {
    let mut reader = Reader::new(body)?;
    if reader.peek() == b'[' {
        return Err(invalid("the request must be an object with 'instances' or 'inputs', not a list"));
    }
    let mut named = false;
    let mut found: Option<PredictRequest> = None;
    reader.object(|reader, key| {
        let form = match &*key {
            "instances" => Form::Row,
            "inputs" => Form::Column,
            "signature_name" if named => return Err(reader.duplicate(&key)),
            "signature_name" => {
                named = true;
                return signature_name(reader);
            }
            _ => return Err(CodecError::new(code::UNKNOWN_FIELD, format!("unknown key '{key}' in the request"))),
        };
        match found.as_ref().map(|found| found.form == form) {
            Some(true) => return Err(reader.duplicate(&key)),
            Some(false) => return Err(invalid("the request has both 'instances' and 'inputs', it must have one")),
            None => {}
        }
        let inputs = match form {
            Form::Row => instances(reader, signature)?,
            Form::Column => inputs(reader, signature)?,
        };
        found = Some(PredictRequest { form, inputs });
        Ok(())
    })?;
    reader.end()?;
    found.ok_or_else(|| invalid("the request has neither 'instances' nor 'inputs'"))
}

fn signature_name(reader: &mut Reader<'_>) -> Result<(), CodecError> {
    let name = reader.string().map_err(|error| error.within("'signature_name'"))?;
    if name.is_empty() || name == SIGNATURE_NAME {
        return Ok(());
    }
    let message = format!("the model has no signature '{name}', only '{SIGNATURE_NAME}'");
    Err(CodecError::new(code::UNKNOWN_SIGNATURE, message))
}

fn instances(reader: &mut Reader<'_>, signature: &Signature) -> Result<Vec<Tensor>, CodecError> {
    if reader.peek() != b'[' {
        return Err(reader.unlike("a list of rows").within("'instances'"));
    }
    let mut first = reader.inside();
    if first.peek() == b']' {
        return Err(CodecError::new(code::EMPTY_BATCH, "'instances' has no rows"));
    }
    if first.peek() == b'{' && !is_base64(first, signature) {
        return match features::single_input(signature, first, 1) {
            Some(spec) => Ok(vec![features::rows(reader, spec)?]),
            None => named_rows(reader, signature),
        };
    }
    let spec = the_input(signature, "an object per row")?;
    let mut builder = Builder::new(spec.data_type);
    builder.read_rows(reader, Rules { nulls: false, base64: true })?;
    complete(signature, vec![Some(finish(spec, builder)?)])
}

fn named_rows(reader: &mut Reader<'_>, signature: &Signature) -> Result<Vec<Tensor>, CodecError> {
    let mut builders: Vec<Builder> = signature.inputs.iter().map(|spec| Builder::new(spec.data_type)).collect();
    let mut names = Names::new(signature.inputs.iter().map(|spec| spec.name.as_str()));
    let mut rows = 0;
    reader.list(|reader| {
        names.next_object();
        rows += 1;
        let row = reader.object(|reader, key| {
            let index = names.find(&key).ok_or_else(|| unknown_input(&key, signature))?;
            if !names.mark(index) {
                return Err(reader.duplicate(&key));
            }
            let rules = by_name(&signature.inputs[index]);
            builders[index].read_row(reader, rules).map_err(|error| error.within(format_args!("input '{key}'")))
        });
        row.and_then(|()| names.first_missing().map_or(Ok(()), |name| Err(missing_input(name))))
            .map_err(|error| error.within(format_args!("row {}", rows - 1)))
    })?;
    let mut tensors = Vec::with_capacity(builders.len());
    for (spec, mut builder) in signature.inputs.iter().zip(builders) {
        builder.end_rows(rows)?;
        tensors.push(Some(finish(spec, builder)?));
    }
    complete(signature, tensors)
}

fn inputs(reader: &mut Reader<'_>, signature: &Signature) -> Result<Vec<Tensor>, CodecError> {
    if reader.peek() != b'{' || is_base64(*reader, signature) {
        let spec = the_input(signature, "an object of tensors")?;
        let mut builder = Builder::new(spec.data_type);
        read_tensor(reader, &mut builder, Rules { nulls: false, base64: true })?;
        return complete(signature, vec![Some(finish(spec, builder)?)]);
    }
    if let Some(spec) = features::single_input(signature, *reader, 2) {
        return Ok(vec![features::columns(reader, spec)?]);
    }
    let mut names = Names::new(signature.inputs.iter().map(|spec| spec.name.as_str()));
    names.next_object();
    let mut tensors = vec![None; signature.inputs.len()];
    reader.object(|reader, key| {
        let index = names.find(&key).ok_or_else(|| unknown_input(&key, signature))?;
        if !names.mark(index) {
            return Err(reader.duplicate(&key));
        }
        let spec = &signature.inputs[index];
        let mut builder = Builder::new(spec.data_type);
        read_tensor(reader, &mut builder, by_name(spec)).map_err(|error| error.within(format_args!("input '{key}'")))?;
        tensors[index] = Some(finish(spec, builder)?);
        Ok(())
    })?;
    complete(signature, tensors)
}

fn read_tensor(reader: &mut Reader<'_>, builder: &mut Builder, rules: Rules) -> Result<(), CodecError> {
    if reader.peek() == b'[' { builder.read_rows(reader, rules) } else { builder.read(reader, rules) }
}

/// An input with one value per row, given by name, may say null.
fn by_name(spec: &TensorSpec) -> Rules {
    Rules { nulls: is_single_column(spec), base64: true }
}

fn is_single_column(spec: &TensorSpec) -> bool {
    matches!(spec.shape[..], [_, Some(1)])
}

fn finish(spec: &TensorSpec, builder: Builder) -> Result<Tensor, CodecError> {
    let (mut shape, data) = builder.finish();
    if is_single_column(spec) && shape.len() == 1 {
        shape.push(1);
    }
    fit(spec, shape, data)
}

fn the_input<'s>(signature: &'s Signature, instead: &str) -> Result<&'s TensorSpec, CodecError> {
    match &signature.inputs[..] {
        [spec] => Ok(spec),
        inputs => Err(invalid(format!("the model has {} inputs: name them, with {instead}", inputs.len()))),
    }
}

/// Tells whether the object that comes next is a base64 text rather than inputs by name.
fn is_base64(ahead: Reader<'_>, signature: &Signature) -> bool {
    let [spec] = &signature.inputs[..] else { return false };
    let name_taken = spec.name == "b64" || spec.columns.iter().any(|column| column == "b64");
    spec.data_type == DataType::Bytes && !name_taken && ahead.first_key().is_some_and(|key| key == "b64")
}

#[cold]
pub(super) fn invalid(message: impl Into<String>) -> CodecError {
    CodecError::new(code::INVALID_REQUEST, message)
}
