//! What is said about traces.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::refusal::Refusal;
use super::super::request::{Fields, missing, mistyped};
use super::super::wire::nothing;
use super::wire;
use crate::domain::identity::Caller;
use crate::domain::trace::assessment::{Assessment, AssessmentChange, AssessmentKind};
use crate::service::App;

/// The metadata that names the run of an assessment.
const RUN_KEY: &str = "mlflow.assessment.sourceRunId";

/// Reads an assessment. Times that are not given are 0 here and become now where it is kept.
pub(super) fn read(message: &Value) -> Result<Assessment, Refusal> {
    let (kind, value, error) = if let Some(feedback) = wire::at(message, "feedback") {
        (AssessmentKind::Feedback, wire::at(feedback, "value").cloned().unwrap_or_default(), error(feedback)?)
    } else if let Some(expectation) = wire::at(message, "expectation") {
        (AssessmentKind::Expectation, expected(expectation)?, None)
    } else if let Some(issue) = wire::at(message, "issue") {
        (AssessmentKind::Issue, issue.clone(), None)
    } else {
        return Err(Refusal::invalid("Exactly one of `expectation`, `feedback`, or `issue` should be specified."));
    };
    let source = wire::at(message, "source").cloned().unwrap_or_default();
    let metadata = wire::map(message, "metadata")?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Assessment {
        id: wire::text(message, "assessment_id")?.unwrap_or_default(),
        name: wire::text(message, "assessment_name")?.filter(|name| !name.is_empty()).ok_or_else(|| missing("assessment_name"))?,
        kind,
        value,
        error,
        source_type: source_type(wire::at(&source, "source_type"))?,
        source_id: wire::text(&source, "source_id")?.unwrap_or_default(),
        run_id: metadata.get(RUN_KEY).and_then(Value::as_str).map(str::to_owned),
        span_id: filled(wire::text(message, "span_id")?),
        rationale: wire::text(message, "rationale")?,
        overrides: filled(wire::text(message, "overrides")?),
        valid: wire::at(message, "valid").and_then(Value::as_bool).unwrap_or(true),
        metadata,
        created_at: wire::time(message, "create_time")?.unwrap_or_default(),
        updated_at: wire::time(message, "last_update_time")?.unwrap_or_default(),
    })
}

fn source_type(value: Option<&Value>) -> Result<String, Refusal> {
    const KNOWN: [&str; 4] = ["SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"];
    let found = match value {
        None => KNOWN.first(),
        Some(Value::String(name)) => KNOWN.iter().find(|known| *known == name),
        Some(number) => number.as_u64().and_then(|n| KNOWN.get(usize::try_from(n).ok()?)),
    };
    found.map(|name| (*name).to_owned()).ok_or_else(|| mistyped("source_type", value.unwrap_or(&Value::Null)))
}

fn error(feedback: &Value) -> Result<Option<Value>, Refusal> {
    let Some(error) = wire::at(feedback, "error") else { return Ok(None) };
    let mut kept = Map::new();
    for name in ["error_code", "error_message", "stack_trace"] {
        if let Some(text) = wire::text(error, name)?.filter(|text| !text.is_empty()) {
            kept.insert(name.to_owned(), json!(text));
        }
    }
    Ok(Some(Value::Object(kept)))
}

fn expected(expectation: &Value) -> Result<Value, Refusal> {
    let Some(serialized) = wire::at(expectation, "serialized_value") else {
        return Ok(wire::at(expectation, "value").cloned().unwrap_or_default());
    };
    let format = wire::text(serialized, "serialization_format")?.unwrap_or_default();
    if format != "JSON_FORMAT" {
        return Err(Refusal::invalid(format!("Unknown serialization format: {format}. Only JSON_FORMAT is supported.")));
    }
    let text = wire::text(serialized, "value")?.unwrap_or_default();
    serde_json::from_str(&text).map_err(|e| Refusal::invalid(format!("the expectation's serialized_value is not JSON: {e}")))
}

fn answer(trace_id: &str, assessment: &Assessment) -> Response {
    Json(json!({ "assessment": wire::assessment(trace_id, assessment) })).into_response()
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(trace_id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let assessment = read(fields.value("assessment").ok_or_else(|| missing("assessment"))?)?;
    let made = app.tracking().create_assessment(&caller, &trace_id, assessment).await?;
    Ok(answer(&trace_id, &made))
}

pub(super) async fn get(State(app): State<App>, caller: Caller, Path((trace_id, id)): Path<(String, String)>) -> Result<Response, Refusal> {
    Ok(answer(&trace_id, &app.tracking().get_assessment(&caller, &trace_id, &id).await?))
}

pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path((trace_id, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let message = fields.value("assessment").ok_or_else(|| missing("assessment"))?;
    let mut change = AssessmentChange::default();
    for path in paths(fields.value("update_mask").ok_or_else(|| missing("update_mask"))?)? {
        match path.as_str() {
            "assessment_name" | "assessmentName" => change.name = wire::text(message, "assessment_name")?.filter(|name| !name.is_empty()),
            "expectation" => change.expectation = wire::at(message, "expectation").map(expected).transpose()?,
            "feedback" => {
                if let Some(feedback) = wire::at(message, "feedback") {
                    change.feedback = Some((wire::at(feedback, "value").cloned().unwrap_or_default(), error(feedback)?));
                }
            }
            "rationale" => change.rationale = wire::text(message, "rationale")?,
            "metadata" => change.metadata = wire::map(message, "metadata")?,
            _ => {}
        }
    }
    Ok(answer(&trace_id, &app.tracking().update_assessment(&caller, &trace_id, &id, change).await?))
}

/// Reads which fields change: one text with commas, as protobuf writes it, or a list.
fn paths(mask: &Value) -> Result<Vec<String>, Refusal> {
    match mask {
        Value::String(text) => Ok(text.split(',').map(|path| path.trim().to_owned()).collect()),
        Value::Object(_) => match wire::at(mask, "paths") {
            Some(Value::Array(items)) => Ok(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()),
            _ => Err(mistyped("update_mask", mask)),
        },
        other => Err(mistyped("update_mask", other)),
    }
}

pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((trace_id, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    app.tracking().delete_assessment(&caller, &trace_id, &id).await?;
    Ok(nothing())
}
