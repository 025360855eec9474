//! One feature as the training rows made it: what fills its gaps, how it is scaled, which levels it has.

use std::collections::HashMap;

use super::config::{Feature, Impute};
use super::error::FitError;
use super::table::{Column, MISSING};

/// The number that stands for an unknown level.
pub(crate) const UNKNOWN: f32 = -1.0;

/// A feature, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedFeature {
    /// The column's name.
    pub name: String,
    /// Its treatment.
    pub coding: Coding,
}

/// How a column's values become inputs of the network.
#[derive(Debug, Clone, PartialEq)]
pub enum Coding {
    /// `(x - mean) / deviation`, one input.
    Number {
        /// Stands for a missing value.
        fill: f32,
        /// 0 if the column is not standardised.
        mean: f32,
        /// 1 if the column is not standardised or constant.
        deviation: f32,
    },
    /// One-hot, an input per level; an unknown text is all zeros.
    Levels {
        /// The known texts, sorted.
        levels: Vec<String>,
        /// The level that stands for a missing text; `None` makes it unknown.
        fill: Option<usize>,
    },
}

impl FittedFeature {
    /// Fits the treatment of a feature to the given rows of its column.
    pub(crate) fn fit(feature: &Feature, column: &Column, rows: &[u32]) -> Result<Self, FitError> {
        let coding = match column {
            Column::Numeric(values) => fit_numbers(feature, values, rows)?,
            Column::Category { codes, levels } => fit_levels(feature, codes, levels, rows)?,
        };
        Ok(Self { name: feature.name.clone(), coding })
    }

    /// Counts the network's inputs.
    pub(crate) fn width(&self) -> usize {
        match &self.coding {
            Coding::Number { .. } => 1,
            Coding::Levels { levels, .. } => levels.len(),
        }
    }

    /// Writes the values of `rows` to every `stride`-th place of `out`: scaled numbers, or the index of the level
    /// ([`UNKNOWN`] for none).
    pub(crate) fn encode(
        &self,
        column: &Column,
        rows: impl Iterator<Item = usize>,
        out: &mut [f32],
        stride: usize,
    ) -> Result<(), FitError> {
        let out = out.iter_mut().step_by(stride);
        match (&self.coding, column) {
            (&Coding::Number { fill, mean, deviation }, Column::Numeric(values)) => {
                for (row, out) in rows.zip(out) {
                    let value = values[row];
                    let value = if value.is_nan() { fill } else { value };
                    *out = (value - mean) / deviation;
                }
            }
            (Coding::Levels { levels: known, fill }, Column::Category { codes, levels }) => {
                let fill = fill.map_or(UNKNOWN, |level| level as f32);
                let index: Vec<f32> = levels
                    .iter()
                    .map(|level| match known.binary_search(level) {
                        _ if level.is_empty() => fill,
                        Ok(place) => place as f32,
                        Err(_) => UNKNOWN,
                    })
                    .collect();
                for (row, out) in rows.zip(out) {
                    let code = codes[row];
                    *out = if code == MISSING { fill } else { index[code as usize] };
                }
            }
            (coding, found) => {
                return Err(FitError::ColumnKind {
                    column: self.name.clone(),
                    expected: match coding {
                        Coding::Number { .. } => "numeric",
                        Coding::Levels { .. } => "text",
                    },
                    found: found.kind(),
                });
            }
        }
        Ok(())
    }
}

fn fit_numbers(feature: &Feature, values: &[f32], rows: &[u32]) -> Result<Coding, FitError> {
    let present = || {
        let values = rows.iter().map(|&row| values[row as usize]);
        values.filter(|value| !value.is_nan())
    };
    if let Some(&row) = rows.iter().find(|&&row| values[row as usize].is_infinite()) {
        return Err(FitError::InfiniteValue { column: feature.name.clone(), row: row as usize });
    }
    let count = present().count();
    let impute = feature.impute.as_ref().unwrap_or(&Impute::Mean);
    if count == 0 && !matches!(impute, Impute::Number(_)) {
        return Err(FitError::AllMissing { column: feature.name.clone() });
    }
    let fill = match impute {
        Impute::Mean => (present().map(f64::from).sum::<f64>() / count as f64) as f32,
        Impute::Number(value) => *value,
        Impute::Median => median(present().collect()),
        Impute::MostFrequent => most_frequent(present().collect()),
        Impute::Text(_) => return Err(invalid_impute(feature, impute, "numeric")),
    };
    if !feature.standardise {
        return Ok(Coding::Number { fill, mean: 0.0, deviation: 1.0 });
    }
    // As a pipeline of imputer and scaler does, mean and deviation (ddof 0) are those of the filled column.
    let filled = || {
        let values = rows.iter().map(|&row| values[row as usize]);
        values.map(|value| f64::from(if value.is_nan() { fill } else { value }))
    };
    let total = rows.len() as f64;
    let mean = filled().sum::<f64>() / total;
    let variance = filled().map(|value| (value - mean) * (value - mean)).sum::<f64>() / total;
    let deviation = variance.sqrt() as f32;
    // A constant column has a rounding error for its deviation; scaling by that would make noise of it.
    let constant = f64::from(deviation) <= 1e-7 * mean.abs() || deviation == 0.0;
    Ok(Coding::Number { fill, mean: mean as f32, deviation: if constant { 1.0 } else { deviation } })
}

