//! Traces as MLflow's messages write them: times in RFC 3339, durations in seconds, maps as objects, spans as OpenTelemetry's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::trace::assessment::{Assessment, AssessmentKind};
use crate::domain::trace::span::{REQUEST_ID, SpanStatus, StoredSpan, dumped};
use crate::domain::trace::{Trace, TraceInfo, unhex};
use crate::domain::tracking::Pair;

/// Writes a trace without its spans.
pub(super) fn info(info: &TraceInfo) -> Value {
    let mut wire = json!({
        "trace_id": info.trace_id,
        "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": info.experiment_id } },
        "request_time": Timestamp(info.request_time).to_rfc3339(),
        "state": info.state.as_str(),
    });
    let texts = [
        ("client_request_id", &info.client_request_id),
        ("request_preview", &info.request_preview),
        ("response_preview", &info.response_preview),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            wire[name] = json!(text);
        }
    }
    if let Some(ms) = info.duration_ms() {
        wire["execution_duration"] = json!(duration(ms));
    }
    for (name, pairs) in [("trace_metadata", &info.metadata), ("tags", &info.tags)] {
        if !pairs.is_empty() {
            wire[name] = pairs.iter().map(|Pair { key, value }| (key.clone(), json!(value))).collect::<Map<_, _>>().into();
        }
    }
    if !info.assessments.is_empty() {
        wire["assessments"] = info.assessments.iter().map(|a| assessment(&info.trace_id, a)).collect();
    }
    wire
}

/// Writes milliseconds as protobuf writes a duration.
fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    match (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000) {
        (seconds, 0) => format!("{sign}{seconds}s"),
        (seconds, rest) => format!("{sign}{seconds}.{rest:03}s"),
    }
}

/// Reads a duration of protobuf as milliseconds.
pub(super) fn millis(text: &str) -> Option<i64> {
    let seconds = text.strip_suffix('s')?;
    let (sign, seconds) = seconds.strip_prefix('-').map_or((1, seconds), |rest| (-1, rest));
    let (whole, rest) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) || rest.len() > 9 {
        return None;
    }
    let thousandths: i64 = format!("{:0<3}", rest.get(..3).unwrap_or(rest)).parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(thousandths).map(|ms| sign * ms)
}

/// Writes an assessment.
pub(super) fn assessment(trace_id: &str, a: &Assessment) -> Value {
    let mut wire = json!({
        "assessment_id": a.id,
        "assessment_name": a.name,
        "trace_id": trace_id,
        "source": { "source_type": a.source_type, "source_id": a.source_id },
        "create_time": a.created_at.to_rfc3339(),
        "last_update_time": a.updated_at.to_rfc3339(),
        "valid": a.valid,
    });
    let (name, said) = match a.kind {
        AssessmentKind::Feedback => match &a.error {
            Some(error) => ("feedback", json!({ "value": a.value, "error": error })),
            None => ("feedback", json!({ "value": a.value })),
        },
        AssessmentKind::Expectation if a.value.is_array() || a.value.is_object() => {
            let serialized = json!({ "serialization_format": "JSON_FORMAT", "value": dumped(&a.value) });
            ("expectation", json!({ "serialized_value": serialized }))
        }
        AssessmentKind::Expectation => ("expectation", json!({ "value": a.value })),
        AssessmentKind::Issue => ("issue", a.value.clone()),
    };
    wire[name] = said;
    for (name, text) in [("span_id", &a.span_id), ("rationale", &a.rationale), ("overrides", &a.overrides)] {
        if let Some(text) = text {
            wire[name] = json!(text);
        }
    }
    if !a.metadata.is_empty() {
        wire["metadata"] = json!(a.metadata);
    }
    wire
}

/// Writes a trace with its spans.
pub(super) fn trace(trace: &Trace) -> Value {
    json!({ "trace_info": info(&trace.info), "spans": trace.spans.iter().map(span).collect::<Vec<_>>() })
}

fn span(span: &StoredSpan) -> Value {
    let mut wire = json!({
        "trace_id": otel_id(&span.trace_id),
        "span_id": base64_of(&span.span_id),
        "name": span.name,
        "start_time_unix_nano": span.start_ns,
        "attributes": attributes(&span.content.attributes, Some(&span.trace_id)),
        "status": { "code": format!("STATUS_CODE_{}", span.status.as_str()), "message": span.content.message },
    });
    if let Some(parent) = &span.parent_id {
        wire["parent_span_id"] = json!(base64_of(parent));
    }
    if let Some(end) = span.end_ns {
        wire["end_time_unix_nano"] = json!(end);
    }
    let events = span
        .content
        .events
        .iter()
        .map(|event| json!({ "name": event.name, "time_unix_nano": event.time_ns, "attributes": attributes(&event.attributes, None) }));
    wire["events"] = events.collect();
    let links = span.content.links.iter().map(|link| {
        json!({ "trace_id": otel_id(&link.trace_id), "span_id": base64_of(&link.span_id), "attributes": attributes(&link.attributes, None) })
    });
    wire["links"] = links.collect();
    wire
}

