//! Experiments, runs and metric points, in MLflow's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::time::Timestamp;

/// Where a run stands, as MLflow names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Its job waits.
    Scheduled,
    /// It is under way.
    Running,
    /// It ended well.
    Finished,
    /// It failed.
    Failed,
    /// It was cancelled.
    Killed,
}

impl RunStatus {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Scheduled, Self::Running, Self::Finished, Self::Failed, Self::Killed].into_iter().find(|s| s.as_str() == text)
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Run {
    /// 32 hex digits.
    pub run_id: String,
    /// What people call it.
    pub run_name: String,
    /// The experiment.
    pub experiment_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Who started it.
    pub user_id: String,
    /// The job that works on it.
    pub job_id: Option<String>,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Settings.
    pub params: BTreeMap<String, String>,
    /// Latest value of each metric; NaN and infinities as text.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub metrics: BTreeMap<String, Number>,
}

/// A metric value on the native API: a JSON number, or `"NaN"`, `"Infinity"`, `"-Infinity"`, which JSON has no numbers for.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            v if v.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            v => serializer.serialize_f64(v),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(f64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(v) => Ok(Self(v)),
            Form::Text(text) => match text.as_str() {
                "NaN" => Ok(Self(f64::NAN)),
                "Infinity" => Ok(Self(f64::INFINITY)),
                "-Infinity" => Ok(Self(f64::NEG_INFINITY)),
                _ => Err(serde::de::Error::custom("a metric value is a number, \"NaN\", \"Infinity\" or \"-Infinity\"")),
            },
        }
    }
}

/// Checks the name of a metric or param: 1 to 250 bytes without NUL.
pub fn check_metric_key(key: &str) -> Result<(), Invalid> {
    match !key.is_empty() && key.len() <= 250 && !key.contains('\0') {
        true => Ok(()),
        false => Err(Invalid::new("invalid_key_name", "the name of a metric or param must have 1 to 250 bytes")),
    }
}

/// One point of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricPoint {
    /// Name of the metric, 1 to 250 bytes.
    pub key: String,
    /// The value.
    #[schema(value_type = f64)]
    pub value: Number,
    /// When it was measured, epoch milliseconds.
    pub timestamp: i64,
    /// Where on the x axis.
    #[serde(default)]
    pub step: i64,
}

/// An experiment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Experiment {
    /// Its id.
    pub experiment_id: String,
    /// Its name, unique among the active ones.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}
