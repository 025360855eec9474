//! Spans as JSON: ids in hex digits, whole numbers as numbers or texts, names in either spelling.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::shape::{self, Head};
use super::{Budget, Received, Unreadable};
use crate::domain::trace::span::{NewSpan, SpanEvent, SpanStatus};
use crate::domain::trace::unhex;

/// Reads a request.
pub(super) fn read(body: &[u8]) -> Result<Received, Unreadable> {
    let request: Value = serde_json::from_slice(body).map_err(|e| Unreadable(e.to_string()))?;
    let (mut received, mut budget) = (Received::default(), Budget::new());
    for group in list(&request, "resourceSpans", "resource_spans")? {
        received.groups += 1;
        let resource = group.get("resource").map_or(Ok(Map::new()), |resource| attributes(resource, &mut budget, 0))?;
        let resource = Arc::new(resource);
        for scope in list(group, "scopeSpans", "scope_spans")? {
            for message in list(scope, "spans", "spans")? {
                budget.span()?;
                match span(message, &mut budget)? {
                    Ok(span) => received.spans.push(NewSpan { resource: resource.clone(), ..span }),
                    Err(problem) => {
                        received.rejected += 1;
                        received.problem = problem;
                    }
                }
            }
        }
    }
    Ok(received)
}

fn field<'a>(message: &'a Value, name: &str, other: &str) -> Option<&'a Value> {
    message.get(name).or_else(|| message.get(other)).filter(|value| !value.is_null())
}

fn list<'a>(message: &'a Value, name: &str, other: &str) -> Result<&'a [Value], Unreadable> {
    match field(message, name, other) {
        None if message.is_object() => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Unreadable(format!("{name} must be a list"))),
    }
}

fn text(message: &Value, name: &str) -> Result<String, Unreadable> {
    match field(message, name, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Unreadable(format!("{name} must be a text"))),
    }
}

/// Reads hex digits; what is none is taken for an id that no span may have.
fn id(message: &Value, name: &str, other: &str) -> Result<Vec<u8>, Unreadable> {
    match field(message, name, other) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => unhex(text).ok_or_else(|| Unreadable(format!("{name} must be hex digits"))),
        Some(_) => Err(Unreadable(format!("{name} must be a text"))),
    }
}

fn nanos(message: &Value, name: &str, other: &str) -> Result<u64, Unreadable> {
    match field(message, name, other) {
        None => Ok(0),
        Some(Value::Number(number)) => number.as_u64().ok_or_else(|| Unreadable(format!("{name} must be a whole number"))),
        Some(Value::String(text)) => text.parse().map_err(|_| Unreadable(format!("{name} must be a whole number"))),
        Some(_) => Err(Unreadable(format!("{name} must be a whole number"))),
    }
}

fn span(message: &Value, budget: &mut Budget) -> Result<Result<NewSpan, String>, Unreadable> {
    let (trace, id_, parent) =
        (id(message, "traceId", "trace_id")?, id(message, "spanId", "span_id")?, id(message, "parentSpanId", "parent_span_id")?);
    let head = Head {
        trace: &trace,
        span: &id_,
        parent: &parent,
        start_ns: nanos(message, "startTimeUnixNano", "start_time_unix_nano")?,
        end_ns: nanos(message, "endTimeUnixNano", "end_time_unix_nano")?,
    };
    let mut span = NewSpan { name: text(message, "name")?, ..NewSpan::default() };
    span.content.attributes = attributes(message, budget, 0)?;
    for event in list(message, "events", "events")? {
        budget.value(0)?;
        let time_ns = i64::try_from(nanos(event, "timeUnixNano", "time_unix_nano")?).unwrap_or(i64::MAX);
        span.content.events.push(SpanEvent { name: text(event, "name")?, time_ns, attributes: attributes(event, budget, 0)? });
    }
    for link in list(message, "links", "links")? {
        budget.value(0)?;
        let (trace, id_) = (id(link, "traceId", "trace_id")?, id(link, "spanId", "span_id")?);
        span.content.links.extend(shape::link(&trace, &id_, attributes(link, budget, 0)?));
    }
    if let Some(status) = message.get("status") {
        span.content.message = text(status, "message")?;
        span.status = match status.get("code") {
            Some(Value::Number(code)) => SpanStatus::from_number(code.as_u64().unwrap_or_default()),
            Some(Value::String(name)) => SpanStatus::parse(name.trim_start_matches("STATUS_CODE_")).unwrap_or_default(),
            _ => SpanStatus::Unset,
        };
    }
    Ok(shape::fit(head, &mut span).map(|()| span))
}

