//! The target as the loss reads it: a class index per row, or a number.

use super::config::{FitConfig, Loss};
use super::error::FitError;
use super::table::{Column, MISSING, Table};

/// More distinct classes than this are taken for a mistake.
const CLASS_LIMIT: usize = 10_000;

/// The target column, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedTarget {
    /// The column's name.
    pub name: String,
    /// Its coding.
    pub coding: TargetCoding,
}

/// How a target's values become numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetCoding {
    /// The index of the class; of two classes the second is the positive one.
    Classes(Vec<String>),
    /// `(y - mean) / deviation`; 0 and 1 if the target is not standardised.
    Number {
        /// What is subtracted.
        mean: f32,
        /// What the rest is divided by.
        deviation: f32,
    },
}

impl FittedTarget {
    /// Fits the coding: classes from all of the table (so that a rare one may fall into the held-out rows), mean and
    /// deviation from the given training rows.
    pub(crate) fn fit(config: &FitConfig, table: &Table, rows: &[u32]) -> Result<Self, FitError> {
        let name = config.target.name.clone();
        let column = table.get(&name)?;
        let coding = match (config.loss, column) {
            (Loss::Mse, Column::Category { .. }) => {
                return Err(FitError::TargetNotNumeric { column: name });
            }
            (Loss::Mse, Column::Numeric(values)) if config.target.standardise => {
                let picked = || rows.iter().map(|&row| f64::from(values[row as usize]));
                let mean = picked().sum::<f64>() / rows.len() as f64;
                let squares = picked().map(|y| (y - mean) * (y - mean)).sum::<f64>();
                let deviation = (squares / rows.len() as f64).sqrt() as f32;
                TargetCoding::Number { mean: mean as f32, deviation: if deviation == 0.0 { 1.0 } else { deviation } }
            }
            (Loss::Mse, Column::Numeric(_)) => TargetCoding::Number { mean: 0.0, deviation: 1.0 },
            (loss, column) => TargetCoding::Classes(classes(config, &name, column, loss)?),
        };
        Ok(Self { name, coding })
    }

    /// Returns the classes, none for a number.
    pub fn classes(&self) -> &[String] {
        match &self.coding {
            TargetCoding::Classes(classes) => classes,
            TargetCoding::Number { .. } => &[],
        }
    }

    /// Encodes the target of every row.
    pub(crate) fn encode(&self, table: &Table) -> Result<Vec<f32>, FitError> {
        let column = table.get(&self.name)?;
        let missing = |row| FitError::MissingTarget { column: self.name.clone(), row };
        let unknown = |label: &str| FitError::UnknownClass { column: self.name.clone(), label: label.to_owned() };
        match (&self.coding, column) {
            (&TargetCoding::Number { mean, deviation }, Column::Numeric(values)) => {
                let encode = |(row, &value): (usize, &f32)| match value {
                    value if value.is_nan() => Err(missing(row)),
                    value if value.is_infinite() => Err(FitError::InfiniteValue { column: self.name.clone(), row }),
                    value => Ok((value - mean) / deviation),
                };
                values.iter().enumerate().map(encode).collect()
            }
            (TargetCoding::Number { .. }, Column::Category { .. }) => Err(FitError::TargetNotNumeric { column: self.name.clone() }),
            (TargetCoding::Classes(classes), Column::Numeric(values)) => {
                let numbers: Vec<Option<f32>> = classes.iter().map(|c| c.parse().ok()).collect();
                let encode = |(row, &value): (usize, &f32)| {
                    if value.is_nan() {
                        return Err(missing(row));
                    }
                    let place = numbers.iter().position(|&number| number == Some(value));
                    place.map(|p| p as f32).ok_or_else(|| unknown(&value.to_string()))
                };
                values.iter().enumerate().map(encode).collect()
            }
            (TargetCoding::Classes(classes), Column::Category { codes, levels }) => {
                let index: Vec<Option<usize>> = levels.iter().map(|level| classes.iter().position(|c| c == level)).collect();
                let encode = |(row, &code): (usize, &u32)| {
                    if code == MISSING || levels[code as usize].is_empty() {
                        return Err(missing(row));
                    }
                    let place = index[code as usize];
                    place.map(|p| p as f32).ok_or_else(|| unknown(&levels[code as usize]))
                };
                codes.iter().enumerate().map(encode).collect()
            }
        }
    }

    /// Turns a factor per class label into a factor per class.
    pub(crate) fn weights(&self, config: &FitConfig) -> Result<Vec<f32>, FitError> {
        let classes = self.classes();
        let mut weights = vec![1.0; classes.len()];
        for (label, weight) in &config.class_weights {
            let place = classes.iter().position(|class| class == label);
            let place = place.ok_or_else(|| FitError::UnknownClass { column: self.name.clone(), label: label.clone() })?;
            weights[place] = *weight;
        }
        Ok(weights)
    }
}

/// Finds the classes and checks that loss and output layer can tell as many apart.
fn classes(config: &FitConfig, name: &str, column: &Column, loss: Loss) -> Result<Vec<String>, FitError> {
    let found = match column {
        Column::Numeric(values) => distinct_numbers(name, values)?,
        Column::Category { codes, levels } => {
            let mut used = vec![false; levels.len()];
            for &code in codes.iter().filter(|&&code| code != MISSING) {
                used[code as usize] = true;
            }
            let texts = levels.iter().zip(used).filter(|(text, used)| *used && !text.is_empty());
            let mut texts: Vec<String> = texts.map(|(text, _)| text.clone()).collect();
            texts.sort_unstable();
            texts.dedup();
            texts
        }
    };
    let column = || name.to_owned();
    match found.as_slice() {
        [] => return Err(FitError::AllMissing { column: column() }),
        [label] => return Err(FitError::OneClass { column: column(), label: label.clone() }),
        _ => {}
    }
    let classes = config.target.classes.clone().unwrap_or(found);
    let output = config.layers.last().map_or(0, |layer| layer.units);
    match loss {
        Loss::BinaryCrossentropy if classes.len() > 2 => {
            Err(FitError::TooManyClasses { column: column(), classes: classes.len(), limit: 2 })
        }
        _ if classes.len() > CLASS_LIMIT => Err(FitError::TooManyClasses { column: column(), classes: classes.len(), limit: CLASS_LIMIT }),
        Loss::CategoricalCrossentropy if output != classes.len() => Err(FitError::OutputUnits { units: output, expected: classes.len() }),
        _ => Ok(classes),
    }
}

fn distinct_numbers(name: &str, values: &[f32]) -> Result<Vec<String>, FitError> {
    let mut seen: Vec<f32> = Vec::new();
    for &value in values.iter().filter(|value| !value.is_nan()) {
        if let Err(place) = seen.binary_search_by(|probe| probe.total_cmp(&(value + 0.0))) {
            seen.insert(place, value + 0.0);
        }
        if seen.len() > CLASS_LIMIT {
            return Err(FitError::TooManyClasses { column: name.to_owned(), classes: seen.len(), limit: CLASS_LIMIT });
        }
    }
    Ok(seen.iter().map(f32::to_string).collect())
}
