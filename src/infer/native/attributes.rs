//! Reading the attributes of a node.

use crate::infer::engine::{EngineError, ErrorCode};
use crate::ml::onnx::proto::{AttributeProto, NodeProto, TensorProto};

/// The attributes of one node.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a NodeProto);

impl<'a> Attributes<'a> {
    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).and_then(|a| a.i).unwrap_or(default)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.find(name).and_then(|a| a.f).unwrap_or(default)
    }

    pub(super) fn ints(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |a| &a.ints)
    }

    pub(super) fn floats(&self, name: &str) -> &'a [f32] {
        self.find(name).map_or(&[], |a| &a.floats)
    }

    pub(super) fn text(&self, name: &str, default: &str) -> Result<String, EngineError> {
        match self.find(name).and_then(|a| a.s.as_ref()) {
            None => Ok(default.to_owned()),
            Some(bytes) => utf8(bytes),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, EngineError> {
        self.find(name).map_or(Ok(Vec::new()), |a| a.strings.iter().map(|bytes| utf8(bytes)).collect())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.find(name).and_then(|a| a.t.as_ref())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Says what is wrong with the node.
    pub(super) fn invalid(&self, what: impl std::fmt::Display) -> EngineError {
        EngineError::new(ErrorCode::InvalidModel, format!("node {:?} ({}): {what}", self.0.name, self.0.op_type))
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<String, EngineError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| EngineError::new(ErrorCode::InvalidModel, "a text in the model is not UTF-8"))
}
