//! The profile of a column of data: what a data set version records, and what drift is later measured against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most inner edges of a numeric profile.
pub const MAX_EDGES: usize = 100;
/// Most categories that a profile names.
pub const MAX_CATEGORIES: usize = 255;
/// A numeric column with at most this many distinct values is compared value by value.
pub const MAX_DISCRETE: usize = 20;

/// How a column's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Integers, floats and times (times as epoch milliseconds).
    Numeric,
    /// True and false.
    Boolean,
    /// Text.
    Categorical,
}

/// The profile of one column. Counts are rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Column name.
    pub name: String,
    /// How its values are compared.
    pub kind: ColumnKind,
    /// Rows seen, missing values included.
    pub count: u64,
    /// Rows without a value.
    pub nulls: u64,
    /// Distinct values, missing ones aside.
    pub distinct: u64,
    /// False when `distinct` is an estimate of a sketch.
    pub distinct_is_exact: bool,
    /// Present for [`ColumnKind::Numeric`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub numeric: Option<NumericProfile>,
    /// Present for [`ColumnKind::Categorical`] and [`ColumnKind::Boolean`] (`"false"`, `"true"`), and for a numeric column of at
    /// most 20 distinct values (the values as shortest decimal text).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub categories: Option<CategoryProfile>,
}

/// Moments and an equi-depth histogram of the finite values of a numeric column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumericProfile {
    /// Finite values.
    pub count: u64,
    /// NaN (where it is not a missing value) and infinities.
    pub non_finite: u64,
    /// Smallest finite value; 0 when `count` is 0.
    pub min: f64,
    /// Largest finite value; 0 when `count` is 0.
    pub max: f64,
    /// Arithmetic mean; 0 when `count` is 0.
    pub mean: f64,
    /// Population standard deviation (ddof 0).
    pub std: f64,
    /// At most 100 strictly increasing inner edges at the k/101 quantiles. Bin i holds values in `(edges[i-1], edges[i]]`;
    /// the first bin is open below, the last open above.
    pub edges: Vec<f64>,
    /// Values per bin, `edges.len() + 1` of them.
    pub counts: Vec<u64>,
    /// Sum of the values per bin.
    pub sums: Vec<f64>,
}

/// The most frequent values of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryProfile {
    /// At most 255 values with their counts, most frequent first, ties by value.
    pub top: Vec<(String, u64)>,
    /// Rows whose value is not in `top`.
    pub other: u64,
}

impl ColumnProfile {
    /// Makes the profile of a numeric column held in memory. NaN is a missing value; up to [`MAX_DISCRETE`] distinct values are
    /// also counted one by one.
    pub fn numeric(name: impl Into<String>, values: &[f64]) -> Self {
        let nulls = values.iter().filter(|v| v.is_nan()).count();
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut numeric = NumericProfile::from_sorted(&sorted);
        numeric.non_finite = (values.len() - nulls - sorted.len()) as u64;
        let distinct = sorted.chunk_by(|a, b| a == b).count();
        let categories = (1..=MAX_DISCRETE).contains(&distinct).then(|| {
            CategoryProfile::from_counts(
                // Adding zero turns -0 into 0.
                sorted.chunk_by(|a, b| a == b).map(|run| ((run[0] + 0.0).to_string(), run.len() as u64)),
            )
        });
        Self {
            name: name.into(),
            kind: ColumnKind::Numeric,
            count: values.len() as u64,
            nulls: nulls as u64,
            distinct: distinct as u64,
            distinct_is_exact: true,
            numeric: Some(numeric),
            categories,
        }
    }

    /// Makes the profile of a text column held in memory.
    pub fn categorical<S: AsRef<str>>(name: impl Into<String>, values: &[Option<S>]) -> Self {
        Self::counted(name.into(), ColumnKind::Categorical, values.iter().map(|v| v.as_ref().map(AsRef::as_ref)))
    }

    /// Makes the profile of a boolean column held in memory.
    pub fn boolean(name: impl Into<String>, values: &[Option<bool>]) -> Self {
        let texts = values.iter().map(|v| v.map(|v| if v { "true" } else { "false" }));
        Self::counted(name.into(), ColumnKind::Boolean, texts)
    }