fn attributes(message: &Value, budget: &mut Budget, depth: usize) -> Result<Map<String, Value>, Unreadable> {
    pairs(list(message, "attributes", "attributes")?, budget, depth)
}

fn pairs(items: &[Value], budget: &mut Budget, depth: usize) -> Result<Map<String, Value>, Unreadable> {
    let mut found = Map::new();
    for item in items {
        budget.value(depth)?;
        found.insert(text(item, "key")?, item.get("value").map_or(Ok(Value::Null), |value| any(value, budget, depth))?);
    }
    Ok(found)
}

fn any(message: &Value, budget: &mut Budget, depth: usize) -> Result<Value, Unreadable> {
    budget.value(depth)?;
    let bad = |what: &str| Unreadable(format!("{what} has another type than it must"));
    if let Some(value) = field(message, "stringValue", "string_value") {
        return if value.is_string() { Ok(value.clone()) } else { Err(bad("stringValue")) };
    }
    if let Some(value) = field(message, "boolValue", "bool_value") {
        return if value.is_boolean() { Ok(value.clone()) } else { Err(bad("boolValue")) };
    }
    if let Some(value) = field(message, "intValue", "int_value") {
        let whole = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        return whole.map(Value::from).ok_or_else(|| bad("intValue"));
    }
    if let Some(value) = field(message, "doubleValue", "double_value") {
        let double = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        return double.map(shape::double).ok_or_else(|| bad("doubleValue"));
    }
    if let Some(value) = field(message, "bytesValue", "bytes_value") {
        return if value.is_string() { Ok(value.clone()) } else { Err(bad("bytesValue")) };
    }
    if let Some(value) = field(message, "arrayValue", "array_value") {
        let items = list(value, "values", "values")?.iter().map(|item| any(item, budget, depth + 1));
        return Ok(Value::Array(items.collect::<Result<_, _>>()?));
    }
    if let Some(value) = field(message, "kvlistValue", "kvlist_value") {
        return Ok(Value::Object(pairs(list(value, "values", "values")?, budget, depth + 1)?));
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_of_names_and_numbers_are_read() {
        let span = json!({ "traceId": "0a".repeat(16), "span_id": "0B".repeat(8), "name": "n", "startTimeUnixNano": "5", "end_time_unix_nano": 9,
            "attributes": [{ "key": "k", "value": { "arrayValue": { "values": [{ "intValue": "1" }, { "doubleValue": 0.5 }] } } }],
            "status": { "code": 2, "message": "why" } });
        let request = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span, { "name": "no ids" }] }] }] });
        let received = read(request.to_string().as_bytes()).unwrap();
        assert_eq!((received.spans.len(), received.rejected), (1, 1));
        let read = &received.spans[0];
        assert_eq!((read.trace, read.span, read.start_ns, read.end_ns), ([10; 16], [11; 8], 5, Some(9)));
        assert_eq!((read.status, read.content.message.as_str()), (SpanStatus::Error, "why"));
        assert_eq!(read.content.attributes["k"], json!([1, 0.5]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = read(text.as_bytes());
            let _ = read(json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{ "traceId": text }] }] }] }).to_string().as_bytes());
        }
    }
}
