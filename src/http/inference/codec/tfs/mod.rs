//! TensorFlow Serving's predict API in JSON.
//!
//! A request is `{"instances": [row, …]}` (row form) or `{"inputs": …}` (column form), with an optional
//! `signature_name` of `serving_default`. A row is a value, nested lists, or an object keyed by input name; columns
//! are one tensor when the model has a single input, or an object keyed by input name. `{"b64": "…"}` stands for text.
//! The answer has the form of the question: `predictions` or `outputs`.
//!
//! Beyond TensorFlow Serving, so that raw rows can be sent as people have them:
//!
//! - a model with **one two-dimensional input whose columns are named** also takes objects keyed by **feature name**:
//!   `{"instances": [{"age": 41, "plan": null}]}` or `{"inputs": {"age": [41, 7]}}`. A feature left out or null is
//!   missing: NaN, or the empty text; integers and truth values have no missing value and must be given;
//! - an input of shape **`[any, 1]`** takes `7` for `[7]`, and null for a missing value when it is given by name.
//!
//! Stricter than TensorFlow Serving: unknown and duplicate keys are errors. More lenient: an integer of any size is
//! fine for a float input and rounds to the nearest.

mod features;
mod read;
mod write;

pub use read::{Form, PredictRequest, SIGNATURE_NAME, read_predict};
pub use write::{VersionState, VersionStatus, write_metadata, write_predict, write_status};

#[cfg(test)]
mod tests;