    fn counted<'a>(name: String, kind: ColumnKind, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut counts = BTreeMap::new();
        let (mut count, mut nulls) = (0, 0);
        for value in values {
            count += 1;
            match value {
                Some(value) => *counts.entry(value).or_insert(0) += 1,
                None => nulls += 1,
            }
        }
        Self {
            name,
            kind,
            count,
            nulls,
            distinct: counts.len() as u64,
            distinct_is_exact: true,
            numeric: None,
            categories: Some(CategoryProfile::from_counts(counts.into_iter().map(|(value, count)| (value.to_owned(), count)))),
        }
    }
}

impl NumericProfile {
    /// Makes a profile of the finite values among `values`; the others are counted in `non_finite`.
    pub fn from_values(values: &[f64]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut profile = Self::from_sorted(&sorted);
        profile.non_finite = (values.len() - sorted.len()) as u64;
        profile
    }

    /// Makes a profile of ascending finite values. Edge k is the smallest value v with at least k/101 of the values at or below v;
    /// edges that coincide are kept once, and an edge at the largest value is left out because nothing lies above it.
    fn from_sorted(sorted: &[f64]) -> Self {
        let count = sorted.len();
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self::empty();
        };
        let mut edges: Vec<f64> = (1..=MAX_EDGES).map(|k| sorted[(k * count).div_ceil(MAX_EDGES + 1).max(1) - 1]).collect();
        edges.dedup();
        edges.retain(|edge| *edge < max);
        let mut counts = Vec::with_capacity(edges.len() + 1);
        let mut sums = Vec::with_capacity(edges.len() + 1);
        let mut from = 0;
        for edge in edges.iter().copied().chain([max]) {
            let to = from + sorted[from..].partition_point(|v| *v <= edge);
            counts.push((to - from) as u64);
            sums.push(sorted[from..to].iter().sum());
            from = to;
        }
        let mean = sums.iter().sum::<f64>() / count as f64;
        let variance = sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        Self { count: count as u64, non_finite: 0, min, max, mean, std: variance.sqrt(), edges, counts, sums }
    }

    /// Makes a profile of ascending finite values that each stand for a number of values, by the rule of exact profiles.
    pub(crate) fn from_weighted(weighted: &[(f64, u64)]) -> Self {
        let count: u64 = weighted.iter().map(|(_, weight)| weight).sum();
        let (Some(&(min, _)), Some(&(max, _))) = (weighted.first(), weighted.last()) else {
            return Self::empty();
        };
        let mut edges: Vec<f64> = Vec::with_capacity(MAX_EDGES);
        let mut below = 0;
        for &(value, weight) in weighted {
            below += weight;
            while edges.len() < MAX_EDGES && below * (MAX_EDGES as u64 + 1) >= (edges.len() as u64 + 1) * count {
                edges.push(value);
            }
        }
        edges.dedup();
        edges.retain(|edge| *edge < max);
        let mut counts = vec![0; edges.len() + 1];
        let mut sums = vec![0.0; edges.len() + 1];
        for &(value, weight) in weighted {
            let bin = edges.partition_point(|edge| *edge < value);
            counts[bin] += weight;
            sums[bin] += value * weight as f64;
        }
        let mean = sums.iter().sum::<f64>() / count as f64;
        let squares: f64 = weighted.iter().map(|(value, weight)| (value - mean).powi(2) * *weight as f64).sum();
        Self { count, non_finite: 0, min, max, mean, std: (squares / count as f64).sqrt(), edges, counts, sums }
    }

    fn empty() -> Self {
        Self { count: 0, non_finite: 0, min: 0.0, max: 0.0, mean: 0.0, std: 0.0, edges: Vec::new(), counts: vec![0], sums: vec![0.0] }
    }
}

impl CategoryProfile {
    /// Keeps the [`MAX_CATEGORIES`] most frequent of distinct values with their counts and adds up the others.
    pub fn from_counts(counts: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut top: Vec<(String, u64)> = counts.into_iter().collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let other = top.iter().skip(MAX_CATEGORIES).map(|(_, count)| count).sum();
        top.truncate(MAX_CATEGORIES);
        Self { top, other }
    }
}
