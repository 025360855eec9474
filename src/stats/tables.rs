//! The tables that values of one column are counted with: bins of a numeric column, cells of one that is counted value by value.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::profile::{MAX_CATEGORIES, NumericProfile};

/// Length of the padded edge tables: a power of two above the most edges, so that the search takes a fixed seven steps.
const TABLE: usize = 128;
/// Sums are counted in units of 2^-44 of the reference's largest magnitude, rounded up to a power of two.
const FRACTION_BITS: i32 = 44;
/// Profiles of more rows than this are refused; it keeps every total far from overflow.
pub(crate) const MAX_ROWS: u64 = 1 << 48;

/// The bins of a numeric column and the fixed-point scales of its sums.
#[derive(Debug)]
pub(crate) struct BinTable {
    /// Inner edges, padded with infinity.
    edges: Box<[f64; TABLE]>,
    /// The same at single precision, so that an f32 value equal to an edge but for its rounding stays below that edge.
    edges_f32: Box<[f32; TABLE]>,
    /// Number of bins.
    pub(crate) len: usize,
    /// Value of one unit of a sum; a power of two.
    pub(crate) unit: f64,
    per_unit: f64,
    pub(crate) mean: f64,
    /// Standard deviation of the reference, with a floor; see [`spread`].
    pub(crate) spread: f64,
    per_spread: f64,
}

/// Units per 1.0 of a squared standardised value.
pub(crate) const SQUARE_UNITS: f64 = (1_u64 << 32) as f64;

impl BinTable {
    pub(crate) fn new(numeric: &NumericProfile) -> Result<Self, &'static str> {
        let edges = &numeric.edges;
        if edges.len() >= TABLE {
            return Err("there are more than 127 edges");
        }
        if !edges.iter().all(|e| e.is_finite()) || !edges.is_sorted_by(|a, b| a < b) {
            return Err("the edges are not finite and strictly increasing");
        }
        if numeric.counts.len() != edges.len() + 1 || numeric.sums.len() != edges.len() + 1 {
            return Err("there must be one more count and sum than edges");
        }
        let moments = [numeric.min, numeric.max, numeric.mean, numeric.std];
        if !moments.iter().chain(&numeric.sums).all(|v| v.is_finite()) || numeric.std < 0.0 {
            return Err("a moment is not finite");
        }
        if total(numeric.counts.iter().copied()) != Some(numeric.count) {
            return Err("the counts of the bins do not add up to the count");
        }
        let mut table = Box::new([f64::INFINITY; TABLE]);
        let mut table_f32 = Box::new([f32::INFINITY; TABLE]);
        for (at, edge) in edges.iter().enumerate() {
            table[at] = *edge;
            table_f32[at] = *edge as f32;
        }
        let unit = unit(numeric.min.abs().max(numeric.max.abs()));
        let spread = spread(numeric);
        Ok(Self {
            edges: table,
            edges_f32: table_f32,
            len: edges.len() + 1,
            unit,
            per_unit: unit.recip(),
            mean: numeric.mean,
            spread,
            per_spread: spread.recip(),
        })
    }

    /// Inner edges in ascending order.
    pub(crate) fn edges(&self) -> &[f64] {
        &self.edges[..self.len - 1]
    }

    /// Returns the bin of a finite value.
    #[inline]
    pub(crate) fn bin<N: Number>(&self, value: N) -> usize {
        value.bin(&self.edges, &self.edges_f32)
    }

    /// Returns a value in units, cut towards zero. Beyond ±2^63 units, at least 2^18 times the largest magnitude of the
    /// reference, it counts as that limit: fewer than 2^64 such values cannot overflow an i128.
    #[inline]
    pub(crate) fn units(&self, value: f64) -> i64 {
        (value * self.per_unit) as i64
    }

    /// Returns `((value − mean) / spread)²` in units of 2^-32, limited to 2^64 of them.
    #[inline]
    pub(crate) fn square_units(&self, value: f64) -> u64 {
        let z = (value - self.mean) * self.per_spread;
        (z * z * SQUARE_UNITS) as u64
    }
}

fn unit(magnitude: f64) -> f64 {
    let exponent = if magnitude > 0.0 { (magnitude.log2().floor() as i32 + 1).clamp(-900, 1000) } else { 0 };
    2.0_f64.powi(exponent - FRACTION_BITS)
}

/// Returns the standard deviation that effects are measured in: that of the reference, at least 0.001 of its range, or of its
/// magnitude when all values are the same (0.001 when that is zero).
pub(crate) fn spread(numeric: &NumericProfile) -> f64 {
    let range = numeric.max - numeric.min;
    let scale = if range > 0.0 && range.is_finite() { range } else { numeric.mean.abs() };
    let floor = 0.001 * if scale > 0.0 { scale } else { 1.0 };
    numeric.std.max(floor).clamp(1e-280, 1e280)
}

