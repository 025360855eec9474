//! Loaded models: the tensors that travel and the signature of a model.

pub mod signature;
pub mod tensor;
