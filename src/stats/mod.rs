//! Statistics of columns and windows: pure numerics that know nothing of slipway.
//!
//! A [`profile`] describes a column of the data a model was trained on. A [`baseline`] freezes the profiles of a model's columns
//! for counting, a [`window`] counts what was seen against it, and [`drift`] compares the two with the tests of [`kolmogorov`],
//! [`contingency`] and [`distance`], corrected for their number by [`multiple`].

pub mod baseline;
mod codec;
pub mod collect;
pub mod contingency;
pub mod distance;
pub mod drift;
pub mod kolmogorov;
mod measure;
pub mod multiple;
mod novel;
pub mod profile;
pub mod reference;
pub mod report;
pub mod rules;
mod sketch;
pub mod special;
pub mod tables;
pub mod window;

#[cfg(test)]
mod tests;
