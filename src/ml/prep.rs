//! Preprocessing: fitted on the training rows, part of the model, and again inside its ONNX graph.
//!
//! A [`Preparation`] turns a table into a design matrix, one f32 per feature and row. One-hot features stay an index there
//! and are spread out when a block of rows is gathered, so a column with a thousand levels costs no more memory than
//! any other.

use ndarray::Array2;

use super::config::FitConfig;
use super::error::FitError;
pub use super::feature::{Coding, FittedFeature};
use super::table::{Column, Table};
pub use super::target::{FittedTarget, TargetCoding};

/// More inputs than this are taken for a mistake (an identifier used as a feature).
const INPUT_LIMIT: usize = 65_536;

/// Everything that was learnt about the columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// The features in the order in which they were chosen.
    pub features: Vec<FittedFeature>,
    /// The target.
    pub target: FittedTarget,
    /// Where each feature's inputs start: numbers first, then one-hot blocks, each in the order of the features.
    offsets: Vec<usize>,
}

impl Preparation {
    /// Fits features and target to the given rows of a checked table.
    pub(crate) fn fit(config: &FitConfig, table: &Table, rows: &[u32]) -> Result<Self, FitError> {
        let target = FittedTarget::fit(config, table, rows)?;
        let fit = |feature: &super::config::Feature| FittedFeature::fit(feature, table.get(&feature.name)?, rows);
        let features: Vec<FittedFeature> = config.features.iter().map(fit).collect::<Result<_, _>>()?;
        check_width(&features)?;
        check_names(&features)?;
        let offsets = offsets(&features);
        Ok(Self { features, target, offsets })
    }

    /// Counts the inputs of the network.
    pub fn inputs(&self) -> usize {
        self.features.iter().map(FittedFeature::width).sum()
    }

    /// Says whether every feature is a number, so that the model has a single input matrix.
    pub fn all_numeric(&self) -> bool {
        let number = |feature: &FittedFeature| matches!(feature.coding, Coding::Number { .. });
        self.features.iter().all(number)
    }

    /// Encodes the features of the given rows: `[rows, features]`.
    pub(crate) fn encode(&self, table: &Table, rows: impl ExactSizeIterator<Item = usize> + Clone) -> Result<Array2<f32>, FitError> {
        let width = self.features.len();
        let mut out = vec![0.0; rows.len() * width];
        if rows.len() > 0 {
            for (place, feature) in self.features.iter().enumerate() {
                let column = table.get(&feature.name)?;
                feature.encode(column, rows.clone(), &mut out[place..], width)?;
            }
        }
        Ok(into_matrix(rows.len(), width, out))
    }

    /// Encodes features and targets for a fit, the given rows in the given order.
    ///
    /// # Errors
    /// Also [`FitError::InfiniteValue`], as an infinite input makes a fit diverge.
    pub(crate) fn design(&self, table: &Table, rows: &[u32]) -> Result<Design, FitError> {
        for feature in &self.features {
            if let Column::Numeric(values) = table.get(&feature.name)?
                && let Some(row) = values.iter().position(|value| value.is_infinite())
            {
                let column = feature.name.clone();
                return Err(FitError::InfiniteValue { column, row });
            }
        }
        let targets = self.target.encode(table)?;
        Ok(Design {
            features: self.encode(table, rows.iter().map(|&row| row as usize))?,
            targets: rows.iter().map(|&row| targets[row as usize]).collect(),
        })
    }

    /// Returns how to spread encoded rows over the network's inputs.
    pub(crate) fn layout(&self) -> Layout {
        let slot = |(feature, &offset): (&FittedFeature, &usize)| match feature.coding {
            Coding::Number { .. } => Slot::Number(offset),
            Coding::Levels { .. } => Slot::OneHot(offset),
        };
        Layout { slots: self.features.iter().zip(&self.offsets).map(slot).collect(), plain: self.all_numeric() }
    }
}

/// Prepared rows: what the fit reads, one copy in f32.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    /// `[rows, features]`, level indices for one-hot features.
    pub(crate) features: Array2<f32>,
    /// A class index or a (standardised) number per row.
    pub(crate) targets: Vec<f32>,
}

impl Design {
    pub(crate) fn rows(&self) -> usize {
        self.targets.len()
    }

    /// Returns the features row by row.
    pub(crate) fn values(&self) -> &[f32] {
        #[expect(clippy::expect_used, reason = "encode builds the matrix in row order")]
        self.features.as_slice().expect("row-major and contiguous")
    }
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Number(usize),
    OneHot(usize),
}

/// Where encoded values go among the network's inputs.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    slots: Vec<Slot>,
    plain: bool,
}

impl Layout {
    /// Writes the inputs of one row; `to` is at least as wide as the network's input.
    pub(crate) fn spread(&self, from: &[f32], to: &mut [f32]) {
        if self.plain {
            to[..from.len()].copy_from_slice(from);
            return;
        }
        to.fill(0.0);
        for (&value, &slot) in from.iter().zip(&self.slots) {
            match slot {
                Slot::Number(place) => to[place] = value,
                Slot::OneHot(offset) if value >= 0.0 => to[offset + value as usize] = 1.0,
                Slot::OneHot(_) => {}
            }
        }
    }
}

pub(crate) fn into_matrix(rows: usize, columns: usize, values: Vec<f32>) -> Array2<f32> {
    #[expect(clippy::expect_used, reason = "callers allocate rows × columns values")]
    Array2::from_shape_vec((rows, columns), values).expect("as many values as places")
}

fn offsets(features: &[FittedFeature]) -> Vec<usize> {
    let mut offsets = vec![0; features.len()];
    let mut next = 0;
    for numbers in [true, false] {
        for (offset, feature) in offsets.iter_mut().zip(features) {
            if matches!(feature.coding, Coding::Number { .. }) == numbers {
                *offset = next;
                next += feature.width();
            }
        }
    }
    offsets
}

fn check_width(features: &[FittedFeature]) -> Result<(), FitError> {
    let width: usize = features.iter().map(FittedFeature::width).sum();
    match features.iter().max_by_key(|feature| feature.width()) {
        Some(widest) if width > INPUT_LIMIT => {
            Err(FitError::TooManyLevels { column: widest.name.clone(), levels: widest.width(), limit: INPUT_LIMIT })
        }
        _ => Ok(()),
    }
}

/// With text features each column is an input of the ONNX graph under its own name, beside the output.
fn check_names(features: &[FittedFeature]) -> Result<(), FitError> {
    let text = features.iter().any(|f| matches!(f.coding, Coding::Levels { .. }));
    match features.iter().find(|f| f.name == super::onnx::OUTPUT) {
        Some(feature) if text => Err(FitError::ReservedName { column: feature.name.clone() }),
        _ => Ok(()),
    }
}
