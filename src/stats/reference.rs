//! The reference of a model: profiles of what goes in and of what comes out, stored with the model version.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::profile::ColumnProfile;

/// Name of the column that holds a score or a number.
pub const PREDICTION: &str = "prediction";
/// Name of the column that holds the likeliest class.
pub const PREDICTED_CLASS: &str = "predicted_class";
/// Sets outputs apart from features of the same name.
const OUTPUT_PREFIX: &str = "output:";

/// What a model's traffic is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The columns that the model reads, in its order.
    pub features: Vec<ColumnProfile>,
    /// What it answers.
    pub outputs: Vec<ColumnProfile>,
}

impl Reference {
    /// Puts a reference together. `answers` are `[rows, units]`: the score of the second of two classes or a number, or a score
    /// per class.
    pub fn new(features: Vec<ColumnProfile>, answers: &Array2<f32>, class_labels: &[String]) -> Self {
        let output = if answers.ncols() == 1 {
            let scores: Vec<f64> = answers.iter().map(|v| f64::from(*v)).collect();
            ColumnProfile::numeric(PREDICTION, &scores)
        } else {
            let rows = answers.rows().into_iter();
            let classes: Vec<Option<String>> = rows.map(|row| Some(likeliest(row.as_slice().unwrap_or(&[]), class_labels))).collect();
            ColumnProfile::categorical(PREDICTED_CLASS, &classes)
        };
        Self { features, outputs: vec![output] }
    }

    /// Lists all columns under distinct names, features first.
    pub fn columns(&self) -> Vec<ColumnProfile> {
        let renamed = |profile: &ColumnProfile| ColumnProfile { name: Self::output_name(&profile.name), ..profile.clone() };
        self.features.iter().cloned().chain(self.outputs.iter().map(renamed)).collect()
    }

    /// Lists the names of the outputs among [`Reference::columns`].
    pub fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(|profile| Self::output_name(&profile.name)).collect()
    }

    /// Returns the name under which an output stands among [`Reference::columns`].
    pub fn output_name(name: &str) -> String {
        format!("{OUTPUT_PREFIX}{name}")
    }
}

/// Names the class with the largest score, the first of equals; a class without a label by its index.
pub fn likeliest(scores: &[f32], class_labels: &[String]) -> String {
    let mut best = 0;
    for (place, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = place;
        }
    }
    class_labels.get(best).cloned().unwrap_or_else(|| best.to_string())
}
