//! JSON lines: one object a line. Columns are the keys in the order in which they first appear.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;

use super::cell::Raw;
use super::{DataError, MAX_COLUMNS, MAX_ROW_BYTES, Source};
use crate::domain::schema::Schema;

/// A file of JSON lines.
pub(super) struct Jsonl {
    reader: BufReader<File>,
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Jsonl {
    pub(super) fn open(path: &Path, schema: Option<&Schema>) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|e| DataError::io(&e))?;
        let names: Vec<String> = schema.map(|s| s.columns.iter().map(|c| c.name.clone()).collect()).unwrap_or_default();
        let places = names.iter().cloned().zip(0..).collect();
        Ok(Self { reader: BufReader::with_capacity(1 << 16, file), names, places })
    }

    fn place(&mut self, name: &str, line: u64) -> Result<usize, DataError> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if name.trim().is_empty() {
            return Err(DataError::new("empty_column_name", "a key is empty").at(line).column((self.names.len() + 1).to_string()));
        }
        if self.names.len() == MAX_COLUMNS {
            return Err(DataError::new("too_many_columns", format!("there are more than {MAX_COLUMNS} keys")).at(line).column(name));
        }
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), self.names.len() - 1);
        Ok(self.names.len() - 1)
    }
}

impl Source for Jsonl {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn rows(&mut self, take: &mut super::TakeRaw<'_>) -> Result<(), DataError> {
        let mut bytes = Vec::new();
        let mut empty = true;
        for line in 1.. {
            bytes.clear();
            let read = (&mut self.reader).take(MAX_ROW_BYTES + 1).read_until(b'\n', &mut bytes).map_err(|e| DataError::io(&e))?;
            if read == 0 {
                break;
            }
            empty = false;
            if read as u64 > MAX_ROW_BYTES {
                return Err(DataError::new("row_too_large", format!("the line has more than {MAX_ROW_BYTES} bytes")).at(line));
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| DataError::new("invalid_utf8", "the line is not UTF-8").at(line))?;
            let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { text }.trim();
            if text.is_empty() {
                continue;
            }
            let object: Unique = serde_json::from_str(text).map_err(|e| invalid(&e, line))?;
            let mut places = Vec::with_capacity(object.0.len());
            for (name, _) in &object.0 {
                places.push(self.place(name, line)?);
            }
            let mut cells = vec![Raw::Missing; self.names.len()];
            for ((name, value), place) in object.0.iter().zip(places) {
                cells[place] = raw(value).ok_or_else(|| {
                    DataError::new("nested_value", "the value is an object or a list; a table has plain values").at(line).column(name)
                })?;
            }
            if !take(line, &self.names, &cells)? {
                return Ok(());
            }
        }
        if empty { Err(DataError::new("empty_file", "the file is empty")) } else { Ok(()) }
    }
}

fn invalid(error: &serde_json::Error, line: u64) -> DataError {
    let text = error.to_string();
    let message = text.split(" at line").next().unwrap_or_default().to_owned();
    if let Some(name) = message.strip_prefix(DUPLICATE) {
        return DataError::new("duplicate_column", "the key appears twice").at(line).column(name);
    }
    DataError::new("invalid_json", message).at(line).column(error.column().to_string())
}

fn raw(value: &Value) -> Option<Raw<'_>> {
    Some(match value {
        Value::Null => Raw::Missing,
        Value::Bool(value) => Raw::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Raw::Long(value),
            None => Raw::Double(number.as_f64()?),
        },
        Value::String(text) => Raw::Text(text),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

const DUPLICATE: &str = "duplicate key ";

/// An object in which no key appears twice, in its own order.
struct Unique(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Unique;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut seen = HashSet::new();
                let mut entries = Vec::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("{DUPLICATE}{key}")));
                    }
                    entries.push((key, value));
                }
                Ok(Unique(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
