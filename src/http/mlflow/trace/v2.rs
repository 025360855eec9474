//! Traces as clients before version 3 start, end and find them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::request::{Fields, missing};
use super::{request, state};
use crate::domain::identity::Caller;
use crate::domain::trace::{TraceInfo, TraceState};
use crate::domain::tracking::{DEFAULT_EXPERIMENT_ID, Pair};
use crate::service::App;

/// The latest time that can be written: the end of the year 9999.
const LATEST: i64 = 253_402_300_799_999;

fn wire(info: &TraceInfo) -> Value {
    let pairs = |pairs: &[Pair]| pairs.iter().map(|Pair { key, value }| json!({ "key": key, "value": value })).collect::<Vec<_>>();
    let status = if info.state == TraceState::Unspecified { "TRACE_STATUS_UNSPECIFIED" } else { info.state.as_str() };
    json!({
        "request_id": info.trace_id,
        "experiment_id": info.experiment_id,
        "timestamp_ms": info.request_time,
        "execution_time_ms": info.duration_ms().unwrap_or_default(),
        "status": status,
        "request_metadata": pairs(&info.metadata),
        "tags": pairs(&info.tags),
    })
}

fn time(fields: &Fields) -> Result<i64, Refusal> {
    let time = fields.integer("timestamp_ms")?.unwrap_or_default();
    if !(0..=LATEST).contains(&time) {
        return Err(Refusal::invalid(format!("Invalid value {time} for parameter 'timestamp_ms' supplied.")));
    }
    Ok(time)
}

pub(super) async fn start(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiment_id = fields.text("experiment_id")?.filter(|id| !id.is_empty()).unwrap_or(DEFAULT_EXPERIMENT_ID);
    let info = TraceInfo {
        trace_id: String::new(),
        experiment_id: experiment_id.to_owned(),
        request_time: time(&fields)?,
        end_time: None,
        state: TraceState::InProgress,
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        metadata: fields.pairs("request_metadata")?,
        tags: fields.pairs("tags")?,
        assessments: Vec::new(),
    };
    let made = app.tracking().begin_trace(&caller, info).await?;
    Ok(Json(json!({ "trace_info": wire(&made) })).into_response())
}

pub(super) async fn end(State(app): State<App>, caller: Caller, Path(id): Path<String>, fields: Fields) -> Result<Response, Refusal> {
    let status = state(fields.value("status"))?;
    let (metadata, tags) = (fields.pairs("request_metadata")?, fields.pairs("tags")?);
    let ended = app.tracking().end_trace(&caller, &id, (time(&fields)?, status), (&metadata, &tags)).await?;
    Ok(Json(json!({ "trace_info": wire(&ended) })).into_response())
}

pub(super) async fn get_info(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    let info = app.tracking().get_trace_info(&caller, &id).await?;
    Ok(Json(json!({ "trace_info": wire(&info) })).into_response())
}

pub(super) async fn search(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiments = Some(fields.texts("experiment_ids")?).filter(|ids| !ids.is_empty()).ok_or_else(|| missing("experiment_ids"))?;
    let (found, next) = app.tracking().search_traces(&caller, &request(&fields, experiments)?).await?;
    let mut answer = json!({ "traces": found.iter().map(wire).collect::<Vec<_>>() });
    if let Some(token) = next {
        answer["next_page_token"] = json!(token);
    }
    Ok(Json(answer).into_response())
}
