//! Spans: as they come in, and what is kept of them. Attributes are kept as plain JSON values; `dumped` writes them as MLflow's
//! clients keep them, each a text of JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{hex, id_of};

/// Attribute that names the trace of a span.
pub const REQUEST_ID: &str = "mlflow.traceRequestId";
/// Attribute of what a span is: `LLM`, `TOOL` and so on.
pub const KIND: &str = "mlflow.spanType";
/// Attribute of what went in.
pub const INPUTS: &str = "mlflow.spanInputs";
/// Attribute of what came out.
pub const OUTPUTS: &str = "mlflow.spanOutputs";
/// Attribute of the tokens that a model took.
pub const USAGE: &str = "mlflow.chat.tokenUsage";
/// Attribute of the money that a model took.
pub const COST: &str = "mlflow.llm.cost";
/// Attribute of the model that answered.
pub const MODEL: &str = "mlflow.llm.model";
/// Attribute of who runs that model.
pub const PROVIDER: &str = "mlflow.llm.provider";

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanStatus {
    /// Nobody said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// It failed.
    Error,
}

impl SpanStatus {
    const ALL: [Self; 3] = [Self::Unset, Self::Ok, Self::Error];

    /// Returns the name as stored, which is MLflow's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Reads OpenTelemetry's number; what it does not know is unset.
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|i| Self::ALL.get(i).copied()).unwrap_or_default()
    }
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// What.
    pub name: String,
    /// When, in epoch nanoseconds.
    pub time_ns: i64,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// A span of another trace that this one has to do with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// The trace.
    pub trace_id: String,
    /// The span, in hex digits.
    pub span_id: String,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// What is kept of a span beside its columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanContent {
    /// Facts, inputs and outputs among them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<SpanLink>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A span as it comes in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewSpan {
    /// OpenTelemetry's id of its trace.
    pub trace: [u8; 16],
    /// Its id.
    pub span: [u8; 8],
    /// Its parent; none for a root.
    pub parent: Option<[u8; 8]>,
    /// What it is called.
    pub name: String,
    /// When it began, in epoch nanoseconds.
    pub start_ns: i64,
    /// When it ended; none while it runs.
    pub end_ns: Option<i64>,
    /// How it ended.
    pub status: SpanStatus,
    /// All the rest.
    pub content: SpanContent,
    /// The program that it came from, shared by all of its spans.
    pub resource: Arc<Map<String, Value>>,
}

impl NewSpan {
    /// Returns the id of its trace.
    pub fn trace_id(&self) -> String {
        id_of(&self.trace)
    }

    /// Returns its id.
    pub fn span_id(&self) -> String {
        hex(&self.span)
    }

    /// Returns the id of its parent.
    pub fn parent_id(&self) -> Option<String> {
        self.parent.map(|id| hex(&id))
    }

    /// Returns a text attribute.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.content.attributes.get(key).and_then(Value::as_str)
    }
}

/// A span as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSpan {
    /// The id of its trace.
    pub trace_id: String,
    /// Its id, in hex digits.
    pub span_id: String,
    /// Its parent, in hex digits; none for a root.
    pub parent_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// When it began, in epoch nanoseconds.
    pub start_ns: i64,
    /// When it ended; none while it runs.
    pub end_ns: Option<i64>,
    /// How it ended.
    pub status: SpanStatus,
    /// All the rest.
    pub content: SpanContent,
}

/// Writes JSON with a space after each comma and colon, as MLflow's clients do.
pub fn dumped(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    match value.serialize(&mut writer) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => value.to_string(),
    }
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Replaces NUL, which no database keeps, in all texts of a value.
pub fn storable(value: &mut Value) {
    match value {
        Value::String(text) => storable_text(text),
        Value::Array(items) => items.iter_mut().for_each(storable),
        Value::Object(fields) => storable_map(fields),
        _ => {}
    }
}

/// Replaces NUL in all texts of a map, its keys among them.
pub fn storable_map(fields: &mut Map<String, Value>) {
    if fields.keys().any(|key| key.contains('\0')) {
        *fields = std::mem::take(fields).into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)).collect();
    }
    fields.values_mut().for_each(storable);
}

/// Replaces NUL in a text.
pub fn storable_text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_is_replaced_at_any_depth() {
        let mut value = json!({ "a\0": ["b\0", { "c": "\0" }], "d": 1 });
        storable(&mut value);
        assert_eq!(value, json!({ "a\u{fffd}": ["b\u{fffd}", { "c": "\u{fffd}" }], "d": 1 }));
    }

    #[test]
    fn dumped_json_looks_as_clients_write_it() {
        assert_eq!(dumped(&json!({ "a": [1, "b"], "c": null })), r#"{"a": [1, "b"], "c": null}"#);
        assert_eq!(dumped(&json!("x")), r#""x""#);
    }

    #[test]
    fn an_empty_content_takes_two_bytes() {
        assert_eq!(serde_json::to_string(&SpanContent::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<SpanContent>("{}").unwrap(), SpanContent::default());
    }
}
