//! Windows as bytes.
//!
//! Version 1: the byte 1, the baseline's fingerprint (8 bytes, little endian), then per column in order: nulls; for a numeric one
//! not-finite rows, the count of each bin, the sum of each bin that has values, the sum of squares, and min and max as 8 bytes
//! each when there are values; for a column of cells the count of each cell, the number of new values, of each its hash (8
//! bytes), rows and text with length, then the rows of the new values that were not kept. Numbers without a size are LEB128,
//! signed ones zigzag. How many bins and cells there are is known from the baseline. Every window has exactly one encoding, and
//! no other bytes are accepted.

use std::sync::Arc;

use super::baseline::{Baseline, WindowError};
use super::novel::{KEPT, Novel, TEXT_BYTES};
use super::tables::MAX_ROWS;
use super::window::{Bins, Cells, Column, WindowProfile};

const VERSION: u8 = 1;

impl WindowProfile {
    /// Encodes the window; equal windows give equal bytes. About 2 to 12 bytes per numeric bin.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.baseline().fingerprint().to_le_bytes());
        for column in &self.columns {
            put(&mut out, column.nulls.into());
            if let Some(bins) = &column.bins {
                put(&mut out, column.non_finite.into());
                put_bins(&mut out, bins);
            }
            if let Some(cells) = &column.cells {
                put_cells(&mut out, cells);
            }
        }
        out
    }

    /// Decodes a window that was counted against `baseline`. Never panics, whatever the bytes.
    pub fn from_bytes(baseline: Arc<Baseline>, bytes: &[u8]) -> Result<Self, WindowError> {
        let mut input = Input(bytes);
        if input.array::<1>()? != [VERSION] {
            return Err(WindowError::Bytes("unknown version"));
        }
        if u64::from_le_bytes(input.array()?) != baseline.fingerprint() {
            return Err(WindowError::OtherBaseline);
        }
        let mut window = Self::new(baseline);
        for column in &mut window.columns {
            input.column(column)?;
        }
        if !input.0.is_empty() {
            return Err(WindowError::Bytes("bytes are left over"));
        }
        Ok(window)
    }
}

fn put_bins(out: &mut Vec<u8>, bins: &Bins) {
    for count in &bins.counts {
        put(out, (*count).into());
    }
    for (count, sum) in bins.counts.iter().zip(&bins.sums) {
        if *count > 0 {
            put(out, (sum << 1 ^ sum >> 127) as u128);
        }
    }
    put(out, bins.squares);
    if bins.counts.iter().any(|count| *count > 0) {
        out.extend(bins.min.to_le_bytes());
        out.extend(bins.max.to_le_bytes());
    }
}

fn put_cells(out: &mut Vec<u8>, cells: &Cells) {
    for count in &cells.counts {
        put(out, (*count).into());
    }
    put(out, cells.novel.kept.len() as u128);
    for (hash, (text, rows)) in &cells.novel.kept {
        out.extend(hash.to_le_bytes());
        put(out, (*rows).into());
        put(out, text.len() as u128);
        out.extend(text.as_bytes());
    }
    put(out, cells.novel.beyond.into());
}

fn put(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The bytes not read yet.
struct Input<'a>(&'a [u8]);

const ENDS_EARLY: WindowError = WindowError::Bytes("the end is missing");

impl Input<'_> {
    fn column(&mut self, column: &mut Column) -> Result<(), WindowError> {
        column.nulls = self.rows()?;
        let mut finite = 0;
        if let Some(bins) = &mut column.bins {
            column.non_finite = self.rows()?;
            finite = self.bins(bins)?;
        }
        if let Some(cells) = &mut column.cells {
            let counted = self.cells(cells)?;
            if column.bins.is_some() && counted != finite {
                return Err(WindowError::Bytes("bins and cells of a column disagree"));
            }
        }
        Ok(())
    }

    fn bins(&mut self, bins: &mut Bins) -> Result<u64, WindowError> {
        let mut total = 0;
        for count in &mut bins.counts {
            *count = self.rows()?;
            total = add(total, *count)?;
        }
        for (count, sum) in bins.counts.iter().zip(&mut bins.sums) {
            if *count > 0 {
                let zigzag = self.number()?;
                *sum = (zigzag >> 1) as i128 ^ -((zigzag & 1) as i128);
                if sum.unsigned_abs() > u128::from(*count) << 63 {
                    return Err(WindowError::Bytes("a sum is out of range"));
                }
            }
        }
        bins.squares = self.number()?;
        if bins.squares > u128::from(total) << 64 {
            return Err(WindowError::Bytes("a sum of squares is out of range"));
        }
        if total > 0 {
            bins.min = f64::from_le_bytes(self.array()?);
            bins.max = f64::from_le_bytes(self.array()?);
            let negative_zero = (-0.0_f64).to_bits();
            if !bins.min.is_finite()
                || !bins.max.is_finite()
                || bins.min > bins.max
                || bins.min.to_bits() == negative_zero
                || bins.max.to_bits() == negative_zero
            {
                return Err(WindowError::Bytes("min and max are no range"));
            }
        }
        Ok(total)
    }

    fn cells(&mut self, cells: &mut Cells) -> Result<u64, WindowError> {
        let mut total = 0;
        for count in &mut cells.counts {
            *count = self.rows()?;
            total = add(total, *count)?;
        }
        let kept = self.number()?;
        if kept > KEPT as u128 {
            return Err(WindowError::Bytes("too many new values"));
        }
        let mut novel = Novel::default();
        for _ in 0..kept {
            let hash = u64::from_le_bytes(self.array()?);
            if novel.kept.last_key_value().is_some_and(|(last, _)| *last >= hash) {
                return Err(WindowError::Bytes("new values are not in order"));
            }
            let rows = self.rows()?;
            total = add(total, rows)?;
            let length = self.number()?;
            if rows == 0 || length > TEXT_BYTES as u128 {
                return Err(WindowError::Bytes("a new value is out of range"));
            }
            let text = std::str::from_utf8(self.take(length as usize)?).map_err(|_| WindowError::Bytes("a new value is not UTF-8"))?;
            novel.kept.insert(hash, (text.to_owned(), rows));
        }
        novel.beyond = self.rows()?;
        if novel.beyond > 0 && novel.kept.len() < KEPT {
            return Err(WindowError::Bytes("new values are missing"));
        }
        total = add(total, novel.beyond)?;
        cells.novel = novel;
        Ok(total)
    }

    /// Reads a LEB128 number; one with needless zero bytes at its end is refused.
    fn number(&mut self) -> Result<u128, WindowError> {
        let mut number = 0_u128;
        for position in 0..19 {
            let [byte] = self.array()?;
            let bits = u128::from(byte & 0x7f);
            let shift = 7 * position;
            if shift == 126 && bits > 3 || byte == 0 && position > 0 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(WindowError::Bytes("a number is out of range"))
    }

    fn rows(&mut self) -> Result<u64, WindowError> {
        match self.number()? {
            rows if rows <= MAX_ROWS.into() => Ok(rows as u64),
            _ => Err(WindowError::Bytes("a count is out of range")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WindowError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], WindowError> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(first)
    }
}

fn add(total: u64, count: u64) -> Result<u64, WindowError> {
    total.checked_add(count).filter(|sum| *sum <= MAX_ROWS).ok_or(WindowError::Bytes("counts are out of range"))
}
