//! The Open Inference protocol (V2, as KServe, Triton and MLServer speak it) in JSON.
//!
//! A request names each input with shape and data type and brings the elements flat in row-major order, or nested as
//! the shape says. The data type has to be the model's: a client that sends `INT64` for `FP32` is told so instead of
//! served by a guess. `FP16`, `BF16` and the larger unsigned integers are refused, and so are binary tensors, which
//! need their own framing. Parameters are read and ignored, except those whose loss would change the answer's meaning.

mod read;
mod write;

pub use read::{InferRequest, read_infer};
pub use write::{data_type_name, write_infer, write_live, write_model_metadata, write_model_ready, write_ready, write_server_metadata};

#[cfg(test)]
mod tests;
