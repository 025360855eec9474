//! Loaded models and the road from a request's tensors to an answer: engines behind one trait, and the routing table.

pub mod signature;
pub mod tensor;
