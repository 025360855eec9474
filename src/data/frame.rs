//! A table in memory, as the trainer reads it.

use std::collections::HashMap;
use std::path::Path;

use super::cell::Cell;
use super::inspect::read;
use super::{DataError, Format};
use crate::domain::schema::{ColumnType, Schema};

/// The code of a missing text.
const MISSING: u32 = u32::MAX;

/// Columns of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Number of rows.
    pub rows: usize,
    /// Names and values, in the order that was asked for.
    pub columns: Vec<(String, Values)>,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Integers, numbers and times (epoch milliseconds) in single precision; NaN where the value is missing.
    Numbers(Vec<f32>),
    /// Text and booleans (`false`, `true`): an index into `levels` per row, `u32::MAX` where the value is missing.
    Texts {
        /// One per row.
        codes: Vec<u32>,
        /// The distinct texts in order of first appearance.
        levels: Vec<String>,
    },
}

/// A column while it is read.
enum Builder {
    Numbers(Vec<f32>),
    Texts { codes: Vec<u32>, levels: HashMap<String, u32> },
}

impl Builder {
    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Numbers(values), Cell::Long(value) | Cell::Datetime(value)) => values.push(*value as f32),
            (Self::Numbers(values), Cell::Double(value)) => values.push(*value as f32),
            (Self::Numbers(values), _) => values.push(f32::NAN),
            (Self::Texts { codes, levels }, Cell::Text(text)) => codes.push(code(levels, text)),
            (Self::Texts { codes, levels }, Cell::Boolean(value)) => codes.push(code(levels, if *value { "true" } else { "false" })),
            (Self::Texts { codes, .. }, _) => codes.push(MISSING),
        }
    }

    fn finish(self) -> Values {
        match self {
            Self::Numbers(values) => Values::Numbers(values),
            Self::Texts { codes, levels } => {
                let mut ordered: Vec<(String, u32)> = levels.into_iter().collect();
                ordered.sort_unstable_by_key(|(_, code)| *code);
                Values::Texts { codes, levels: ordered.into_iter().map(|(text, _)| text).collect() }
            }
        }
    }
}

fn code(levels: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(code) = levels.get(text) {
        return *code;
    }
    let code = levels.len() as u32;
    levels.insert(text.to_owned(), code);
    code
}

/// Reads columns of a file into memory: all, or those named, in that order.
///
/// # Errors
/// `unknown_column`, and what is wrong with the file.
pub fn read_frame(path: &Path, format: Format, schema: &Schema, columns: Option<&[String]>) -> Result<Frame, DataError> {
    let unknown = |name: &String| DataError::new("unknown_column", "there is no such column").column(name);
    let find = |name: &String| schema.columns.iter().position(|c| c.name == *name).ok_or_else(|| unknown(name));
    let places: Vec<usize> = match columns {
        Some(names) => names.iter().map(find).collect::<Result<_, _>>()?,
        None => (0..schema.columns.len()).collect(),
    };
    let builder = |place: &usize| match schema.columns[*place].r#type {
        ColumnType::Long | ColumnType::Double | ColumnType::Datetime => Builder::Numbers(Vec::new()),
        ColumnType::String | ColumnType::Boolean => Builder::Texts { codes: Vec::new(), levels: HashMap::new() },
    };
    let mut builders: Vec<Builder> = places.iter().map(builder).collect();
    let mut rows = 0;
    read(path, format, schema, &mut |_, cells| {
        for (builder, place) in builders.iter_mut().zip(&places) {
            builder.push(cells.get(*place).unwrap_or(&Cell::Missing));
        }
        rows += 1;
        Ok(true)
    })?;
    let named = places.iter().zip(builders).map(|(place, builder)| (schema.columns[*place].name.clone(), builder.finish()));
    Ok(Frame { rows, columns: named.collect() })
}
