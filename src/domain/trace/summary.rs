//! What spans tell about their trace: its time, how it ended, previews, tags, and the tokens and money that models took.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::span::{self, NewSpan, SpanStatus, dumped};
use super::{SESSION_KEY, TraceState, USER_KEY};
use crate::domain::tracking::Pair;

/// Longest preview in characters.
const MAX_PREVIEW: usize = 1000;
/// Attributes of a root span that are tags of its trace.
const TAG_PREFIX: &str = "mlflow.traceTag.";
/// Counts of tokens that are always told, and those that are told where they are known.
const TOKENS: [&str; 3] = ["input_tokens", "output_tokens", "total_tokens"];
const CACHED_TOKENS: [&str; 3] = ["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr"];
const COSTS: [&str; 3] = ["input_cost", "output_cost", "total_cost"];

/// What some spans of one trace tell about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: String,
    /// When the first of them began, in epoch milliseconds.
    pub start_ms: i64,
    /// When the last of them ended.
    pub end_ms: Option<i64>,
    /// How the trace stands: in progress without a root.
    pub state: TraceState,
    /// The beginning of what the root was asked.
    pub request_preview: Option<String>,
    /// The beginning of what the root answered.
    pub response_preview: Option<String>,
    /// Conversation and user, where they are known.
    pub metadata: Vec<Pair>,
    /// What the program says about itself, under what the root says about the trace.
    pub tags: BTreeMap<String, String>,
    /// Whether any of them took tokens or money.
    pub has_usage: bool,
}

/// Sums spans up by trace; traces by id.
pub fn summarise(spans: &[NewSpan]) -> Vec<TraceSummary> {
    let mut by_trace: BTreeMap<[u8; 16], Vec<&NewSpan>> = BTreeMap::new();
    for span in spans {
        by_trace.entry(span.trace).or_default().push(span);
    }
    by_trace.values().map(|spans| of_trace(spans)).collect()
}

fn of_trace(spans: &[&NewSpan]) -> TraceSummary {
    let root = spans.iter().find(|span| span.parent.is_none());
    let state = match root.map(|root| root.status) {
        None => TraceState::InProgress,
        Some(SpanStatus::Error) => TraceState::Error,
        Some(_) => TraceState::Ok,
    };
    let first = |keys: &[&str]| {
        let of_span = |span: &&NewSpan| keys.iter().find_map(|key| span.content.attributes.get(*key)).and_then(plain);
        spans.iter().find_map(of_span)
    };
    let mut metadata = Vec::new();
    for (key, value) in [(SESSION_KEY, first(&["session.id", "gen_ai.conversation.id"])), (USER_KEY, first(&["user.id"]))] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            metadata.push(Pair { key: key.to_owned(), value: cut(&value, 250) });
        }
    }
    let mut tags = BTreeMap::new();
    if let Some(resource) = spans.iter().map(|span| &span.resource).find(|resource| !resource.is_empty()) {
        for (key, value) in resource.iter().filter(|(key, _)| !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow.")) {
            tags.insert(key.clone(), plain(value).unwrap_or_else(|| dumped(value)));
        }
    }
    for (key, value) in root.iter().flat_map(|root| &root.content.attributes) {
        if let Some(key) = key.strip_prefix(TAG_PREFIX) {
            tags.insert(key.to_owned(), plain(value).unwrap_or_else(|| dumped(value)));
        }
    }
    let preview = |key: &str, role: &str| root.and_then(|root| root.content.attributes.get(key)).map(|value| preview(value, role));
    TraceSummary {
        trace_id: spans.first().map(|span| span.trace_id()).unwrap_or_default(),
        start_ms: spans.iter().map(|span| span.start_ns / 1_000_000).min().unwrap_or_default(),
        end_ms: spans.iter().filter_map(|span| span.end_ns).max().map(|ns| ns / 1_000_000),
        state,
        request_preview: preview(span::INPUTS, "user"),
        response_preview: preview(span::OUTPUTS, "assistant"),
        metadata,
        tags,
        has_usage: spans.iter().any(|span| usage_of(span).is_some()),
    }
}

fn plain(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Cuts a text to a number of characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// Shows the beginning of what was asked or answered: of a conversation, its last message of a role.
pub fn preview(value: &Value, role: &str) -> String {
    let whole = || dumped(value);
    let text = match messages(value) {
        Some(messages) => messages
            .iter()
            .rev()
            .find(|message| message["role"] == *role)
            .or(messages.last())
            .and_then(|message| said(message))
            .filter(|text| !text.is_empty())
            .unwrap_or_else(whole),
        None => whole(),
    };
    if text.chars().nth(MAX_PREVIEW).is_none() { text } else { format!("{}...", cut(&text, MAX_PREVIEW - 3)) }
}

/// Finds the messages of a conversation in what chat models take and give.
fn messages(value: &Value) -> Option<Vec<&Value>> {
    let is_message = |item: &&Value| item.get("role").is_some() && item.get("content").is_some();
    for key in ["messages", "input", "output"] {
        if let Some(items) = value.get(key).and_then(Value::as_array).filter(|items| !items.is_empty()) {
            let found: Vec<&Value> = items.iter().filter(is_message).collect();
            return (!found.is_empty()).then_some(found);
        }
        if key == "messages"
            && let Some(message) = value.get("choices").and_then(|choices| choices.get(0)?.get("message")).filter(is_message)
        {
            return Some(vec![message]);
        }
    }
    value.get("request").and_then(messages)
}

fn said(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().find_map(|part| match part {
            Value::String(text) => Some(text.clone()),
            part if ["text", "output_text"].iter().any(|kind| part["type"] == *kind) => part["text"].as_str().map(str::to_owned),
            _ => None,
        }),
        _ => None,
    }
}

