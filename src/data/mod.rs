//! Tables in files: CSV, JSON lines and Parquet. A file is read row by row in constant memory; what is wrong with it is told with
//! line and column.
//!
//! The first value of a column decides its family (numbers, booleans, times, text). A column of numbers, booleans or times in
//! which another kind of value turns up is refused as `mixed_types`, since a stray word in a column of numbers is a broken file
//! far more often than a column of words; who means it as text says so with an override.

mod cell;
mod csv;
mod error;
mod frame;
mod inspect;
mod jsonl;
mod parquet;

use std::path::Path;

use crate::domain::schema::Schema;

pub use error::DataError;
pub use frame::{Frame, Values, read_frame};
pub use inspect::{Inspection, Overrides, inspect, preview};

pub use crate::domain::schema::Format;

/// Most columns that a table may have.
pub const MAX_COLUMNS: usize = 10_000;
/// Most bytes that a row may have.
pub const MAX_ROW_BYTES: u64 = 16 << 20;

use cell::Raw;

/// Takes a row: its line (or row) number, the names of the columns known so far, and its cells in their order. False ends the
/// reading.
type TakeRaw<'a> = dyn FnMut(u64, &[String], &[Raw<'_>]) -> Result<bool, DataError> + 'a;

/// A table that is read from its first row to its last.
trait Source {
    /// Names of the columns known so far. Only JSON lines can add some while rows are read.
    fn names(&self) -> &[String];

    /// Calls `take` with the line (or row) number and the cells of each row, in the order of the names.
    fn rows(&mut self, take: &mut TakeRaw<'_>) -> Result<(), DataError>;
}

/// Opens a file. With a schema, only its columns are expected.
fn open(path: &Path, format: Format, schema: Option<&Schema>) -> Result<Box<dyn Source>, DataError> {
    Ok(match format {
        Format::Csv => Box::new(csv::Csv::open(path)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::open(path, schema)?),
        Format::Parquet => Box::new(parquet::Parquet::open(path)?),
    })
}

#[cfg(test)]
mod tests;
