//! How a command ends when it does not end well: an exit code, and a line for people.

use std::process::ExitCode;

/// Something went wrong. The number is the exit code.
pub(super) const FAILED: u8 = 1;
/// The command line or the settings can't be used.
pub(super) const USAGE: u8 = 2;

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
}

/// What a command returns.
pub(super) type Done = Result<(), Failure>;

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Tells it on standard error; returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        eprintln!("slipway: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(FAILED, message)
    }
}
