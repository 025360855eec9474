//! One value: as a file gives it, and as the type of its column.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::domain::schema::ColumnType;

/// A value as it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Missing,
    /// Text that stands for whatever it looks like: a field of a CSV file.
    Field(&'a str),
    /// Text that is text.
    Text(&'a str),
    Boolean(bool),
    Long(i64),
    Double(f64),
    /// Milliseconds since 1970 in UTC.
    Datetime(i64),
}

/// A value of a typed column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Boolean(bool),
    Long(i64),
    Double(f64),
    Text(&'a str),
    Datetime(i64),
}

/// What stands for a missing value in a CSV file.
fn is_missing(field: &str) -> bool {
    matches!(field, "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL")
}

impl<'a> Raw<'a> {
    /// Says what the value looks like.
    pub(super) fn guess(self) -> Option<ColumnType> {
        match self {
            Self::Missing => None,
            Self::Field(text) if is_missing(text) => None,
            Self::Field(text) => Some(match text.as_bytes()[0] {
                b'0'..=b'9' | b'+' | b'-' | b'.' | b'i' | b'I' => {
                    if text.parse::<i64>().is_ok() {
                        ColumnType::Long
                    } else if text.parse::<f64>().is_ok() {
                        ColumnType::Double
                    } else if datetime(text).is_some() {
                        ColumnType::Datetime
                    } else {
                        ColumnType::String
                    }
                }
                b't' | b'T' | b'f' | b'F' if boolean(text).is_some() => ColumnType::Boolean,
                _ => ColumnType::String,
            }),
            Self::Text(_) => Some(ColumnType::String),
            Self::Boolean(_) => Some(ColumnType::Boolean),
            Self::Long(_) => Some(ColumnType::Long),
            Self::Double(_) => Some(ColumnType::Double),
            Self::Datetime(_) => Some(ColumnType::Datetime),
        }
    }

    /// Reads the value as one of a type; `None` when it is not. Numbers read as text only where the file holds text.
    pub(super) fn read(self, wanted: ColumnType) -> Option<Cell<'a>> {
        Some(match (self, wanted) {
            (Self::Missing, _) => Cell::Missing,
            (Self::Field(text), _) if is_missing(text) => Cell::Missing,
            (Self::Field(text) | Self::Text(text), ColumnType::String) => Cell::Text(text),
            (Self::Field(text) | Self::Text(text), ColumnType::Boolean) => Cell::Boolean(boolean(text)?),
            (Self::Field(text) | Self::Text(text), ColumnType::Long) => Cell::Long(text.parse().ok()?),
            (Self::Field(text) | Self::Text(text), ColumnType::Double) => Cell::Double(text.parse().ok()?),
            (Self::Field(text) | Self::Text(text), ColumnType::Datetime) => Cell::Datetime(datetime(text)?),
            (Self::Boolean(value), ColumnType::Boolean) => Cell::Boolean(value),
            (Self::Long(value), ColumnType::Long) => Cell::Long(value),
            (Self::Long(value), ColumnType::Double) => Cell::Double(value as f64),
            (Self::Long(value) | Self::Datetime(value), ColumnType::Datetime) => Cell::Datetime(value),
            (Self::Double(value), ColumnType::Double) => Cell::Double(value),
            (Self::Double(value), ColumnType::Long) if value.fract() == 0.0 && value.abs() < 9e15 => Cell::Long(value as i64),
            _ => return None,
        })
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Reads ISO 8601: a date, or date and time with or without seconds, fraction and offset; UTC where none is given.
fn datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if bytes.len() == 10 {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let with_offset = || DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").ok();
    local.map(|time| time.and_utc().timestamp_millis()).or_else(|| with_offset().map(|time| time.timestamp_millis()))
}
