//! The wire forms of two serving protocols, as pure functions: bytes in, typed tensors out, and back.
//!
//! [`tfs`] speaks TensorFlow Serving's predict API, [`oip`] the Open Inference protocol (V2) in JSON. Both read
//! numbers straight into the tensor's own vector through [`json`]; no document tree is built. Nothing here waits,
//! knows a web framework, or looks up a model: the caller brings the [`Signature`](crate::infer::signature::Signature)
//! that a request has to fit. Every error is the client's fault and means HTTP 400.

use std::error::Error;
use std::fmt;

mod element;
mod fit;
pub mod json;
mod names;
mod nested;
pub mod oip;
pub mod tfs;

/// A request that cannot be served as written. Always the client's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// Stable name of the cause, `snake_case`; the list stands at [`code`].
    pub code: &'static str,
    /// What is wrong and where, for a person: lower case, no full stop.
    pub message: String,
}

/// The codes that a [`CodecError`] can carry.
pub mod code {
    /// The bytes are not one JSON document (also: duplicate key, invalid UTF-8, lone surrogate, bytes after the end).
    pub const INVALID_JSON: &str = "invalid_json";
    /// The document nests deeper than [`MAX_DEPTH`](super::json::MAX_DEPTH).
    pub const TOO_DEEP: &str = "too_deep";
    /// The document is JSON but not a request of this protocol.
    pub const INVALID_REQUEST: &str = "invalid_request";
    /// A key that the protocol does not have.
    pub const UNKNOWN_FIELD: &str = "unknown_field";
    /// A signature name that the model does not have.
    pub const UNKNOWN_SIGNATURE: &str = "unknown_signature";
    /// An input that the model does not have.
    pub const UNKNOWN_INPUT: &str = "unknown_input";
    /// An input of the model that the request does not bring.
    pub const MISSING_INPUT: &str = "missing_input";
    /// An input that stands in the request twice.
    pub const DUPLICATE_INPUT: &str = "duplicate_input";
    /// A feature name that the model's input does not have.
    pub const UNKNOWN_FEATURE: &str = "unknown_feature";
    /// A feature left out whose type has no missing value.
    pub const MISSING_FEATURE: &str = "missing_feature";
    /// An output that the model does not have.
    pub const UNKNOWN_OUTPUT: &str = "unknown_output";
    /// An output asked for twice.
    pub const DUPLICATE_OUTPUT: &str = "duplicate_output";
    /// Ragged lists, a wrong number of axes, a wrong axis, or data that does not fill its shape.
    pub const WRONG_SHAPE: &str = "wrong_shape";
    /// A value or data type that the input does not take.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// A number that the input's type cannot hold.
    pub const OUT_OF_RANGE: &str = "out_of_range";
    /// Inputs with different numbers of rows.
    pub const BATCH_MISMATCH: &str = "batch_mismatch";
    /// No row at all.
    pub const EMPTY_BATCH: &str = "empty_batch";
    /// Too many values left out: filling them in would take far more memory than the request.
    pub const TOO_LARGE: &str = "too_large";
    /// A part of the protocol that is not offered, such as a data type or binary tensors.
    pub const UNSUPPORTED: &str = "unsupported";
    /// An output without one entry per row, asked for in row form.
    pub const NOT_ROWS: &str = "not_rows";
}

impl CodecError {
    #[cold]
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// Says where in the request's own terms the error happened; a broken document already names its byte.
    #[cold]
    fn within(self, place: impl fmt::Display) -> Self {
        if matches!(self.code, code::INVALID_JSON | code::TOO_DEEP) {
            return self;
        }
        Self { message: format!("{place}: {}", self.message), ..self }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CodecError {}

/// Writes the error body that both protocols share: `{"error":"…"}`.
pub fn write_error(message: &str) -> Vec<u8> {
    let mut out = String::with_capacity(message.len() + 16);
    out.push_str("{\"error\":");
    json::push_string(&mut out, message);
    out.push('}');
    out.into_bytes()
}

#[cfg(test)]
mod tests;
