//! Watching a model's traffic: what is watched, and what was found.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;

/// Shortest window.
pub const MINUTE_MS: i64 = 60_000;
/// Length of a window unless somebody chose another.
pub const DEFAULT_WINDOW_MS: i64 = 10 * MINUTE_MS;
/// Longest window: a week.
pub const MAX_WINDOW_MS: i64 = 7 * 24 * 60 * MINUTE_MS;

/// How the traffic of a model is watched.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Monitor {
    /// The model.
    pub model: String,
    /// Whether windows are compared with the reference as they close.
    pub enabled: bool,
    /// Length of a window in milliseconds, whole minutes.
    pub window_ms: i64,
    /// Thresholds that differ from the defaults.
    pub rules: serde_json::Value,
    /// Windows before this have been compared.
    pub scanned_through: Timestamp,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportState {
    /// Nothing that matters.
    Ok,
    /// The traffic is unlike the reference.
    Drifted,
    /// Too few rows to say anything.
    InsufficientData,
    /// A newer revision knows more rows.
    Superseded,
}

impl ReportState {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Drifted => "DRIFTED",
            Self::InsufficientData => "INSUFFICIENT_DATA",
            Self::Superseded => "SUPERSEDED",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Drifted, Self::InsufficientData, Self::Superseded].into_iter().find(|state| state.as_str() == text)
    }
}

/// A window of a version's traffic compared with its reference.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DriftReport {
    /// Its id; none when the report was not stored.
    pub report_id: Option<String>,
    /// The model.
    pub model: String,
    /// The version.
    pub version: i64,
    /// Start of the window.
    pub window_start: Timestamp,
    /// End of the window, not part of it.
    pub window_end: Timestamp,
    /// 1, and more when rows came late.
    pub revision: i64,
    /// What it came to.
    pub state: ReportState,
    /// Rows in the window.
    pub num_rows: i64,
    /// Per column: statistic, effect, p-value, counts, thresholds, verdict; and the judgement of the whole.
    pub report: serde_json::Value,
    /// When it was made.
    pub created_at: Timestamp,
}
