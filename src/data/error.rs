//! What can be wrong with a file.

use std::fmt;

/// A file that is not the table it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    /// Stable, snake_case.
    pub code: &'static str,
    /// For people: lower case, no full stop, without the place.
    pub message: String,
    /// Line from 1 (the row for Parquet).
    pub line: Option<u64>,
    /// Name of the column, or its number from 1 when it has no name.
    pub column: Option<String>,
}

impl DataError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: None, column: None }
    }

    pub(super) fn at(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    pub(super) fn column(mut self, name: impl Into<String>) -> Self {
        self.column = Some(name.into());
        self
    }

    pub(super) fn nul() -> Self {
        Self::new("nul_in_text", "text holds the character NUL, as files in UTF-16 do")
    }

    pub(super) fn io(error: &std::io::Error) -> Self {
        Self::new("unreadable_file", format!("the file can't be read: {error}"))
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column {column:?}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DataError {}
