//! Loaded models: the tensors that travel, the engines that answer, and the table that says who answers what.

pub mod engine;
pub mod external;
pub mod native;
pub mod router;
pub mod signature;
pub mod tensor;
