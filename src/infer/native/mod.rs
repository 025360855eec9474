//! The engine of our own: interprets the operators that slipway's trainer writes and their neighbours, on typed tensors with
//! text among them. Small on purpose: what it does not know it names, and another engine may take over.

mod attributes;
mod broadcast;
mod classic;
mod constant;
mod elementwise;
mod linear;
mod parts;
mod plan;
mod reduce;
mod shape;
mod signature;

use std::sync::Arc;

use prost::Message as _;

use super::engine::{Engine, EngineError, ErrorCode, Limits, LoadOptions, Model};
use super::signature::Signature;
use super::tensor::Tensor;
use crate::ml::onnx::proto::ModelProto;

use plan::Plan;

/// Newest operator set that is known; older ones from 7 on are read by the rules of their time.
const NEWEST_OPSET: i64 = 23;
/// Newest set of the classical operators.
const NEWEST_ML_OPSET: i64 = 4;

/// A file may have this many messages and texts for each node that it may have.
const PARTS_PER_NODE: usize = 40;

/// The engine.
#[derive(Clone, Copy, Debug)]
pub struct NativeEngine;

impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&self, bytes: &[u8], options: &LoadOptions) -> Result<Arc<dyn Model>, EngineError> {
        let limits = options.limits;
        if bytes.len() > limits.max_model_bytes {
            return Err(EngineError::new(ErrorCode::ModelTooLarge, format!("the file has {} bytes", bytes.len())));
        }
        parts_within(bytes, &limits)?;
        let invalid = |message: &str| EngineError::new(ErrorCode::InvalidModel, message);
        let proto = ModelProto::decode(bytes).map_err(|_| invalid("the file is not an ONNX model"))?;
        let opset = opset(&proto)?;
        let graph = proto.graph.as_ref().ok_or_else(|| invalid("the file has no graph"))?;
        if graph.node.len() > limits.max_nodes {
            return Err(EngineError::new(ErrorCode::ModelTooLarge, format!("the graph has {} nodes", graph.node.len())));
        }
        let signature = signature::read(&proto, graph)?;
        let plan = Plan::compile(graph, &signature, opset, limits)?;
        Ok(Arc::new(NativeModel { signature, plan }))
    }
}

/// Refuses a file of so many parts that reading it would take far more memory than it has bytes.
pub(super) fn parts_within(bytes: &[u8], limits: &Limits) -> Result<(), EngineError> {
    let parts = parts::count(bytes);
    if parts > limits.max_nodes.saturating_mul(PARTS_PER_NODE) {
        return Err(EngineError::new(ErrorCode::ModelTooLarge, format!("the file has {parts} parts")));
    }
    Ok(())
}

/// Returns the version of the default operator set.
fn opset(proto: &ModelProto) -> Result<i64, EngineError> {
    let unsupported = |domain: &str, version: i64| {
        EngineError::new(ErrorCode::UnsupportedOpset, format!("operator set {version} of {domain:?} is not known here"))
    };
    let mut default = None;
    for set in &proto.opset_import {
        match set.domain.as_str() {
            "" | "ai.onnx" if (7..=NEWEST_OPSET).contains(&set.version) => default = Some(set.version),
            "ai.onnx.ml" if (1..=NEWEST_ML_OPSET).contains(&set.version) => {}
            "" | "ai.onnx" | "ai.onnx.ml" => return Err(unsupported(&set.domain, set.version)),
            // a set that is named and not used does no harm; operators of it are refused by name
            _ => {}
        }
    }
    // a graph of classical operators alone may name only their set
    Ok(default.unwrap_or(NEWEST_OPSET))
}

struct NativeModel {
    signature: Signature,
    plan: Plan,
}

impl Model for NativeModel {
    fn engine(&self) -> &'static str {
        "native"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn size_bytes(&self) -> usize {
        self.plan.size_bytes()
    }

    fn run(&self, inputs: &[(&str, &Tensor)], outputs: &[&str]) -> Result<Vec<Tensor>, EngineError> {
        let ordered = signature::order(&self.signature, inputs)?;
        let wanted = signature::wanted(&self.signature, outputs)?;
        self.plan.run(&ordered, &wanted)
    }
}

#[cfg(test)]
mod tests;