/// Tokens and money of one span, as it is kept beside it: `{"usage": {…}, "cost": {…}}`; none where it took none.
pub fn usage_of(span: &NewSpan) -> Option<Value> {
    let mut found = Map::new();
    for (name, key) in [("usage", span::USAGE), ("cost", span::COST)] {
        if let Some(value) = span.content.attributes.get(key).and_then(object) {
            found.insert(name.to_owned(), Value::Object(value));
        }
    }
    (!found.is_empty()).then_some(Value::Object(found))
}

/// Reads an object, or a text that holds one.
fn object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// A span in its tree with what [`usage_of`] said.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageNode {
    /// Its id.
    pub span_id: String,
    /// Its parent.
    pub parent_id: Option<String>,
    /// Its tokens and money.
    pub usage: Option<Value>,
}

/// Adds up tokens and money of a tree. What a span says covers all below it, so only the topmost that say something count.
/// Returns two objects of JSON.
pub fn total(nodes: &[UsageNode]) -> (Option<String>, Option<String>) {
    (sum(nodes, "usage", &TOKENS, &CACHED_TOKENS, true), sum(nodes, "cost", &COSTS, &[], false))
}

fn sum(nodes: &[UsageNode], name: &str, keys: &[&str], more: &[&str], whole: bool) -> Option<String> {
    let ids: HashSet<&str> = nodes.iter().map(|node| node.span_id.as_str()).collect();
    let mut below: HashMap<&str, Vec<&UsageNode>> = HashMap::new();
    // nodes and whether one above them said something; a circle of parents is never reached
    let mut open: Vec<(&UsageNode, bool)> = Vec::new();
    for node in nodes {
        match node.parent_id.as_deref().filter(|parent| ids.contains(parent)) {
            Some(parent) => below.entry(parent).or_default().push(node),
            None => open.push((node, false)),
        }
    }
    let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
    while let Some((node, covered)) = open.pop() {
        let said = node.usage.as_ref().and_then(|usage| usage.get(name)).and_then(Value::as_object);
        if let Some(fields) = said.filter(|_| !covered) {
            for key in keys.iter().chain(more) {
                let value = fields.get(*key).and_then(Value::as_f64);
                if value.is_some() || keys.contains(key) {
                    *totals.entry(key).or_default() += value.unwrap_or_default();
                }
            }
        }
        open.extend(below.remove(node.span_id.as_str()).into_iter().flatten().map(|child| (child, covered || said.is_some())));
    }
    if totals.is_empty() {
        return None;
    }
    let number = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "counts of tokens are far below 2^53")]
        if whole { Value::from(value as i64) } else { Value::from(value) }
    };
    let in_order = keys.iter().chain(more).filter_map(|key| totals.get(key).map(|value| format!("\"{key}\": {}", number(*value))));
    Some(format!("{{{}}}", in_order.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: &str, parent: Option<&str>, input: Option<i64>) -> UsageNode {
        let usage = input.map(|n| json!({ "usage": { "input_tokens": n, "output_tokens": 1, "total_tokens": n + 1 } }));
        UsageNode { span_id: id.to_owned(), parent_id: parent.map(str::to_owned), usage }
    }

    #[test]
    fn what_a_parent_says_covers_its_children() {
        let tree = [node("a", None, None), node("b", Some("a"), Some(5)), node("c", Some("b"), Some(5)), node("d", Some("a"), Some(2))];
        let (usage, cost) = total(&tree);
        assert_eq!(usage.unwrap(), r#"{"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}"#);
        assert_eq!(cost, None);
        assert_eq!(total(&[node("a", Some("b"), Some(1)), node("b", Some("a"), Some(1))]), (None, None));
    }

    #[test]
    fn the_preview_of_a_conversation_is_its_last_message() {
        let chat = json!({ "messages": [{ "role": "user", "content": "hi" }, { "role": "assistant", "content": [{ "type": "text", "text": "ho" }] }] });
        assert_eq!((preview(&chat, "user").as_str(), preview(&chat, "assistant").as_str()), ("hi", "ho"));
        assert_eq!(preview(&json!({ "choices": [{ "message": { "role": "assistant", "content": "yes" } }] }), "assistant"), "yes");
        assert_eq!(preview(&json!({ "x": 1 }), "user"), r#"{"x": 1}"#);
        assert_eq!(preview(&json!("x".repeat(2000)), "user").chars().count(), 1000);
    }
}
