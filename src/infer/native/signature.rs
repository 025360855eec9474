//! What a model takes and gives, from its graph and metadata; and requests held against it.

use std::collections::HashSet;

use crate::infer::engine::{EngineError, ErrorCode};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::Tensor;
use crate::ml::onnx::proto::{GraphProto, ModelProto, ValueInfoProto};

use super::constant::data_type;

/// Reads the signature. Inputs that are initialisers are constants.
pub(super) fn read(proto: &ModelProto, graph: &GraphProto) -> Result<Signature, EngineError> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let constant = |name: &str| constants.contains(name);
    let meta = |key: &str| proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let list = |key| meta(key).and_then(|text| serde_json::from_str::<Vec<String>>(text).ok()).unwrap_or_default();
    let columns = list("slipway.columns");
    let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(|input| !constant(&input.name)).collect();
    let mut signature = Signature { class_labels: list("slipway.class_labels"), ..Signature::default() };
    for input in &inputs {
        let mut spec = spec(input)?;
        if inputs.len() == 1 && spec.shape.len() == 2 && spec.shape[1] == Some(columns.len()) {
            spec.columns = columns.clone();
        } else if inputs.len() > 1 {
            spec.columns = vec![input.name.clone()];
        }
        signature.inputs.push(spec);
    }
    for output in &graph.output {
        signature.outputs.push(spec(output)?);
    }
    if signature.outputs.is_empty() {
        return Err(EngineError::new(ErrorCode::InvalidModel, "the graph has no outputs"));
    }
    Ok(signature)
}

fn spec(value: &ValueInfoProto) -> Result<TensorSpec, EngineError> {
    let unsupported = |what: &str| EngineError::new(ErrorCode::UnsupportedType, format!("{:?} {what}", value.name));
    let tensor = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or_else(|| unsupported("is not a tensor"))?;
    let data_type = data_type(tensor.elem_type).ok_or_else(|| unsupported("has an element type that is not known here"))?;
    let axes = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    let shape = axes.iter().map(|axis| axis.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)).collect();
    Ok(TensorSpec { name: value.name.clone(), data_type, shape, columns: Vec::new() })
}

/// Puts the inputs of a request into the signature's order.
pub(super) fn order<'a>(signature: &Signature, inputs: &[(&str, &'a Tensor)]) -> Result<Vec<&'a Tensor>, EngineError> {
    let mut found: Vec<Option<&Tensor>> = vec![None; signature.inputs.len()];
    for (name, tensor) in inputs {
        let unknown = || EngineError::new(ErrorCode::UnknownInput, format!("the model has no input {name:?}"));
        let place = signature.inputs.iter().position(|spec| spec.name == *name).ok_or_else(unknown)?;
        if found[place].replace(tensor).is_some() {
            return Err(EngineError::new(ErrorCode::DuplicateInput, format!("input {name:?} is given twice")));
        }
    }
    signature.inputs.iter().zip(found).map(|(spec, tensor)| check(spec, tensor)).collect()
}

fn check<'a>(spec: &TensorSpec, tensor: Option<&'a Tensor>) -> Result<&'a Tensor, EngineError> {
    let name = &spec.name;
    let tensor = tensor.ok_or_else(|| EngineError::new(ErrorCode::MissingInput, format!("input {name:?} is missing")))?;
    if tensor.data.data_type() != spec.data_type {
        let message = format!("input {name:?} is {:?}, not {:?}", spec.data_type, tensor.data.data_type());
        return Err(EngineError::new(ErrorCode::WrongType, message));
    }
    let fits =
        spec.shape.len() == tensor.shape.len() && spec.shape.iter().zip(&tensor.shape).all(|(want, have)| want.is_none_or(|w| w == *have));
    // a graph that does not say its input's shape takes any
    if !fits && !spec.shape.is_empty() {
        return Err(EngineError::new(ErrorCode::WrongShape, format!("input {name:?} has shape {:?}", tensor.shape)));
    }
    Ok(tensor)
}

/// Finds the outputs that are asked for; all when none are named.
pub(super) fn wanted(signature: &Signature, outputs: &[&str]) -> Result<Vec<usize>, EngineError> {
    if outputs.is_empty() {
        return Ok((0..signature.outputs.len()).collect());
    }
    let find = |name: &&str| signature.outputs.iter().position(|spec| spec.name == **name);
    let unknown = |name: &&str| EngineError::new(ErrorCode::UnknownOutput, format!("the model has no output {name:?}"));
    outputs.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}
