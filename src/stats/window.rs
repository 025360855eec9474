//! What a window of traffic looked like, counted against a frozen [`Baseline`].
//!
//! Everything kept is a count, a smallest or largest value, or a sum of integers, so merging is associative and commutative to
//! the byte: any split of the rows over windows and any order of merging gives the same [`WindowProfile::to_bytes`]. Sums are
//! fixed point. One unit is 2^-44 of the reference's largest magnitude (rounded up to a power of two), a value counts as at most
//! 2^63 units, and a squared standardised value is kept in units of 2^-32; see the baseline's tables for the limits.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, Table, WindowError};
use super::novel::Novel;
use super::tables::{BinTable, CellTable, Number, SQUARE_UNITS};

/// A mergeable profile of the rows seen in a window.
#[derive(Clone, Debug)]
pub struct WindowProfile {
    baseline: Arc<Baseline>,
    pub(crate) columns: Vec<Column>,
}

/// What was seen of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Column {
    /// Missing values and NaN.
    pub(crate) nulls: u64,
    /// Infinities.
    pub(crate) non_finite: u64,
    pub(crate) bins: Option<Bins>,
    pub(crate) cells: Option<Cells>,
}

/// Finite values of a numeric column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bins {
    pub(crate) counts: Vec<u64>,
    pub(crate) sums: Vec<i128>,
    pub(crate) squares: u128,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Values counted one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) counts: Vec<u64>,
    pub(crate) novel: Novel,
}

impl WindowProfile {
    /// Makes an empty window.
    pub fn new(baseline: Arc<Baseline>) -> Self {
        let columns = baseline.tables.iter().map(Column::new).collect();
        Self { baseline, columns }
    }

    /// The baseline that the window counts against.
    pub fn baseline(&self) -> &Arc<Baseline> {
        &self.baseline
    }

    /// Counts values of a numeric column, or of a boolean one given as 0 and 1. NaN counts as missing, an infinity as not finite.
    pub fn observe_numeric<N: Number>(&mut self, column: usize, values: &[N]) -> Result<(), WindowError> {
        let (seen, table) = self.column_mut(column)?;
        if let (Some(bins), Some(bin_table)) = (&mut seen.bins, &table.bins) {
            let [nan, infinite] = bins.observe(bin_table, values);
            seen.nulls += nan;
            seen.non_finite += infinite;
            if let (Some(cells), Some(cell_table)) = (&mut seen.cells, &table.cells) {
                cells.observe_numbers(cell_table, values.iter().copied().filter(|v| v.widen().is_finite()));
            }
            return Ok(());
        }
        let (Some(cells), Some(table)) = (&mut seen.cells, table.booleans()) else {
            return Err(WindowError::WrongKind(column));
        };
        seen.nulls += values.iter().filter(|v| v.widen().is_nan()).count() as u64;
        cells.observe_numbers(table, values.iter().copied().filter(|v| !v.widen().is_nan()));
        Ok(())
    }

    /// Counts values of a text column, or of a boolean one given as `false` and `true`.
    pub fn observe_text<S: AsRef<str>>(&mut self, column: usize, values: &[S]) -> Result<(), WindowError> {
        let (seen, table) = self.column_mut(column)?;
        let (None, Some(cells), Some(table)) = (&seen.bins, &mut seen.cells, &table.cells) else {
            return Err(WindowError::WrongKind(column));
        };
        for value in values {
            let text = value.as_ref();
            match table.find_text(text) {
                Some(cell) => cells.counts[cell] += 1,
                None => cells.novel.add_text(text),
            }
        }
        Ok(())
    }

    /// Counts values of a boolean column.
    pub fn observe_bool(&mut self, column: usize, values: &[bool]) -> Result<(), WindowError> {
        let (seen, table) = self.column_mut(column)?;
        let (Some(cells), Some(_)) = (&mut seen.cells, table.booleans()) else {
            return Err(WindowError::WrongKind(column));
        };
        let yes = values.iter().filter(|v| **v).count();
        cells.counts[0] += (values.len() - yes) as u64;
        cells.counts[1] += yes as u64;
        Ok(())
    }

