//! Nested JSON lists into one flat vector, finding the shape on the way and refusing ragged lists.

use super::element::{Element, Rules, with_vector};
use super::json::Reader;
use super::{CodecError, code};
use crate::infer::tensor::{DataType, TensorData};

/// The lengths of the axes as far as the lists seen so far tell.
#[derive(Debug, Default)]
pub(super) struct Axes {
    /// An axis is `None` while its first list is still open.
    lengths: Vec<Option<usize>>,
    /// The level at which values stand, once one was seen.
    leaf: Option<usize>,
}

/// A tensor under construction.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) data: TensorData,
    axes: Axes,
}

impl Builder {
    pub(super) fn new(data_type: DataType) -> Self {
        let data = match data_type {
            DataType::Bool => TensorData::Bool(Vec::new()),
            DataType::Uint8 => TensorData::Uint8(Vec::new()),
            DataType::Int8 => TensorData::Int8(Vec::new()),
            DataType::Int16 => TensorData::Int16(Vec::new()),
            DataType::Int32 => TensorData::Int32(Vec::new()),
            DataType::Int64 => TensorData::Int64(Vec::new()),
            DataType::Fp32 => TensorData::Fp32(Vec::new()),
            DataType::Fp64 => TensorData::Fp64(Vec::new()),
            DataType::Bytes => TensorData::Bytes(Vec::new()),
        };
        Self { data, axes: Axes::default() }
    }

    /// Takes a value or nested lists as the whole tensor.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, rules: Rules) -> Result<(), CodecError> {
        with_vector!(&mut self.data, v => read_nested(reader, v, &mut self.axes, 0, rules))
    }

    /// Takes a list as the rows of the tensor; an error names the row.
    pub(super) fn read_rows(&mut self, reader: &mut Reader<'_>, rules: Rules) -> Result<(), CodecError> {
        self.axes.enter(0)?;
        let mut rows = 0;
        with_vector!(&mut self.data, v => reader.list(|reader| {
            let read = read_nested(reader, v, &mut self.axes, 1, rules);
            rows += 1;
            read.map_err(|error| error.within(format_args!("row {}", rows - 1)))
        }))?;
        self.axes.leave(0, rows)
    }

    /// Takes one row; finish with [`Builder::end_rows`].
    pub(super) fn read_row(&mut self, reader: &mut Reader<'_>, rules: Rules) -> Result<(), CodecError> {
        self.axes.enter(0)?;
        with_vector!(&mut self.data, v => read_nested(reader, v, &mut self.axes, 1, rules))
    }

    /// Says how many rows there were.
    pub(super) fn end_rows(&mut self, rows: usize) -> Result<(), CodecError> {
        self.axes.enter(0)?;
        self.axes.leave(0, rows)
    }

    /// Returns the shape found and the elements.
    pub(super) fn finish(self) -> (Vec<usize>, TensorData) {
        (self.axes.lengths.into_iter().map(Option::unwrap_or_default).collect(), self.data)
    }
}

impl Axes {
    fn enter(&mut self, level: usize) -> Result<(), CodecError> {
        if self.leaf.is_some_and(|leaf| level >= leaf) {
            return Err(ragged("a list where a value stood before"));
        }
        if self.lengths.len() == level {
            self.lengths.push(None);
        }
        Ok(())
    }

    fn leave(&mut self, level: usize, length: usize) -> Result<(), CodecError> {
        match self.lengths.get_mut(level) {
            Some(Some(before)) if *before != length => Err(ragged(format!("a list of {length} where the first has {before}"))),
            Some(known) => {
                *known = Some(length);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn value(&mut self, level: usize) -> bool {
        self.leaf = Some(level);
        self.lengths.len() == level
    }
}

#[cold]
fn ragged(what: impl Into<String>) -> CodecError {
    CodecError::new(code::WRONG_SHAPE, what)
}

#[cold]
fn no_list(reader: &mut Reader<'_>) -> CodecError {
    let what = if reader.peek() == b'{' { "an object" } else { "a value" };
    match reader.skip() {
        Ok(()) => ragged(format!("{what} where a list stood before")),
        Err(broken) => broken,
    }
}

fn read_nested<T: Element>(
    reader: &mut Reader<'_>,
    out: &mut Vec<T>,
    axes: &mut Axes,
    level: usize,
    rules: Rules,
) -> Result<(), CodecError> {
    if reader.peek() != b'[' {
        if !axes.value(level) {
            return Err(no_list(reader));
        }
        out.push(T::read(reader, rules)?);
        return Ok(());
    }
    axes.enter(level)?;
    let mut length = 0;
    reader.list(|reader| {
        length += 1;
        if axes.leaf == Some(level + 1) && reader.peek() != b'[' {
            out.push(T::read(reader, rules)?);
            return Ok(());
        }
        read_nested(reader, out, axes, level + 1, rules)
    })?;
    axes.leave(level, length)
}
