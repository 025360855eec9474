//! What goes to standard output.

use std::io::Write as _;

use super::failure::{Done, Failure};

/// Prints a text. A reader that has seen enough is no failure.
pub(super) fn print(text: &str) -> Done {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::from(e.to_string())),
        _ => Ok(()),
    }
}
