//! The rules by which a window is judged, with the default thresholds.

use serde::{Deserialize, Serialize};

/// Effect sizes from which a significant difference is a warning, an alert or severe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// Worth a look.
    pub warn: f64,
    /// Counts as drift.
    pub alert: f64,
    /// Counts as drift that needs a reaction.
    pub severe: f64,
}

impl Levels {
    const fn new(warn: f64, alert: f64, severe: f64) -> Self {
        Self { warn, alert, severe }
    }

    pub(crate) fn judge(&self, effect: f64) -> Verdict {
        match effect {
            _ if effect >= self.severe => Verdict::Severe,
            _ if effect >= self.alert => Verdict::Alert,
            _ if effect >= self.warn => Verdict::Warn,
            _ => Verdict::Ok,
        }
    }
}

/// The judgement of a test, a column or a window. Ordered: the worst of several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too few values to say anything.
    InsufficientData,
    /// No significant difference, or one too small to matter.
    Ok,
    /// A significant difference of the first level.
    Warn,
    /// A significant difference of the second level: drift.
    Alert,
    /// A significant difference of the third level: drift.
    Severe,
}

impl Verdict {
    /// True for [`Verdict::Alert`] and [`Verdict::Severe`].
    pub fn is_drift(self) -> bool {
        self >= Self::Alert
    }
}

/// What is compared, how much data it takes and which differences matter.
///
/// A difference counts when it is significant (p-value adjusted over all tests of the window at most `q`) and its effect reaches
/// a level. Significance alone fires on irrelevant differences of large windows, effect alone on the noise of small ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Names of the columns that the model puts out; the others are its features.
    pub outputs: Vec<String>,
    /// Bound of the false discovery rate over all tests of one window (0.01).
    pub q: f64,
    /// Least values, in the reference and in the window, to compare a numeric column (100).
    pub min_numeric: u64,
    /// The same for a categorical or discrete column (100).
    pub min_categorical: u64,
    /// The same for a column of two values (50).
    pub min_binary: u64,
    /// Least rows to compare shares of missing values (50).
    pub min_missing: u64,
    /// Levels of the Wasserstein distance in standard deviations of the reference (0.05, 0.1, 0.25).
    pub wasserstein: Levels,
    /// Levels of the Jensen-Shannon distance, base 2 (0.05, 0.1, 0.3).
    pub jensen_shannon: Levels,
    /// Levels of the difference of a share in a column of two values (0.02, 0.05, 0.15).
    pub share: Levels,
    /// Levels of the difference of the share of missing values (0.01, 0.05, 0.2).
    pub missing: Levels,
    /// Levels of the share of values that the reference does not know, beyond what it lets expect (0.005, 0.01, 0.1).
    pub new_values: Levels,
    /// The window is drifted when at least this share of its evaluated columns is (0.3) ...
    pub drifted_share: f64,
    /// ... or when an output is (true) ...
    pub output_decides: bool,
    /// ... or when any column, feature or output, is severe (true).
    pub severe_decides: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            q: 0.01,
            min_numeric: 100,
            min_categorical: 100,
            min_binary: 50,
            min_missing: 50,
            wasserstein: Levels::new(0.05, 0.1, 0.25),
            jensen_shannon: Levels::new(0.05, 0.1, 0.3),
            share: Levels::new(0.02, 0.05, 0.15),
            missing: Levels::new(0.01, 0.05, 0.2),
            new_values: Levels::new(0.005, 0.01, 0.1),
            drifted_share: 0.3,
            output_decides: true,
            severe_decides: true,
        }
    }
}
