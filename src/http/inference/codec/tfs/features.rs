//! Objects keyed by feature name, for a model whose one input is a table with named columns.

use super::read::invalid;
use crate::http::inference::codec::element::{Element, Rules, with_vector};
use crate::http::inference::codec::fit::{fit, listed};
use crate::http::inference::codec::json::Reader;
use crate::http::inference::codec::names::Names;
use crate::http::inference::codec::nested::Builder;
use crate::http::inference::codec::{CodecError, code};
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::Tensor;

/// How many values may be filled in for features left out: a row of a wide table costs a few bytes to ask for.
const MAX_FILLED: usize = 1 << 22;
const RULES: Rules = Rules { nulls: true, base64: true };

/// Returns the model's input if the object that comes next is keyed by its feature names.
///
/// The object may also hold the whole input under the input's own name, as TensorFlow Serving has it. Where a feature
/// has that name as well, the nesting tells them apart: the whole input is a list `depth` levels deep.
pub(super) fn single_input<'s>(signature: &'s Signature, object: Reader<'_>, depth: usize) -> Option<&'s TensorSpec> {
    let [spec] = &signature.inputs[..] else { return None };
    let [_, width] = spec.shape[..] else { return None };
    if spec.columns.is_empty() || width.is_some_and(|width| width != spec.columns.len()) {
        return None;
    }
    let whole =
        object.first_key().is_some_and(|key| key == spec.name) && (!spec.columns.contains(&spec.name) || value_is_list(object, depth));
    (!whole).then_some(spec)
}

/// Tells whether the first value of the object that comes next opens with that many brackets.
fn value_is_list(object: Reader<'_>, depth: usize) -> bool {
    let mut value = object.first_value();
    (0..depth).all(|_| {
        let opens = value.peek() == b'[';
        value = value.inside();
        opens
    })
}

/// Reads `[{"age": 41, …}, …]`.
pub(super) fn rows(reader: &mut Reader<'_>, spec: &TensorSpec) -> Result<Tensor, CodecError> {
    let mut data = Builder::new(spec.data_type).data;
    let rows = with_vector!(&mut data, v => read_rows(reader, spec, v))?;
    fit(spec, vec![rows, spec.columns.len()], data)
}

/// Reads `{"age": [41, 7], …}`.
pub(super) fn columns(reader: &mut Reader<'_>, spec: &TensorSpec) -> Result<Tensor, CodecError> {
    let mut data = Builder::new(spec.data_type).data;
    let rows = with_vector!(&mut data, v => read_columns(reader, spec, v))?;
    fit(spec, vec![rows, spec.columns.len()], data)
}

fn read_rows<T: Element>(reader: &mut Reader<'_>, spec: &TensorSpec, out: &mut Vec<T>) -> Result<usize, CodecError> {
    let blank = T::missing().unwrap_or_default();
    let mut names = Names::new(spec.columns.iter().map(String::as_str));
    let mut rows = 0;
    let mut filled = 0;
    reader.list(|reader| {
        names.next_object();
        rows += 1;
        let start = out.len();
        out.resize(start + spec.columns.len(), blank.clone());
        let row = reader.object(|reader, key| {
            let index = place(&mut names, reader, &key, spec)?;
            out[start + index] = T::read(reader, RULES).map_err(|error| error.within(format_args!("feature '{key}'")))?;
            Ok(())
        });
        filled += spec.columns.len() - names.count();
        row.and_then(|()| may_be_missing::<T>(&names))
            .and_then(|()| limit(filled))
            .map_err(|error| error.within(format_args!("row {}", rows - 1)))
    })?;
    Ok(rows)
}

fn read_columns<T: Element>(reader: &mut Reader<'_>, spec: &TensorSpec, out: &mut Vec<T>) -> Result<usize, CodecError> {
    let width = spec.columns.len();
    let mut names = Names::new(spec.columns.iter().map(String::as_str));
    names.next_object();
    let mut rows: Option<usize> = None;
    let mut columns: Vec<Vec<T>> = vec![Vec::new(); width];
    reader.object(|reader, key| {
        let index = place(&mut names, reader, &key, spec)?;
        let column = &mut columns[index];
        let read = reader.list(|reader| {
            let value = T::read(reader, RULES).map_err(|error| error.within(format_args!("row {}", column.len())))?;
            column.push(value);
            Ok(())
        });
        read.map_err(|error| error.within(format_args!("feature '{key}'")))?;
        let have = column.len();
        match rows {
            Some(want) if want != have => {
                let message = format!("feature '{key}' has {have} rows where the first has {want}");
                Err(CodecError::new(code::BATCH_MISMATCH, message))
            }
            _ => {
                rows = Some(have);
                Ok(())
            }
        }
    })?;
    may_be_missing::<T>(&names)?;
    let rows = rows.ok_or_else(|| invalid("'inputs' names no feature"))?;
    limit(rows.saturating_mul(width - names.count()))?;
    let blank = T::missing().unwrap_or_default();
    out.resize(rows * width, blank);
    for (index, column) in columns.into_iter().enumerate() {
        for (row, value) in column.into_iter().enumerate() {
            out[row * width + index] = value;
        }
    }
    Ok(rows)
}

/// Finds the column of a key and notes that it is there.
fn place(names: &mut Names<'_>, reader: &Reader<'_>, key: &str, spec: &TensorSpec) -> Result<usize, CodecError> {
    let index = names.find(key).ok_or_else(|| {
        let known = listed(spec.columns.iter().map(String::as_str));
        CodecError::new(code::UNKNOWN_FEATURE, format!("the model has no feature '{key}'; it has {known}"))
    })?;
    if names.mark(index) { Ok(index) } else { Err(reader.duplicate(key)) }
}

fn may_be_missing<T: Element>(names: &Names<'_>) -> Result<(), CodecError> {
    match names.first_missing() {
        Some(name) if T::missing().is_none() => {
            let message = format!("feature '{name}' is missing, and its type has no missing value");
            Err(CodecError::new(code::MISSING_FEATURE, message))
        }
        _ => Ok(()),
    }
}

fn limit(filled: usize) -> Result<(), CodecError> {
    if filled <= MAX_FILLED {
        return Ok(());
    }
    let message = format!("more than {MAX_FILLED} values are left out: send fewer rows at once");
    Err(CodecError::new(code::TOO_LARGE, message))
}
