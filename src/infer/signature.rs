//! What a loaded model takes and gives: names, element types and shapes of its inputs and outputs.

use crate::infer::tensor::DataType;

/// One named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the graph, and on the wire.
    pub name: String,
    /// Element type.
    pub data_type: DataType,
    /// Axis lengths, `None` where any length will do; the first axis is the batch.
    pub shape: Vec<Option<usize>>,
    /// Names of the features along the last axis, where the model says them; else empty.
    pub columns: Vec<String>,
}

/// The inputs and outputs of a model, in the graph's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// What a request must bring.
    pub inputs: Vec<TensorSpec>,
    /// What an answer holds.
    pub outputs: Vec<TensorSpec>,
    /// Labels of the classes for a classifier, in the order of its scores (two for a single sigmoid score); else empty.
    pub class_labels: Vec<String>,
}
