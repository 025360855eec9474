//! Whether what a request brought is what the model takes.

use std::fmt::Write as _;

use super::{CodecError, code};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::{Tensor, TensorData};

/// Makes the tensor for one input. Its element type is the spec's already.
///
/// Fails unless the number of axes and the fixed ones are the spec's and there is at least one row.
pub(super) fn fit(spec: &TensorSpec, shape: Vec<usize>, data: TensorData) -> Result<Tensor, CodecError> {
    let same_axes = spec.shape.len() == shape.len();
    if shape.first() == Some(&0) && !spec.shape.is_empty() {
        return Err(CodecError::new(code::EMPTY_BATCH, format!("input '{}' has no rows", spec.name)));
    }
    let fits = same_axes && spec.shape.iter().zip(&shape).all(|(want, have)| want.is_none_or(|want| want == *have));
    if !fits {
        let takes = axes(spec.shape.iter().copied());
        let has = axes(shape.iter().copied().map(Some));
        let message = format!("input '{}' takes the shape {takes}, the request has {has}", spec.name);
        return Err(CodecError::new(code::WRONG_SHAPE, message));
    }
    let elements = data.len();
    Tensor::new(shape, data).ok_or_else(|| {
        let message = format!("input '{}' has {elements} values, which do not fill its shape", spec.name);
        CodecError::new(code::WRONG_SHAPE, message)
    })
}

/// Puts inputs found by position into the model's order and checks that all are there with equally many rows.
pub(super) fn complete(signature: &Signature, inputs: Vec<Option<Tensor>>) -> Result<Vec<Tensor>, CodecError> {
    let mut tensors: Vec<Tensor> = Vec::with_capacity(inputs.len());
    for (spec, input) in signature.inputs.iter().zip(inputs) {
        let tensor = input.ok_or_else(|| missing_input(&spec.name))?;
        tensors.push(tensor);
    }
    let mut batched = signature.inputs.iter().zip(&tensors).filter(|(spec, _)| !spec.shape.is_empty());
    if let Some((first, tensor)) = batched.next() {
        let rows = tensor.rows();
        if let Some((other, tensor)) = batched.find(|(_, tensor)| tensor.rows() != rows) {
            let more = tensor.rows();
            let message = format!("input '{}' has {rows} rows, but '{}' has {more}", first.name, other.name);
            return Err(CodecError::new(code::BATCH_MISMATCH, message));
        }
    }
    Ok(tensors)
}

#[cold]
pub(super) fn missing_input(name: &str) -> CodecError {
    CodecError::new(code::MISSING_INPUT, format!("input '{name}' is missing"))
}

#[cold]
pub(super) fn unknown_input(name: &str, signature: &Signature) -> CodecError {
    let known = listed(signature.inputs.iter().map(|spec| spec.name.as_str()));
    CodecError::new(code::UNKNOWN_INPUT, format!("the model has no input '{name}'; it takes {known}"))
}

/// Lists names for a message, the first few of many.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let mut out = String::new();
    for (index, name) in names.enumerate() {
        if index == SHOWN {
            out.push_str(", …");
            break;
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{}'{name}'", if index > 0 { ", " } else { "" });
    }
    out
}

fn axes(lengths: impl Iterator<Item = Option<usize>>) -> String {
    let lengths: Vec<String> = lengths.map(|n| n.map_or("any".to_owned(), |n| n.to_string())).collect();
    format!("[{}]", lengths.join(", "))
}