/// A number that can be counted: `f32` or `f64`.
pub trait Number: Copy + fmt::Display + sealed::Sealed {}
impl Number for f32 {}
impl Number for f64 {}

pub(crate) mod sealed {
    use super::TABLE;

    pub trait Sealed: Copy {
        fn widen(self) -> f64;
        fn bin(self, edges: &[f64; TABLE], edges_f32: &[f32; TABLE]) -> usize;
        fn equals(self, reference: f64) -> bool;
    }

    /// Counts the edges below `value`: seven steps without a branch.
    macro_rules! count_below {
        ($edges:expr, $value:expr) => {{
            let edges: &[_; TABLE] = $edges;
            let mut below = 0;
            let mut step = TABLE / 2;
            while step > 0 {
                below += step * usize::from(edges[(below + step - 1) & (TABLE - 1)] < $value);
                step /= 2;
            }
            below
        }};
    }

    impl Sealed for f64 {
        #[inline]
        fn widen(self) -> f64 {
            self
        }
        #[inline]
        fn bin(self, edges: &[f64; TABLE], _: &[f32; TABLE]) -> usize {
            count_below!(edges, self)
        }
        #[inline]
        fn equals(self, reference: f64) -> bool {
            self == reference
        }
    }

    impl Sealed for f32 {
        #[inline]
        fn widen(self) -> f64 {
            f64::from(self)
        }
        #[inline]
        fn bin(self, _: &[f64; TABLE], edges: &[f32; TABLE]) -> usize {
            count_below!(edges, self)
        }
        #[inline]
        fn equals(self, reference: f64) -> bool {
            self == reference as f32
        }
    }
}

/// The values that a column is counted by.
#[derive(Debug)]
pub(crate) struct CellTable {
    /// Names of the cells: `false`, `true`; ascending values; or texts by descending frequency.
    pub(crate) names: Vec<String>,
    /// Rows of the reference per cell.
    pub(crate) reference: Vec<u64>,
    /// Rows of the reference outside the named cells.
    pub(crate) reference_other: u64,
    texts: HashMap<Box<str>, usize>,
    /// The number that each cell stands for; empty for texts.
    pub(crate) values: Vec<f64>,
}

impl CellTable {
    pub(crate) fn of_texts(top: &[(String, u64)], other: u64) -> Result<Self, &'static str> {
        if top.len() > MAX_CATEGORIES {
            return Err("there are more than 255 categories");
        }
        if total(top.iter().map(|(_, count)| *count).chain([other])).is_none() {
            return Err("the counts are out of range");
        }
        let texts: HashMap<Box<str>, usize> = top.iter().enumerate().map(|(at, (text, _))| (text.as_str().into(), at)).collect();
        if texts.len() != top.len() {
            return Err("a category is listed twice");
        }
        let (names, reference) = top.iter().cloned().unzip();
        Ok(Self { names, reference, reference_other: other, texts, values: Vec::new() })
    }

    pub(crate) fn of_booleans(top: &[(String, u64)]) -> Result<Self, &'static str> {
        if top.iter().any(|(text, _)| text != "false" && text != "true") {
            return Err("a boolean column has the categories false and true");
        }
        let count = |name| top.iter().find(|(text, _)| text == name).map_or(0, |(_, count)| *count);
        let both = ["false", "true"].map(|name| (name.to_owned(), count(name)));
        let distinct: HashSet<&str> = top.iter().map(|(text, _)| text.as_str()).collect();
        if distinct.len() != top.len() {
            return Err("a category is listed twice");
        }
        Ok(Self { values: vec![0.0, 1.0], ..Self::of_texts(&both, 0)? })
    }

    pub(crate) fn of_values(top: &[(String, u64)]) -> Result<Self, &'static str> {
        let mut parsed = Vec::with_capacity(top.len());
        for (text, count) in top {
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => parsed.push((value, (text.clone(), *count))),
                _ => return Err("a category of a numeric column is not a finite number"),
            }
        }
        parsed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        if !parsed.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("a category is listed twice");
        }
        let (values, ascending): (Vec<f64>, Vec<(String, u64)>) = parsed.into_iter().unzip();
        Ok(Self { values, ..Self::of_texts(&ascending, 0)? })
    }

    #[inline]
    pub(crate) fn find_text(&self, text: &str) -> Option<usize> {
        self.texts.get(text).copied()
    }

    /// Finds the cell of a number. A plain scan: there are at most about twenty, and it needs no branch that depends on data.
    #[inline]
    pub(crate) fn find_number<N: Number>(&self, number: N) -> Option<usize> {
        self.values.iter().position(|value| number.equals(*value))
    }
}

fn total(counts: impl Iterator<Item = u64>) -> Option<u64> {
    let mut sum = 0_u64;
    for count in counts {
        sum = sum.checked_add(count).filter(|sum| *sum <= MAX_ROWS)?;
    }
    Some(sum)
}
