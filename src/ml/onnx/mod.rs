//! ONNX: the messages of its file format and the writer of fitted models.

pub mod export;
mod graph;
pub mod proto;

/// The name of the one output of every model that is written here.
pub const OUTPUT: &str = "output";
/// The name of the input matrix of a model whose features are all numbers.
pub const INPUT: &str = "input";
