//! Getting to know a file: its schema, the number of its rows and a profile of each column.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::cell::{Cell, Raw};
use super::{DataError, open};
use crate::domain::schema::{ColumnSpec, ColumnType, Format, Schema};
use crate::domain::time::Timestamp;
use crate::stats::collect::Collector;
use crate::stats::profile::ColumnProfile;

/// Types that the uploader gives to columns.
pub type Overrides = BTreeMap<String, ColumnType>;

/// Values that are kept over all columns before profiles turn from exact to sketched.
const KEPT_VALUES: usize = 2 << 20;

/// What was found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Names, types and whether values are missing.
    pub schema: Schema,
    /// Number of rows.
    pub rows: u64,
    /// A profile per column.
    pub profiles: Vec<ColumnProfile>,
}

/// What is known about a column while its type is looked for.
#[derive(Clone, Copy, Debug, Default)]
struct Guess {
    kind: Option<ColumnType>,
    fixed: bool,
    missing: bool,
}

impl Guess {
    /// Widens the type by one more value.
    fn see(&mut self, raw: Raw<'_>) -> Result<(), String> {
        let Some(found) = raw.guess() else {
            self.missing = true;
            return Ok(());
        };
        match (self.kind, found) {
            (Some(kind), _) if self.fixed => match raw.read(kind) {
                Some(Cell::Missing) => self.missing = true,
                Some(_) => {}
                None => return Err(format!("the value is a {}, not a {} as it was declared", found.as_str(), kind.as_str())),
            },
            (None, found) => self.kind = Some(found),
            (Some(kind), found) if kind == found => {}
            (Some(ColumnType::Long | ColumnType::Double), ColumnType::Long | ColumnType::Double) => self.kind = Some(ColumnType::Double),
            // text in a CSV file may look like anything
            (Some(ColumnType::String), _) if matches!(raw, Raw::Field(_)) => {}
            (Some(kind), found) => {
                return Err(format!(
                    "the value is a {} in a column of {} values; declare the column's type if that is meant",
                    found.as_str(),
                    kind.as_str()
                ));
            }
        }
        Ok(())
    }
}

/// Reads a file twice: once to find the types, once to profile the columns.
///
/// # Errors
/// What is wrong with the file or the overrides, with line and column.
pub fn inspect(path: &Path, format: Format, overrides: &Overrides) -> Result<Inspection, DataError> {
    let mut source = open(path, format, None)?;
    let mut guesses: Vec<Guess> = Vec::new();
    let mut rows: u64 = 0;
    let new = |name: &String, missing| {
        let kind = overrides.get(name).copied();
        Guess { kind, fixed: kind.is_some(), missing }
    };
    source.rows(&mut |line, names, cells| {
        for name in &names[guesses.len()..] {
            guesses.push(new(name, rows > 0));
        }
        for ((guess, name), cell) in guesses.iter_mut().zip(names).zip(cells) {
            guess.see(*cell).map_err(|message| DataError::new("mixed_types", message).at(line).column(name))?;
        }
        rows += 1;
        Ok(true)
    })?;
    if rows == 0 {
        return Err(DataError::new("no_rows", "the file has no rows"));
    }
    if let Some(name) = overrides.keys().find(|name| !source.names().contains(name)) {
        return Err(DataError::new("unknown_column", "a type is declared for a column that does not exist").column(name));
    }
    let columns = source.names().iter().zip(&guesses);
    // a column without any value says nothing; numbers are what most such columns turn out to hold
    let spec = |(name, guess): (&String, &Guess)| ColumnSpec {
        name: name.clone(),
        r#type: guess.kind.unwrap_or(ColumnType::Double),
        nullable: guess.missing,
    };
    let schema = Schema { columns: columns.map(spec).collect() };
    let profiles = profile(path, format, &schema)?;
    Ok(Inspection { schema, rows, profiles })
}

fn profile(path: &Path, format: Format, schema: &Schema) -> Result<Vec<ColumnProfile>, DataError> {
    let kept = (KEPT_VALUES / schema.columns.len().max(1)).max(1000);
    let mut collectors: Vec<Collector> = schema
        .columns
        .iter()
        .map(|column| match column.r#type {
            ColumnType::Long | ColumnType::Double | ColumnType::Datetime => Collector::numeric(&column.name, kept),
            ColumnType::String => Collector::categorical(&column.name),
            ColumnType::Boolean => Collector::boolean(&column.name),
        })
        .collect();
    read(path, format, schema, &mut |_, cells| {
        for (collector, cell) in collectors.iter_mut().zip(cells) {
            match cell {
                Cell::Missing => collector.add_missing(),
                Cell::Boolean(value) => collector.add_boolean(*value),
                Cell::Long(value) | Cell::Datetime(value) => collector.add_number(*value as f64),
                Cell::Double(value) => collector.add_number(*value),
                Cell::Text(text) => collector.add_text(text),
            }
        }
        Ok(true)
    })?;
    Ok(collectors.into_iter().map(Collector::finish).collect())
}

/// Takes a row: its line (or row) number and its cells. False ends the reading.
type TakeCells<'a> = dyn FnMut(u64, &[Cell<'_>]) -> Result<bool, DataError> + 'a;

/// Reads the rows of a file as its schema types them.
pub(super) fn read(path: &Path, format: Format, schema: &Schema, take: &mut TakeCells<'_>) -> Result<(), DataError> {
    let mut source = open(path, format, Some(schema))?;
    if format != Format::Jsonl && !source.names().iter().eq(schema.columns.iter().map(|c| &c.name)) {
        return Err(DataError::new("schema_mismatch", "the file's columns are not those of its schema"));
    }
    source.rows(&mut |line, _, raws| {
        let mut cells = Vec::with_capacity(raws.len());
        for (raw, column) in raws.iter().zip(&schema.columns) {
            let wrong =
                || DataError::new("mixed_types", format!("the value is not a {}", column.r#type.as_str())).at(line).column(&column.name);
            cells.push(raw.read(column.r#type).ok_or_else(wrong)?);
        }
        take(line, &cells)
    })
}

/// Returns the first `limit` rows as JSON values; times as RFC 3339, numbers that JSON lacks as text.
///
/// # Errors
/// As [`inspect`].
pub fn preview(path: &Path, format: Format, schema: &Schema, limit: usize) -> Result<Vec<Vec<Value>>, DataError> {
    let mut rows = Vec::new();
    if limit == 0 {
        return Ok(rows);
    }
    read(path, format, schema, &mut |_, cells| {
        rows.push(cells.iter().map(json).collect());
        Ok(rows.len() < limit)
    })?;
    Ok(rows)
}

fn json(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Boolean(value) => Value::from(*value),
        Cell::Long(value) => Value::from(*value),
        Cell::Double(value) if value.is_finite() => Value::from(*value),
        Cell::Double(value) => Value::from(value.to_string()),
        Cell::Text(text) => Value::from(*text),
        Cell::Datetime(ms) => Value::from(Timestamp(*ms).to_rfc3339()),
    }
}