fn otel_id(trace_id: &str) -> String {
    base64_of(trace_id.strip_prefix("tr-").unwrap_or(trace_id))
}

fn base64_of(hex: &str) -> String {
    STANDARD.encode(unhex(hex).unwrap_or_default())
}

fn attributes(map: &Map<String, Value>, trace_id: Option<&str>) -> Value {
    let named = trace_id.map(|id| json!({ "key": REQUEST_ID, "value": { "string_value": id } }));
    let pairs = map.iter().filter(|(key, _)| trace_id.is_none() || *key != REQUEST_ID);
    pairs.map(|(key, value)| json!({ "key": key, "value": any(value) })).chain(named).collect()
}

fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(truth) => json!({ "bool_value": truth }),
        Value::Number(number) if number.is_i64() => json!({ "int_value": number }),
        Value::Number(number) => json!({ "double_value": number }),
        Value::String(text) => json!({ "string_value": text }),
        Value::Array(items) => json!({ "array_value": { "values": items.iter().map(any).collect::<Vec<_>>() } }),
        Value::Object(map) => json!({ "kvlist_value": { "values": attributes(map, None) } }),
    }
}

/// Writes spans as the file `traces.json` has them.
pub(super) fn file(spans: &[StoredSpan]) -> Value {
    let one = |span: &StoredSpan| {
        let mut attributes: Map<String, Value> =
            span.content.attributes.iter().map(|(key, value)| (key.clone(), json!(dumped(value)))).collect();
        attributes.insert(REQUEST_ID.to_owned(), json!(dumped(&json!(span.trace_id))));
        let events = span.content.events.iter();
        let events = events.map(|e| json!({ "name": e.name, "time_unix_nano": e.time_ns, "attributes": e.attributes }));
        json!({
            "trace_id": otel_id(&span.trace_id),
            "span_id": base64_of(&span.span_id),
            "parent_span_id": span.parent_id.as_deref().map(base64_of),
            "name": span.name,
            "start_time_unix_nano": span.start_ns,
            "end_time_unix_nano": span.end_ns,
            "events": events.collect::<Vec<_>>(),
            "status": { "code": status(span.status), "message": span.content.message },
            "attributes": attributes,
            "links": span.content.links,
        })
    };
    json!({ "spans": spans.iter().map(one).collect::<Vec<_>>() })
}

fn status(status: SpanStatus) -> String {
    format!("STATUS_CODE_{}", status.as_str())
}

/// Finds a field by its name or by the name that other languages write.
pub(super) fn at<'a>(message: &'a Value, name: &str) -> Option<&'a Value> {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    message.get(name).or_else(|| message.get(camel)).filter(|value| !value.is_null())
}

/// Reads a text; none when absent.
pub(super) fn text(message: &Value, name: &str) -> Result<Option<String>, Refusal> {
    match at(message, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(super::super::request::mistyped(name, other)),
    }
}

/// Reads a time; none when absent.
pub(super) fn time(message: &Value, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = text(message, name)? else { return Ok(None) };
    Timestamp::parse(&text).map(Some).ok_or_else(|| super::super::request::mistyped(name, &json!(text)))
}

/// Reads an object of texts; a number or a truth value counts as one.
pub(super) fn map(message: &Value, name: &str) -> Result<Map<String, Value>, Refusal> {
    let mistyped = |value: &Value| super::super::request::mistyped(name, value);
    let Some(found) = at(message, name) else { return Ok(Map::new()) };
    let fields = found.as_object().ok_or_else(|| mistyped(found))?;
    let plain = |value: &Value| match value {
        Value::String(text) => Ok(json!(text)),
        Value::Number(_) | Value::Bool(_) => Ok(json!(value.to_string())),
        _ => Err(mistyped(found)),
    };
    fields.iter().map(|(key, value)| Ok((key.clone(), plain(value)?))).collect()
}

/// Reads an object of texts as keys with values.
pub(super) fn pairs(message: &Value, name: &str) -> Result<Vec<Pair>, Refusal> {
    let fields = map(message, name)?.into_iter();
    Ok(fields.map(|(key, value)| Pair { key, value: value.as_str().unwrap_or_default().to_owned() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (ms, text) in [(0, "0s"), (1500, "1.500s"), (-20, "-0.020s"), (60_000, "60s")] {
            assert_eq!((duration(ms).as_str(), millis(text)), (text, Some(ms)));
        }
        assert_eq!(
            (millis("1.5s"), millis("0.000000001s"), millis("1"), millis("xs"), millis("s")),
            (Some(1500), Some(0), None, None, None)
        );
    }

    #[test]
    fn both_spellings_of_a_name_are_found() {
        assert_eq!(at(&json!({ "traceInfo": 1 }), "trace_info"), Some(&json!(1)));
        assert_eq!(at(&json!({ "trace_info": null }), "trace_info"), None);
    }
}
