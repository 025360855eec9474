//! The words of slipway and the decisions about them: pure types, parsing and state machines. Nothing here waits, stores or
//! serves. A resource's serde form is its form on the native API.

pub mod artifact;
pub mod dataset;
pub mod event;
pub mod identity;
pub mod job;
pub mod key;
pub mod logged_model;
pub mod mlmodel;
pub mod model;
pub mod monitor;
pub mod page;
pub mod promotion;
pub mod registry;
pub mod run;
pub mod schema;
pub mod search;
pub mod time;
pub mod trace;
pub mod tracking;
pub mod training;
pub mod webhook;
pub mod worker;

/// A value that breaks a rule of the domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Stable, snake_case.
    pub code: &'static str,
    /// For people: lower case, no full stop.
    pub message: String,
}

impl Invalid {
    /// Makes one.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Checks a name that people give to a thing: 1 to 200 bytes, letters, digits, `_`, `-`, `.` and inner spaces, so that it can
/// stand in a path without being taken for one.
pub fn check_name(what: &str, name: &str) -> Result<(), Invalid> {
    let fits = !name.is_empty()
        && name.len() <= 200
        && name.trim() == name
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(Invalid::new(
        "invalid_name",
        format!("{what} name {shown:?} must be 1 to 200 letters, digits, spaces, '_', '-' or '.', without spaces at its ends"),
    ))
}
