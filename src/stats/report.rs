//! What is said about a window: one entry per column and a judgement of the whole. All numbers are finite.

use serde::{Deserialize, Serialize};

use super::rules::{Levels, Verdict};

/// The comparison of a window with its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Judgement of the window: `alert` or `severe` when it is drifted, else `warn` when a column is at least `warn`.
    pub verdict: Verdict,
    /// True when enough columns are drifted, or an output is, or a column is severe.
    pub drifted: bool,
    /// Columns whose verdict is alert or severe.
    pub drifted_columns: u64,
    /// Columns with enough data for a verdict.
    pub evaluated_columns: u64,
    /// `drifted_columns / evaluated_columns`; `None` when no column was evaluated.
    pub share: Option<f64>,
    /// Share from which the window is drifted.
    pub share_threshold: f64,
    /// The most rows seen of any column.
    pub rows: u64,
    /// Bound on the adjusted p-values.
    pub q: f64,
    /// The columns, in the order of the reference.
    pub columns: Vec<ColumnDrift>,
}

/// What a column is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Goes in.
    Feature,
    /// Comes out.
    Output,
}

/// How a column was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// As numbers, by their distribution function.
    Numeric,
    /// As numbers of at most 20 distinct values, value by value.
    Discrete,
    /// As texts, value by value.
    Categorical,
    /// As the share of one of two values.
    Binary,
}

/// The name of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// Two-sample Kolmogorov-Smirnov test on the histogram; the statistic is D.
    KolmogorovSmirnov,
    /// Chi-square test of homogeneity.
    ChiSquare,
    /// Pooled two-proportion test; the statistic is z.
    TwoProportionZ,
    /// Fisher's exact test; the statistic is the odds ratio.
    FisherExact,
}

/// The name of an effect size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectName {
    /// First Wasserstein distance in standard deviations of the reference.
    WassersteinPerStd,
    /// Jensen-Shannon distance, base 2.
    JensenShannonDistance,
    /// Absolute difference of a share.
    ShareDifference,
}

/// The comparison of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Column name.
    pub name: String,
    /// What it is to the model.
    pub role: Role,
    /// How it was compared.
    pub kind: Comparison,
    /// The worst of the verdicts on distribution, missing values and new values.
    pub verdict: Verdict,
    /// Verdict on the distribution of the values alone.
    pub distribution_verdict: Verdict,
    /// The test; `None` when one was not possible.
    pub statistic_name: Option<TestName>,
    /// Its statistic; `None` also when it is not finite.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// The p-value adjusted over all tests of the window (Benjamini-Hochberg).
    pub p_adjusted: Option<f64>,
    /// The effect size.
    pub effect_name: EffectName,
    /// Its value.
    pub effect: Option<f64>,
    /// Levels of the effect.
    pub thresholds: Levels,
    /// Least values needed on both sides.
    pub min_n: u64,
    /// Values of the reference.
    pub n_reference: u64,
    /// Values of the window.
    pub n_window: u64,
    /// Missing values; `None` when neither side has any or a side has too few rows.
    pub missing: Option<RateDrift>,
    /// Values that the reference does not know; `None` when there are none.
    pub new_values: Option<RateDrift>,
    /// Further figures that decide nothing.
    pub also_shown: AlsoShown,
}

/// The comparison of a share of rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateDrift {
    /// Share in the reference. For new values: the share of values outside those listed, or the share that is expected to be new
    /// by the number of values seen once (Good and Turing).
    pub reference: f64,
    /// Share in the window.
    pub window: f64,
    /// What the levels are held against: the absolute difference for missing values, the excess for new ones.
    pub effect: f64,
    /// The test.
    pub statistic_name: TestName,
    /// Its statistic; `None` when it is not finite.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: f64,
    /// The p-value adjusted over all tests of the window.
    pub p_adjusted: f64,
    /// Levels of the effect.
    pub thresholds: Levels,
    /// The judgement.
    pub verdict: Verdict,
}

/// Figures shown beside the verdict. `None` when a side is empty or the figure does not apply to the kind of column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlsoShown {
    /// Population stability index: over deciles of the reference for numbers, over the values otherwise.
    pub psi: Option<f64>,
    /// p-value of the index under no drift.
    pub psi_p_value: Option<f64>,
    /// Jensen-Shannon distance, base 2, over the same cells.
    pub jensen_shannon: Option<f64>,
    /// Largest difference of a share over the same cells.
    pub l_infinity: Option<f64>,
    /// Wasserstein distance in the column's own unit.
    pub wasserstein: Option<f64>,
    /// How far that can be from the distance of the raw values.
    pub wasserstein_bound: Option<f64>,
    /// Difference of the means in standard deviations of the reference.
    pub mean_shift: Option<f64>,
    /// Mean in the reference and in the window.
    pub mean: Option<[f64; 2]>,
    /// Standard deviation in the reference and in the window.
    pub std: Option<[f64; 2]>,
    /// Smallest value in the reference and in the window.
    pub min: Option<[f64; 2]>,
    /// Largest value in the reference and in the window.
    pub max: Option<[f64; 2]>,
    /// Number of different values that the reference does not know.
    pub new_distinct: Option<u64>,
    /// The most frequent of them, at most five, with their rows.
    pub new_examples: Vec<(String, u64)>,
}