    /// Counts rows without a value in any kind of column.
    pub fn observe_nulls(&mut self, column: usize, rows: u64) -> Result<(), WindowError> {
        let (seen, _) = self.column_mut(column)?;
        seen.nulls = seen.nulls.saturating_add(rows);
        Ok(())
    }

    fn column_mut(&mut self, column: usize) -> Result<(&mut Column, &Table), WindowError> {
        match (self.columns.get_mut(column), self.baseline.tables.get(column)) {
            (Some(seen), Some(table)) => Ok((seen, table)),
            _ => Err(WindowError::NoColumn(column)),
        }
    }

    /// Adds what another window saw; both must count against the same baseline.
    pub fn merge(&mut self, other: &Self) -> Result<(), WindowError> {
        if self.baseline.fingerprint() != other.baseline.fingerprint() {
            return Err(WindowError::OtherBaseline);
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.merge(theirs);
        }
        Ok(())
    }

    /// True when nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(|column| column.rows() == 0)
    }

    /// The most rows seen of any column.
    pub fn rows(&self) -> u64 {
        self.columns.iter().map(Column::rows).max().unwrap_or(0)
    }

    /// Describes what was seen of a column.
    pub fn summary(&self, column: usize) -> Option<ColumnSummary> {
        let (seen, table) = (self.columns.get(column)?, self.baseline.tables.get(column)?);
        let profile = &self.baseline.profiles()[column];
        let mut summary = ColumnSummary {
            name: profile.name.clone(),
            rows: seen.rows(),
            nulls: seen.nulls,
            non_finite: seen.non_finite,
            ..ColumnSummary::default()
        };
        if let (Some(bins), Some(table), Some(numeric)) = (&seen.bins, &table.bins, &profile.numeric) {
            let count: u64 = bins.counts.iter().sum();
            if count > 0 {
                let total = bins.sums.iter().fold(0_i128, |sum, s| sum.wrapping_add(*s));
                let mean = total as f64 * table.unit / count as f64;
                let z = (mean - numeric.mean) / table.spread;
                let variance = bins.squares as f64 / SQUARE_UNITS / count as f64 - z * z;
                summary.mean = Some(mean);
                summary.std = Some(variance.max(0.0).sqrt() * table.spread);
                (summary.min, summary.max) = (Some(bins.min), Some(bins.max));
            }
            summary.bin_counts = Some(bins.counts.clone());
            summary.bin_sums = Some(bins.sums.iter().map(|sum| *sum as f64 * table.unit).collect());
        }
        if let (Some(cells), Some(table)) = (&seen.cells, &table.cells) {
            summary.categories = Some(table.names.iter().cloned().zip(cells.counts.iter().copied()).collect());
            let mut new: Vec<(String, u64)> = cells.novel.kept.values().cloned().collect();
            new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            summary.new_categories = Some(new);
            summary.new_rows = cells.novel.rows();
            summary.new_distinct = cells.novel.distinct();
        }
        Some(summary)
    }
}

impl PartialEq for WindowProfile {
    /// Compares baselines by fingerprint and all counts exactly.
    fn eq(&self, other: &Self) -> bool {
        self.baseline.fingerprint() == other.baseline.fingerprint() && self.columns == other.columns
    }
}

impl Column {
    pub(crate) fn new(table: &Table) -> Self {
        let bins = table.bins.as_ref().map(|table| Bins {
            counts: vec![0; table.len],
            sums: vec![0; table.len],
            squares: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        });
        let cells = table.cells.as_ref().map(|table| Cells { counts: vec![0; table.names.len()], novel: Novel::default() });
        Self { nulls: 0, non_finite: 0, bins, cells }
    }

