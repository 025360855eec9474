//! Parquet with flat columns, through the reader of the Apache Arrow project.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

use super::cell::Raw;
use super::{DataError, MAX_COLUMNS, Source};

/// A Parquet file behind its footer.
pub(super) struct Parquet {
    reader: SerializedFileReader<File>,
    names: Vec<String>,
}

impl Parquet {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|e| DataError::io(&e))?;
        if file.metadata().map_err(|e| DataError::io(&e))?.len() == 0 {
            return Err(DataError::new("empty_file", "the file is empty"));
        }
        // the reader panics on some damaged files
        let opened = catch_unwind(AssertUnwindSafe(|| SerializedFileReader::new(file)));
        let reader = opened.map_err(|_| damaged("the footer is damaged"))?.map_err(told)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        if schema.num_columns() > MAX_COLUMNS {
            return Err(DataError::new(
                "too_many_columns",
                format!("there are {} columns, {MAX_COLUMNS} are accepted", schema.num_columns()),
            ));
        }
        let mut names: Vec<String> = Vec::with_capacity(schema.num_columns());
        for column in schema.columns() {
            let name = column.path().string();
            if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
                return Err(DataError::new("nested_value", "the column holds lists or structures; a table has plain values").column(name));
            }
            let text = matches!(column.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON);
            let decimal = column.converted_type() == ConvertedType::DECIMAL;
            if matches!(column.physical_type(), Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) && !text && !decimal {
                return Err(DataError::new("unsupported_column", "the column holds bytes that are not text").column(name));
            }
            if name.trim().is_empty() {
                return Err(DataError::new("empty_column_name", "the column has no name").column((names.len() + 1).to_string()));
            }
            if names.contains(&name) {
                return Err(DataError::new("duplicate_column", "another column has this name").column(name));
            }
            names.push(name);
        }
        Ok(Self { reader, names })
    }
}

impl Source for Parquet {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn rows(&mut self, take: &mut super::TakeRaw<'_>) -> Result<(), DataError> {
        let rows = catch_unwind(AssertUnwindSafe(|| self.reader.get_row_iter(None)));
        let mut rows = rows.map_err(|_| damaged("the pages are damaged"))?.map_err(told)?;
        for number in 1.. {
            let next = catch_unwind(AssertUnwindSafe(|| rows.next())).map_err(|_| damaged("the pages are damaged").at(number))?;
            let Some(row) = next else { return Ok(()) };
            let row = row.map_err(|e| told(e).at(number))?;
            let mut cells = Vec::with_capacity(self.names.len());
            for (name, field) in row.get_column_iter() {
                let unsupported = || DataError::new("unsupported_column", "the column's type is not supported").at(number).column(name);
                cells.push(raw(field).ok_or_else(unsupported)?);
            }
            if !take(number, &self.names, &cells)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn raw(field: &Field) -> Option<Raw<'_>> {
    Some(match field {
        Field::Null => Raw::Missing,
        Field::Bool(v) => Raw::Boolean(*v),
        Field::Byte(v) => Raw::Long(i64::from(*v)),
        Field::Short(v) => Raw::Long(i64::from(*v)),
        Field::Int(v) => Raw::Long(i64::from(*v)),
        Field::Long(v) => Raw::Long(*v),
        Field::UByte(v) => Raw::Long(i64::from(*v)),
        Field::UShort(v) => Raw::Long(i64::from(*v)),
        Field::UInt(v) => Raw::Long(i64::from(*v)),
        Field::ULong(v) => i64::try_from(*v).map_or(Raw::Double(*v as f64), Raw::Long),
        Field::Float16(v) => Raw::Double(f64::from(v.to_f32())),
        Field::Float(v) => Raw::Double(f64::from(*v)),
        Field::Double(v) => Raw::Double(*v),
        Field::Str(text) => Raw::Text(text),
        Field::Date(days) => Raw::Datetime(i64::from(*days) * 86_400_000),
        Field::TimestampMillis(ms) => Raw::Datetime(*ms),
        Field::TimestampMicros(us) => Raw::Datetime(us.div_euclid(1000)),
        Field::Decimal(decimal) => Raw::Double(number(decimal)),
        _ => return None,
    })
}

fn number(decimal: &parquet::data_type::Decimal) -> f64 {
    let unscaled = decimal.data().iter().enumerate().fold(0.0, |sum, (place, byte)| {
        // big-endian two's complement: the first byte carries the sign
        let digit = if place == 0 { f64::from(byte.cast_signed()) } else { f64::from(*byte) };
        sum * 256.0 + digit
    });
    unscaled / 10f64.powi(decimal.scale())
}

fn damaged(message: &str) -> DataError {
    DataError::new("invalid_parquet", message)
}

fn told(error: ParquetError) -> DataError {
    DataError::new("invalid_parquet", format!("the file is damaged or cut short: {error}"))
}
