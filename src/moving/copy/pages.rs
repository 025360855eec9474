//! Rows as Parquet: a column for each column, in groups of rows that fit into memory.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::io;
use crate::domain::table::{Cell, Column, Kind};
use crate::moving::{Result, Trouble};

/// When a group of rows is written: so many rows, or so many bytes.
const GROUP_ROWS: usize = 50_000;
const GROUP_BYTES: usize = 16 << 20;

fn wrong(path: &Path) -> impl Fn(ParquetError) -> Trouble {
    let shown = path.display().to_string();
    move |e| Trouble::Everything(format!("{shown}: {e}"))
}

/// A Parquet file that is being written.
pub(super) struct PageWriter {
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl PageWriter {
    pub(super) fn create(path: &Path, table: &str, columns: &[Column]) -> Result<Self> {
        let file = File::create(path).map_err(io(format!("write {}", path.display())))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let schema = schema(table, columns).map_err(wrong(path))?;
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(wrong(path))?;
        Ok(Self { writer, columns: columns.to_vec(), rows: Vec::new(), bytes: 0 })
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) -> Result<(), ParquetError> {
        self.bytes += row.iter().map(Cell::weight).sum::<usize>();
        self.rows.push(row);
        match self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Ends the file, which then is on the disk.
    pub(super) fn finish(mut self, path: &Path) -> Result<()> {
        self.flush().map_err(wrong(path))?;
        self.writer.finish().map_err(wrong(path))?;
        self.writer.inner().sync_all().map_err(io(format!("write {}", path.display())))
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut group = self.writer.next_row_group()?;
        for (i, column) in self.columns.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(i));
            match column.kind {
                Kind::Text | Kind::Bytes => write::<ByteArrayType>(&mut group, column, cells, |cell| match cell {
                    Cell::Text(text) => Some(ByteArray::from(text.as_str())),
                    Cell::Bytes(bytes) => Some(ByteArray::from(bytes.clone())),
                    _ => None,
                })?,
                Kind::Whole => write::<Int64Type>(&mut group, column, cells, |cell| match cell {
                    Cell::Whole(number) => Some(*number),
                    _ => None,
                })?,
                Kind::Double => write::<DoubleType>(&mut group, column, cells, |cell| match cell {
                    Cell::Double(number) => Some(*number),
                    _ => None,
                })?,
                Kind::Truth => write::<BoolType>(&mut group, column, cells, |cell| match cell {
                    Cell::Truth(truth) => Some(*truth),
                    _ => None,
                })?,
            }
        }
        group.close()?;
        Ok(())
    }
}

fn write<'a, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    column: &Column,
    cells: impl Iterator<Item = &'a Cell>,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let found = value(cell);
        levels.push(i16::from(found.is_some()));
        values.extend(found);
    }
    let missing = || ParquetError::General(format!("there is no column {}", column.name));
    let mut writer = group.next_column()?.ok_or_else(missing)?;
    writer.typed::<T>().write_batch(&values, column.nullable.then_some(levels.as_slice()), None)?;
    writer.close()
}

fn schema(table: &str, columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Bytes => (Physical::BYTE_ARRAY, None),
            Kind::Whole => (Physical::INT64, None),
            Kind::Double => (Physical::DOUBLE, None),
            Kind::Truth => (Physical::BOOLEAN, None),
        };
        let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let field = Type::primitive_type_builder(&column.name, physical).with_logical_type(logical).with_repetition(repetition);
        fields.push(Arc::new(field.build()?));
    }
    Ok(Arc::new(Type::group_type_builder(table).with_fields(fields).build()?))
}

/// A Parquet file that is being read.
pub(super) struct PageReader {
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
    group: usize,
}

impl PageReader {
    /// Opens a file, which must have these columns.
    pub(super) fn open(path: &Path, columns: &[Column]) -> Result<Self> {
        let file = File::open(path).map_err(io(format!("read {}", path.display())))?;
        let reader = SerializedFileReader::new(file).map_err(wrong(path))?;
        let found: Vec<String> = reader.metadata().file_metadata().schema_descr().columns().iter().map(|c| c.name().to_owned()).collect();
        if !found.iter().eq(columns.iter().map(|column| &column.name)) {
            return Err(Trouble::Everything(format!("{}: it does not have the columns that the manifest says", path.display())));
        }
        Ok(Self { reader, columns: columns.to_vec(), group: 0 })
    }

    /// Reads the next group of rows; none after the last.
    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Vec<Vec<Cell>>>> {
        if self.group >= self.reader.num_row_groups() {
            return Ok(None);
        }
        let group = self.reader.get_row_group(self.group).map_err(wrong(path))?;
        self.group += 1;
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0).min(GROUP_ROWS);
        let mut rows: Vec<Vec<Cell>> = (0..count).map(|_| Vec::with_capacity(self.columns.len())).collect();
        for (i, column) in self.columns.iter().enumerate() {
            let cells = read(group.as_ref(), i, column, count).map_err(wrong(path))?;
            if cells.len() != count {
                return Err(Trouble::Everything(format!("{}: the column {} is cut short", path.display(), column.name)));
            }
            rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        }
        Ok(Some(rows))
    }
}

fn read(group: &dyn RowGroupReader, i: usize, column: &Column, count: usize) -> Result<Vec<Cell>, ParquetError> {
    let text = |bytes: ByteArray| match String::from_utf8(bytes.data().to_vec()) {
        Ok(text) => Ok(Cell::Text(text)),
        Err(e) => Err(ParquetError::General(format!("the column {} is not text: {e}", column.name))),
    };
    match (group.get_column_reader(i)?, column.kind) {
        (ColumnReader::ByteArrayColumnReader(reader), Kind::Text) => cells(reader, column, count, text),
        (ColumnReader::ByteArrayColumnReader(reader), Kind::Bytes) => {
            cells(reader, column, count, |bytes| Ok(Cell::Bytes(bytes.data().to_vec())))
        }
        (ColumnReader::Int64ColumnReader(reader), Kind::Whole) => cells(reader, column, count, |number| Ok(Cell::Whole(number))),
        (ColumnReader::DoubleColumnReader(reader), Kind::Double) => cells(reader, column, count, |number| Ok(Cell::Double(number))),
        (ColumnReader::BoolColumnReader(reader), Kind::Truth) => cells(reader, column, count, |truth| Ok(Cell::Truth(truth))),
        _ => Err(ParquetError::General(format!("the column {} is of another type than the manifest says", column.name))),
    }
}

fn cells<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    column: &Column,
    count: usize,
    cell: impl Fn(T::T) -> Result<Cell, ParquetError>,
) -> Result<Vec<Cell>, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    while reader.read_records(count, column.nullable.then_some(&mut levels), None, &mut values)?.0 > 0 {}
    if !column.nullable {
        return values.into_iter().map(cell).collect();
    }
    let mut values = values.into_iter();
    let present = |level: i16| if level == 0 { Ok(Cell::Nothing) } else { values.next().map_or(Ok(Cell::Nothing), &cell) };
    levels.into_iter().map(present).collect()
}
