//! Traces: what one request to an application did, as spans in a tree, with tags and what people and judges say about it.
//! `span` is what OpenTelemetry sends and what is kept of it, `summary` what spans tell about their trace.

pub mod assessment;
pub mod span;
pub mod summary;

use super::tracking::Pair;
use assessment::Assessment;

/// The tag that names a trace.
pub const NAME_TAG: &str = "mlflow.traceName";
/// The tag that says where attachments of a trace are.
pub const LOCATION_TAG: &str = "mlflow.artifactLocation";
/// The tag that says where clients find the spans of a trace.
pub const SPANS_TAG: &str = "mlflow.trace.spansLocation";
/// Its value: behind this server.
pub const SPANS_HERE: &str = "TRACKING_STORE";
/// The run that a trace was made in.
pub const RUN_KEY: &str = "mlflow.sourceRun";
/// The conversation that a trace belongs to.
pub const SESSION_KEY: &str = "mlflow.trace.session";
/// Who asked.
pub const USER_KEY: &str = "mlflow.trace.user";
/// Tokens of a whole trace, as JSON.
pub const USAGE_KEY: &str = "mlflow.trace.tokenUsage";
/// Money of a whole trace, as JSON.
pub const COST_KEY: &str = "mlflow.trace.cost";
/// How many spans a trace has by its client, as JSON.
pub const SIZE_KEY: &str = "mlflow.trace.sizeStats";
/// Says that the client told all about the trace: spans that come later change none of it.
pub const FINALIZED_KEY: &str = "mlflow.trace.infoFinalized";

/// How a trace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceState {
    /// Nobody said.
    Unspecified,
    /// It ended well.
    Ok,
    /// It failed.
    Error,
    /// Its root has not ended.
    InProgress,
}

impl TraceState {
    const ALL: [Self; 4] = [Self::Unspecified, Self::Ok, Self::Error, Self::InProgress];

    /// Returns the name as stored, which is MLflow's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Reads the number that MLflow's messages have.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|i| Self::ALL.get(i).copied())
    }
}

/// A trace without its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceInfo {
    /// Its id: `tr-` and OpenTelemetry's id, where it came from there.
    pub trace_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// When it began, in epoch milliseconds.
    pub request_time: i64,
    /// When its last span ended.
    pub end_time: Option<i64>,
    /// How it stands.
    pub state: TraceState,
    /// What the caller of the application calls the request.
    pub client_request_id: Option<String>,
    /// The beginning of what was asked.
    pub request_preview: Option<String>,
    /// The beginning of what was answered.
    pub response_preview: Option<String>,
    /// What does not change, by key.
    pub metadata: Vec<Pair>,
    /// What may change, by key.
    pub tags: Vec<Pair>,
    /// What is said about it, oldest first.
    pub assessments: Vec<Assessment>,
}

impl TraceInfo {
    /// Returns how long it took, in milliseconds.
    pub fn duration_ms(&self) -> Option<i64> {
        self.end_time.map(|end| end.saturating_sub(self.request_time))
    }

    /// Returns how many spans it has by its client; none when the client did not say.
    pub fn spans_announced(&self) -> Option<u64> {
        let stats = self.metadata.iter().find(|pair| pair.key == SIZE_KEY)?;
        let stats: serde_json::Value = serde_json::from_str(&stats.value).ok()?;
        stats.get("num_spans")?.as_u64()
    }
}

/// A trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What it is.
    pub info: TraceInfo,
    /// Root first, then by the time they began.
    pub spans: Vec<span::StoredSpan>,
}

/// Returns the id of the trace that OpenTelemetry calls by these bytes.
pub fn id_of(otel: &[u8; 16]) -> String {
    format!("tr-{}", hex(otel))
}

/// Writes bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}

/// Reads hex digits of either case.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
