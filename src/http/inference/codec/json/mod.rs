//! A small strict JSON reader and writer for tensors.
//!
//! It differs from a general JSON library on purpose: numbers go straight to the caller's type and are rounded once,
//! Python's tokens `NaN`, `Infinity` and `-Infinity` are read and written (TensorFlow Serving documents them, and
//! Python clients send them), a duplicate key is an error, and every error names its byte. It is stricter than most in
//! nothing else: RFC 8259 decides.

mod number;
mod reader;
mod writer;

pub use number::{Decimal, Number};
pub use reader::{MAX_DEPTH, Reader};
pub use writer::{push_f32, push_f64, push_int, push_string, push_values};

#[cfg(test)]
mod tests;