fn fit_levels(feature: &Feature, codes: &[u32], levels: &[String], rows: &[u32]) -> Result<Coding, FitError> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut by_code = vec![0usize; levels.len()];
    let mut missing = 0;
    for &row in rows {
        match codes[row as usize] {
            MISSING => missing += 1,
            code => by_code[code as usize] += 1,
        }
    }
    for (level, &count) in levels.iter().zip(&by_code) {
        match level.as_str() {
            "" => missing += count,
            level if count > 0 => *counts.entry(level).or_default() += count,
            _ => {}
        }
    }
    let impute = feature.impute.as_ref().unwrap_or(&Impute::MostFrequent);
    let fill = match impute {
        Impute::MostFrequent => {
            let best = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
            let (level, _) = best.ok_or_else(|| FitError::AllMissing { column: feature.name.clone() })?;
            (*level).to_owned()
        }
        Impute::Text(text) => text.clone(),
        _ => return Err(invalid_impute(feature, impute, "text")),
    };
    if missing > 0 && !fill.is_empty() {
        counts.entry(&fill).or_default();
    }
    let mut known: Vec<String> = counts.into_keys().map(str::to_owned).collect();
    known.sort_unstable();
    Ok(Coding::Levels { fill: known.binary_search(&fill).ok(), levels: known })
}

fn invalid_impute(feature: &Feature, impute: &Impute, kind: &'static str) -> FitError {
    FitError::InvalidImpute { column: feature.name.clone(), strategy: impute.name(), kind }
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { ((f64::from(values[middle - 1]) + f64::from(values[middle])) / 2.0) as f32 }
}

fn most_frequent(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let mut best: &[f32] = &[];
    for run in values.chunk_by(|a, b| a == b) {
        if run.len() > best.len() {
            best = run;
        }
    }
    best[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(feature: Feature, column: &Column) -> Result<Coding, FitError> {
        let rows: Vec<u32> = (0..column.len() as u32).collect();
        FittedFeature::fit(&feature, column, &rows).map(|fitted| fitted.coding)
    }

    fn with(impute: Impute) -> Feature {
        Feature { impute: Some(impute), ..Feature::new("x") }
    }

    #[test]
    fn numbers_are_imputed_then_standardised() {
        let column = Column::Numeric(vec![1.0, f32::NAN, 3.0, 8.0]);
        // Filled with the mean 4: deviations -3, 0, -1, 4, variance 26 / 4.
        let want = Coding::Number { fill: 4.0, mean: 4.0, deviation: 6.5f32.sqrt() };
        assert_eq!(fit(Feature::new("x"), &column), Ok(want));
        let Ok(Coding::Number { fill, mean, .. }) = fit(with(Impute::Median), &column) else {
            panic!("a number");
        };
        assert_eq!((fill, mean), (3.0, 3.75));
    }

    #[test]
    fn most_frequent_is_the_smallest_of_several() {
        let column = Column::Numeric(vec![2.0, 1.0, 2.0, 1.0, 0.0, f32::NAN]);
        let Ok(Coding::Number { fill, .. }) = fit(with(Impute::MostFrequent), &column) else {
            panic!("a number");
        };
        assert_eq!(fill, 1.0);
        let column = Column::from_texts([Some("b"), Some("a"), None]);
        let want = Coding::Levels { levels: vec!["a".into(), "b".into()], fill: Some(0) };
        assert_eq!(fit(Feature::new("x"), &column), Ok(want));
    }

    #[test]
    fn a_constant_column_is_only_shifted() {
        let column = Column::Numeric(vec![0.1; 1000]);
        let want = Coding::Number { fill: 0.1, mean: 0.1, deviation: 1.0 };
        assert_eq!(fit(Feature::new("x"), &column), Ok(want));
    }

    #[test]
    fn a_constant_text_is_a_level_when_it_is_needed() {
        let column = Column::from_texts([Some("b"), None]);
        let want = Coding::Levels { levels: vec!["b".into(), "none".into()], fill: Some(1) };
        assert_eq!(fit(with(Impute::Text("none".into())), &column), Ok(want));
        let column = Column::from_texts([Some("b")]);
        let want = Coding::Levels { levels: vec!["b".into()], fill: None };
        assert_eq!(fit(with(Impute::Text("none".into())), &column), Ok(want));
    }

    #[test]
    fn what_cannot_be_imputed_is_said() {
        let empty = Column::Numeric(vec![f32::NAN]);
        assert_eq!(fit(Feature::new("x"), &empty).unwrap_err().code(), "all_missing");
        let text = Column::from_texts([Some("b")]);
        let error = fit(with(Impute::Mean), &text).unwrap_err();
        assert_eq!(error.to_string(), "column \"x\" is text and cannot be imputed by mean");
        let infinite = Column::Numeric(vec![1.0, f32::INFINITY]);
        assert_eq!(fit(Feature::new("x"), &infinite), Err(FitError::InfiniteValue { column: "x".into(), row: 1 }));
    }

    #[test]
    fn other_code_tables_mean_the_same_texts() {
        let feature = FittedFeature { name: "x".into(), coding: Coding::Levels { levels: vec!["a".into(), "b".into()], fill: Some(0) } };
        let column = Column::from_texts([Some("z"), Some("b"), None, Some("a")]);
        let mut out = [9.0; 8];
        feature.encode(&column, 0..4, &mut out, 2).unwrap();
        assert_eq!(out, [UNKNOWN, 9.0, 1.0, 9.0, 0.0, 9.0, 0.0, 9.0]);
    }
}