    /// Rows with a usable value.
    pub(crate) fn present(&self) -> u64 {
        match (&self.bins, &self.cells) {
            (Some(bins), _) => bins.counts.iter().fold(0, |sum, c| sum.saturating_add(*c)),
            (None, Some(cells)) => cells.counts.iter().fold(cells.novel.rows(), |sum, c| sum.saturating_add(*c)),
            (None, None) => 0,
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.present().saturating_add(self.nulls).saturating_add(self.non_finite)
    }

    fn merge(&mut self, other: &Self) {
        self.nulls = self.nulls.saturating_add(other.nulls);
        self.non_finite = self.non_finite.saturating_add(other.non_finite);
        if let (Some(mine), Some(theirs)) = (&mut self.bins, &other.bins) {
            add_counts(&mut mine.counts, &theirs.counts);
            for (sum, other) in mine.sums.iter_mut().zip(&theirs.sums) {
                *sum = sum.wrapping_add(*other);
            }
            mine.squares = mine.squares.saturating_add(theirs.squares);
            mine.min = mine.min.min(theirs.min);
            mine.max = mine.max.max(theirs.max);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.cells, &other.cells) {
            add_counts(&mut mine.counts, &theirs.counts);
            mine.novel.merge(&theirs.novel);
        }
    }
}

impl Bins {
    /// Counts the finite values and returns how many were NaN and infinite.
    fn observe<N: Number>(&mut self, table: &BinTable, values: &[N]) -> [u64; 2] {
        let [mut nan, mut infinite] = [0; 2];
        for &value in values {
            // Adding zero turns -0 into 0, of which a minimum could otherwise keep either.
            let wide = value.widen() + 0.0;
            if !wide.is_finite() {
                nan += u64::from(wide.is_nan());
                infinite += u64::from(wide.is_infinite());
                continue;
            }
            let bin = table.bin(value);
            self.counts[bin] += 1;
            self.sums[bin] += i128::from(table.units(wide));
            self.squares += u128::from(table.square_units(wide));
            self.min = self.min.min(wide);
            self.max = self.max.max(wide);
        }
        [nan, infinite]
    }
}

impl Cells {
    fn observe_numbers<N: Number>(&mut self, table: &CellTable, values: impl Iterator<Item = N>) {
        let mut text = String::new();
        for value in values {
            if let Some(cell) = table.find_number(value) {
                self.counts[cell] += 1;
                continue;
            }
            text.clear();
            // The shortest text names a value alike whether it came as f32 or f64.
            let written = if value.widen() == 0.0 { write!(text, "0") } else { write!(text, "{value}") };
            debug_assert!(written.is_ok(), "writing to a string");
            self.novel.add_text(&text);
        }
    }
}

/// Adds counts, stopping at the largest: like plain addition of natural numbers, that is associative.
fn add_counts(mine: &mut [u64], theirs: &[u64]) {
    for (count, other) in mine.iter_mut().zip(theirs) {
        *count = count.saturating_add(*other);
    }
}

/// What a window saw of one column, for people and charts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// Column name.
    pub name: String,
    /// Rows, missing values included.
    pub rows: u64,
    /// Rows without a value, NaN included.
    pub nulls: u64,
    /// Infinities.
    pub non_finite: u64,
    /// Mean of the finite values; `None` when there are none, as for the three below.
    pub mean: Option<f64>,
    /// Population standard deviation.
    pub std: Option<f64>,
    /// Smallest finite value.
    pub min: Option<f64>,
    /// Largest finite value.
    pub max: Option<f64>,
    /// Values per bin of the reference's edges, for a numeric column.
    pub bin_counts: Option<Vec<u64>>,
    /// Sum of the values per bin.
    pub bin_sums: Option<Vec<f64>>,
    /// Rows per value of the reference, for a column that is compared value by value.
    pub categories: Option<Vec<(String, u64)>>,
    /// Values unknown to the reference with their rows, most frequent first: all of them up to 64, else a random 64.
    pub new_categories: Option<Vec<(String, u64)>>,
    /// Rows of all values unknown to the reference.
    pub new_rows: u64,
    /// Number of values unknown to the reference, an estimate above 64.
    pub new_distinct: u64,
}
