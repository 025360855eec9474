//! CSV by RFC 4180, with a header.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

use super::cell::Raw;
use super::{DataError, MAX_COLUMNS, MAX_ROW_BYTES, Source};

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

/// A CSV file behind its header.
pub(super) struct Csv {
    reader: Reader<Bounded>,
    names: Vec<String>,
    /// Bytes read since the last row ended, which a quote that is never closed would let grow without end.
    since: Rc<Cell<u64>>,
}

impl Csv {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(|e| DataError::io(&e))?;
        let mut first = BufReader::new((&mut file).take(1 << 20));
        let mut line = Vec::new();
        first.read_until(b'\n', &mut line).map_err(|e| DataError::io(&e))?;
        drop(first);
        let skipped = if line.starts_with(BOM) { BOM.len() } else { 0 };
        if line.len() == skipped {
            return Err(DataError::new("empty_file", "the file is empty"));
        }
        file.seek(SeekFrom::Start(skipped as u64)).map_err(|e| DataError::io(&e))?;
        let since = Rc::new(Cell::new(0));
        let reader = ReaderBuilder::new()
            .delimiter(delimiter(&line))
            .terminator(Terminator::CRLF)
            .buffer_capacity(1 << 16)
            .from_reader(Bounded { file, since: since.clone() });
        let mut csv = Self { reader, names: Vec::new(), since };
        csv.read_header()?;
        Ok(csv)
    }

    fn read_header(&mut self) -> Result<(), DataError> {
        let header = self.reader.byte_headers().map_err(|e| told(&e, &[]))?.clone();
        if header.len() > MAX_COLUMNS {
            return Err(DataError::new("too_many_columns", format!("there are {} columns, {MAX_COLUMNS} are accepted", header.len())).at(1));
        }
        let mut seen = HashSet::new();
        for (number, name) in (1..).zip(&header) {
            let place = |e: DataError| e.at(1).column(number.to_string());
            let name = std::str::from_utf8(name).map_err(|_| place(DataError::new("invalid_utf8", "the name is not UTF-8")))?.trim();
            if name.is_empty() {
                return Err(place(DataError::new("empty_column_name", "the column has no name")));
            }
            if !seen.insert(name.to_owned()) {
                return Err(DataError::new("duplicate_column", "another column has this name").at(1).column(name));
            }
            self.names.push(name.to_owned());
        }
        Ok(())
    }
}

impl Source for Csv {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn rows(&mut self, take: &mut super::TakeRaw<'_>) -> Result<(), DataError> {
        let mut record = ByteRecord::new();
        loop {
            self.since.set(0);
            if !self.reader.read_byte_record(&mut record).map_err(|e| told(&e, &self.names))? {
                return Ok(());
            }
            let line = record.position().map_or(0, csv::Position::line);
            let mut cells = Vec::with_capacity(self.names.len());
            for (name, field) in self.names.iter().zip(&record) {
                let text = std::str::from_utf8(field);
                cells.push(Raw::Field(text.map_err(|_| DataError::new("invalid_utf8", "the value is not UTF-8").at(line).column(name))?));
            }
            if !take(line, &self.names, &cells)? {
                return Ok(());
            }
        }
    }
}

/// Takes the separator that the header has most of.
fn delimiter(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in header {
        quoted ^= *byte == b'"';
        for (separator, count) in counts.iter_mut().filter(|_| !quoted) {
            *count += u32::from(*separator == *byte);
        }
    }
    // the first of equals wins, so a file of one column has commas
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| separator)
}

fn told(error: &csv::Error, names: &[String]) -> DataError {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let message = format!("the row has {len} fields where the header has {expected_len}");
            let at = usize::try_from(*len.min(expected_len)).unwrap_or(0);
            let column = names.get(at).cloned().unwrap_or_else(|| (at + 1).to_string());
            DataError::new("ragged_row", message).at(pos.as_ref().map_or(0, csv::Position::line)).column(column)
        }
        ErrorKind::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            let message = format!("a row has more than {MAX_ROW_BYTES} bytes; a quote may never be closed");
            let error = DataError::new("row_too_large", message);
            match error_line(names) {
                Some(line) => error.at(line),
                None => error,
            }
        }
        ErrorKind::Io(e) => DataError::io(e),
        _ => DataError::new("invalid_csv", error.to_string()),
    }
}

/// The header is line 1; where a row that never ends began is not known.
fn error_line(names: &[String]) -> Option<u64> {
    names.is_empty().then_some(1)
}

/// A file that refuses to give more than a row may have.
struct Bounded {
    file: File,
    since: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > MAX_ROW_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let read = self.file.read(buffer)?;
        self.since.set(self.since.get() + read as u64);
        Ok(read)
    }
}
